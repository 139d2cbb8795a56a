"""Credit score: how likely an order will not be given back, on the scale of 300 to 850 that lenders use.

A logistic regression on what was seen before the days of the label; points are linear in the log of the odds
(Siddiqi 2006).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.learners.linear import LinearModel, fitted_linear
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.risk.frames import AccountFigures as Figures
from promo_spark.models.risk.frames import CheckedOrder

Floats = NDArray[np.float64]

LOWEST, HIGHEST = 300.0, 850.0
DOUBLES = 20.0  # points that double the odds
_BASE, _BASE_ODDS = 600.0, 50.0  # so many points where fifty orders are kept for each that is not
REFUNDED = "refunded"
NAMES = (
    "orders_per_30d",
    "basket",
    "lines_per_order",
    "coupon_share",
    "returned_share",
    "at_once_share",
    "quiet_share",
    "tenure_days",
    "recency_days",
)


def points(log_odds: Floats) -> Floats:
    """Points of the log of the odds that an order is kept.

    >>> points(np.log([50.0, 100.0, 200.0])).round(6).tolist()
    [600.0, 620.0, 640.0]
    """
    raw = _BASE + DOUBLES / np.log(2) * (log_odds - np.log(_BASE_ODDS))
    clipped: Floats = np.clip(raw, LOWEST, HIGHEST)
    return clipped


def kolmogorov_smirnov(score: Floats, bad: Floats) -> float:
    """The largest distance between the distributions of scores of the bad and of the good. 0: either are none.

    >>> kolmogorov_smirnov(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, 0.0, 0.0]))
    1.0
    """
    if not 0 < bad.sum() < len(bad):
        return 0.0
    order = np.argsort(score, kind="stable")
    last_of_score = np.append(np.diff(score[order]) > 0, True)
    of_bad = np.cumsum(bad[order]) / bad.sum()
    of_good = np.cumsum(1 - bad[order]) / (len(bad) - bad.sum())
    return float(np.abs(of_bad - of_good)[last_of_score].max())


def credit_features(of: Mapping[str, Floats], day: int) -> FeatureTable:
    """Columns of AccountFigures as of a day → NAMES."""
    orders, lines = np.maximum(of[Figures.orders], 1), np.maximum(of[Figures.lines], 1)
    tenure = day - of[Figures.first_day]
    values = [
        of[Figures.orders] / np.maximum(tenure, 30) * 30,
        np.maximum(of[Figures.cents], 0) / orders,
        of[Figures.lines] / orders,
        of[Figures.coupon_orders] / orders,
        of[Figures.returned_lines] / lines,
        of[Figures.at_once_orders] / orders,
        of[Figures.quiet_orders] / orders,
        tenure,
        day - of[Figures.last_day],
    ]
    return FeatureTable(NAMES, np.column_stack(values))


def refunded_users(orders: DataFrame, *, from_day: int) -> DataFrame:
    """One row per user who ordered from that day on: user_id, and 1 if an order of these came back whole, else 0."""
    whole = (F.col(CheckedOrder.returned_lines) >= F.col(CheckedOrder.lines)).cast("double")
    later = orders.filter(F.col(CheckedOrder.day) >= from_day)
    return later.groupBy(CheckedOrder.user_id).agg(F.max(whole).alias(REFUNDED))


def fitted_scorecard(table: FeatureTable, refunded: Floats) -> LinearModel:
    """The regression that tells the chance of a refund."""
    return fitted_linear(table, refunded, logit=True)


def credit_score(model: LinearModel, table: FeatureTable) -> Floats:
    """Points by row; NaN where there is nothing to tell them from."""
    unknown = np.isnan(table.values).all(axis=1)
    return np.where(unknown, np.nan, points(-model.contributions(table).sum(axis=1)))
