"""What is changed in bounded steps: depths, budgets, and how many users are explored."""

from __future__ import annotations

import datetime

from promo_spark.contracts.measurement import Effects
from promo_spark.contracts.policy import ALL, BY_NAME
from promo_spark.decisions.adjustment.factors import stepped
from promo_spark.decisions.adjustment.findings import Findings
from promo_spark.decisions.policy import Entry, InForce
from promo_spark.settings.adjust import AdjustSettings
from promo_spark.settings.promote import PromoteSettings

_OVERSPENT = 1.05  # given over the day's budget, from which on less may be reserved


def depths(
    findings: Findings, current: InForce, date: datetime.date, settings: AdjustSettings, promote: PromoteSettings
) -> list[Entry]:
    """The greatest depth of each scenario that is not as the settings have it; a step in a week. Inventory row L02.

    The interval of its return below 0: a step down. Its margin rises for sure and its return is above the target: a
    step up, as far as the settings allow. Else, also where too few users tell, it stays.
    """
    entries = []
    weekly = is_weekly(date, settings)
    for scenario, (least, greatest) in sorted(promote.depth.items()):
        scope = f"scenario:{scenario}"
        now = current.values.get(("depth_most", scope), greatest)
        method = findings.surest(date, scope, "margin")
        roi = findings.row(date, method, scope, "roi")
        margin = findings.row(date, method, scope, "margin")
        value, reason = now, "nobody can tell: it stays"
        evidence = f"as in {current.version}"
        if weekly and roi is not None and margin is not None:
            low, high = roi[Effects.ci_low], roi[Effects.ci_high]
            evidence = (
                f"{method} return of {scope} {roi[Effects.estimate]:.2f} ({low:.2f} to {high:.2f}), margin "
                f"{margin[Effects.estimate]:.3f} ({margin[Effects.ci_low]:.3f} to {margin[Effects.ci_high]:.3f}), "
                f"n {roi[Effects.n_treated]:,}, measurement.effects {date}"
            )
            if high < 0 and margin[Effects.verdict] == "stop":
                value, reason = max(least, now * (1 - settings.depth_step)), "its return lies below 0 for sure"
            elif margin[Effects.verdict] == "ship" and roi[Effects.estimate] > settings.target_return:
                value, reason = min(greatest, now * (1 + settings.depth_step)), "its return is above the target"
        value = round(value, 4)
        if value < greatest:
            entries.append(Entry("depth_most", scope, value, evidence, reason))
    return entries


def budgets(
    findings: Findings, current: InForce, date: datetime.date, settings: AdjustSettings, promote: PromoteSettings
) -> list[Entry]:
    """The day's budget as a share of the settings': paced by what was really given, and by what all offers bring.

    More given per day than the budget: less may be reserved, in proportion. All offers together lose margin for sure:
    a step down a day. Else a step back up.
    """
    now = current.factor("budget_factor", ALL)
    margin = findings.row(date, "holdout", "all", "margin")
    given = findings.row(date, "holdout", "all", "given")
    aim, reason, evidence = 1.0, "what is given keeps to the budget", f"as in {current.version}"
    if margin is not None and given is not None:
        days = int(given[Effects.window_days])
        a_day = given[Effects.estimate] * given[Effects.n_treated] / days
        surely = (given[Effects.estimate] - 2 * given[Effects.se]) * given[Effects.n_treated] / days
        low, high = margin[Effects.ci_low], margin[Effects.ci_high]
        evidence = (
            f"given a day {a_day:,.2f} beside a budget of {promote.daily_budget:,.2f}; margin per user "
            f"{margin[Effects.estimate]:.3f} ({low:.3f} to {high:.3f}), {margin[Effects.verdict]}, holdout all of "
            f"measurement.effects {date}"
        )
        if margin[Effects.verdict] == "stop":
            aim, reason = now / (1 + settings.step), "all offers together lose margin for sure"
        elif promote.daily_budget > 0 and surely > _OVERSPENT * promote.daily_budget:
            aim, reason = now * promote.daily_budget / a_day, "more is given than the budget of the day"
    aim = min(max(aim, BY_NAME["budget_factor"].least), BY_NAME["budget_factor"].most)
    value = stepped(now, aim, settings.step)
    return [] if value >= 1.0 else [Entry("budget_factor", ALL, value, evidence, reason)]


def explored_share(
    findings: Findings, current: InForce, date: datetime.date, settings: AdjustSettings, promote: PromoteSettings
) -> list[Entry]:
    """The share of users that are explored a day: more while little is sure, fewer once much is.

    At a time, which is a day's share times the days that an offer holds, never outside `adjust.explored`.
    """
    if not promote.explore_share:
        return []
    now = current.values.get(("explore_share", ALL), promote.explore_share)
    found = findings.gain(date, "explore", "all")
    value, reason, evidence = now, "nothing new is known", f"as in {current.version}"
    if found is not None:
        sure, doubtful = settings.explore_error
        evidence = found.text
        if found.ratio_error > doubtful:
            value, reason = now * (1 + settings.step), "too little is sure of what offers bring: more are explored"
        elif found.ratio_error < sure:
            value, reason = now / (1 + settings.step), "much is sure of what offers bring: fewer are explored"
        else:
            reason = "as sure as it has to be"
        least, most = (share / promote.valid_days for share in settings.explored)
        bounds = BY_NAME["explore_share"]
        value = round(min(max(value, least, bounds.least), most, bounds.most), 5)
    return [] if value == promote.explore_share else [Entry("explore_share", ALL, value, evidence, reason)]


def is_weekly(date: datetime.date, settings: AdjustSettings) -> bool:
    """Whether the next date is the day of the week on which depths and draws change."""
    return (date + datetime.timedelta(1)).isoweekday() == settings.weekday
