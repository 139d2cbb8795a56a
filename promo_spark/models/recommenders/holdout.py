"""How good each recommender is: trained on the past, asked about the last days.

Two questions matter in a shop where people buy the same things again: what of all a user bought was in the
list (a slice such as `als`), and what of the products the user had not bought before (`als:new`, whose lists
leave out all that was). A third kind, `blend:due_again`, has the lists as the policy would publish them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.silver import OrderLines
from promo_spark.models.recommenders.lists import (
    NOTHING,
    Lists,
    Recommender,
    Shelf,
    Shoppers,
    chunks,
    preferences,
    ranked_lists,
    shoppers,
)
from promo_spark.models.recommenders.ranking_metrics import METRICS, hits_of

DEPTH = 10  # the K of every @K
_EXACT = T.DecimalType(28, 9)
_FIGURES = f"slice string, {', '.join(f'{m} double' for m in METRICS)}, items array<int>"


@dataclass(frozen=True)
class Candidate:
    """A recommender and what it may not show: nothing is banned, all bought before, or what the policy bans."""

    slice: str
    recommender: Recommender
    bans: str  # none, bought, policy


def candidates(policy: str) -> tuple[Candidate, ...]:
    """All that is measured; those with bans = "policy" are what the job may publish."""
    publishable: tuple[Recommender, ...] = ("als", "blend", "buy_again") if policy != "exclude" else ("als",)
    return (
        *(Candidate(r, r, "none") for r in ("als", "blend", "buy_again", "popularity")),
        Candidate("als:new", "als", "bought"),
        Candidate("popularity:new", "popularity", "bought"),
        *(Candidate(f"{r}:{policy}", r, "policy") for r in publishable),
    )


def bought_later(later: DataFrame, promotable: DataFrame, items: DataFrame, known: DataFrame) -> DataFrame:
    """One row per user known before the holdout who bought in it: (user_id, truth, relevant).

    `truth` are positions in the catalogue; `relevant` also counts products first sold in the holdout, which
    nobody can recommend, so that recall is not flattered. Only promotable products count.
    """
    return (
        later.select(OrderLines.user_id, OrderLines.product_id)
        .distinct()
        .join(F.broadcast(promotable.select(OrderLines.product_id)), OrderLines.product_id)
        .join(F.broadcast(items.select(OrderLines.product_id, "item")), OrderLines.product_id, "left")
        .join(known.select(OrderLines.user_id).distinct(), OrderLines.user_id, "left_semi")
        .groupBy(OrderLines.user_id)
        .agg(F.collect_list("item").alias("truth"), F.count("*").alias("relevant"))
    )


def sample_by_hash(users: DataFrame, count: int) -> DataFrame:
    """At most `count` users, the same ones whatever the order of the rows."""
    return users.orderBy(F.xxhash64(OrderLines.user_id), OrderLines.user_id).limit(count)


def figures_per_user(
    users: DataFrame, shelf: Shelf, *, measured: Sequence[Candidate], repeat_weight: float
) -> DataFrame:
    """One row per user and candidate with the user's figures and list. For `:new` only users with new truth."""

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for chunk in chunks(batch, shelf.users_at_once()):
                group = shoppers(chunk, shelf.vectors.shape[1])
                truths, relevant = _truths(chunk)
                scores = preferences(shelf, group)
                for candidate in measured:
                    lists = ranked_lists(
                        shelf,
                        group,
                        scores.copy(),
                        recommender=candidate.recommender,
                        repeat_weight=repeat_weight,
                        banned=_bans(group, candidate),
                        n=DEPTH,
                    )
                    of_interest = relevant
                    if candidate.bans == "bought":
                        of_interest = relevant - _bought_before(group, truths)
                    yield _figures(candidate.slice, lists, truths, of_interest)

    columns = ("user_id", "segment_id", "own", "features", "truth", "relevant")
    return users.select(*columns).mapInArrow(rows, _FIGURES)


def measured_metrics(per_user: DataFrame, catalogue_size: int) -> DataFrame:
    """One row per metric and slice: (metric, slice, value, n). figures_per_user → Metrics.

    Means over users; coverage is the share of the catalogue that stands in anybody's list.
    """
    means = [F.avg(F.col(m).cast(_EXACT)).cast("double").alias(f"{m}@{DEPTH}") for m in METRICS]
    shown = F.size(F.array_distinct(F.flatten(F.collect_list("items"))))
    coverage = (shown / F.lit(max(1, catalogue_size))).alias(f"coverage@{DEPTH}")
    wide = per_user.groupBy("slice").agg(F.count("*").alias("n"), *means, coverage)
    names = [c for c in wide.columns if c not in ("slice", "n")]
    return wide.unpivot(["slice", "n"], [F.col(f"`{c}`") for c in names], "metric", "value").select(
        "metric", "slice", F.round("value", 6).alias("value"), "n"
    )


def _bans(users: Shoppers, candidate: Candidate) -> np.ndarray:
    if candidate.bans == "policy":
        return users.banned
    return np.full(len(users.items), candidate.bans == "bought")


def _truths(chunk: pa.RecordBatch) -> tuple[list[np.ndarray], np.ndarray]:
    truth, relevant = chunk.column("truth"), chunk.column("relevant").to_numpy().astype(np.int64)
    ends = np.cumsum(truth.value_lengths().to_numpy(zero_copy_only=False))
    return np.split(np.asarray(truth.flatten(), dtype=np.int64), ends[:-1]), relevant


def _bought_before(users: Shoppers, truths: list[np.ndarray]) -> np.ndarray:
    return np.array([np.isin(t, users.items[users.own(u)]).sum() for u, t in enumerate(truths)], dtype=np.int64)


def _figures(name: str, lists: Lists, truths: list[np.ndarray], relevant: np.ndarray) -> pa.RecordBatch:
    some = relevant > 0
    items, hits = lists.items[some], hits_of(lists.items, truths)[some]
    shown = [row[row != NOTHING] for row in items]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([name] * len(items), pa.string()),
            *(pa.array(metric(hits, relevant[some], DEPTH), pa.float64()) for metric in METRICS.values()),
            pa.array(shown, pa.list_(pa.int32())),
        ],
        names=["slice", *METRICS, "items"],
    )
