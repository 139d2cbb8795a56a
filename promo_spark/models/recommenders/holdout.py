"""How good each recommender is: trained on the past, asked about the last days.

Two questions matter in a shop where people buy the same things again: what of all a user bought was in the
list (a slice such as `als`), and what of the products the user had not bought before (`als:new`, whose lists
leave out all that was). A third kind, `blend:due_again`, has the lists as a policy for what was bought would publish
them: so the policies can be compared, too.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from scipy import sparse

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.contracts.vocabulary import FIRST_STAGE_MODELS
from promo_spark.measures.exact_sums import exact_mean
from promo_spark.measures.metric_rows import Figure, MetricRow, metric_rows, metric_struct
from promo_spark.models.recommenders.first_stage.evaluation import TRAITS, Audience, traits_of_lists
from promo_spark.models.recommenders.item_model import NO_ITEM, ItemModel
from promo_spark.models.recommenders.lists import BY_VECTORS, LISTED, Lists, Recommender, ranked_lists
from promo_spark.models.recommenders.preferences import preferences, withheld
from promo_spark.models.recommenders.ranking_metrics import METRICS, bootstrap_interval, hits_of
from promo_spark.models.recommenders.recommendations import UserToRank
from promo_spark.models.recommenders.strengths import CatalogueItem, Purchase
from promo_spark.models.recommenders.top_n import Integers
from promo_spark.models.recommenders.user_batches import Policy, UserBatch, chunks, user_batch

DEPTH = 10  # the K of every @K
_STRUCTS = "structs"
RECOMMENDERS: tuple[Recommender, ...] = ("als", "blend", "buy_again", "popularity", "ranked", *FIRST_STAGE_MODELS)
POLICIES: tuple[Policy, ...] = ("exclude", "keep", "due_again", "not_within_days")
_KNOW_NEW = ("als", "popularity", "ranked", *FIRST_STAGE_MODELS)
UNMEASURED: Recommender = "blend"  # published where the holdout has no users to measure on


class HoldoutPurchases(Frame):
    """One row per user who bought promotable products in the holdout."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    truth = Col(T.ArrayType(T.IntegerType()), "positions in the catalogue of what the user bought", required=True)
    relevant = Col(T.LongType(), "products bought, those that are not in the catalogue too", required=True)


class UserMetrics(Frame):
    """One row per user and contender: how good the user's list is."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    slice = Col(T.StringType(), "the contender", required=True)
    precision = Col(T.DoubleType(), "precision of the user's list", required=True)
    recall = Col(T.DoubleType(), "recall of the user's list", required=True)
    f1 = Col(T.DoubleType(), "their harmonic mean", required=True)
    ndcg = Col(T.DoubleType(), "normalised discounted cumulative gain", required=True)
    map = Col(T.DoubleType(), "average precision, over what a list can hold", required=True)
    map_of_all = Col(T.DoubleType(), "average precision, over all that is relevant", required=True)
    hit_rate = Col(T.DoubleType(), "1 with a hit, else 0", required=True)
    mrr = Col(T.DoubleType(), "1 / rank of the first hit", required=True)
    novelty = Col(T.DoubleType(), "mean −log2(share of users who bought the product); null: an empty list", "bits")
    diversity = Col(T.DoubleType(), "share of pairs of different categories; null: fewer than two products", "share")
    miscalibration = Col(
        T.DoubleType(), "how far the list's categories are from those of the user's products; null: no such", "bits"
    )
    search_recall = Col(
        T.DoubleType(),
        "of the list that comparing all vectors gives, what is in this one; null: all were compared, or none",
        "share",
    )
    items = Col(T.ArrayType(T.IntegerType()), "the list: positions in the catalogue", required=True)


@dataclass(frozen=True)
class Contender:
    """A recommender, and the policy for what was bought. `of_new`: asked only about what the users had not bought."""

    slice: str
    recommender: Recommender
    policy: Policy
    of_new: bool = False


def contenders(listed: Collection[Recommender]) -> tuple[Contender, ...]:
    """All that is measured: each recommender by itself, on new products, and under each policy that it can answer to.

    `listed`: of those whose lists come with the users, the ones that there are.

    >>> [c.slice for c in contenders([]) if c.policy == "due_again"]
    ['als:due_again', 'blend:due_again', 'buy_again:due_again', 'popularity:due_again']
    """
    every = (
        *(Contender(r, r, "keep") for r in RECOMMENDERS),
        *(Contender(f"{r}:new", r, "exclude", of_new=True) for r in RECOMMENDERS if r in _KNOW_NEW),
        *(Contender(f"{r}:{policy}", r, policy) for policy in POLICIES for r in publishable(policy)),
    )
    return tuple(c for c in every if c.recommender in listed or c.recommender not in LISTED)


def publishable(policy: Policy) -> tuple[Recommender, ...]:
    """The recommenders that may be published under a policy: where nothing comes back, those that know new products."""
    return tuple(r for r in RECOMMENDERS if policy != "exclude" or r in _KNOW_NEW)


def holdout_purchases(later: DataFrame, products: DataFrame, items: DataFrame, users: DataFrame) -> DataFrame:
    """One row per user of `users` who bought in the holdout. Purchase, ProductProfile, … → HoldoutPurchases.

    `relevant` also counts products first sold in the holdout, which no recommender can know, so that recall is
    not flattered. Only promotable products count.
    """
    promotable = products.filter(ProductProfile.promotable).select(ProductProfile.product_id)
    positions = items.select(CatalogueItem.product_id, CatalogueItem.item)
    return (
        later.select(Purchase.user_id, Purchase.product_id)
        .distinct()
        .join(F.broadcast(promotable), Purchase.product_id)
        .join(F.broadcast(positions), Purchase.product_id, "left")
        .join(users.select(Purchase.user_id).distinct(), Purchase.user_id, "left_semi")
        .groupBy(Purchase.user_id)
        .agg(
            F.collect_list(CatalogueItem.item).alias(HoldoutPurchases.truth),
            F.count("*").alias(HoldoutPurchases.relevant),
        )
    )


def split_at(bought: DataFrame, cutoff: datetime.date) -> tuple[DataFrame, DataFrame]:
    """Purchase → the purchases before the cutoff, and those from it on: the holdout."""
    day = F.col(Purchase.order_date)
    return bought.filter(day < F.lit(cutoff)), bought.filter(day >= F.lit(cutoff))


def users_on_both_sides(past: DataFrame, later: DataFrame, *, at_most: int) -> DataFrame:
    """One row per user, a sample of those who bought before the cutoff and in the holdout. Purchase → user_id."""
    both = past.join(later, Purchase.user_id, "left_semi")
    return sample_by_hash(both.select(Purchase.user_id).distinct(), at_most)


def sample_by_hash(users: DataFrame, count: int) -> DataFrame:
    """At most `count` users, the same ones whatever the order of the rows."""
    return users.orderBy(F.xxhash64(Purchase.user_id), Purchase.user_id).limit(count)


def audience_of(items: DataFrame, products: DataFrame, users: int) -> Audience:
    """By position in the catalogue: the share of users who bought the product, and its category. → arrays."""
    category = F.coalesce(ProductProfile.category, ProductProfile.department, F.lit(""))
    of_products = products.select(ProductProfile.product_id, category.alias(ProductProfile.category))
    rows = (
        items.join(of_products, CatalogueItem.product_id, "left")
        .orderBy(CatalogueItem.item)
        .select(CatalogueItem.buyers, ProductProfile.category)
        .toArrow()
    )
    names = rows[ProductProfile.category].combine_chunks()
    group = pc.index_in(names, value_set=names.unique()).to_numpy(zero_copy_only=False).astype(np.int64)
    return Audience(rows[CatalogueItem.buyers].to_numpy() / max(users, 1), group)


def user_metrics(
    users: DataFrame, model: ItemModel, *, contenders: Sequence[Contender], repeat_weight: float, audience: Audience
) -> DataFrame:
    """One row per user and contender. UserToRank with HoldoutPurchases → UserMetrics.

    A contender that may show new products only is measured on users who bought something new to them. Where vectors are
    searched, lists by them are also made by comparing all of them, to tell what the search finds.
    """
    exact = replace(model, search=None)

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for chunk in chunks(batch, exact.users_at_once()):
                arrays = user_batch(chunk, model.vectors.shape[1], model.limits)
                not_for = withheld(model, arrays)
                truths, relevant = _truths(chunk)
                history = _history(arrays, len(audience.group))
                preferred = preferences(model, arrays, DEPTH)
                preferred_of_all = preferences(exact, arrays, DEPTH) if model.search is not None else None
                for contender in contenders:
                    made = partial(
                        ranked_lists,
                        model,
                        arrays,
                        recommender=contender.recommender,
                        repeat_weight=repeat_weight,
                        banned=arrays.banned(contender.policy),
                        n=DEPTH,
                        not_for=not_for,
                    )
                    lists, right = made(preferred.copy()), None
                    if preferred_of_all is not None and contender.recommender in BY_VECTORS:
                        right = made(preferred_of_all.copy())
                    of_interest = relevant
                    if contender.of_new:
                        of_interest = relevant - _bought_before(arrays, truths)
                    traits = traits_of_lists(lists.items, history, audience)
                    found = search_recall(lists.items, right.items) if right is not None else None
                    yield _metrics(
                        chunk.column(UserToRank.user_id), contender.slice, lists, truths, of_interest, traits, found
                    )

    columns = (*UserToRank.columns(), HoldoutPurchases.truth, HoldoutPurchases.relevant)
    return users.select(*columns).mapInArrow(rows, UserMetrics.schema())


def holdout_metrics(per_user: DataFrame, catalogue_size: int) -> DataFrame:
    """One row per metric and slice. UserMetrics → MetricRow.

    Means over users; coverage is the share of the catalogue that stands in anybody's list.
    """
    of, n = F.col(UserMetrics.slice), F.count("*")
    listed = F.size(F.array_distinct(F.flatten(F.collect_list(UserMetrics.items))))
    coverage = listed / F.lit(max(1, catalogue_size))
    means = (*METRICS, *TRAITS, UserMetrics.search_recall)
    structs = [metric_struct(f"{metric}@{DEPTH}", of=of, value=exact_mean(metric), n=n) for metric in means]
    structs.append(metric_struct(f"coverage@{DEPTH}", of=of, value=coverage, n=n))
    measured = per_user.groupBy(UserMetrics.slice).agg(F.array(*structs).alias(_STRUCTS))
    searched = F.col(MetricRow.value).isNotNull() | (F.col(MetricRow.metric) != f"{UserMetrics.search_recall}@{DEPTH}")
    return measured.select(F.inline(_STRUCTS)).filter(searched)


def best_recommender(
    measured: Iterable[Figure], policy: Policy, *, champion: Recommender | None = None, margin: float = 0.0
) -> Recommender:
    """The recommender with the highest nDCG under the policy, popularity included; the name decides a tie.

    The `champion`, which made the lists until now, stays unless another is better by more than the share `margin` on
    the same holdout: what is best by a hair on one holdout is not on the next.

    >>> figures = [Figure("ndcg@10", "als:keep", 0.2, 9), Figure("ndcg@10", "popularity:keep", 0.3, 9)]
    >>> best_recommender(figures, "keep"), best_recommender([], "keep")
    ('popularity', 'blend')
    >>> best_recommender(figures, "keep", champion="als", margin=0.6)  # half as much again is no more than that
    'als'
    """
    ndcg = {f.slice: f.value for f in measured if f.metric == f"ndcg@{DEPTH}" and f.value is not None}
    of = {r: ndcg[f"{r}:{policy}"] for r in publishable(policy) if f"{r}:{policy}" in ndcg}
    if not of:
        return UNMEASURED
    best = min(of, key=lambda r: (-of[r], r))
    return champion if champion in of and of[best] <= of[champion] * (1 + margin) else best


def _truths(chunk: pa.RecordBatch) -> tuple[list[np.ndarray], np.ndarray]:
    truth, relevant = (
        chunk.column(HoldoutPurchases.truth),
        chunk.column(HoldoutPurchases.relevant).to_numpy().astype(np.int64),
    )
    ends = np.cumsum(truth.value_lengths().to_numpy(zero_copy_only=False))
    return np.split(np.asarray(truth.flatten(), dtype=np.int64), ends[:-1]), relevant


def _bought_before(users: UserBatch, truths: list[np.ndarray]) -> np.ndarray:
    return np.array([np.isin(t, users.items[users.own(u)]).sum() for u, t in enumerate(truths)], dtype=np.int64)


def ndcg_intervals(per_user: DataFrame, seed: int) -> Iterator[Figure]:
    """Per contender under a policy the ends of the 95% interval of its nDCG, by bootstrap. UserMetrics → figures.

    The users on the driver are those that are measured, recommend.evaluation_users at most.
    """
    of_policies = per_user.filter(F.substring_index(UserMetrics.slice, ":", -1).isin(*POLICIES))
    table = of_policies.select(UserMetrics.slice, UserMetrics.user_id, UserMetrics.ndcg).toArrow()
    table = table.sort_by([(UserMetrics.slice, "ascending"), (UserMetrics.user_id, "ascending")])
    names = np.asarray(table[UserMetrics.slice].to_pylist(), object)
    values = table[UserMetrics.ndcg].to_numpy()
    for name in dict.fromkeys(names):
        of_name = values[names == name]
        for end, value in zip(("lower", "upper"), bootstrap_interval(of_name, seed), strict=True):
            yield Figure(f"ndcg@{DEPTH}_{end}", str(name), value, len(of_name))


def segment_metrics(per_user: DataFrame, segments: DataFrame, contender: str, of: str) -> DataFrame:
    """One row per segment of users as they are now: nDCG of a contender. UserMetrics, Segments → MetricRow.

    Slices are named `of` and the segment's id.
    """
    ids = segments.select(Segments.user_id, Segments.segment_id)
    measured = per_user.filter(F.col(UserMetrics.slice) == contender).join(ids, UserMetrics.user_id)
    by_segment = measured.groupBy(Segments.segment_id).agg(
        exact_mean(UserMetrics.ndcg).alias(UserMetrics.ndcg), F.count("*").alias(MetricRow.n)
    )
    name = F.concat(F.lit(f"{of}:segment="), F.col(Segments.segment_id).cast("string"))
    return metric_rows(by_segment, f"ndcg@{DEPTH}", of=name, value=F.col(UserMetrics.ndcg), n=F.col(MetricRow.n))


def _history(users: UserBatch, items: int) -> sparse.csr_array:
    """Users × catalogue: what the users bought."""
    kept = users.strengths > 0
    user = np.repeat(np.arange(len(users.modelled)), np.diff(users.offsets))[kept]
    shape = (len(users.modelled), items)
    return sparse.csr_array((np.ones(int(kept.sum()), np.float32), (user, users.items[kept])), shape=shape)


def search_recall(found: Integers, right: Integers) -> np.ndarray:
    """Of each right list the share that was found, whatever the order; NaN of an empty one. Users × ranks, twice.

    >>> search_recall(np.array([[4, 2, NO_ITEM]]), np.array([[2, 3, NO_ITEM]])).tolist()
    [0.5]
    """
    there = right != NO_ITEM
    hits = ((right[:, :, None] == found[:, None, :]).any(axis=2) & there).sum(axis=1)
    return np.asarray(np.where(there.any(axis=1), hits / np.maximum(there.sum(axis=1), 1), np.nan))


def _metrics(
    user_ids: pa.Array,
    name: str,
    lists: Lists,
    truths: list[np.ndarray],
    relevant: np.ndarray,
    traits: np.ndarray,
    found: np.ndarray | None,
) -> pa.RecordBatch:
    some = relevant > 0
    items, hits = lists.items[some], hits_of(lists.items, truths)[some]
    listed = [row[row != NO_ITEM] for row in items]
    recall = pa.nulls(len(items), pa.float64())
    if found is not None:
        recall = pa.array(found[some], mask=np.isnan(found[some]))
    return pa.RecordBatch.from_arrays(
        [
            user_ids.filter(pa.array(some)),
            pa.array([name] * len(items), pa.string()),
            *(pa.array(metric(hits, relevant[some], DEPTH), pa.float64()) for metric in METRICS.values()),
            *(pa.array(column, mask=np.isnan(column)) for column in traits[some].T),
            recall,
            pa.array(listed, pa.list_(pa.int32())),
        ],
        names=list(UserMetrics.columns()),
    )
