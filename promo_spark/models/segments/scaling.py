"""Users on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import UserProfile
from promo_spark.errors import SettingsError
from promo_spark.models.segments.clustering import Labels, Points

RFM = (UserProfile.recency_days, UserProfile.orders_90d, UserProfile.spend_90d)


def checked_features(features: Sequence[str]) -> list[str]:
    """The features, in order; SettingsError where one is no number of UserProfile, an id, or named twice."""
    columns = UserProfile.columns()
    numbers = [n for n, c in columns.items() if isinstance(c.type, T.NumericType) and not n.endswith("_id")]
    wrong = [f for f in features if f not in numbers]
    if wrong or not features or len(set(features)) < len(features):
        raise SettingsError(
            f"segment.features: {', '.join(wrong) or list(features)} cannot be used; name each of one or more "
            f"numbers of features.user_profile once: {', '.join(numbers)}"
        )
    return list(features)


def log_value(feature: str) -> Column:
    """The feature on the scale that groups are formed on: log(1 + x), or x itself for a share.

    Money and counts have heavy tails, and a change of currency unit becomes a shift that standardising
    removes. Below 0 (money back) the logarithm is mirrored.
    """
    x = F.col(feature).cast(T.DoubleType())
    if UserProfile.columns()[feature].unit == "share":
        return x
    return F.signum(x) * F.log1p(F.abs(x))


def user_sample(
    profiles: DataFrame, features: Sequence[str], *, users: int, min_orders: int, seed: int
) -> pd.DataFrame:
    """One row per user of up to `users` with `min_orders` or more orders: the features and RFM on the log scale.

    Drawn and ordered by a hash of the id, so that the same users come back in the same order whatever the
    partitioning. A user with fewer orders gets a segment too, but does not shape the segments.
    """
    order = F.xxhash64(F.lit(seed), F.col(UserProfile.user_id))
    return (
        profiles.filter(F.col(UserProfile.orders) >= min_orders)
        .orderBy(order, UserProfile.user_id)
        .limit(users)
        .select(*[log_value(c).alias(c) for c in sorted({*features, *RFM})])
        .toPandas()
    )


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation per feature on the log scale; a constant feature keeps its unit."""

    features: tuple[str, ...]
    mean: Points
    deviation: Points

    @staticmethod
    def of(sample: pd.DataFrame, features: Sequence[str]) -> Scaling:
        values = sample[list(features)].to_numpy(dtype=float)
        if not len(values):
            return Scaling(tuple(features), np.zeros(len(features)), np.ones(len(features)))
        mean = np.array([np.nanmean(column) if np.isfinite(column).any() else 0.0 for column in values.T])
        filled = np.where(np.isnan(values), mean, values)
        deviation = filled.std(axis=0)
        return Scaling(tuple(features), mean, np.where(deviation > 1e-9, deviation, 1.0))

    def scaled(self, sample: pd.DataFrame) -> Points:
        """Standard deviations from the mean; an unknown value counts as the mean."""
        values = sample[list(self.features)].to_numpy(dtype=float)
        return (np.where(np.isnan(values), self.mean, values) - self.mean) / self.deviation

    def logs(self, centres: Points) -> Points:
        """Scaled centres back on the log scale."""
        return centres * self.deviation + self.mean


def rfm_groups(sample: pd.DataFrame, k: int) -> Labels:
    """k equal groups by the RFM score: quintiles of recency, frequency and money, summed.

    This is the field's plain method, to measure the clusters against.

    >>> users = np.arange(20.0)
    >>> sample = pd.DataFrame({"recency_days": users[::-1], "orders_90d": users, "spend_90d": users})
    >>> rfm_groups(sample, 4).tolist()
    [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3]
    """
    quintiles = [sample[c].rank(method="first", pct=True, ascending=c != RFM[0]).mul(5).apply(np.ceil) for c in RFM]
    score = sum(quintiles[1:], quintiles[0])
    return np.ceil(score.rank(method="first", pct=True).to_numpy() * k).astype(np.int64) - 1
