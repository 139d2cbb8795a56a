"""What is paused: mechanics and scenarios that lose margin for sure, or that users say no good of."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

from promo_spark.contracts.measurement import Effects, KpiDaily
from promo_spark.contracts.policy import CLOSED, PAUSED
from promo_spark.decisions.adjustment.factors import InForceOn
from promo_spark.decisions.adjustment.findings import OF_KINDS, Findings
from promo_spark.decisions.policy import Entry, InForce
from promo_spark.measures.intervals import Interval, always_valid_interval
from promo_spark.settings.adjust import AdjustSettings


def pauses(
    findings: Findings,
    kpis: Sequence[Mapping[str, Any]],
    in_force: InForceOn,
    current: InForce,
    date: datetime.date,
    settings: AdjustSettings,
) -> list[Entry]:
    """The pauses of the next date, those that go on and new ones; what is not among them is not paused any more.

    PAUSED: it lost margin, where chance drew it or where it was given against those held out who would have got it, by
    an interval that holds at every look, divided by all that are looked at; explored users still draw it, and once it
    brings them more than it loses it is let go. CLOSED: users' scores are bad,
    whatever it brings; after `adjust.retry_days` explored users may draw it again. Inventory rows L05, L06.
    """
    told = {**_losing(findings, current, date, settings)}
    told |= _disliked(kpis, in_force, current, date, settings)
    return [told[scope] for scope in sorted(told)]


def _losing(findings: Findings, current: InForce, date: datetime.date, settings: AdjustSettings) -> dict[str, Entry]:
    looked_at = [(method, scope) for method in OF_KINDS for scope in findings.slices(date, method, "margin")]
    found: dict[str, Entry] = {}
    for method, scope in looked_at:
        row = findings.row(date, method, scope, "margin")
        assert row is not None  # as it is one of them
        told = believed_interval(row, date, settings, slices=len(looked_at))
        evidence = (
            f"{method} margin of {scope} {row[Effects.estimate]:.3f} ({told.low:.3f} to {told.high:.3f} at every look, "
            f"of {len(looked_at)} looked at), n {row[Effects.n_treated]:,}, measurement.effects {date}"
        )
        if told.high < 0:
            found[scope] = Entry("paused", scope, PAUSED, evidence, "it loses margin for sure: only explored users")
        elif method == "explore" and current.pause(scope) == PAUSED and row[Effects.estimate] <= 0:
            found[scope] = Entry("paused", scope, PAUSED, evidence, "it brings nothing yet: it stays paused")
    # of what explored users tell nothing today the pause stays: it is given to nobody else
    for scope in _paused(current, PAUSED):
        if ("explore", scope) not in looked_at and scope not in found:
            evidence = f"as in {current.version}; no explored users tell of it on {date}"
            found[scope] = Entry("paused", scope, PAUSED, evidence, "nothing new is known of it: it stays paused")
    return found


def believed_interval(
    row: Mapping[str, Any], date: datetime.date, settings: AdjustSettings, *, slices: int
) -> Interval:
    """The interval of a row of whom chance chose that holds on all dates and for all slices together.

    Narrowest once the offers of `adjust.planned_days` dates are over.
    """
    days = max((date - row[Effects.first_day]).days - int(row[Effects.window_days]) + 1, 1)
    planned = row[Effects.se] * math.sqrt(min(days, settings.memory_days) / settings.planned_days)
    alpha = settings.alpha / max(slices, 1)
    return always_valid_interval(row[Effects.estimate], row[Effects.se], tightest_at=planned, alpha=alpha)


def _disliked(
    kpis: Sequence[Mapping[str, Any]],
    in_force: InForceOn,
    current: InForce,
    date: datetime.date,
    settings: AdjustSettings,
) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    scores = {row[KpiDaily.slice]: row for row in kpis if row[KpiDaily.kpi] == "negative_share"}
    closed = set(_paused(current, CLOSED))
    for scope in sorted({name for name in scores if name.partition(":")[0] in ("mechanic", "scenario")} | closed):
        row = scores.get(scope)
        told = "no scores" if row is None or row[KpiDaily.value] is None else _said(row)
        evidence = f"{told}, measurement.kpi_daily {date}"
        enough = row is not None and row[KpiDaily.value] is not None and row[KpiDaily.n] >= settings.least_scores
        bad = enough and row is not None and row[KpiDaily.value] >= settings.negative_share
        tried_again = scope in closed and _closed_for(in_force, scope, date, settings.retry_days)
        if tried_again:
            reason = f"closed for {settings.retry_days} days: explored users may draw it again"
            found[scope] = Entry("paused", scope, PAUSED, evidence, reason)
        elif bad and current.pause(scope) != PAUSED:
            reason = f"too many low scores, whatever it brings: {settings.negative_share:.0%} and more"
            found[scope] = Entry("paused", scope, CLOSED, evidence, reason)
        elif scope in closed:
            reason = f"closed for low scores: for {settings.retry_days} days"
            found[scope] = Entry("paused", scope, CLOSED, evidence, reason)
    return found


def _said(row: Mapping[str, Any]) -> str:
    return f"{row[KpiDaily.value]:.0%} of {row[KpiDaily.n]:,} scores are 2 or less"


def _closed_for(in_force: InForceOn, scope: str, date: datetime.date, days: int) -> bool:
    """Whether it was closed on all of the last days, the date included."""
    return all(in_force(date - datetime.timedelta(n)).pause(scope) == CLOSED for n in range(days))


def _paused(current: InForce, value: int) -> list[str]:
    return sorted(scope for (name, scope), found in current.values.items() if name == "paused" and found == value)
