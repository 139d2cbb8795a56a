"""Fits of implicit ALS: ours in blocks against MLlib's, and against `implicit` where it is installed.

    PYTHONPATH=. .venv/bin/python benchmarks/als_fit.py [--pairs N] [--users N] [--products N] [--rounds N]
        [--iterations N] [--only driver,blocked,sent,mllib,implicit]

Users of fifty tastes are drawn, who buy of their own taste and of all products, popular ones more often; a
tenth of the pairs is held out. Each engine fits rank 64 from the same Parquet, in turns; told are wall and CPU seconds
of an iteration, reading and the last half-step included, and nDCG@10 of the pairs held out of 5,000 users. `implicit`
runs two threads in this process, from arrays that are in memory already.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from engine_works.processes import cpu_seconds
from local_session import local_session
from pyspark.sql import DataFrame
from scipy import sparse

from promo_spark.models.recommenders.als import als_factors
from promo_spark.models.recommenders.factors import Factors
from promo_spark.models.recommenders.ranking_metrics import ndcg_at
from promo_spark.models.recommenders.strengths import ModelPair
from promo_spark.models.recommenders.top_n import top_n
from promo_spark.settings import load
from promo_spark.settings.recommend import RecommendSettings

TASTES, RANK, TOP, JUDGED = 50, 64, 10, 5000
OF_TASTE = 0.6  # share of a user's purchases
Matrix: TypeAlias = sparse.csr_array


def world(users: int, products: int, pairs: int) -> tuple[Matrix, Matrix]:
    """Users × products of strengths: to fit on, and held out."""
    random = np.random.default_rng(1)
    wanted = random.lognormal(0, 0.8, users)
    counts = np.clip(wanted * pairs / wanted.sum(), 5, products // 4).astype(np.int64)
    user = np.repeat(np.arange(users), counts)
    taste, size = random.integers(0, TASTES, users), products // TASTES

    def by_popularity(many: int) -> np.ndarray:
        return np.minimum((many * random.random(len(user)) ** 4).astype(np.int64), many - 1)

    own = random.random(len(user)) < OF_TASTE
    anything = random.permutation(products)[by_popularity(products)]
    product = np.where(own, taste[user] * size + by_popularity(size), anything)
    user, product = np.divmod(np.unique(user * products + product), products)
    strength = 1 + random.exponential(1, len(user))
    held = random.random(len(user)) < 0.1
    whole = [
        sparse.csr_array((strength[of], (user[of], product[of])), shape=(users, products), dtype=np.float32)
        for of in (~held, held)
    ]
    return whole[0], whole[1]


def user_ids(numbers: np.ndarray) -> pa.Array:
    return pa.array([f"u{number:09}" for number in range(int(numbers.max()) + 1)]).take(pa.array(numbers))


def written(matrix: Matrix, folder: str) -> None:
    """The pairs as Parquet, in eight files and in no order."""
    pairs = matrix.tocoo()
    order = np.random.default_rng(2).permutation(pairs.nnz)
    user, product = (of[order].astype(np.int64) for of in pairs.coords)
    rows = pa.table(
        [user_ids(user), pa.array(product, pa.int32()), pa.array(pairs.data[order], pa.float64())],
        names=list(ModelPair.columns()),
    )
    for part in range(8):
        pq.write_table(rows.slice(part * len(rows) // 8, len(rows) // 8 + 1), f"{folder}/{part}.parquet")


def ndcg(users: np.ndarray, products: np.ndarray, known: Matrix, held: Matrix) -> float:
    """Of the pairs held out of some users, by vectors of these users and of all products."""
    chosen = judged_users(held)
    scores = (users @ products.T).astype(np.float32)
    row, column = known[chosen].nonzero()
    scores[row, column] = -np.inf
    best, _ = top_n(scores, TOP)
    truth = held[chosen].toarray() > 0
    return float(ndcg_at(np.take_along_axis(truth, best, axis=1), truth.sum(1), TOP).mean())


def judged_users(held: Matrix) -> np.ndarray:
    there = np.flatnonzero(np.diff(held.indptr))
    return np.sort(np.random.default_rng(3).permutation(there)[:JUDGED])


def of_judged(factors: Factors, known: Matrix, held: Matrix) -> float:
    """nDCG of a fit of ours or of MLlib's; whoever has no vector has zeros."""
    wanted = judged_users(held)
    ids = user_ids(wanted).to_pylist()
    rows = factors.users.filter(factors.users.user_id.isin(ids)).collect()
    found = {row.user_id: row.features for row in rows}
    users = np.array([found.get(user, [0.0] * RANK) for user in ids], np.float32)
    products = np.zeros((known.shape[1], RANK), np.float32)
    products[factors.items] = factors.vectors
    return ndcg(users, products, known, held)


def with_als(settings: RecommendSettings, **given: Any) -> RecommendSettings:
    return settings.model_copy(update={"als": settings.als.model_copy(update=given)})


def by_implicit(known: Matrix, held: Matrix, settings: RecommendSettings) -> Iterator[float]:
    """Fits with two threads, then gives nDCG. Its regularisation is multiplied by nothing: so here by the mean row."""
    als = importlib.import_module("implicit.cpu.als").AlternatingLeastSquares
    confidence = sparse.csr_matrix(known)
    confidence.data = 1 + np.float32(settings.alpha) * confidence.data
    ridge = settings.regularisation * known.nnz / known.shape[0]
    model = als(RANK, regularization=ridge, alpha=1, iterations=settings.iterations, num_threads=2, random_state=1)
    model.fit(confidence, show_progress=False)
    yield 0.0
    yield ndcg(model.user_factors[judged_users(held)], model.item_factors, known, held)


def by_spark(ratings: DataFrame, known: Matrix, held: Matrix, settings: RecommendSettings) -> Iterator[float]:
    """Fits, every user's vector too, then gives nDCG."""
    factors = als_factors(ratings, settings)
    factors.users.write.format("noop").mode("overwrite").save()
    yield 0.0
    yield of_judged(factors, known, held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2_000_000)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--products", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--only", default="driver,blocked,sent,mllib,implicit")
    asked = parser.parse_args()
    known, held = world(asked.users, asked.products, asked.pairs)
    settings = load().recommend.model_copy(update={"rank": RANK, "iterations": asked.iterations})
    spark = local_session("als_fit", memory="8g")
    with tempfile.TemporaryDirectory() as folder:
        written(known, folder)
        ratings = spark.read.parquet(folder)
        print(f"{known.nnz:,} pairs of {asked.users:,} users and {asked.products:,} products, {held.nnz:,} held out")
        engines: dict[str, Callable[[], Iterator[float]]] = {
            name: lambda of=of: by_spark(ratings, known, held, of)  # type: ignore[misc]  # a lambda with a default has no type
            for name, of in {
                "driver": with_als(settings, engine="blocked", driver_pairs=known.nnz),
                "blocked": with_als(settings, engine="blocked", driver_pairs=0, broadcast_mb=1024),
                "sent": with_als(settings, engine="blocked", driver_pairs=0, broadcast_mb=0),
                "mllib": with_als(settings, engine="mllib"),
            }.items()
        }
        engines["implicit"] = lambda: by_implicit(known, held, settings)
        took: dict[str, list[tuple[float, float, float]]] = {name: [] for name in asked.only.split(",")}
        for _ in range(asked.rounds):
            for name, rows in took.items():
                began, used = time.perf_counter(), cpu_seconds(os.getpid())
                fit = engines[name]()
                next(fit)
                wall, cpu = time.perf_counter() - began, cpu_seconds(os.getpid()) - used
                rows.append((wall / asked.iterations, cpu / asked.iterations, next(fit)))
                print(
                    f"  {name:10}{rows[-1][0]:8.2f} s, {rows[-1][1]:8.2f} CPU s an iteration, nDCG@10 {rows[-1][2]:.4f}"
                )
    spark.stop()
    for name, rows in took.items():
        wall, cpu, quality = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{name:10}{wall:8.2f} s {cpu:8.2f} CPU s an iteration, median of {asked.rounds}, nDCG@10 {quality:.4f}")


if __name__ == "__main__":
    main()
