"""How many orders users with equal histories are expected to make, as long as nothing is offered."""

from __future__ import annotations

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.schema import Col, Frame
from promo_spark.features.users.activity import UserActivity
from promo_spark.learners.lifetimes import OrderGroups, fitted_orders

_PROFILE = UserProfile.columns()
_WEEK, _DAYS, _DECIMALS = 7, 30, 6
_FITTED = 20_000  # groups, at most, that the fit is made on: more say no more
_USERS = "users"


class OrderExpectation(Frame):
    """One row per group of users with equal histories."""

    orders = _PROFILE[UserProfile.orders]
    bought_weeks = Col(T.LongType(), "whole weeks from the first order to the last", required=True)
    known_weeks = Col(T.LongType(), "whole weeks from the first order to the date", required=True)
    expected_orders_30d = _PROFILE[UserProfile.expected_orders_30d]


_GROUP = (OrderExpectation.orders, OrderExpectation.bought_weeks, OrderExpectation.known_weeks)


def order_expectations(activity: DataFrame, *, least_users: int) -> DataFrame:
    """One row per group of users with orders. UserActivity → OrderExpectation, by BG/NBD (learners/lifetimes.py).

    No rows where fewer users came again than asked for. Groups are few: there are only so many weeks and orders.
    """
    groups = _with_group(activity.filter(F.col(UserActivity.orders) > 0)).groupBy(*_GROUP)
    rows = groups.agg(F.count("*").alias(_USERS)).orderBy(*_GROUP).collect()
    orders, bought, known, users = np.array([tuple(row) for row in rows], np.float64).reshape(-1, 4).T
    if users[orders > 1].sum() < least_users:
        return OrderExpectation.frame(activity.sparkSession)
    some = slice(None, None, len(rows) // _FITTED + 1)  # in order of the histories, so that all kinds are among them
    model = fitted_orders(OrderGroups(orders[some] - 1, bought[some], known[some], users[some]))
    expected = model.expected_orders(orders - 1, bought, known, _DAYS / _WEEK)
    told = [
        {
            **{name: row[name] for name in _GROUP},
            OrderExpectation.expected_orders_30d: round(max(float(e), 0.0), _DECIMALS),
        }
        for row, e in zip(rows, expected, strict=True)
        if np.isfinite(e)  # the hypergeometric function of extreme parameters is not always known
    ]
    return OrderExpectation.frame(activity.sparkSession, told)


def with_expectation(rows: DataFrame, expectations: DataFrame) -> DataFrame:
    """Rows with the columns of UserActivity → the same with `expected_orders_30d`; null: no orders, or not told."""
    return _with_group(rows).join(F.broadcast(expectations), [*_GROUP], "left").drop(*_GROUP[1:])


def _with_group(rows: DataFrame) -> DataFrame:
    tenure = F.col(UserActivity.tenure_days)
    return rows.withColumns(
        {
            OrderExpectation.bought_weeks: _weeks(tenure - F.col(UserActivity.recency_days)),
            OrderExpectation.known_weeks: _weeks(tenure),
        }
    )


def _weeks(days: Column) -> Column:
    return F.floor(days / _WEEK).cast("long")
