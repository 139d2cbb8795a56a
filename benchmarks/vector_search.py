"""Lists by vectors, from all products and from those of few cells: seconds, and what is found of the exact lists.

    PYTHONPATH=. .venv/bin/python benchmarks/vector_search.py [--users N] [--products N] [--pairs N] [--probes 4,16,64]

The retailer is that of als_fit.py, the vectors of both are of a fit of rank 64. One thread, as in a task: seconds are
those of `preferences` and `ranked_lists` for up to 20,000 users with all they bought, lists of 20 that hold nothing of
that. Cells are made once, on the driver.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace

import numpy as np
from als_fit import RANK, Matrix, with_als, world, written
from local_session import local_session
from threadpoolctl import threadpool_limits

from promo_spark.models.recommenders.als import als_factors
from promo_spark.models.recommenders.factors import Factors, UserVector
from promo_spark.models.recommenders.holdout import search_recall
from promo_spark.models.recommenders.item_model import ItemModel, PopularItems
from promo_spark.models.recommenders.lists import ranked_lists
from promo_spark.models.recommenders.preferences import preferences
from promo_spark.models.recommenders.top_n import Floats, Integers
from promo_spark.models.recommenders.user_batches import UserBatch
from promo_spark.models.recommenders.vector_search import VectorSearch
from promo_spark.settings import load

N, LISTED = 20, 20_000


def batch(vectors: Floats, known: Matrix, users: Integers) -> UserBatch:
    """Some users, by number, with the pairs that the fit knows."""
    of = known[users]
    of.sort_indices()
    ones = np.ones(of.nnz, bool)
    return UserBatch(
        vectors[users],
        np.asarray(vectors[users].any(axis=1)),
        np.zeros(len(users), np.int64),
        of.indptr.astype(np.int64),
        of.indices.astype(np.int64),
        of.data,
        ones.astype(np.int64),
        ones,
        ones,
    )


def listed(model: ItemModel, vectors: Floats, known: Matrix) -> tuple[Integers, float]:
    """The lists of the first users, and the seconds that they took."""
    found, started = [], time.perf_counter()
    users = np.arange(min(LISTED, len(vectors)))
    for chunk in np.split(users, range(0, len(users), model.users_at_once())[1:]):
        who = batch(vectors, known, chunk)
        lists = ranked_lists(
            model,
            who,
            preferences(model, who, N),
            recommender="als",
            repeat_weight=0.0,
            banned=who.banned("exclude"),
            n=N,
        )
        found.append(lists.items)
    return np.concatenate(found), time.perf_counter() - started


def user_vectors(factors: Factors, users: int) -> Floats:
    """A row per user, by number; zeros of who has none."""
    rows = factors.users.select(UserVector.user_id, UserVector.features).toArrow()
    number = np.array([int(name[1:]) for name in rows[UserVector.user_id].to_pylist()])
    vectors = np.zeros((users, RANK), np.float32)
    flat = rows[UserVector.features].combine_chunks().flatten().to_numpy()
    vectors[number] = flat.reshape(-1, RANK)
    return vectors


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=50_000)
    options.add_argument("--products", type=int, default=100_000)
    options.add_argument("--pairs", type=int, default=3_000_000)
    options.add_argument("--probes", default="16,64,256")
    chosen = options.parse_args()
    settings = with_als(load().recommend, driver_pairs=50_000_000).model_copy(update={"rank": RANK})
    known, _ = world(chosen.users, chosen.products, chosen.pairs)
    spark = local_session("vector_search", memory="8g")
    with tempfile.TemporaryDirectory() as folder:
        written(known, folder)
        factors = als_factors(spark.read.parquet(folder), settings)
        vectors = user_vectors(factors, known.shape[0])
    spark.stop()
    products = np.zeros((known.shape[1], RANK), np.float32)
    products[factors.items] = factors.vectors
    nothing = PopularItems(np.empty(0, np.int64), np.empty(0, np.int64))
    model = ItemModel(np.arange(len(products)), products, nothing, {})
    with threadpool_limits(1):
        right, whole = listed(model, vectors, known)
        print(f"{len(right):,} users of {len(vectors):,}, {len(products):,} products, {known.nnz:,} pairs")
        print(f"all products  {whole:8.1f} s")
        for probes in map(int, chosen.probes.split(",")):
            started = time.perf_counter()
            search = VectorSearch.of(products, probes=probes, seed=settings.seed)
            made = time.perf_counter() - started
            found, seconds = listed(replace(model, search=search), vectors, known)
            recall = float(np.nanmean(search_recall(found, right)))
            print(
                f"{probes:5} cells   {seconds:8.1f} s, {whole / seconds:6.1f} times as fast, recall {recall:.3f}; "
                f"made in {made:.1f} s"
            )


if __name__ == "__main__":
    main()
