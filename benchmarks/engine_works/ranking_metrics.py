"""Precision, recall, nDCG and MAP of ranked lists against what was bought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine_works.work import SEED, Engine, Verdict, reading_rate, result, write

AT = 10
METRICS = ("precision", "recall", "ndcg", "map")
_MLLIB = ("precisionAtK", "recallAtK", "ndcgAtK", "meanAveragePrecisionAtK")
_USERS = {"tiny": 1_000, "small": 20_000, "medium": 500_000, "large": 2_000_000}
_ITEMS, _BOUGHT, _LISTS = 1_000, 12, "lists"
_CLOSE = 1e-9


class RankingMetrics:
    name = "ranking_metrics"
    reference = "numpy"
    about = (
        f"{', '.join(METRICS)} at {AT}, as means over users: lists of {AT} items against up to {_BOUGHT} bought. "
        "Ours is the holdout's functions of arrays in Spark's batches."
    )
    tolerance = f"each mean is the plain loop's within {_CLOSE:g}"
    limited_by = "reading lists and purchases once from memory, four bytes each"
    sizes = ("tiny", "small", "medium", "large")

    @property
    def engines(self) -> tuple[Engine, ...]:
        return (
            Engine("numpy", by_numpy, packages=("numpy",), note="a loop over the users, sums in numpy"),
            Engine("ours", by_ours, ("promo_spark.models.recommenders.ranking_metrics",), spark=True),
            Engine("MLlib", by_mllib, spark=True, note="RankingEvaluator, a pass for each metric"),
            Engine("ours without Spark", by_arrays, ("promo_spark.models.recommenders.ranking_metrics",), ("numpy",)),
        )

    def prepare(self, folder: Path, size: str) -> int:
        rng, users = np.random.default_rng(SEED), _USERS[size]
        # different items of one list: a start and steps
        steps = np.cumsum(rng.integers(1, _ITEMS // AT, (users, AT)), axis=1) % _ITEMS
        listed = pa.ListArray.from_arrays(
            np.arange(0, users * AT + 1, AT, dtype=np.int32), pa.array(steps.astype(np.float64).ravel())
        )
        count = rng.integers(1, _BOUGHT + 1, users)
        first = np.repeat(rng.integers(_ITEMS, size=users), count)
        before = np.repeat(np.cumsum(count) - count, count)
        bought = (first + 7 * (np.arange(len(first)) - before)) % _ITEMS
        ends = np.r_[0, np.cumsum(count)].astype(np.int32)
        truth = pa.ListArray.from_arrays(ends, pa.array(bought.astype(np.float64)))
        write(folder, _LISTS, {"listed": listed, "bought": truth})
        return users

    def judged(self, _folder: Path, results: Mapping[str, Path]) -> dict[str, Verdict]:
        means = {
            name: np.array([result(path)[metric][0].as_py() for metric in METRICS]) for name, path in results.items()
        }
        gaps = {name: float(np.abs(found - means["numpy"]).max()) for name, found in means.items()}
        return {
            name: Verdict(gap <= _CLOSE, note=f"largest gap {gap:.0e}" if gap else "") for name, gap in gaps.items()
        }

    def limit(self, folder: Path) -> float:
        table = pq.read_table(folder / f"{_LISTS}.parquet")
        values = sum(len(table[name].combine_chunks().flatten()) for name in table.column_names)
        return values * 4 / reading_rate()


def of_users(batch: pa.RecordBatch) -> list[np.ndarray[Any, Any]]:
    """The metrics of each user, by metric."""
    from promo_spark.models.recommenders.ranking_metrics import METRICS as FUNCTIONS
    from promo_spark.models.recommenders.ranking_metrics import hits_of

    listed = np.asarray(batch.column("listed").flatten(), np.float64).reshape(-1, AT)
    bought = batch.column("bought")
    relevant = bought.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    truths = np.split(np.asarray(bought.flatten(), np.float64), np.cumsum(relevant)[:-1])
    hits = hits_of(listed, truths)
    return [FUNCTIONS[metric](hits, relevant, AT) for metric in METRICS]


def by_ours(data: Path, left: Path, spark: Any) -> None:
    from pyspark.sql import functions as F

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if len(batch):
                yield pa.RecordBatch.from_arrays([pa.array(of) for of in of_users(batch)], names=list(METRICS))

    lists = spark.read.parquet(str(data / f"{_LISTS}.parquet"))
    users = lists.mapInArrow(rows, ", ".join(f"{metric} double" for metric in METRICS))
    users.agg(*(F.mean(metric).alias(metric) for metric in METRICS)).write.parquet(str(left))


def by_arrays(data: Path, left: Path, _spark: Any) -> None:
    batches = pq.ParquetFile(data / f"{_LISTS}.parquet").iter_batches(10_000)
    parts = [of_users(batch) for batch in batches]
    _write(left, [float(np.concatenate(of).mean()) for of in zip(*parts, strict=True)])


def by_mllib(data: Path, left: Path, spark: Any) -> None:
    from pyspark.ml.evaluation import RankingEvaluator

    lists = spark.read.parquet(str(data / f"{_LISTS}.parquet")).persist()
    _write(
        left,
        [
            RankingEvaluator(predictionCol="listed", labelCol="bought", metricName=name, k=AT).evaluate(lists)  # type: ignore[arg-type]  # its stubs lack some names
            for name in _MLLIB
        ],
    )
    lists.unpersist()


def by_numpy(data: Path, left: Path, _spark: Any) -> None:
    table = pq.read_table(data / f"{_LISTS}.parquet")
    listed = table["listed"].combine_chunks().flatten().to_numpy().reshape(-1, AT).tolist()
    bought = table["bought"].to_pylist()
    discounts = 1 / np.log2(np.arange(2, AT + 2))
    best = np.cumsum(discounts)
    sums = np.zeros(len(METRICS))
    for items, truth in zip(listed, bought, strict=True):
        own = set(truth)
        hits = np.array([item in own for item in items])
        some = min(len(own), AT)
        precisions = np.cumsum(hits) / np.arange(1, AT + 1)
        sums += (
            hits.sum() / AT,
            hits.sum() / len(own),
            hits @ discounts / best[some - 1],
            (precisions * hits).sum() / some,
        )
    _write(left, (sums / len(listed)).tolist())


def _write(left: Path, means: list[float]) -> None:
    pq.write_table(pa.table({metric: [mean] for metric, mean in zip(METRICS, means, strict=True)}), left)
