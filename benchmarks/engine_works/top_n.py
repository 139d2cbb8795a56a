"""The ten best items of every user by vectors of both, from files to a file."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine_works.work import SEED, Engine, Verdict, result
from promo_spark.measures.arrow_lists import lists_of_rows

Floats = NDArray[np.float32]

N, RANK, TASKS = 10, 64, 4
_USERS, _ITEMS = "userFactors", "itemFactors"  # the names of an MLlib model's folders
_SIZES = {
    "tiny": (1_000, 1_000),
    "small": (5_000, 5_000),
    "medium": (50_000, 10_000),
    "large": (1_000_000, 10_000),
}
_CLOSE, _SAME = 1e-4, 0.999


class TopN:
    name = "top_n"
    reference = "numpy"
    about = f"Of every user the {N} best items by vectors of rank {RANK}, as a fit of ALS leaves them."
    tolerance = (
        f"at every rank the score is numpy's within {_CLOSE:g}, and {_SAME:.1%} of the items are the same: the others "
        "are as good to single precision"
    )
    limited_by = "the bare product of users and items in single precision, on this shape, with nothing selected"
    sizes = ("tiny", "small", "medium", "large")

    @property
    def engines(self) -> tuple[Engine, ...]:
        return (
            Engine("faiss", by_faiss, ("faiss",), ("faiss-cpu",), note="IndexFlatIP"),
            Engine("ours", by_ours, ("promo_spark.models.recommenders.recommendations",), spark=True),
            Engine("MLlib", by_mllib, spark=True, note="recommendForAllUsers"),
            Engine("implicit", by_implicit, ("implicit.cpu.topk",), ("implicit",), note="implicit.cpu.topk"),
            Engine("numpy", by_numpy, packages=("numpy",), note="product and argpartition, 1,024 users at a time"),
        )

    def prepare(self, folder: Path, size: str) -> int:
        """Also the file that says that this is a model of MLlib's."""
        rng, (users, items) = np.random.default_rng(SEED), _SIZES[size]
        weight = 1 / np.sqrt(1 + np.arange(RANK))
        popular = np.exp(rng.normal(0, 0.5, (items, 1)))
        for name, vectors in (
            (_USERS, rng.normal(0, 1, (users, RANK)) * weight),
            (_ITEMS, rng.normal(0, 1, (items, RANK)) * weight * popular),
        ):
            features = lists_of_rows(vectors.astype(np.float32))
            table = pa.table({"id": np.arange(len(vectors), dtype=np.int32), "features": features})
            (folder / name).mkdir(parents=True)
            pq.write_table(table, folder / name / "part-0.parquet", row_group_size=-(-len(vectors) // 4))
        model = {
            "class": "org.apache.spark.ml.recommendation.ALSModel",
            "timestamp": 0,
            "sparkVersion": "4.2.0",
            "uid": "als_of_benchmark",
            "paramMap": {},
            "defaultParamMap": {"userCol": "user", "itemCol": "item", "blockSize": 4096},
            "rank": RANK,
        }
        (folder / "metadata").mkdir()
        (folder / "metadata" / "part-00000").write_text(json.dumps(model), encoding="utf-8")
        return users

    def judged(self, _folder: Path, results: Mapping[str, Path]) -> dict[str, Verdict]:
        right = _ranked(results["numpy"])
        return {name: _verdict(right, _ranked(path)) for name, path in results.items()}

    def limit(self, folder: Path) -> float:
        (users, user), (_, item) = (_vectors(folder, name) for name in (_USERS, _ITEMS))
        part, other = user[:1024], np.ascontiguousarray(item.T)
        taken = []
        for _ in range(5):
            started = time.perf_counter()
            part @ other
            taken.append(time.perf_counter() - started)
        return min(taken) * len(users) / len(part)


def by_ours(data: Path, left: Path, spark: Any) -> None:
    """What the job does, the transfer of the items' vectors to the driver included."""
    from pyspark.sql import functions as F

    from promo_spark.models.recommenders.item_model import ItemModel, PopularItems
    from promo_spark.models.recommenders.recommendations import UserToRank, recommended_items

    factors = spark.read.parquet(str(data / _ITEMS)).orderBy("id").toArrow().combine_chunks()
    vectors = np.asarray(factors["features"].combine_chunks().values, np.float32).reshape(-1, RANK)
    nothing = np.empty(0, np.int64)
    items = ItemModel(factors["id"].to_numpy().astype(np.int64), vectors, PopularItems(nothing, nothing), {})
    users = (
        spark.read.parquet(str(data / _USERS))
        .select(
            F.col("id").cast("string").alias(UserToRank.user_id),
            F.lit(0).alias(UserToRank.segment_id),
            F.lit(None).cast(UserToRank.type_of(UserToRank.own)).alias(UserToRank.own),
            UserToRank.features,
            *(F.lit(None).cast(UserToRank.type_of(c)).alias(c) for c in (UserToRank.lists, UserToRank.outside)),
        )
        .repartition(TASKS, UserToRank.user_id)
    )
    lists = recommended_items(users, items, recommender="als", policy="keep", repeat_weight=0.0, top_n=N)
    lists.select(F.col(UserToRank.user_id).cast("int").alias("user"), "rank", "item", "score").write.parquet(str(left))


def by_mllib(data: Path, left: Path, _spark: Any) -> None:
    from pyspark.ml.recommendation import ALSModel
    from pyspark.sql import functions as F

    model = ALSModel.load(str(data))
    lists = model.recommendForAllUsers(N).select("user", F.posexplode("recommendations").alias("rank", "of"))
    lists.select("user", "rank", F.col("of.item").alias("item"), F.col("of.rating").alias("score")).write.parquet(
        str(left)
    )


def by_faiss(data: Path, left: Path, _spark: Any) -> None:
    import faiss

    (users, user), (items, item) = (_vectors(data, name) for name in (_USERS, _ITEMS))
    index = faiss.IndexFlatIP(RANK)
    index.add(item)
    score, place = index.search(user, N)
    _write(left, users, items[place], score)


def by_implicit(data: Path, left: Path, _spark: Any) -> None:
    from implicit.cpu.topk import topk

    (users, user), (items, item) = (_vectors(data, name) for name in (_USERS, _ITEMS))
    place, score = topk(item, user, N, num_threads=2)
    _write(left, users, items[place], score)


def by_numpy(data: Path, left: Path, _spark: Any) -> None:
    (users, user), (items, item) = (_vectors(data, name) for name in (_USERS, _ITEMS))
    places, scores = [], []
    for first in range(0, len(user), 1024):
        of_all = user[first : first + 1024] @ item.T
        place = np.argpartition(-of_all, N - 1, axis=1)[:, :N]
        score = np.take_along_axis(of_all, place, axis=1)
        order = np.argsort(-score, axis=1, kind="stable")
        places.append(np.take_along_axis(place, order, axis=1))
        scores.append(np.take_along_axis(score, order, axis=1))
    _write(left, users, items[np.concatenate(places)], np.concatenate(scores))


def _vectors(data: Path, name: str) -> tuple[NDArray[np.int32], Floats]:
    table = pq.read_table(data / name).combine_chunks()
    flat = np.asarray(table["features"].combine_chunks().values, np.float32)
    return table["id"].to_numpy(), np.ascontiguousarray(flat.reshape(-1, RANK))


def _write(left: Path, users: NDArray[Any], item: NDArray[Any], score: NDArray[Any]) -> None:
    columns = {
        "user": np.repeat(users, N),
        "rank": np.tile(np.arange(N, dtype=np.int32), len(users)),
        "item": item.ravel().astype(np.int32),
        "score": score.ravel().astype(np.float32),
    }
    pq.write_table(pa.table(columns), left)


def _ranked(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Items and scores in order of users and ranks."""
    table = result(path).sort_by([("user", "ascending"), ("rank", "ascending")])
    return table["item"].to_numpy(), table["score"].to_numpy()


def _verdict(right: tuple[NDArray[Any], NDArray[Any]], found: tuple[NDArray[Any], NDArray[Any]]) -> Verdict:
    if len(right[0]) != len(found[0]):
        return Verdict(False, note=f"{len(found[0]):,} entries, not {len(right[0]):,}")
    gap, same = float(np.abs(right[1] - found[1]).max()), float((right[0] == found[0]).mean())
    return Verdict(gap <= _CLOSE and same >= _SAME, note=f"scores within {gap:.0e}, {same:.4%} of the items the same")
