"""The steps by which evaluate judges the challengers of settings against the policy that the date is decided by."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame

from promo_spark.contracts.decisions import Budget
from promo_spark.decisions.adjustment.factors import InForceOn
from promo_spark.decisions.policy import InForce
from promo_spark.flows.versions import version_on, versions_since
from promo_spark.measurement.challengers import Revaluing, challenger_contexts, challenger_moments, challenger_row
from promo_spark.measurement.effects import Judging, Row
from promo_spark.measurement.windows import Window
from promo_spark.runtime.job import Context
from promo_spark.settings.adjust import AdjustSettings, Challenger
from promo_spark.settings.evaluate import EvaluateSettings


def challenger_rows(
    ctx: Context[EvaluateSettings],
    explored: DataFrame,
    after: DataFrame,
    before: DataFrame,
    window: Window,
    by: Judging,
) -> list[Row]:
    """One row per challenger; none where settings name none. → Effects, without the date.

    Explored of the dates whose days are over, from the first of the window on; what users did after it and before.
    """
    challengers = ctx.beside(AdjustSettings).challengers
    if not challengers:
        return []
    ctx.say(f"judging challengers of the policy: {', '.join(sorted(challengers))}")
    last = ctx.date - datetime.timedelta(window.days)
    dates = [window.first + datetime.timedelta(n) for n in range((last - window.first).days + 1)]
    version_of = version_on(versions_since(ctx, window.first))
    current = version_of(ctx.date)
    today = revaluing("", current, {}, version_of, dates)
    theirs = [revaluing(name, current, values, version_of, dates) for name, values in sorted(challengers.items())]
    contexts = challenger_contexts(explored, ctx.read_earlier(Budget), today, theirs)
    before_days = ctx.settings.before_days
    found = challenger_moments(contexts, after, before, days=window.days, before_days=before_days)
    counted = {"dates": len(dates), "most_dates": ctx.settings.explored_days, "of_all": len(challengers)}
    return [challenger_row(name, of, window, by, **counted) for name, of in found.items()]


def revaluing(
    name: str, current: InForce, values: Challenger, version_of: InForceOn, dates: Sequence[datetime.date]
) -> Revaluing:
    """How the policy in force would value what was told on the dates; a challenger's values go before its own."""
    own = {(parameter, scope): value for parameter, of in values.items() for scope, value in of.items()}
    policy = InForce(current.version, {**current.values, **own})

    def ratios(parameter: str) -> Mapping[datetime.date, Mapping[str, float]]:
        found = {}
        for date in dates:
            told = version_of(date)
            scopes = {of for named, of in {*told.values, *policy.values} if named == parameter}
            each = {scope: policy.factor(parameter, scope) / told.factor(parameter, scope) for scope in scopes}
            found[date] = {scope: ratio for scope, ratio in sorted(each.items()) if ratio != 1.0}
        return found

    paused, depth_most = (
        {scope: value for (named, scope), value in policy.values.items() if named == parameter}
        for parameter in ("paused", "depth_most")
    )
    return Revaluing(name, ratios("value_factor"), ratios("cost_factor"), frozenset(paused), depth_most)
