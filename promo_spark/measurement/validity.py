"""Rows of measurement.checks that say whether the experiment can be believed: arms, days, exposures. On the driver."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.measurement import Checks
from promo_spark.contracts.silver import Campaigns, Exposures
from promo_spark.measurement.arms import ArmCount, holdout_share
from promo_spark.measurement.check_rows import ALARM, INSUFFICIENT, OK, CheckRow, check_row
from promo_spark.measurement.differences import difference
from promo_spark.measurement.effects import Row
from promo_spark.measurement.figures import METRICS, PLACEBOS, USERS
from promo_spark.measurement.moments import Moments
from promo_spark.measurement.offers import SentOffer
from promo_spark.measurement.populations import ALL, CONTROL, TREATED, group
from promo_spark.measurement.sample_ratio import sample_ratio_p
from promo_spark.measurement.windows import Window
from promo_spark.measures.intervals import two_sided

_EVERY_DAY = 0.001  # probability below which a test that is made every day is an alarm
_LEAST_P = 1e-300  # what is smaller cannot be told from 0


def _check(
    name: str, slice_: str, value: float | None, n: int, *, threshold: float | None, alarm: bool, message: str | None
) -> CheckRow:
    """One row of Checks. Without a value nothing can be told: the message says why."""
    outcome = INSUFFICIENT if value is None else ALARM if alarm else OK
    return check_row(
        name,
        slice_,
        value=value,
        threshold=threshold,
        n=n,
        outcome=outcome,
        message=message if outcome != OK else None,
    )


def sample_ratio_rows(counts: Sequence[Mapping[str, Any]], *, day: datetime.date, threshold: float) -> list[CheckRow]:
    """Are those held out as many as were drawn? Of all users of the day, and of those who could get offers.

    Rows of ArmCount → Checks.
    """
    share = holdout_share(counts)
    rows = []
    for slice_, counted in (("all", counts), ("asked", [row for row in counts if row[ArmCount.may]])):
        seen = {"holdout": 0, "others": 0}
        for row in counted:
            seen["holdout" if row[ArmCount.arm] == "holdout" else "others"] += int(row[ArmCount.users])
        total = sum(seen.values())
        if not total:
            message = f"there are no such users on {day}"
            rows.append(_check("sample_ratio", slice_, None, 0, threshold=threshold, alarm=False, message=message))
            continue
        if share < 1e-6 and not seen["holdout"]:
            message = "nobody is held out (promote.holdout_share is 0), so there is nothing to measure against"
            rows.append(_check("sample_ratio", slice_, None, total, threshold=threshold, alarm=False, message=message))
            continue
        p = sample_ratio_p(seen, {"holdout": share, "others": 1 - share})
        found = seen["holdout"] / total
        lost = (
            "nobody is held out any more, though" if not seen["holdout"] else f"{found:.2%} of the users are held out,"
        )
        message = (
            f"on {day} {lost} {share:.2%} were drawn: users of one arm are lost, or double, on the way, and no effect "
            "can be believed until that is found"
        )
        value = None if p is None else max(p, _LEAST_P)
        alarm = p is not None and p < threshold
        rows.append(_check("sample_ratio", slice_, value, total, threshold=threshold, alarm=alarm, message=message))
    return rows


def worse_of(one: Sequence[CheckRow], other: Sequence[CheckRow]) -> list[CheckRow]:
    """Of two days' rows of the same check, for each slice the one that is less likely by chance; known before unknown.

    An arm may be lost on any day after the first.
    """
    by_slice = {row[Checks.slice]: row for row in other}
    return [min(row, by_slice.get(row[Checks.slice], row), key=_likelihood) for row in one]


def _likelihood(row: CheckRow) -> float:
    return math.inf if row[Checks.value] is None else float(row[Checks.value])


def arms_kept_row(promotions: DataFrame, window: Window) -> CheckRow:
    """Does every user stay held out, or not, on all days of the window? Promotions → Checks."""
    held_out = F.col(Promotions.arm) == "holdout"
    by_user = promotions.filter(F.col(Promotions.date).between(F.lit(window.first), F.lit(window.last)))
    sides = by_user.groupBy(Promotions.user_id).agg(
        F.bool_and(held_out).alias("always"), F.bool_or(held_out).alias("ever")
    )
    users, moved = sides.agg(F.count("*"), F.count_if(F.col("ever") & ~F.col("always"))).collect()[0]
    message = (
        f"{moved:,} of {users:,} users were held out on some days since {window.first} and not on others: "
        "promote.holdout_key or holdout_share has changed; set evaluate.since to the day of the change"
    )
    value = moved / users if users else None
    return _check("arms_kept", "all", value, users, threshold=0.0, alarm=moved > 0, message=message)


def days_decided_row(missing: Sequence[datetime.date], window: Window) -> CheckRow:
    """Was something decided for every day of the window? → Checks."""
    shown = ", ".join(str(day) for day in missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    message = f"nothing was decided for {shown}: what is measured is what the other days' offers did"
    return _check(
        "days_decided", "all", float(len(missing)), window.days, threshold=0.0, alarm=bool(missing), message=message
    )


def exposures_known_row(
    exposures: DataFrame, offers: DataFrame, promotions: DataFrame, campaigns: DataFrame, window: Window
) -> CheckRow:
    """Do exposures of the window name offers that were made? Exposures, SentOffer, … → Checks.

    `promotions`: all that was decided. Most of it is no offer, so it is looked at only for what is no offer's id.
    """
    day = F.to_date(Exposures.sent_at)
    sent = exposures.filter(day.between(F.lit(window.first), F.lit(window.last))).select(Exposures.promotion_id)
    made = offers.select(SentOffer.promotion_id).unionByName(
        campaigns.select(F.col(Campaigns.campaign_id).alias(SentOffer.promotion_id))
    )
    others = sent.join(made, Exposures.promotion_id, "left_anti")
    total, unknown = sent.count(), others.count()
    if unknown:
        unknown = others.join(promotions.select(Promotions.promotion_id), Exposures.promotion_id, "left_anti").count()
    message = (
        f"{unknown:,} of {total:,} exposures since {window.first} name a promotion that was never made: they count for "
        "nothing; look at the ids that the sending system reports"
    )
    value = unknown / total if total else None
    message = message if total else f"no exposure since {window.first}: whether offers went out is not known"
    return _check("exposures_known", "all", value, total, threshold=0.0, alarm=unknown > 0, message=message)


def comparison_rows(found: Mapping[str, Moments], least_users: int) -> list[CheckRow]:
    """Do halves of the holdout differ, and did arms before offers began? Neither may. Moments by group → Checks."""
    halves = [found.get(group(f"half:{half}", CONTROL)) for half in (0, 1)]
    arms = [found.get(group(ALL, side)) for side in (TREATED, CONTROL)]
    rows = []
    for metric in ("conversion", "orders", "paid", "margin"):
        figure = {METRICS[metric].of: 1.0}
        rows.append(_compared("aa", metric, halves, figure, least_users, "two halves of the holdout differ"))
    for metric, before in PLACEBOS.items():
        what = "users with offers and those held out differed before there were any offers"
        rows.append(_compared("placebo", metric, arms, {before: 1.0}, least_users, what))
    return rows


def _compared(
    name: str, slice_: str, arms: Sequence[Moments | None], figure: Mapping[str, float], least_users: int, what: str
) -> CheckRow:
    one, other = arms
    users = min(one.users if one else 0, other.users if other else 0)
    told = difference(one, other, figure, per=USERS) if one and other and users >= least_users else None
    if told is None:
        message = f"{users:,} users on one side: evaluate.least_users is {least_users:,}"
        return _check(name, slice_, None, users, threshold=_EVERY_DAY, alarm=False, message=message)
    p = two_sided(told.estimate, told.error)
    message = f"{what} by {told.estimate:.4g} ± {told.error:.2g}: chance alone does that in {p:.1g} of all cases"
    return _check(name, slice_, p, users, threshold=_EVERY_DAY, alarm=p < _EVERY_DAY, message=message)


def effect_check_rows(effects: Sequence[Row]) -> list[CheckRow]:
    """Is what all offers bring below 0? By the window since offers began, else the longest. Effects → Checks."""
    rows = []
    for metric in ("margin", "roi"):
        of_metric = [r for r in effects if (r["slice"], r["method"], r["metric"]) == (ALL, "holdout", metric)]
        told = [r for r in of_metric if r["estimate"] is not None]
        if not told:
            continue
        row = max(told, key=lambda r: (r["cs_low"] is not None, r["window_days"]))
        message = (
            f"offers cost more than they bring: {metric} {row['estimate']} per user in the {row['window_days']} days "
            f"from {row['first_day']} on; measurement.effects says of which scenarios and mechanics"
        )
        n, alarm = min(row["n_treated"], row["n_control"]), row["verdict"] == "stop"
        rows.append(_check("effect", metric, row["estimate"], n, threshold=0.0, alarm=alarm, message=message))
    return rows
