"""Rows of measurement.effects from the moments of arms: estimates, intervals, corrections, verdicts. On the driver."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scipy.stats import false_discovery_control

from promo_spark.contracts.measurement import Effects
from promo_spark.measurement.differences import Difference, difference, mean
from promo_spark.measurement.figures import COVARIATES, METRICS, PLACEBOS, PRIOR, USERS, Metric
from promo_spark.measurement.moments import Moments
from promo_spark.measurement.off_policy import PolicyValue
from promo_spark.measurement.windows import Window
from promo_spark.measures.intervals import Interval, always_valid_interval, fixed_interval, two_sided

Row = dict[str, Any]
DECIMALS = 6


@dataclass(frozen=True)
class Judging:
    """How sure an effect has to be, of how many users, and after how many days a sequence is to be narrowest."""

    alpha: float
    least_users: int
    planned_days: int
    before_days: int


@dataclass(frozen=True)
class Compared:
    """Some users with offers against some without. `expected`: what promote told of the treated, by metric.

    `clean_before`: nobody had offers in the days before, so that nothing may differ there.
    """

    slice: str
    method: str
    window: Window
    treated: Moments
    control: Moments
    expected: Mapping[str, float] = field(default_factory=dict)
    clean_before: bool = True


def effect_rows(compared: Sequence[Compared], by: Judging) -> list[Row]:
    """One row per comparison and metric. → Effects, without the date. p-values and verdicts: see `judged`."""
    return [_row(one, metric, by) for one in compared for metric in METRICS]


def judged(rows: list[Row], by: Judging) -> list[Row]:
    """All rows of a date, with p-values that are corrected for looking at many, and verdicts. → Effects."""
    return _with_verdicts(_corrected(rows), by)


def pending_rows(windows: Iterable[Window]) -> list[Row]:
    """One row per metric of a window that is not over. → Effects, without the date."""
    return [
        _empty(window, "all", metric, "holdout", (0, 0))
        | {Effects.verdict: "pending", Effects.reason: f"its days are over on {window.over_on}"}
        for window in windows
        for metric in METRICS
    ]


def unsaid(window: Window, slice_: str, metric: str, method: str, users: tuple[int, int], reason: str) -> Row:
    """A row that says why there is no estimate. → Effects, without the date."""
    return _empty(window, slice_, metric, method, users) | {
        Effects.verdict: "insufficient",
        Effects.reason: reason,
    }


def taking_rows(slice_: str, window: Window, takers: Moments, others: Moments, by: Judging) -> list[Row]:
    """One row per metric: those who were offered something against those who were not, as they are. → Effects.

    Somebody picked them, so they differ in more than the offer; how much more the placebo says.
    """
    users = (takers.users, others.users)
    rows = []
    for metric, prior in PRIOR.items():
        told = METRICS[metric].told(takers, others, ())
        before = difference(takers, others, {prior: 1.0}, per=USERS)
        if min(users) >= by.least_users and told is not None and before is not None:
            row = _empty(window, slice_, metric, "observational", users) | {Effects.placebo: _rounded(before.estimate)}
            rows.append(with_estimate(row, told, by, window))
    return rows


def before_after_rows(window: Window, treated: Moments, control: Moments, by: Judging) -> list[Row]:
    """One row per metric: the window against as many days before it, of the same users. → Effects.

    The season and the shop's own campaigns are in it; the placebo is the same of those held out, who had no offers.
    """
    rows = []
    for metric, prior in PRIOR.items():
        figure = {METRICS[metric].of: 1.0, prior: -1.0}
        told, held_out = mean(treated, figure, per=USERS), mean(control, figure, per=USERS)
        if told is not None and treated.users >= by.least_users:
            row = _empty(window, "before_after", metric, "observational", (treated.users, control.users))
            if held_out is not None and control.users >= by.least_users:
                row[Effects.placebo] = _rounded(held_out.estimate)
            before = mean(treated, {prior: 1.0}, per=USERS)
            assert before is not None  # as there are users
            rows.append(with_estimate(row, replace(told, control=before.estimate), by, window))
    return rows


def policy_row(method: str, window: Window, users: int, value: PolicyValue, told: float | None, by: Judging) -> Row:
    """What the policy of the dates brings beyond none. `users`: who were explored. → Effects."""
    drawn = (round(value.effective), round(value.effective))
    if value.effective < by.least_users:
        reason = (
            f"of {users:,} explored users too few drew what the policy would do, or none: they say as much as "
            f"{value.effective:,.0f} users who did, and evaluate.least_users is {by.least_users:,}"
        )
        return unsaid(window, "policy:prices", "margin", method, drawn, reason)
    row = _empty(window, "policy:prices", "margin", method, drawn) | {Effects.expected: told}
    return with_estimate(row, Difference(value.estimate, value.error, 0.0), by, window)


def counted_row(
    window: Window, slice_: str, metric: str, users: int, value: Difference | None, told: float, by: Judging
) -> Row:
    """What receipts say of offers whose days are over, beside what was told of them. → Effects."""
    row = _empty(window, slice_, metric, "counted", (users, 0)) | {Effects.expected: _rounded(told)}
    if value is None:
        return row | {Effects.verdict: "insufficient", Effects.reason: "one user alone had such offers"}
    row |= {Effects.estimate: _rounded(value.estimate), Effects.se: _rounded(value.error)}
    return row | _ends(Effects.ci_low, Effects.ci_high, fixed_interval(value.estimate, value.error, alpha=by.alpha))


def with_estimate(row: Row, told: Difference, by: Judging, window: Window) -> Row:
    """The row with its estimate and how sure it is. Observational rows get neither interval nor p-value."""
    found = row | {
        Effects.estimate: _rounded(told.estimate),
        Effects.se: _rounded(told.error),
        Effects.control: None if math.isnan(told.control) else _rounded(told.control),
        Effects.explained: _rounded(told.explained),
    }
    if row[Effects.method] == "observational":
        return found
    once = fixed_interval(told.estimate, told.error, alpha=by.alpha)
    found |= _ends(Effects.ci_low, Effects.ci_high, once)
    found[Effects.p_value] = _rounded(two_sided(told.estimate, told.error))
    if window.from_start and row[Effects.method] == "holdout":
        always = sequence(told, days=window.days, planned_days=by.planned_days, alpha=by.alpha)
        found |= _ends(Effects.cs_low, Effects.cs_high, always)
    return found


def sequence(told: Difference, *, days: int, planned_days: int, alpha: float) -> Interval:
    """The interval that holds on all days together, of an experiment of so many days until now.

    Narrowest after `planned_days`: told by days, which are fixed beforehand, and not by what was seen. Chance adds up
    by the day, so that after a quarter of the days the error of a day's mean is twice what it will be.
    """
    planned = told.error * math.sqrt(days / planned_days)
    return always_valid_interval(told.estimate, told.error, tightest_at=planned, alpha=alpha)


def _row(of: Compared, name: str, by: Judging) -> Row:
    metric = METRICS[name]
    users = (of.treated.users, of.control.users)
    row = _empty(of.window, of.slice, name, of.method, users) | {Effects.expected: of.expected.get(name)}
    if min(users) < by.least_users:
        reason = f"{users[0]:,} users with offers and {users[1]:,} without: evaluate.least_users is {by.least_users:,}"
        return row | {Effects.verdict: "insufficient", Effects.reason: reason}
    told = metric.told(of.treated, of.control, COVARIATES)
    if told is None:
        return row | {Effects.verdict: "insufficient", Effects.reason: _nothing_told(metric, name)}
    row[Effects.placebo] = _placebo(of, name, by)
    return with_estimate(row, told, by, of.window)


def _nothing_told(metric: Metric, name: str) -> str:
    if metric.over:
        return "what was given does not differ for sure: nothing was given, or too little to divide by"
    why = {
        "satisfaction": "nobody gave a score, or only users of one side did",
        "retained": "nobody had ordered before offers began",
    }
    return why.get(name, "there is nothing to compare")


def _placebo(of: Compared, name: str, by: Judging) -> float | None:
    """The same comparison of the days before, for as many days."""
    if name not in PLACEBOS or not of.clean_before:
        return None
    told = difference(of.treated, of.control, {PLACEBOS[name]: of.window.days / by.before_days}, per=USERS)
    return None if told is None else _rounded(told.estimate)


def _empty(window: Window, slice_: str, metric: str, method: str, users: tuple[int, int]) -> Row:
    nothing: Row = dict.fromkeys(Effects.columns())
    del nothing[Effects.date], nothing[Effects.run_id]
    return nothing | {
        Effects.window_days: window.days,
        Effects.first_day: window.first,
        Effects.slice: slice_,
        Effects.metric: metric,
        Effects.method: method,
        Effects.n_treated: users[0],
        Effects.n_control: users[1],
    }


def _corrected(rows: list[Row]) -> list[Row]:
    """The rows with p-values corrected for all slices of a kind (Benjamini and Hochberg 1995).

    Where nothing has an effect at all, something seems to have one in a share of alpha of all dates, not of slices.
    """
    families: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row[Effects.p_value] is not None:
            kind = str(row[Effects.slice]).partition(":")[0]
            key = (row[Effects.window_days], row[Effects.metric], row[Effects.method], kind)
            families.setdefault(key, []).append(row)
    for family in families.values():
        adjusted = false_discovery_control([row[Effects.p_value] for row in family])
        for row, p in zip(family, adjusted, strict=True):
            row[Effects.p_adjusted] = _rounded(float(p))
    return rows


def _with_verdicts(rows: list[Row], by: Judging) -> list[Row]:
    """The rows with a verdict where there is an effect of something that is better the more there is of it."""
    for row in rows:
        if row[Effects.verdict] is None and row[Effects.p_value] is not None and METRICS[row[Effects.metric]].rises:
            row[Effects.verdict] = verdict(row, by.alpha)
    return rows


def verdict(row: Mapping[str, Any], alpha: float) -> str:
    """Whether to go on with it: a row of Effects with an estimate → ship, hold or stop.

    By the confidence sequence where there is one, else by the p-value that is corrected for all slices.

    >>> row = {"estimate": -1.0, "cs_low": None, "cs_high": None, "p_adjusted": 0.01}
    >>> verdict(row, 0.05), verdict(row | {"p_adjusted": 0.2}, 0.05), verdict(row | {"estimate": 1.0}, 0.05)
    ('stop', 'hold', 'ship')
    >>> verdict(row | {"cs_low": -2.1, "cs_high": 0.1}, 0.05)
    'hold'
    """
    if row[Effects.cs_low] is not None:
        low, high = row[Effects.cs_low], row[Effects.cs_high]
        return "ship" if low > 0 else "stop" if high < 0 else "hold"
    if row[Effects.p_adjusted] >= alpha:
        return "hold"
    return "ship" if row[Effects.estimate] > 0 else "stop"


def _ends(low: str, high: str, of: Interval) -> Row:
    return {low: _rounded(of.low), high: _rounded(of.high)}


def _rounded(value: float) -> float:
    return round(value, DECIMALS)


def first_of(rows: Iterable[Row], **wanted: Any) -> Row | None:
    """The first row with these values, None if there is none."""
    return next((row for row in rows if all(row[name] == value for name, value in wanted.items())), None)


def decided_since(dates: Iterable[datetime.date], since: str) -> datetime.date | None:
    """The day from which offers are measured: the first date with decisions, or the day that settings name if later.

    None: nothing was decided yet.
    """
    first = min(dates, default=None)
    if first is None or not since:
        return first
    return max(first, datetime.date.fromisoformat(since))
