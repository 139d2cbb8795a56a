"""What users are worth in the weeks to come: fitted on counts of equal histories, told of every user by a join."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.predictions import BoughtEntry, CustomerValue, UserHistory
from promo_spark.contracts.schema import Col, Frame
from promo_spark.learners.lifetimes import OrderGroups, OrderModel, WorthModel, fitted_orders, fitted_worth

_DECIMALS = 6
_CENTS = 2
_STEP = 0.02  # of the log: means within two percent count as one
_WEEK = 7


class OrderSummary(Frame):
    """One row per user who ordered: what the value is reckoned from."""

    user_id = Col(T.StringType(), "the user", required=True)
    repeat_days = Col(T.IntegerType(), "order days after the first", required=True)
    recency = Col(T.IntegerType(), "whole weeks from the first to the last order day", required=True)
    weeks = Col(T.IntegerType(), "whole weeks from the first order day to the date", required=True)
    cents = Col(T.LongType(), "hundredths of currency paid on these days", required=True)


class OrderProspect(Frame):
    """One row per group of users with equal history."""

    repeat_days = Col(T.IntegerType(), "order days after the first", required=True)
    recency = Col(T.IntegerType(), "whole weeks from the first to the last order day", required=True)
    weeks = Col(T.IntegerType(), "whole weeks from the first order day to the date", required=True)
    p_alive = Col(T.DoubleType(), "probability that such a user orders again", required=True)
    expected_orders = Col(T.DoubleType(), "order days expected", required=True)


@dataclass(frozen=True)
class ValueModel:
    """The two models, and on how many users they were fitted."""

    orders: OrderModel
    worth: WorthModel
    users: int


_GROUP = (OrderSummary.repeat_days, OrderSummary.recency, OrderSummary.weeks)
_USERS, _BIN = "users", "worth_bin"


def order_summaries(histories: DataFrame, day: int) -> DataFrame:
    """One row per user who ordered. UserHistory, the date as a day since 1970 → OrderSummary."""
    days = F.array_distinct(F.transform(UserHistory.bought, lambda entry: entry[BoughtEntry.day]))
    first, last = F.array_min(days), F.array_max(days)
    cents = F.aggregate(
        UserHistory.bought, F.lit(0).cast("long"), lambda total, entry: total + entry[BoughtEntry.cents]
    )
    return OrderSummary.shaped(
        histories.filter(F.size(UserHistory.bought) > 0).select(
            UserHistory.user_id,
            (F.size(days) - 1).alias(OrderSummary.repeat_days),
            F.floor((last - first) / _WEEK).alias(OrderSummary.recency),
            F.floor((F.lit(day) - first) / _WEEK).alias(OrderSummary.weeks),
            cents.alias(OrderSummary.cents),
        )
    )


def order_groups(summaries: DataFrame) -> OrderGroups:
    """Counts of users with equal histories, in their order. There are no more of them than weeks and days allow."""
    rows = summaries.groupBy(*_GROUP).agg(F.count("*").alias(_USERS)).orderBy(*_GROUP).collect()
    columns = np.array([tuple(row) for row in rows], np.float64).reshape(-1, 4).T
    return OrderGroups(*columns)


def fitted_value(summaries: DataFrame, groups: OrderGroups, *, least_users: int) -> ValueModel | None:
    """The models of all users' orders and their worth; None: fewer users came again, or paid, than asked for."""
    again = float(groups.users[groups.frequency > 0].sum())
    orders = F.col(OrderSummary.repeat_days) + 1
    mean = F.col(OrderSummary.cents) / 100 / orders
    worth_bin = F.floor(F.log(mean) / _STEP).cast("int").alias(_BIN)
    rows = (
        summaries.filter(F.col(OrderSummary.cents) > 0)
        .groupBy(OrderSummary.repeat_days, worth_bin)
        .agg(F.count("*").alias(_USERS))
        .orderBy(OrderSummary.repeat_days, _BIN)
        .collect()
    )
    columns = np.array([tuple(row) for row in rows], np.float64).reshape(-1, 3).T
    if again < least_users or columns[2].sum() < least_users:
        return None
    worth = fitted_worth(columns[0] + 1, np.exp((columns[1] + 0.5) * _STEP), columns[2])
    return ValueModel(fitted_orders(groups), worth, int(groups.users.sum()))


def customer_values(summaries: DataFrame, groups: OrderGroups, model: ValueModel, *, weeks: int) -> DataFrame:
    """One row per user who ordered. OrderSummary → CustomerValue. Users with equal histories expect as many orders."""
    history = (groups.frequency, groups.recency, groups.age)
    prospects = (model.orders.alive(*history), model.orders.expected_orders(*history, float(weeks)))
    rows = [
        {
            OrderProspect.repeat_days: int(frequency),
            OrderProspect.recency: int(recency),
            OrderProspect.weeks: int(age),
            OrderProspect.p_alive: round(float(alive), _DECIMALS),
            OrderProspect.expected_orders: round(max(float(orders), 0.0), _DECIMALS),
        }
        for frequency, recency, age, alive, orders in zip(*history, *prospects, strict=True)
    ]
    of_groups = F.broadcast(OrderProspect.frame(summaries.sparkSession, rows))
    worth = _worth(model.worth)
    return summaries.join(of_groups, list(_GROUP)).select(
        CustomerValue.user_id,
        CustomerValue.repeat_days,
        CustomerValue.weeks,
        CustomerValue.p_alive,
        CustomerValue.expected_orders,
        F.round(worth, _CENTS).alias(CustomerValue.order_worth),
        F.round(F.col(CustomerValue.expected_orders) * worth, _CENTS).alias(CustomerValue.value),
    )


def _worth(model: WorthModel) -> Column:
    """What the next order is expected to be worth: WorthModel.expected_worth as a column."""
    orders = F.col(OrderSummary.repeat_days) + 1
    weight = model.p * orders / (model.p * orders + model.q - 1)
    mean = F.col(OrderSummary.cents) / 100 / orders
    return (1 - weight) * (model.p * model.scale / (model.q - 1)) + weight * mean
