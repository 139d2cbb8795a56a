"""Vectors of users and items from who bought what, by implicit ALS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine_works.purchases import matrix, read_pairs, write_pairs
from engine_works.work import SEED, Engine, Verdict, column, multiplication_rate, result, write
from promo_spark.measures.arrow_lists import lists_of_rows
from promo_spark.models.recommenders.ranking_metrics import hits_of, ndcg_at

RANK, ITERATIONS, ALPHA, RIDGE = 64, 5, 2.0, 0.1
_SIZES = {
    "tiny": (500, 200, 20),
    "small": (3_000, 1_000, 25),
    "medium": (30_000, 6_000, 40),
    "large": (200_000, 20_000, 60),
}
_HELD_OUT, _TOLD = 5, "held_out"  # every fifth pair is kept to judge by
_JUDGED, _DEPTH, _WORSE = 3_000, 10, 0.05
_USERS, _ITEMS = "users.parquet", "items.parquet"


class AlsFit:
    name = "als_fit"
    reference = ""
    about = (
        f"{ITERATIONS} iterations of implicit ALS at rank {RANK}, alpha {ALPHA:g}, on four fifths of generated "
        "purchases; the seconds of an iteration are a fifth of the wall. MLlib multiplies the regularisation by a "
        "user's or item's number of pairs, implicit does not: it is given as much on average. `ours` is what the "
        "job calls, by the settings that are shipped but for rank and iterations."
    )
    tolerance = f"nDCG@{_DEPTH} of the purchases that were held out (quality) is at most {_WORSE:.0%} below the best"
    limited_by = (
        "the products alone of each iteration, 4 d per pair and side and 2 d² for each user and item, at the rate of "
        "the machine's matrix product: what conjugate gradient needs at the least"
    )
    sizes = ("tiny", "small", "medium", "large")

    @property
    def engines(self) -> tuple[Engine, ...]:
        return (
            Engine(
                "implicit", by_conjugate_gradient, ("implicit.als",), ("implicit",), note="use_cg=True, its default"
            ),
            Engine("ours", by_ours, ("promo_spark.models.recommenders.als",), spark=True, note="as shipped"),
            Engine("MLlib", by_mllib, spark=True, note="Cholesky"),
            Engine("implicit, Cholesky", by_cholesky, ("implicit.als",), ("implicit",), note="use_cg=False"),
        )

    def prepare(self, folder: Path, size: str) -> int:
        write_pairs(folder, *_SIZES[size])
        user, item = read_pairs(folder)
        held = np.random.default_rng(SEED).integers(_HELD_OUT, size=len(user)) == 0
        for name, chosen in ((_TOLD, held), ("pairs", ~held)):
            pair = {"user": user[chosen].astype(np.int32), "item": item[chosen].astype(np.int32)}
            write(folder, name, {**pair, "rating": np.ones(int(chosen.sum()), np.float32)})
        return int((~held).sum())

    def judged(self, folder: Path, results: Mapping[str, Path]) -> dict[str, Verdict]:
        quality = {name: _ndcg(folder, path) for name, path in results.items()}
        best = max(quality.values())
        return {name: Verdict(found >= best * (1 - _WORSE), found) for name, found in quality.items()}

    def limit(self, folder: Path) -> float:
        user, item = read_pairs(folder)
        sides = len(np.unique(user)) + len(np.unique(item))
        operations = ITERATIONS * (2 * 4.0 * len(user) * RANK + 2.0 * sides * RANK**2)
        return operations / multiplication_rate()


def by_ours(data: Path, left: Path, spark: Any) -> None:
    from pyspark.sql import functions as F

    from promo_spark.models.recommenders.als import als_factors
    from promo_spark.models.recommenders.strengths import ModelPair
    from promo_spark.settings import load

    pairs = spark.read.parquet(str(data / "pairs.parquet")).select(
        F.col("user").cast("string").alias(ModelPair.user_id),
        ModelPair.item,
        F.col("rating").cast("double").alias(ModelPair.strength),
    )
    settings = load().recommend.model_copy(update={"rank": RANK, "iterations": ITERATIONS})
    factors = als_factors(pairs, settings)
    users = factors.users.select(F.col("user_id").cast("int").alias("id"), "features")
    users.write.parquet(str(left / _USERS))
    _write(left / _ITEMS, factors.items, factors.vectors)


def by_mllib(data: Path, left: Path, spark: Any) -> None:
    from pyspark.ml.recommendation import ALS

    pairs = spark.read.parquet(str(data / "pairs.parquet"))
    model = ALS(rank=RANK, maxIter=ITERATIONS, regParam=RIDGE, alpha=ALPHA, implicitPrefs=True, seed=SEED).fit(pairs)
    model.userFactors.write.parquet(str(left / _USERS))
    model.itemFactors.write.parquet(str(left / _ITEMS))


def by_conjugate_gradient(data: Path, left: Path, _spark: Any) -> None:
    _by_implicit(data, left, use_cg=True)


def by_cholesky(data: Path, left: Path, _spark: Any) -> None:
    _by_implicit(data, left, use_cg=False)


def _by_implicit(data: Path, left: Path, *, use_cg: bool) -> None:
    from implicit.cpu.als import AlternatingLeastSquares

    bought = matrix(*read_pairs(data))
    model = AlternatingLeastSquares(
        factors=RANK,
        regularization=RIDGE * 2 * bought.nnz / sum(bought.shape),
        alpha=ALPHA,
        iterations=ITERATIONS,
        use_cg=use_cg,
        num_threads=2,
        random_state=SEED,
    )
    model.fit(bought, show_progress=False)
    left.mkdir()
    for name, vectors in ((_USERS, model.user_factors), (_ITEMS, model.item_factors)):
        _write(left / name, np.arange(len(vectors)), np.asarray(vectors))


def _write(path: Path, ids: NDArray[Any], vectors: NDArray[Any]) -> None:
    features = lists_of_rows(vectors.astype(np.float32))
    pq.write_table(pa.table({"id": ids.astype(np.int32), "features": features}), path)


def _vectors(path: Path, rows: int) -> NDArray[np.float64]:
    table = result(path)
    found = np.zeros((rows, RANK))
    flat = np.asarray(table["features"].combine_chunks().flatten(), np.float64)
    found[column(table, "id")] = flat.reshape(-1, RANK)
    return found


def _ndcg(folder: Path, path: Path) -> float:
    """Over users with something held out, what they are known to have bought left out of their lists."""
    user, item = read_pairs(folder)
    later_user, later_item = read_pairs(folder, _TOLD)
    shape = (int(max(user.max(), later_user.max())) + 1, int(max(item.max(), later_item.max())) + 1)
    users, items = (_vectors(path / name, rows) for name, rows in zip((_USERS, _ITEMS), shape, strict=True))
    some = np.unique(later_user)[:_JUDGED]
    scores = users[some] @ items.T
    scores[matrix(user, item, shape)[some].nonzero()] = -np.inf
    lists = np.argsort(-scores, axis=1, kind="stable")[:, :_DEPTH]
    order = np.argsort(later_user, kind="stable")
    truths = np.split(later_item[order], np.searchsorted(later_user[order], np.unique(later_user)[1:]))[: len(some)]
    relevant = np.array([len(truth) for truth in truths], np.int64)
    return float(ndcg_at(hits_of(lists, truths), relevant, _DEPTH).mean())
