"""Whether predicted shares are those that are seen: who was to order within 14 days, against who did."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.predictions import Propensity
from promo_spark.contracts.silver import OrderLines
from promo_spark.measurement.check_rows import ALARM, INSUFFICIENT, OK, CheckRow, check_row
from promo_spark.measures.exact_sums import exact_sum
from promo_spark.measures.order_lines import is_sale

CHECK, TARGET, DAYS = "calibration", "order_14d", 14
WORST = f"{TARGET}.worst_decile"
LEAST_USERS = 200
_ERRORS = 3.0  # standard errors beyond which chance is not believed any more
_ORDERS = "_orders"


@dataclass(frozen=True)
class Tenth:
    """A tenth of the users: how many, and sums over them of p, of p × (1 − p), and of who did it."""

    decile: int
    users: int
    predicted: float
    variance: float
    seen: int

    def off(self) -> float:
        """Share predicted less share seen."""
        return (self.predicted - self.seen) / self.users

    def by_chance(self) -> float:
        """The standard error of the share seen, were the predictions true."""
        return math.sqrt(max(self.variance, 0.0)) / self.users


@dataclass(frozen=True)
class Calibration:
    """The expected calibration error over tenths, how large chance alone may make it, and the worst tenth."""

    error: float
    by_chance: float
    worst: Tenth

    @staticmethod
    def of(tenths: Sequence[Tenth]) -> Calibration:
        """The error is the mean over users of |predicted − seen| of their tenth (Naeini et al. 2015).

        Were all predictions true, each tenth would still be off by √(2 / π) of its standard error on average; what
        chance may do is the mean of that, and three of its standard deviations more.

        1,000 users of whom 100 were to order, and 200 did; 1,000 of whom 500 were to, and did:

        >>> told = Calibration.of([Tenth(1, 1000, 100.0, 90.0, 200), Tenth(2, 1000, 500.0, 250.0, 500)])
        >>> (told.error, told.worst.decile, round(told.by_chance, 4))
        (0.05, 1, 0.0268)
        """
        whole = sum(t.users for t in tenths)
        error = sum(t.users * abs(t.off()) for t in tenths) / whole
        mean = math.sqrt(2 / math.pi) * sum(t.users * t.by_chance() for t in tenths) / whole
        spread = math.sqrt((1 - 2 / math.pi) * sum((t.users * t.by_chance() / whole) ** 2 for t in tenths))
        return Calibration(error, mean + _ERRORS * spread, max(tenths, key=lambda t: (abs(t.off()), -t.decile)))


def calibration(
    predictions: DataFrame, lines: DataFrame, *, date: datetime.date, threshold: float, oldest_days: int
) -> list[CheckRow]:
    """Two rows: the error of order_14d, and its worst decile. Propensity, OrderLines → Checks.

    The predictions of 14 days before the date, of everyone who has one, against the orders of these 14 days. `lines`
    are those of everyone: whoever does not consent any more has a prediction too, and would seem not to order. The
    worst decile is told, and raises no alarm by itself. Where the newest line is older than `oldest_days`, the days
    are not all there, and nothing is told.
    """
    first = date - datetime.timedelta(DAYS)
    last_day = date - datetime.timedelta(1)
    bought = lines.filter(F.col(OrderLines.order_date).between(F.lit(first), F.lit(last_day)))
    newest = bought.agg(F.max(OrderLines.order_date)).collect()[0][0]
    if newest is None or (last_day - newest).days > oldest_days:
        last = f"end on {newest}" if newest else "are missing"
        return _insufficient(threshold, 0, f"order lines of {first} to {last_day} {last}: see the check freshness")
    tenths = [Tenth(*row) for row in _deciles(predictions, bought, first).collect()]  # ten rows
    users = sum(tenth.users for tenth in tenths)
    if users < LEAST_USERS:
        why = f"models.propensity has {TARGET} of {users:,} users for {first}, {LEAST_USERS} are needed"
        return _insufficient(threshold, users, why)
    return _told(Calibration.of(tenths), threshold, users)


def _deciles(predictions: DataFrame, bought: DataFrame, first: datetime.date) -> DataFrame:
    """One row per decile. Propensity, OrderLines of the 14 days → the fields of Tenth, in their order."""
    p = F.col(Propensity.p)
    predicted = predictions.filter(
        (F.col(Propensity.as_of) == F.lit(first)) & (F.col(Propensity.target) == TARGET) & p.isNotNull()
    ).select(Propensity.user_id, Propensity.decile, Propensity.p)
    buyers = bought.filter(is_sale()).select(OrderLines.user_id).distinct().withColumn(_ORDERS, F.lit(1))
    return (
        predicted.join(buyers, Propensity.user_id, "left")
        .groupBy(Propensity.decile)
        .agg(
            F.count(F.lit(1)),
            exact_sum(p),
            exact_sum(p * (1 - p)),
            F.count(_ORDERS),
        )
        .orderBy(Propensity.decile)
    )


def _told(found: Calibration, threshold: float, users: int) -> list[CheckRow]:
    worst = found.worst
    alarm = found.error > threshold and found.error > found.by_chance
    message = (
        f"shares of users who order within {DAYS} days, predicted and seen, differ by {found.error:.3f} on average "
        f"over tenths of the users, where chance makes at most {found.by_chance:.3f}; most in decile {worst.decile}, "
        f"predicted {worst.predicted / worst.users:.3f}, seen {worst.seen / worst.users:.3f}: fit propensity again, "
        "--set 'propensity.refit=\"daily\"' for one date"
    )
    return [
        check_row(
            CHECK,
            TARGET,
            value=found.error,
            threshold=threshold,
            n=users,
            outcome=ALARM if alarm else OK,
            message=message if alarm else None,
        ),
        check_row(CHECK, WORST, value=abs(worst.off()), threshold=None, n=worst.users),
    ]


def _insufficient(threshold: float, users: int, why: str) -> list[CheckRow]:
    return [
        check_row(CHECK, of, value=None, threshold=limit, n=users, outcome=INSUFFICIENT, message=why)
        for of, limit in ((TARGET, threshold), (WORST, None))
    ]
