"""The steps of adjust: what was measured, which versions were in force, and the next date's version."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from promo_spark.contracts.measurement import Checks, Effects, KpiDaily
from promo_spark.contracts.policy import BY_HAND, Policy
from promo_spark.decisions.adjustment.challengers import CHALLENGED_BY, with_challengers
from promo_spark.decisions.adjustment.findings import OF_KINDS
from promo_spark.decisions.adjustment.version import adjusted, unchanged
from promo_spark.decisions.policy import changes, values_of, version_rows
from promo_spark.flows.versions import version_on, versions_since
from promo_spark.runtime.job import Context
from promo_spark.settings.adjust import AdjustSettings
from promo_spark.settings.promote import PromoteSettings

Ctx = Context[AdjustSettings]
Row = Mapping[str, Any]

# Alarms of these say that users with offers and those held out are not alike but for the offers.
_ARMS_DOUBTED_BY = ("sample_ratio", "arms_kept", "aa", "placebo")
_BETWEEN_ARMS = ("holdout", "withheld")


def next_version(ctx: Ctx) -> list[dict[str, Any]]:
    """The rows of the version that the day after the date is decided by. → Policy, without a run's id."""
    promote = ctx.beside(PromoteSettings)
    reach = 2 * ctx.settings.memory_days + ctx.settings.retry_days
    versions = versions_since(ctx, ctx.date - datetime.timedelta(reach))
    version_of = version_on(versions)
    current = version_of(ctx.date)
    by_hand = _by_hand_since(versions, ctx.date, ctx.settings.hand_days)
    if by_hand is not None:
        entries = unchanged(current, f"said by hand for {by_hand}: it stays for adjust.hand_days")
        ctx.note(
            f"a person said by rollback how {by_hand} is decided: nothing changes for {ctx.settings.hand_days} days"
        )
    else:
        effects = _believable(ctx, _measured(ctx))
        kpis = [row.asDict() for row in ctx.read(KpiDaily).collect()]  # a row per figure
        if not any(row[Effects.date] == ctx.date and row[Effects.estimate] is not None for row in effects):
            ctx.note(f"measurement.effects tells nothing on {ctx.date}: what nothing is known of stays as it is")
        entries = adjusted(effects, kpis, version_of, ctx.date, ctx.settings, promote)
        entries, said = with_challengers(entries, effects, current, ctx.date, ctx.settings)
        for line in said:
            ctx.say(line)
    rows = version_rows(entries, parent=current, valid_from=ctx.date + datetime.timedelta(1), job=ctx.job.name)
    made = changes(current.values, values_of(rows))
    for change in made:
        ctx.say(change)
    tomorrow = ctx.date + datetime.timedelta(1)
    ctx.say(f"{len(made)} changes from {tomorrow} on" if made else "nothing changes")
    if made and any(row[Policy.job] == BY_HAND and row[Policy.valid_from] == tomorrow for row in versions):
        ctx.note(f"a person said by rollback how {tomorrow} is decided: that holds, and not these changes")
    return rows


def _measured(ctx: Ctx) -> list[Row]:
    """The effects of the date and of those before it that count. A row per slice and metric: the driver holds them."""
    first = ctx.date - datetime.timedelta(ctx.settings.memory_days)
    telling = [Effects.date, Effects.window_days, Effects.slice, Effects.metric, Effects.method, Effects.estimate]
    numbers = [Effects.se, Effects.ci_low, Effects.ci_high, Effects.cs_low, Effects.n_treated, Effects.n_control]
    columns = [*telling, *numbers, Effects.first_day, Effects.expected, Effects.verdict, Effects.reason]
    earlier = ctx.read_earlier(Effects).filter(F.col(Effects.date) >= F.lit(first))
    rows = ctx.read(Effects).select(columns).unionByName(earlier.select(columns))
    return [row.asDict() for row in rows.filter(_is_read()).collect()]


def _believable(ctx: Ctx, effects: Sequence[Row]) -> list[Row]:
    """The effects without those of the date between arms where a check doubts the arms."""
    alarms = ctx.read_optional(Checks).filter(
        (F.col(Checks.outcome) == "alarm") & F.col(Checks.check).isin(*_ARMS_DOUBTED_BY)
    )
    doubted = sorted({row[Checks.check] for row in alarms.collect()})  # a row per check and slice
    if not doubted:
        return list(effects)
    ctx.note(
        f"{', '.join(doubted)} of measurement.checks: users with offers and those held out cannot be compared on "
        f"{ctx.date}, and nothing is changed by that; alarms says what was found"
    )
    return [row for row in effects if row[Effects.date] != ctx.date or row[Effects.method] not in _BETWEEN_ARMS]


def _is_read() -> Column:
    """The rows that adjust reads: of whom chance chose, of what receipts say, and of what challengers would bring."""
    return F.col(Effects.method).isin("holdout", *OF_KINDS, "counted", CHALLENGED_BY)


def _by_hand_since(versions: Sequence[Row], date: datetime.date, days: int) -> datetime.date | None:
    """The newest date for which a person said how it is decided, if that is less than so many days ago."""
    said = {row[Policy.valid_from] for row in versions if row[Policy.job] == BY_HAND and row[Policy.valid_from] <= date}
    newest = max(said, default=None)
    return newest if newest is not None and newest > date - datetime.timedelta(days) else None
