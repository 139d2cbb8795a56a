"""Users in groups by k-means: from the profiles as a file to a group for each user."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine_works.work import SEED, Engine, Verdict, multiplication_rate, reading_rate, result, write
from promo_spark.contracts.features import UserProfile

Floats = NDArray[np.float64]

K = 6
FEATURES = (
    UserProfile.orders_90d,
    UserProfile.spend_90d,
    UserProfile.orders_per_30d,
    UserProfile.spend,
    UserProfile.recency_days,
    UserProfile.tenure_days,
    UserProfile.basket_value,
    UserProfile.basket_median,
    UserProfile.basket_lines,
    UserProfile.coupons_redeemed,
    UserProfile.discounted_lines_share,
    UserProfile.discount_share,
)
_SHARES = (UserProfile.discounted_lines_share, UserProfile.discount_share)
_USERS = {"tiny": 2_000, "small": 50_000, "medium": 1_000_000, "large": 5_000_000}
_LABEL, _PROFILES = "label", "profiles"
_WORSE = 0.01


class KMeans:
    name = "kmeans"
    reference = ""
    about = (
        f"Users with {len(FEATURES)} features to {K} groups: logarithms (shares as they are) in standard deviations, "
        "the fit, and the group of each user. The groups that are drawn lie well apart, so that few points suffice to "
        "find them: this measures time, and says little of who finds better groups. Ours fits a sample of 20,000 users "
        "four times and keeps the best, as the job does; MLlib's is one start with its defaults, by rows and by blocks."
    )
    tolerance = f"the mean squared distance to the group's mean (quality) is within {_WORSE:.0%} of the least"
    limited_by = "reading the features once, as single precision, and comparing each user with each centre once"
    sizes = ("tiny", "small", "medium", "large")

    @property
    def engines(self) -> tuple[Engine, ...]:
        return (
            Engine("scikit-learn", by_sklearn, ("sklearn.cluster",), ("scikit-learn",), note="n_init=10"),
            Engine("ours", by_ours, ("promo_spark.models.segments.assignment",), spark=True),
            Engine("MLlib row", by_mllib_rows, spark=True),
            Engine("MLlib block", by_mllib_blocks, spark=True),
            Engine("faiss", by_faiss, ("faiss",), ("faiss-cpu",), note="fits 256 users per group, its default"),
        )

    def prepare(self, folder: Path, size: str) -> int:
        users, rng = _USERS[size], np.random.default_rng(SEED)
        centres = rng.normal(0, 1.5, (K, len(FEATURES)))
        points = centres[rng.integers(K, size=users)] + rng.normal(0, 1, (users, len(FEATURES)))
        columns = {
            name: np.clip(0.5 + 0.1 * x, 0, 1) if name in _SHARES else np.expm1(np.maximum(3 + 0.4 * x, 0))
            for name, x in zip(FEATURES, points.T, strict=True)
        }
        ids = pc.binary_join_element_wise("u", pa.array(np.arange(users)).cast(pa.string()), "")
        orders = np.full(users, 5, np.int64)
        write(folder, _PROFILES, {UserProfile.user_id: ids, UserProfile.orders: orders, **columns})
        return users

    def judged(self, folder: Path, results: Mapping[str, Path]) -> dict[str, Verdict]:
        table = _input(folder)
        points, users = _scaled(table), table[UserProfile.user_id].combine_chunks()
        costs = {name: _cost(points, users, result(path)) for name, path in results.items()}
        least = min(costs.values())
        return {name: Verdict(cost <= least * (1 + _WORSE), cost) for name, cost in costs.items()}

    def limit(self, folder: Path) -> float:
        cells = pq.ParquetFile(folder / f"{_PROFILES}.parquet").metadata.num_rows * len(FEATURES)
        return float(cells * 4 / reading_rate() + 2.0 * cells * K / multiplication_rate())


def by_ours(data: Path, left: Path, spark: Any) -> None:
    from promo_spark.contracts.models import Segments
    from promo_spark.contracts.vocabulary import VALUE
    from promo_spark.models.segments.algorithms import KMEANS, found_groups
    from promo_spark.models.segments.assignment import segments
    from promo_spark.models.segments.clustering import Effort
    from promo_spark.models.segments.drift import Nearness
    from promo_spark.models.segments.scaling import Scaling, user_sample
    from promo_spark.models.segments.stored import FittedSegments
    from promo_spark.settings import load

    settings, date = load().segment, datetime.date(2017, 12, 1)
    profiles = spark.read.parquet(str(data / f"{_PROFILES}.parquet"))
    # the sample's recency, orders and spend are among the features
    sample = user_sample(
        profiles, FEATURES, users=settings.sample_users, min_orders=settings.min_orders, seed=settings.seed
    )
    scaling = Scaling.of(sample, FEATURES)
    effort = Effort(settings.starts, settings.max_iterations, settings.seed)
    points = scaling.scaled(sample)
    groups = found_groups(spark, points, FEATURES, K, algorithm=KMEANS, min_share=settings.min_share, effort=effort)
    ids = tuple(range(1, K + 1))
    near = Nearness.of(points, groups.prototypes)
    fitted = FittedSegments(
        VALUE, scaling, KMEANS, groups.centres, groups.prototypes, ids, tuple(map(str, ids)), near, date, "", {}
    )
    assigned = segments(profiles, fitted, None, before=None, stay=settings.stay_margin)
    assigned.select(Segments.user_id, assigned[Segments.segment_id].alias(_LABEL)).write.parquet(str(left))


def by_mllib_rows(data: Path, left: Path, spark: Any) -> None:
    _by_mllib(data, left, spark, "row")


def by_mllib_blocks(data: Path, left: Path, spark: Any) -> None:
    _by_mllib(data, left, spark, "block")


def _by_mllib(data: Path, left: Path, spark: Any, solver: str) -> None:
    from pyspark.ml.clustering import KMeans as Means
    from pyspark.ml.feature import StandardScaler, VectorAssembler
    from pyspark.sql import functions as F

    logs = [(F.col(c) if c in _SHARES else F.log1p(c)).alias(c) for c in FEATURES]
    users = spark.read.parquet(str(data / f"{_PROFILES}.parquet")).select(UserProfile.user_id, *logs)
    vectors = VectorAssembler(inputCols=list(FEATURES), outputCol="logs").transform(users)
    scaler = StandardScaler(inputCol="logs", outputCol="features", withMean=True).fit(vectors)
    scaled = scaler.transform(vectors).select(UserProfile.user_id, "features").persist()
    model = Means(k=K, seed=SEED, solver=solver, predictionCol=_LABEL).fit(scaled)
    model.transform(scaled).select(UserProfile.user_id, _LABEL).write.parquet(str(left))
    scaled.unpersist()


def by_sklearn(data: Path, left: Path, _spark: Any) -> None:
    from sklearn.cluster import KMeans as Means

    table = _input(data)
    _write(left, table, Means(K, n_init=10, random_state=SEED).fit_predict(_scaled(table)))


def by_faiss(data: Path, left: Path, _spark: Any) -> None:
    import faiss

    table = _input(data)
    points = np.ascontiguousarray(_scaled(table), np.float32)
    found = faiss.Kmeans(len(FEATURES), K, seed=SEED % 10_000)
    found.train(points)
    _, label = found.index.search(points, 1)
    _write(left, table, label[:, 0])


def _input(data: Path) -> pa.Table:
    return pq.read_table(data / f"{_PROFILES}.parquet", columns=[UserProfile.user_id, *FEATURES])


def _scaled(table: pa.Table) -> Floats:
    """Users × features: logarithms, but for shares, in standard deviations from the mean of all."""
    values = np.column_stack([table[c].to_numpy() if c in _SHARES else np.log1p(table[c].to_numpy()) for c in FEATURES])
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0), np.float64)


def _write(left: Path, table: pa.Table, label: NDArray[Any]) -> None:
    columns = {UserProfile.user_id: table[UserProfile.user_id], _LABEL: label.astype(np.int32)}
    pq.write_table(pa.table(columns), left)


def _cost(points: Floats, users: pa.Array, found: pa.Table) -> float:
    """Mean squared distance to the mean of the own group; without end where a user has no group."""
    place = pc.index_in(users, value_set=found[UserProfile.user_id].combine_chunks())
    if place.null_count or found.num_rows != len(users):
        return float("inf")
    label = found[_LABEL].to_numpy()[place.to_numpy()]
    of_groups = (points[label == g] for g in np.unique(label))
    return float(sum(((of_group - of_group.mean(axis=0)) ** 2).sum() for of_group in of_groups)) / len(points)
