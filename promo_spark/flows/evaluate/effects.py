"""The steps of evaluate: which windows are over, who is compared with whom, what is told of it, what is doubtful."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Budget, Explored, Promotions
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.predictions import Propensity
from promo_spark.contracts.silver import Campaigns, Exposures, Feedback, OrderLines, Redemptions
from promo_spark.contracts.withheld import Withheld
from promo_spark.flows.evaluate.challengers import challenger_rows
from promo_spark.measurement.arms import arm_counts, user_arms
from promo_spark.measurement.effects import (
    Compared,
    Judging,
    Row,
    before_after_rows,
    decided_since,
    effect_rows,
    judged,
    pending_rows,
    policy_row,
    taking_rows,
    unsaid,
)
from promo_spark.measurement.explored import (
    Drawn,
    drawn,
    explored_moments,
    finished_dates,
    outcomes_after,
    policy_contexts,
    policy_moments,
)
from promo_spark.measurement.figures import BEFORE, BEFORE_WINDOW, METRICS, figures_of, prior_figures
from promo_spark.measurement.moments import Moments, moments, moments_of_arrays
from promo_spark.measurement.off_policy import value_by_doubly_robust, value_by_snips
from promo_spark.measurement.offers import SentOffer, sent_offers
from promo_spark.measurement.outcomes import day_outcomes, outcomes_of_users
from promo_spark.measurement.plans import plan_moments, plan_rows
from promo_spark.measurement.populations import (
    ALL,
    ANY,
    CONTROL,
    OTHERS,
    TAKERS,
    TREATED,
    asked_users,
    days_without_decisions,
    expected_in_window,
    forecasts_before,
    group,
    randomised_groups,
    slices,
    taking_groups,
)
from promo_spark.measurement.uses import channel_costs, offer_uses
from promo_spark.measurement.validity import (
    arms_kept_row,
    comparison_rows,
    days_decided_row,
    effect_check_rows,
    exposures_known_row,
    sample_ratio_rows,
    worse_of,
)
from promo_spark.measurement.windows import Window, finished_windows, pending_windows
from promo_spark.measurement.withheld import first_comparable_date, given_or_withheld
from promo_spark.runtime.job import Context
from promo_spark.settings.evaluate import EvaluateSettings

Ctx = Context[EvaluateSettings]
_LONGEST_OFFER = 366  # days that an offer of an earlier date is looked for


@dataclass(frozen=True)
class Evaluation:
    """What is measured on a date: when offers began, the windows that are over, what users did, by day and by span."""

    start: datetime.date
    decided: set[datetime.date]
    windows: list[Window]
    promotions: DataFrame  # of earlier dates, as far back as an offer may hold in a window
    offers: DataFrame  # SentOffer of these
    uses: DataFrame  # OfferUse
    by_day: DataFrame  # DayOutcome
    by_user: DataFrame  # outcomes of users, by span, and what was forecast of them before offers began
    by: Judging

    @property
    def shortest(self) -> Window:
        return self.windows[0]


def effects_and_checks(ctx: Ctx) -> tuple[list[Row], list[Row]]:
    """What offers did, and whether it can be believed. → rows of Effects and Checks, without the date."""
    of = evaluation(ctx)
    if of is None:
        return [], []
    later = pending_rows(pending_windows(ctx.settings.windows, start=of.start, date=ctx.date))
    if not of.windows:
        ctx.note(f"offers began on {of.start}: too few days ago to tell what they did")
        return later, _arms_of_newest(ctx, of)
    ctx.say("comparing users with offers and those held out")
    compared, observed, checks = _of_windows(ctx, of)
    ctx.say("comparing what chance drew for explored users")
    explored, policy = _of_explored(ctx, of)
    ctx.say("comparing users with single offers and those who would have got them")
    withheld = _of_withheld(ctx, of)
    first = max(of.start, ctx.date - datetime.timedelta(ctx.settings.explored_days))
    ended = {window.days: window for window in (of.shortest, Window(first, (ctx.date - first).days))}
    plans = [row for _, window in sorted(ended.items()) for row in _plans(of, window)]
    effects = judged([*effect_rows([*compared, *explored, *withheld], of.by), *policy, *observed, *plans], of.by)
    return [*effects, *later], [*checks, *effect_check_rows(effects)]


def _plans(of: Evaluation, ended: Window) -> list[Row]:
    """Plan against actual of the offers whose days ended in a window. → Effects."""
    return plan_rows(plan_moments(of.offers, of.uses, ended), ended, of.by)


def _arms_of_newest(ctx: Ctx, of: Evaluation) -> list[Row]:
    """Are the arms as large as drawn, on the newest date that was decided? → Checks."""
    newest = max(day for day in of.decided if day < ctx.date)
    return _arms_of_day(ctx, user_arms(of.promotions.filter(F.col(Promotions.date) == F.lit(newest))), newest)


def _arms_of_day(ctx: Ctx, arms: DataFrame, day: datetime.date) -> list[Row]:
    counts = [row.asDict() for row in arm_counts(arms).collect()]  # a row per arm and probability
    return sample_ratio_rows(counts, day=day, threshold=ctx.settings.alarms.sample_ratio)


def evaluation(ctx: Ctx) -> Evaluation | None:
    """What there is to be measured; None, and a note, where nothing was decided before the date."""
    settings = ctx.settings
    earlier = ctx.earlier(Promotions)
    dates = [] if earlier is None else earlier.select(Promotions.date).distinct().collect()  # a row per date
    decided = {row[0] for row in dates}
    start = decided_since(decided, settings.since)
    if earlier is None or start is None or not any(day < ctx.date for day in decided):
        ctx.note(f"no offers were decided before {ctx.date}: there is nothing to measure yet")
        return None
    if start >= ctx.date:
        ctx.note(f"evaluate.since is {settings.since}, so that nothing is measured for {ctx.date}: give an earlier day")
        return None
    windows = finished_windows(settings.windows, start=start, date=ctx.date, most_days=settings.most_days)
    by = Judging(settings.alpha, settings.least_users, settings.windows[-1], settings.before_days)
    nothing = ctx.spark.createDataFrame([], "user_id string")
    if not windows:
        return Evaluation(start, decided, [], earlier, nothing, nothing, nothing, nothing, by)
    before = _spans_before(ctx, start, windows[0])
    first = min(begin for begin, _ in before.values())
    explored = max(start, ctx.date - datetime.timedelta(settings.explored_days))
    of_windows = min(explored, *(window.first for window in windows))
    since = of_windows - datetime.timedelta(_LONGEST_OFFER)
    promotions = earlier.filter(
        (F.col(Promotions.date) >= F.lit(since))
        & ((F.col(Promotions.mechanic) == "none") | (F.col(Promotions.valid_to) >= F.lit(of_windows)))
    )
    lines = ctx.read_everyone(OrderLines).filter(
        F.col(OrderLines.order_date).between(F.lit(first), F.lit(ctx.date - datetime.timedelta(1)))
    )
    products = ctx.read(ProductProfile)
    offers = ctx.keep(sent_offers(promotions).filter(F.col(SentOffer.valid_to) >= F.lit(of_windows)))
    held_since = offers.agg(F.min(SentOffer.valid_from)).collect()[0][0] or start
    while_held = lines.filter(F.col(OrderLines.order_date) >= F.lit(held_since))
    uses = ctx.keep(offer_uses(offers, while_held, products, ctx.read_everyone(Redemptions)))
    costs = channel_costs(offers, uses, per_message=settings.channel_costs, cps_rates=settings.cps_rates)
    scores = ctx.read_everyone(Feedback)
    by_day = ctx.keep(day_outcomes(lines, products, uses, costs, scores, timezone=ctx.business.timezone))
    forecasts = forecasts_before(ctx.read_earlier(Propensity).filter(F.col(Propensity.as_of) == F.lit(start)))
    by_user = ctx.keep(outcomes_of_users(by_day, _spans(windows), before).join(forecasts, Propensity.user_id, "full"))
    return Evaluation(start, decided, windows, promotions, offers, uses, by_day, by_user, by)


Spans = dict[str, tuple[datetime.date, datetime.date]]


def _spans(windows: list[Window]) -> Spans:
    """The days whose figures are added up, by name: those of each window."""
    return {_span(window): (window.first, window.last) for window in windows}


def _spans_before(ctx: Ctx, start: datetime.date, shortest: Window) -> Spans:
    """The same of the days before offers began, and of those before the shortest window."""
    day = datetime.timedelta(1)
    return {
        BEFORE: (start - ctx.settings.before_days * day, start - day),
        BEFORE_WINDOW: (shortest.first - shortest.days * day, shortest.first - day),
    }


def _span(window: Window) -> str:
    return f"days{window.days}"


def _of_windows(ctx: Ctx, of: Evaluation) -> tuple[list[Compared], list[Row], list[Row]]:
    """Those held out against the others in every window; takers against others in the shortest; checks of both."""
    compared: list[Compared] = []
    observed: list[Row] = []
    longest = of.windows[-1]
    checks = [
        days_decided_row(days_without_decisions(of.decided, longest), longest),
        arms_kept_row(of.promotions, longest),
        exposures_known_row(
            ctx.read_everyone(Exposures), of.offers, of.promotions, ctx.read_optional(Campaigns), longest
        ),
    ]
    for window in of.windows:
        if window.first not in of.decided:
            reason = f"nothing was decided for {window.first}, its first day"
            observed += [unsaid(window, ALL, metric, "holdout", (0, 0), reason) for metric in METRICS]
            continue
        arms = user_arms(of.promotions.filter(F.col(Promotions.date) == F.lit(window.first)))
        arms = ctx.keep(arms)
        whole = asked_users(arms, of.by_user)
        figures = dict(figures_of(_span(window)))
        groups = randomised_groups()
        if window is of.shortest:
            figures |= prior_figures()
            groups = F.concat(groups, taking_groups())
        found = moments(whole, groups=groups, figures=figures)
        if not found:
            reason = f"nobody could have been offered anything on {window.first}"
            observed += [unsaid(window, ALL, metric, "holdout", (0, 0), reason) for metric in METRICS]
            continue
        compared += _held_out_compared(window, found, expected_in_window(of.offers, window))
        if window is of.shortest:
            observed += _observed(window, found, of.by)
        if window is longest:
            of_first = _arms_of_day(ctx, arms, window.first)
            checks += worse_of(of_first, _arms_of_newest(ctx, of))
            checks += comparison_rows(found, of.by.least_users)
    return compared, observed, checks


def _held_out_compared(
    window: Window, found: Mapping[str, Moments], expected: Mapping[str, Mapping[str, float]]
) -> list[Compared]:
    """A comparison per slice that has both sides; a window in which an arm is empty has one that says so."""
    nobody = moments_of_arrays({name: [] for name in next(iter(found.values())).names})
    compared = []
    for slice_ in slices(found) or [ALL]:
        treated = found.get(group(slice_, TREATED), nobody)
        control = found.get(group(ALL if slice_.startswith("arm:") else slice_, CONTROL), nobody)
        told = expected.get(slice_)
        if told is None and slice_.startswith("segment:"):
            told = dict.fromkeys(expected[ALL], 0.0)
        per_user = {m: round(value / treated.users, 6) for m, value in (told or {}).items() if treated.users}
        compared.append(Compared(slice_, "holdout", window, treated, control, per_user))
    return compared


def _observed(window: Window, found: Mapping[str, Moments], by: Judging) -> list[Row]:
    """What those who were offered something did against others, and against before: no effects."""
    rows: list[Row] = []
    others = found.get(group(ANY, OTHERS))
    for name, takers in found.items():
        slice_, _, side = name.partition("|")
        if side == TAKERS and others is not None:
            rows += taking_rows(slice_, window, takers, others, by)
    treated, control = found.get(group(ALL, TREATED)), found.get(group(ALL, CONTROL))
    return rows + (before_after_rows(window, treated, control, by) if treated and control else [])


def _of_explored(ctx: Ctx, of: Evaluation) -> tuple[list[Compared], list[Row]]:
    """What single offers did, the policy of the dates, and its challengers: of users for whom chance drew."""
    days = of.shortest.days
    rows = finished_dates(
        ctx.read_earlier(Explored).filter(F.col(Explored.date) >= F.lit(of.start)),
        date=ctx.date,
        days=days,
        at_most=ctx.settings.explored_days,
    )
    rows = ctx.keep(rows)
    first = rows.agg(F.min(Explored.date)).collect()[0][0]
    if first is None:
        return [], []
    window = Window(first, days)
    after = ctx.keep(outcomes_after(rows, of.by_day, days))
    compared = _by_slice("explore", window, *explored_moments(drawn(rows), after, of.by_user))
    contexts = policy_contexts(rows, ctx.read_earlier(Budget))
    told = policy_moments(contexts, after, of.by_user, days=days, before_days=ctx.settings.before_days)
    if told is None:
        return compared, []
    expected_of_policy = round(float(told.sums[told.names.index("told")] / told.sums[told.names.index("contexts")]), 6)
    policy = [
        policy_row(method, window, told.users, value(told), expected_of_policy, of.by)
        for method, value in (("dr_policy", value_by_doubly_robust), ("snips_policy", value_by_snips))
    ]
    challengers = challenger_rows(ctx, rows, after, of.by_user, window, of.by)
    return compared, [*policy, *challengers]


def _of_withheld(ctx: Ctx, of: Evaluation) -> list[Compared]:
    """What offers of one kind did to those to whom they went: against those held out who would have got them."""
    withheld = ctx.earlier(Withheld)
    if withheld is None:
        return []
    days, since = of.shortest.days, F.col(Withheld.date) >= F.lit(of.start)
    alike = first_comparable_date(of.promotions, withheld.filter(since))
    if alike is None:
        return []
    whole = given_or_withheld(of.promotions, withheld).filter(F.col(Drawn.date) >= F.lit(alike))
    rows = ctx.keep(finished_dates(whole, date=ctx.date, days=days, at_most=ctx.settings.explored_days))
    first = rows.agg(F.min(Drawn.date)).collect()[0][0]
    if first is None:
        return []
    after = outcomes_after(rows, of.by_day, days)
    return _by_slice("withheld", Window(first, days), *explored_moments(rows, after, of.by_user))


def _by_slice(
    method: str, window: Window, found: Mapping[str, Moments], expected: Mapping[str, Mapping[str, float]]
) -> list[Compared]:
    """A comparison per slice. `found`: by group; `expected`: what was told of the treated, by slice and metric."""
    if not found:
        return []
    nobody = moments_of_arrays({name: [] for name in next(iter(found.values())).names})
    return [
        Compared(
            slice_,
            method,
            window,
            found.get(group(slice_, TREATED), nobody),
            found.get(group(slice_, CONTROL), nobody),
            expected.get(slice_, {}),
        )
        for slice_ in sorted({name.partition("|")[0] for name in found})
    ]
