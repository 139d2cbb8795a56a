"""What is known of a user and a product as of a day, and what happened to them next. Plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promo_spark.contracts.model_features import PairFeatures
from promo_spark.contracts.sensitive import declared_features
from promo_spark.features.labels.histories import Floats, Histories, Ints, Span, stacked
from promo_spark.features.labels.users import USER_FEATURES, Rows, user_features

_OF_USER = (
    "recency_days",
    "second_recency_days",
    "tenure_days",
    "order_days",
    "order_days_14",
    "order_days_28",
    "order_days_91",
    "gap_days",
    "silence",
    "basket_lines",
)
PAIR_FEATURES = declared_features(*_OF_USER, *PairFeatures.columns())
PAIR_KINDS = ("never bought", "bought on one day", "bought on several days")
_RECENT, _MONTH = 91, 28
_FEW = 5.0  # pairs' worth of all products' mean, that a product's own figures are drawn to


@dataclass(frozen=True)
class Pairs:
    """One row per user, product and day as of which they are looked at."""

    user: Ints
    product: Ints
    day: Ints
    lookback: int

    def users(self) -> Rows:
        """The rows without the product."""
        return Rows(self.user, self.day, self.lookback)

    def part(self, first: int, end: int) -> Pairs:
        """The rows from one place on and before another."""
        return Pairs(self.user[first:end], self.product[first:end], self.day[first:end], self.lookback)


@dataclass(frozen=True)
class ProductFigures:
    """What the users of a sample tell of each product as of a day, and each one's category.

    `values` has the columns of PairFeatures that are called product_….
    """

    values: Floats
    category: Ints

    @property
    def categories(self) -> int:
        return int(self.category.max(initial=0)) + 1


def product_figures(of: Histories, category_of: Ints, day: int, lookback: int) -> ProductFigures:
    """One row per product: the share of the users who bought it of late, and of its buyers of whom it was bought again.

    Also the mean gap between a user's purchases of it, how regular these are (1 − spread over mean), and how much
    more it is bought in the last 28 days than in those before. Means are drawn to those of all products.
    """
    products, pairs = len(category_of), np.arange(len(of.pair_user))
    end, first = np.full(len(pairs), day), np.full(len(pairs), day - lookback)
    bought = of.bought.within(pairs, first, end)
    days = bought.count
    recent = of.bought.count(pairs, np.full(len(pairs), day - _RECENT), end) > 0
    month = of.bought.count(pairs, np.full(len(pairs), day - _MONTH), end)
    before = of.bought.count(pairs, np.full(len(pairs), day - 2 * _MONTH), np.full(len(pairs), day - _MONTH))
    gap, spread = _gaps(bought)
    again = days > 1

    def summed(values: Ints | Floats | NDArray[np.bool_]) -> Floats:
        total: Floats = np.bincount(of.pair_product, values.astype(np.float64), products).astype(np.float64)
        return total

    # sums of whole numbers, hundredths of a day: the same whatever the order
    buyers, repeaters = summed(days > 0), summed(again)
    gaps = summed(np.rint(np.where(again, np.nan_to_num(gap), 0.0) * 100)) / 100
    spreads = summed(np.rint(np.where(again, np.nan_to_num(spread), 0.0) * 100)) / 100
    mean_gap, mean_spread = (part.sum() / max(repeaters.sum(), 1.0) for part in (gaps, spreads))
    repeat_share = repeaters.sum() / max(buyers.sum(), 1.0)
    own_gap = (gaps + _FEW * mean_gap) / (repeaters + _FEW)
    own_spread = (spreads + _FEW * mean_spread) / (repeaters + _FEW)
    values = stacked(
        [
            summed(recent) / max(of.users, 1),
            (repeaters + _FEW * repeat_share) / (buyers + _FEW),
            own_gap,
            1 - own_spread / np.maximum(own_gap, 1.0),
            (summed(month) + 1) / (summed(before) + 1),
        ]
    )
    return ProductFigures(values, category_of)


def pair_features(of: Histories, rows: Pairs, figures: ProductFigures) -> Floats:
    """One row per row, the columns of PAIR_FEATURES: nothing on or after the row's day, nor before its lookback.

    `figures` are as of the same day. A product that the user never bought has NaN where only its purchases could tell.
    """
    end, first = rows.day, rows.day - rows.lookback
    of_user = _of_users(of, rows)
    pair = of.pair(rows.user, rows.product)
    own = np.flatnonzero(pair >= 0)
    bought = of.bought.within(pair[own], first[own], end[own])
    own, bought = own[bought.count > 0], bought.of_owners(bought.count > 0)

    def of_own(values: Ints | Floats, others: float = np.nan) -> Floats:
        column = np.full(len(end), others)
        column[own] = values
        return column

    def days_of_late(days: int) -> Floats:
        since = np.maximum(end[own] - days, first[own])
        return of_own(of.bought.count(pair[own], since, end[own]), 0.0)

    recency, days = of_own(bought.recency()), of_own(bought.count, 0.0)
    gap, spread = (of_own(values) for values in _gaps(bought))
    order_days = of_user[:, _OF_USER.index("order_days")]
    since = end - np.where(days > 0, recency, rows.lookback).astype(np.int64) + 1
    tastes = of.tastes.within(rows.user * figures.categories + figures.category[rows.product], first, end)
    columns: list[Floats | Ints] = [
        days,
        recency,
        of_own(bought.recency(2)),
        of_own(end[own] - bought.first()),
        days_of_late(_MONTH),
        days_of_late(_RECENT),
        gap,
        spread,
        recency / np.maximum(np.where(np.isnan(gap), figures.values[rows.product, 2], gap), 1.0),
        of_own(bought.total("units") / 1000 / bought.count),
        days / np.where(order_days > 0, order_days, np.nan),
        of.orders.count(rows.user, since, end),
        tastes.count,
        tastes.recency(),
    ]
    return np.column_stack([of_user, stacked(columns), figures.values[rows.product]])


def _of_users(of: Histories, rows: Pairs) -> Floats:
    """The columns _OF_USER of the rows; those of a user and day that follow one another are looked up once."""
    starts = np.ones(len(rows.user), bool)
    starts[1:] = (np.diff(rows.user) != 0) | (np.diff(rows.day) != 0)
    values = user_features(of, Rows(rows.user[starts], rows.day[starts], rows.lookback))
    repeated: Floats = values[:, [USER_FEATURES.index(name) for name in _OF_USER]][np.cumsum(starts) - 1]
    return repeated


def kinds_of_pairs(features: Floats) -> Ints:
    """The place in PAIR_KINDS of each row of `pair_features`."""
    days = features[:, PAIR_FEATURES.index("pair_days")]
    return np.minimum(days, 2).astype(np.int64)


def own_pairs(of: Histories, day: int, lookback: int) -> Pairs:
    """Every user with every product that the user bought in the lookback."""
    pairs = np.arange(len(of.pair_user))
    bought = of.bought.count(pairs, np.full(len(pairs), day - lookback), np.full(len(pairs), day)) > 0
    user = of.pair_user[bought]
    return Pairs(user, of.pair_product[bought], np.full(len(user), day), lookback)


def bought_within(of: Histories, rows: Pairs, days: int) -> Floats:
    """1 where the user buys the product in so many days from the row's day on, else 0."""
    pair = of.pair(rows.user, rows.product)
    count = of.bought.count(np.maximum(pair, 0), rows.day, rows.day + days)
    return np.where(pair >= 0, count > 0, False).astype(np.float64)


def units_within(of: Histories, rows: Pairs, days: int) -> Floats:
    """The units that the user buys of the product in so many days from the row's day on."""
    pair = of.pair(rows.user, rows.product)
    units = of.bought.total("units", np.maximum(pair, 0), rows.day, rows.day + days) / 1000
    return np.where(pair >= 0, units, 0.0)


def _gaps(bought: Span) -> tuple[Floats, Floats]:
    """Mean and spread of the days between the pairs' purchases; NaN of fewer than two, and of fewer than three."""
    count = bought.count
    gaps = np.where(count > 1, count - 1, np.nan)
    reached = np.where(count > 0, bought.first("gap"), 0)
    gap = (bought.total("gap") - reached) / gaps
    squared = (bought.total("gap_squared") - reached * reached) / gaps
    return gap, np.where(count > 2, np.sqrt(np.maximum(squared - gap * gap, 0.0)), np.nan)
