"""The entries of the next date's version: all that differs from the settings, and why. See docs/adjustment.md."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from promo_spark.contracts.measurement import Effects
from promo_spark.contracts.policy import ALL
from promo_spark.decisions.adjustment.bounds import budgets, depths, explored_share
from promo_spark.decisions.adjustment.factors import Calibration, InForceOn, factor_entries
from promo_spark.decisions.adjustment.findings import Findings
from promo_spark.decisions.adjustment.pauses import pauses
from promo_spark.decisions.policy import Entry, InForce
from promo_spark.settings.adjust import AdjustSettings
from promo_spark.settings.promote import PromoteSettings


def adjusted(
    effects: Sequence[Mapping[str, Any]],
    kpis: Sequence[Mapping[str, Any]],
    in_force: InForceOn,
    date: datetime.date,
    settings: AdjustSettings,
    promote: PromoteSettings,
) -> list[Entry]:
    """All that differs from the settings from the day after the date on. Effects, KpiDaily → entries of Policy.

    `effects`: of the date and of the dates before it that `adjust.memory_days` reaches; `kpis`: of the date.
    `in_force`: the version that a date was decided by. What nothing new is known of stays as it is.
    """
    current = in_force(date)
    findings = Findings(effects, promote.valid_days)
    calibration = Calibration(findings, in_force, date, settings, _window_days(effects))
    cost = calibration.cost()
    week = "-W".join(f"{n:02}" for n in (date + datetime.timedelta(1 - settings.weekday + 1)).isocalendar()[:2])
    new = [
        *factor_entries("value_factor", calibration.value(cost), current, settings, week if settings.chance else None),
        *factor_entries("cost_factor", cost, current, settings, None),
        *pauses(findings, kpis, in_force, current, date, settings),
        *depths(findings, current, date, settings, promote),
        *budgets(findings, current, date, settings, promote),
        *explored_share(findings, current, date, settings, promote),
    ]
    said = {(entry.parameter, entry.scope) for entry in new}
    return [*new, *(entry for entry in _as_before(current) if (entry.parameter, entry.scope) not in said)]


def unchanged(current: InForce, reason: str) -> list[Entry]:
    """The values in force once more."""
    return [
        Entry(parameter, scope, value, f"as in {current.version}", reason)
        for (parameter, scope), value in sorted(current.values.items())
    ]


def _as_before(current: InForce) -> list[Entry]:
    """The factors, and the budgets of mechanics, of which nothing was measured; what else is gone was let go."""
    return [
        entry
        for entry in unchanged(current, "nothing new is known of it")
        if entry.parameter in ("value_factor", "cost_factor")
        or (entry.parameter == "budget_factor" and entry.scope != ALL)
    ]


def _window_days(effects: Sequence[Mapping[str, Any]]) -> int:
    """The days of the shortest window in which users with offers are compared with those held out."""
    return min((int(row[Effects.window_days]) for row in effects if row[Effects.method] == "holdout"), default=1)
