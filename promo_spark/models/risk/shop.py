"""What is usual in the shop, from how many orders and users there are of each count: what accounts are judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.models.risk.chances import RULE_OF_THREE, median_and_mad
from promo_spark.models.risk.frames import AccountFigures, CheckedOrder, SharedDigest

Floats = NDArray[np.float64]

_HOURS = 24
_LEAST_CAP, _CAPPED = 2, 0.95  # what a user is counted for at most, so that cheats do not make the usual
_MOST = 1000  # counts above are told as this
OPENED = "opened"
SHARING = "sharing"
NEW, NEW_COUPON = "new", "new_coupon"
COUNTED = (
    AccountFigures.at_once_orders,
    AccountFigures.returned_lines,
    AccountFigures.again_lines,
    AccountFigures.quiet_orders,
    AccountFigures.coupon_orders,
    AccountFigures.most_orders,
    AccountFigures.most_coupons,
)


class HourFigures(Frame):
    """One row per hour of the day with orders."""

    hour = Col(T.IntegerType(), "the hour, UTC", required=True)
    orders = Col(T.LongType(), "orders in it", required=True)
    lines = Col(T.LongType(), "lines of these", required=True)
    cents = Col(T.LongType(), "hundredths of currency paid for them", required=True)
    first_day = Col(T.IntegerType(), "the first day with one, counted from 1970-01-01", required=True)


class CountOfCount(Frame):
    """One row per measure and value: how many users, or days, have it."""

    measure = Col(T.StringType(), "what is counted", required=True)
    value = Col(T.LongType(), "the count", required=True)
    times = Col(T.LongType(), "how many have it", required=True)


@dataclass(frozen=True)
class Hours:
    """When the shop's orders are placed."""

    orders: int
    lines: int
    cents: int
    first_day: int
    shares: tuple[float, ...]  # of orders, by hour
    quiet: tuple[int, ...]  # hours

    @property
    def mean_basket(self) -> float:
        """In hundredths of currency; 0: no orders."""
        return self.cents / self.orders if self.orders else 0.0


def hour_figures(orders: DataFrame) -> DataFrame:
    """One row per hour with orders. CheckedOrder → HourFigures."""
    return orders.groupBy(CheckedOrder.hour).agg(
        F.count("*").alias(HourFigures.orders),
        F.sum(CheckedOrder.lines).alias(HourFigures.lines),
        F.sum(CheckedOrder.cents).alias(HourFigures.cents),
        F.min(CheckedOrder.day).alias(HourFigures.first_day),
    )


def hours(rows: Sequence[Mapping[str, int]], quiet_share: float) -> Hours:
    """HourFigures → when orders are placed. Quiet: the hours with fewest orders, which hold `quiet_share` together.

    >>> night, noon = ({"hour": h, "orders": n, "lines": n, "cents": n, "first_day": 9} for h, n in ((3, 1), (12, 199)))
    >>> of = hours([night, noon], 0.01)
    >>> of.shares[12], 3 in of.quiet, 12 in of.quiet, of.mean_basket
    (0.995, True, False, 1.0)
    """
    counts = np.zeros(_HOURS)
    for row in rows:
        counts[row[HourFigures.hour]] = row[HourFigures.orders]
    total = counts.sum()
    order = np.argsort(counts, kind="stable")
    quiet = order[np.cumsum(counts[order]) <= quiet_share * total] if total else order[:0]
    lines, cents = (sum(row[name] for row in rows) for name in (HourFigures.lines, HourFigures.cents))
    first = min((row[HourFigures.first_day] for row in rows), default=0)
    shares = tuple((counts / max(total, 1)).tolist())
    return Hours(int(total), lines, cents, first, shares, tuple(sorted(int(h) for h in quiet)))


def counts_of_figures(figures: DataFrame, *, opened_from: int | None) -> DataFrame:
    """How many users there are of each count. AccountFigures with the day opened, if known → CountOfCount.

    `opened_from`: accounts opened from this day on are new ones, of which first orders are looked at for themselves.
    """
    counted = [_measured(name, F.least(F.col(name), F.lit(_MOST))) for name in COUNTED]
    if opened_from is not None:
        new = F.coalesce(F.col(OPENED) >= opened_from, F.lit(False)).cast("long")
        counted += [_measured(NEW, new), _measured(NEW_COUPON, new * F.col(AccountFigures.first_with_coupon))]
    return _counted(figures.select(F.inline(F.array(*counted))))


def counts_of_sharing(digests: DataFrame) -> DataFrame:
    """How many digests so many accounts have. Any with a row per account and digest → CountOfCount."""
    accounts = digests.groupBy(SharedDigest.of).agg(F.count("*").alias(SharedDigest.accounts))
    return _counted(accounts.select(_measured(SHARING, F.col(SharedDigest.accounts)).alias("m")).select("m.*"))


def counts_of_openings(users: DataFrame) -> DataFrame:
    """How many accounts were opened on each day. Any with the day opened → CountOfCount."""
    dated = users.filter(F.col(OPENED).isNotNull())
    return _counted(dated.select(_measured(OPENED, F.col(OPENED).cast("long")).alias("m")).select("m.*"))


def _measured(name: str, value: Column) -> Column:
    return F.struct(F.lit(name).alias(CountOfCount.measure), value.cast("long").alias(CountOfCount.value))


def _counted(rows: DataFrame) -> DataFrame:
    return rows.groupBy(CountOfCount.measure, CountOfCount.value).agg(F.count("*").alias(CountOfCount.times))


@dataclass(frozen=True)
class Shop:
    """What accounts are judged by. Rates of what an honest account does; None: the shop's data do not tell.

    `usual_orders` and `usual_coupons`: median and MAD of the roots of the counts of the fullest day. `openings`: day →
    accounts opened on it.
    """

    hours: Hours
    at_once: float | None  # per order
    returned: float | None  # per line
    again: float | None  # per line returned
    quiet: float | None  # per order
    first_coupon: float | None  # per first order of a new account
    later_coupon: float | None  # per other order
    usual_orders: tuple[float, float]
    usual_coupons: tuple[float, float]
    shares_digest: float | None  # accounts' digests that others have too, as a share
    sharing: float  # median of the accounts that share one
    hubs: int  # digests that more accounts share than make a ring
    openings: Mapping[int, int]


def shop_figures(of: Hours, counts: Sequence[Mapping[str, Any]], *, largest_ring: int) -> Shop:
    """Hours and CountOfCount → what is usual."""
    by: dict[str, dict[int, int]] = {}
    for row in counts:
        by.setdefault(row[CountOfCount.measure], {})[row[CountOfCount.value]] = row[CountOfCount.times]
    returned = _total(by, AccountFigures.returned_lines)
    new, first = _total(by, NEW), _total(by, NEW_COUPON)
    coupons = _total(by, AccountFigures.coupon_orders)
    back = returned > 0
    groups = by.get(SHARING, {})
    every = sum(size * times for size, times in groups.items())
    several = {size: times for size, times in groups.items() if 2 <= size <= largest_ring}
    shared = sum(size * times for size, times in several.items())
    return Shop(
        hours=of,
        at_once=_rate(by, AccountFigures.at_once_orders, of.orders) if back else None,
        returned=_rate(by, AccountFigures.returned_lines, of.lines) if back else None,
        again=_rate(by, AccountFigures.again_lines, returned) if back else None,
        quiet=_rate(by, AccountFigures.quiet_orders, of.orders) if of.quiet and of.orders else None,
        first_coupon=_share(first, new) if coupons and new else None,
        later_coupon=_share(coupons - first, of.orders - new) if coupons else None,
        usual_orders=_usual(by, AccountFigures.most_orders),
        usual_coupons=_usual(by, AccountFigures.most_coupons),
        shares_digest=_share(shared, every) if every else None,
        sharing=float(np.median(np.repeat(list(several), list(several.values())))) if several else 2.0,
        hubs=sum(times for size, times in groups.items() if size > largest_ring),
        openings=by.get(OPENED, {}),
    )


def _total(by: Mapping[str, Mapping[int, int]], measure: str) -> int:
    return sum(value * times for value, times in by.get(measure, {}).items())


def _rate(by: Mapping[str, Mapping[int, int]], measure: str, of: int) -> float:
    """The mean rate, users with the most counted for what one in twenty reaches; what never happened may still.

    >>> _rate({"m": {0: 990, 1: 9, 40: 1}}, "m", 1000)
    0.014
    """
    counts = by.get(measure, {})
    value = np.array(sorted(counts), np.float64)
    until = np.cumsum([counts[int(v)] for v in value])
    cap = max(_LEAST_CAP, float(value[np.searchsorted(until, _CAPPED * until[-1])])) if len(value) else _LEAST_CAP
    counted = sum(min(v, cap) * counts[int(v)] for v in value)
    return float((counted + RULE_OF_THREE) / max(of, 1))


def _share(part: int, whole: int) -> float:
    """With a success and a failure added, so that nothing is impossible."""
    return (max(part, 0) + 1) / (max(whole, 0) + 2)


def _usual(by: Mapping[str, Mapping[int, int]], measure: str) -> tuple[float, float]:
    counts = by.get(measure, {})
    return median_and_mad(np.array(list(counts), np.float64), np.array(list(counts.values()), np.int64))
