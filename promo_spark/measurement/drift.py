"""Whether what models are fed has changed since they were fitted: the population stability index, column by column.

The profiles of the date's users are compared with those of the day on which the model in use that is oldest was
fitted, and what is sold, by category, likewise. The index of two samples is above 0 by chance alone; only what is
beyond that counts.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales, UserProfile
from promo_spark.contracts.models import Registry
from promo_spark.contracts.schema import Col, Frame
from promo_spark.measurement.check_rows import ALARM, INSUFFICIENT, CheckRow, check_row
from promo_spark.measures.population_stability import population_stability, stability_by_chance

Floats = NDArray[np.float64]
CHECK = "drift"
OLDEST = 90  # days to the profiles that are compared
LEAST_USERS = 200
SALES_DAYS, LEAST_SALES_DAYS = 28, 14
NUMBERS = (
    UserProfile.spend_90d,
    UserProfile.orders_90d,
    UserProfile.active_days_30d,
    UserProfile.recency_days,
    UserProfile.tenure_days,
    UserProfile.orders_per_30d,
    UserProfile.cadence_days,
    UserProfile.basket_value,
    UserProfile.discount_share,
)
GROUPS = (UserProfile.lifecycle, UserProfile.main_channel, UserProfile.region)
SALES = f"{DailySales.name}.units"
_DECILES = [n / 10 for n in range(1, 10)]
_MOST_BINS = 100  # of a column; what is rarer is one bin
_USERS_FOR_DECILES = 100_000
_SEED = 0
_ADVICE = (
    "see whether a source has changed what it delivers; if not, fit the models again (refit, docs/architecture.md)"
)


class Bin(Frame):
    """One row per column and bin of its values: the users in it on the earlier and on the later of two dates."""

    column = Col(T.StringType(), "the column of features.user_profile", required=True)
    tenth = Col(T.IntegerType(), "of a number, how many borders of tenths lie below it; null: no value, or no number")
    value = Col(T.StringType(), "of a group, its value; null: no value, or no group")
    before = Col(T.LongType(), "users then", required=True)
    now = Col(T.LongType(), "users now", required=True)


_PLACE, _ENTRY = "place", "entry"


def compared_day(profiles: DataFrame, registry: DataFrame | None, *, date: datetime.date) -> datetime.date | None:
    """The day whose features are those that models were fitted on. UserProfile and Registry of earlier dates → a day.

    Of every model's newest fit before the date the oldest, not more than 90 days back; where nothing was fitted, the
    oldest day with profiles of the last 90. None: there is no earlier profile.
    """
    since = date - datetime.timedelta(OLDEST)
    if registry is not None:
        day = F.col(Registry.as_of)
        fits = registry.filter(
            F.col(Registry.champion) & day.between(F.lit(since), F.lit(date - datetime.timedelta(1)))
        )
        newest = fits.groupBy(Registry.model).agg(F.max(day).alias(Registry.as_of))
        since = newest.agg(F.min(Registry.as_of)).collect()[0][0] or since
    day = F.col(UserProfile.as_of)
    found: datetime.date | None = (
        profiles.filter((day >= F.lit(since)) & (day < F.lit(date))).agg(F.min(day)).collect()[0][0]
    )
    return found


def profile_drift(
    now: DataFrame, earlier: DataFrame, *, before: datetime.date | None, date: datetime.date, threshold: float
) -> list[CheckRow]:
    """One row per column of NUMBERS and GROUPS. UserProfile of the date and of earlier dates → Checks.

    Numbers are counted by the tenths of the users of the day `before`, no value being a bin of its own. What time alone
    adds to the tenure is taken off, so that a user who stays is in the tenth of then; who came since is in the lowest.
    The same users stand on both dates, so that what chance is allowed is rather too much than too little.
    """
    slices = [f"{UserProfile.name}.{column}" for column in (*NUMBERS, *GROUPS)]
    if before is None:
        why = f"features.user_profile has no earlier date within {OLDEST} days to compare with"
        return [_insufficient(of, threshold, 0, why) for of in slices]
    then = earlier.filter(F.col(UserProfile.as_of) == F.lit(before))
    cuts = _cuts(then)
    of_then = _binned(then, cuts).withColumns({Bin.before: F.lit(1), Bin.now: F.lit(0)})
    of_now = _binned(_aged_less(now, date - before), cuts).withColumns({Bin.before: F.lit(0), Bin.now: F.lit(1)})
    counts: dict[str, list[tuple[int, int]]] = {}
    for column, *users in _counts(of_then.unionByName(of_now)).collect():  # at most 101 rows per column
        counts.setdefault(column, []).append((users[0], users[1]))
    return [
        _of_column(of, counts.get(column, []), before, threshold)
        for of, column in zip(slices, (*NUMBERS, *GROUPS), strict=True)
    ]


def sales_drift(
    now: DataFrame, earlier: DataFrame, *, before: datetime.date | None, date: datetime.date, threshold: float
) -> list[CheckRow]:
    """One row: how far the categories' shares of the units sold have moved. DailySales of both → Checks.

    Of the 28 days before each of the two dates. Units come in baskets and by the season, so that they are no drawn
    sample: what chance does is told by how much shares differ from day to day.
    """
    if before is None:
        why = f"there is no earlier date within {OLDEST} days to compare with"
        return [_insufficient(SALES, threshold, 0, why)]
    then = _units(earlier.filter(F.col(DailySales.as_of) == F.lit(before)), before)
    today = _units(now, date)
    days = min(len(then), len(today))
    if days < LEAST_SALES_DAYS:
        why = f"features.daily_sales has {days} days with sales among {SALES_DAYS}, {LEAST_SALES_DAYS} are needed"
        return [_insufficient(SALES, threshold, days, why)]
    categories = sorted({c for day in itertools.chain(then, today) for c in day})
    found = ShareDrift.between(*(np.array([[d.get(c, 0.0) for c in categories] for d in w]) for w in (then, today)))
    moved = [
        f"{categories[place]} from {found.before[place]:.1%} to {found.now[place]:.1%}"
        for place in np.argsort(-np.abs(found.now - found.before), kind="stable")[:3]
    ]
    what = f"the categories' shares of the units sold are not those before {before}, most of all {', '.join(moved)}"
    return [_judged(SALES, found.index, found.by_chance, threshold=threshold, n=days, what=what)]


@dataclass(frozen=True)
class ShareDrift:
    """How far shares have moved between two windows of days, how far they do by chance, and the shares."""

    index: float
    by_chance: float
    before: Floats
    now: Floats

    @staticmethod
    def between(before: Floats, now: Floats) -> ShareDrift:
        """Days × groups of both windows; amounts below 0 over a whole window count as 0.

        The variance of a window's share is that of a ratio of sums over days: the days are what is drawn.

        >>> week = np.array([[10.0, 30.0], [20.0, 60.0]])  # a quarter on every day: nothing is left to chance
        >>> told = ShareDrift.between(week, week)
        >>> (told.index, told.by_chance, told.now.tolist())
        (0.0, 0.0, [0.25, 0.75])
        """
        sums = [np.maximum(window.sum(axis=0), 0.0) for window in (before, now)]
        shares = [s / s.sum() for s in sums]
        variance = sum(_variance(window, share) for window, share in zip((before, now), shares, strict=True))
        usual = (shares[0] + shares[1]) / 2
        told = usual > 0
        by_chance = float((np.asarray(variance)[told] / usual[told]).sum())
        return ShareDrift(population_stability(sums[0].tolist(), sums[1].tolist()), by_chance, shares[0], shares[1])


def _variance(window: Floats, share: Floats) -> Floats:
    """Of each group's share of a window, by how much its days are off."""
    days, of_day = len(window), window.sum(axis=1, keepdims=True)
    off = window - share * of_day
    variance: Floats = (off**2).sum(axis=0) * days / (days - 1) / of_day.sum() ** 2
    return variance


def _cuts(users: DataFrame) -> dict[str, Sequence[float]]:
    """The borders of the tenths, by column: of all users, or of many drawn by a hash, as borders need not be exact."""
    one_in = max(users.count() // _USERS_FOR_DECILES, 1)
    drawn = users.filter(F.pmod(F.xxhash64(F.lit(_SEED), UserProfile.user_id), F.lit(one_in)) == 0)
    cuts = drawn.agg(*[F.percentile(F.col(column).cast("double"), _DECILES).alias(column) for column in NUMBERS])
    (row,) = cuts.collect()
    return {column: sorted(set(row[column] or ())) for column in NUMBERS}


def _aged_less(users: DataFrame, by: datetime.timedelta) -> DataFrame:
    """Users with the tenure that they had so many days before. UserProfile → UserProfile."""
    return users.withColumn(UserProfile.tenure_days, F.col(UserProfile.tenure_days) - by.days)


def _binned(users: DataFrame, cuts: Mapping[str, Sequence[float]]) -> DataFrame:
    """One row per user and column: the bin of its value. UserProfile → Bin, without counts."""
    none = F.lit(None)
    bins = [_bin(column, _tenth(F.col(column).cast("double"), cuts[column]), none) for column in NUMBERS]
    bins += [_bin(column, none, F.col(column)) for column in GROUPS]
    entry = F.col(_ENTRY)
    return users.select(F.explode(F.array(*bins)).alias(_ENTRY)).select(
        *[entry[name].alias(name) for name in (Bin.column, Bin.tenth, Bin.value)]
    )


def _bin(column: str, tenth: Column, value: Column) -> Column:
    return F.struct(
        F.lit(column).alias(Bin.column), tenth.cast("int").alias(Bin.tenth), value.cast("string").alias(Bin.value)
    )


def _tenth(value: Column, cuts: Sequence[float]) -> Column:
    """How many borders lie below the value; null stays null."""
    below = sum(((value > F.lit(cut)).cast("int") for cut in cuts), F.lit(0))
    return F.when(value.isNotNull(), below)


def _counts(binned: DataFrame) -> DataFrame:
    """One row per column and bin, the rarest bins of a column being one: column, users then, users now."""
    counts = binned.groupBy(Bin.column, Bin.tenth, Bin.value).agg(
        F.sum(Bin.before).alias(Bin.before), F.sum(Bin.now).alias(Bin.now)
    )
    largest = Window.partitionBy(Bin.column).orderBy((F.col(Bin.before) + F.col(Bin.now)).desc(), Bin.tenth, Bin.value)
    place = F.least(F.row_number().over(largest), F.lit(_MOST_BINS + 1))
    return (
        counts.withColumn(_PLACE, place)
        .groupBy(Bin.column, _PLACE)
        .agg(F.sum(Bin.before).alias(Bin.before), F.sum(Bin.now).alias(Bin.now))
        .orderBy(Bin.column, _PLACE)
        .select(Bin.column, Bin.before, Bin.now)
    )


def _of_column(of: str, counts: Sequence[tuple[int, int]], before: datetime.date, threshold: float) -> CheckRow:
    then, now = (sum(users[side] for users in counts) for side in (0, 1))
    users = min(then, now)
    if users < LEAST_USERS:
        why = f"{then:,} users on {before} and {now:,} now: {LEAST_USERS} are needed on both dates"
        return _insufficient(of, threshold, users, why)
    index = population_stability([c[0] for c in counts], [c[1] for c in counts])
    by_chance = stability_by_chance(len(counts), then, now)
    what = f"features.{of} is not distributed as on {before}"
    return _judged(of, index, by_chance, threshold=threshold, n=users, what=what)


def _units(sales: DataFrame, as_of: datetime.date) -> list[dict[str, float]]:
    """Per day with sales, oldest first, the units of each category. DailySales of one date → so many days."""
    first, last = as_of - datetime.timedelta(SALES_DAYS), as_of - datetime.timedelta(1)
    rows = sales.filter(
        (F.col(DailySales.level) == "category") & F.col(DailySales.day).between(F.lit(first), F.lit(last))
    )
    days: dict[datetime.date, dict[str, float]] = {}
    for day, category, units in rows.select(DailySales.day, DailySales.item_id, DailySales.units).collect():
        days.setdefault(day, {})[category] = float(units)  # a row per category and day, however many users there are
    return [days[day] for day in sorted(days) if sum(days[day].values()) > 0]


def _judged(of: str, index: float, by_chance: float, *, threshold: float, n: int, what: str) -> CheckRow:
    """An alarm where the index is above the threshold even without what chance makes of it."""
    if index - by_chance <= threshold:
        return check_row(CHECK, of, value=index, threshold=threshold, n=n)
    message = f"{what}: population stability index {index:.3f}, of which chance makes {by_chance:.3f}; {_ADVICE}"
    return check_row(CHECK, of, value=index, threshold=threshold, n=n, outcome=ALARM, message=message)


def _insufficient(of: str, threshold: float, n: int, why: str) -> CheckRow:
    return check_row(CHECK, of, value=None, threshold=threshold, n=n, outcome=INSUFFICIENT, message=why)
