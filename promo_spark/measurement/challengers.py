"""What a challenger would bring more than today's policy, from what chance drew for explored users.

Both are ways to value the same candidates, so each would have made one of them, or none. Where both would have done the
same, nothing is left of the difference, nor of its error. Elsewhere users who drew what the challenger would have done
stand against users who drew what today's policy would have, each as many times as one in so many was drawn so.

Both choose at the prices of the day's budgets, and what the challenger would reserve more is charged at these: money
that it takes is money that others do not get.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Explored
from promo_spark.contracts.measurement import Effects
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.measurement.differences import Difference
from promo_spark.measurement.effects import DECIMALS, Judging, Row, sequence, unsaid, with_estimate
from promo_spark.measurement.explored import PRICE, SPAN, with_prices
from promo_spark.measurement.figures import BEFORE
from promo_spark.measurement.moments import Moments, moments
from promo_spark.measurement.off_policy import value_by_doubly_robust
from promo_spark.measurement.outcomes import DayOutcome, figure
from promo_spark.measurement.windows import Window

_TEXT, _DOUBLE = T.StringType(), T.DoubleType()
Ratios = Mapping[datetime.date, Mapping[str, float]]  # date → mechanic:NAME or scenario:NAME → ratio
DIFFERING = "differing"


@dataclass(frozen=True)
class Revaluing:
    """A policy, as it would have valued what was told on earlier dates.

    `value` and `cost`: its factors over those that were in force when it was told; 1 where none is named. `paused`:
    mechanics and scenarios of which it makes no offer. `depth_most`: the greatest depth of scenarios.
    """

    name: str
    value: Ratios = field(default_factory=dict)
    cost: Ratios = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    depth_most: Mapping[str, float] = field(default_factory=dict)


class ChallengerContext(Frame):
    """One row per explored user, date and challenger: what was drawn, beside what it and today's policy would do."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    date = Col(T.DateType(), "the day", required=True)
    challenger = Col(_TEXT, "its name", required=True)
    differs = Col(T.BooleanType(), "it would do something else than today's policy", required=True)
    w_challenger = Col(_DOUBLE, "1 / probability where it differs and was drawn, else 0", required=True)
    w_today = Col(_DOUBLE, "the same of what today's policy would do", required=True)
    told_drawn = Col(_DOUBLE, "what promote told of what was drawn", unit="currency", required=True)
    told_more = Col(
        _DOUBLE,
        "what promote told of what the challenger would offer, less that of today's policy, both after what they take "
        "of the budgets at their prices",
        unit="currency",
        required=True,
    )


def challenger_contexts(
    explored: DataFrame, budget: DataFrame, today: Revaluing, challengers: Sequence[Revaluing]
) -> DataFrame:
    """One row per user, date and challenger. Explored, Budget of the dates → ChallengerContext."""
    policies = [today, *challengers]
    p, chosen = F.col(Explored.action_propensity).cast("double"), F.col(Explored.chosen)
    is_none, told = F.col(Explored.mechanic) == "none", F.col(Explored.incremental_margin).cast("double")
    charged = F.col(PRICE) * F.col(Explored.expected_cost).cast("double")
    action = F.struct(Explored.promotion_id, (told - charged).alias(_TOLD))
    offered = with_prices(explored, budget).join(F.broadcast(_ratios(explored, policies)), Explored.date, "inner")
    best = []
    for place, policy in enumerate(policies):
        # none wins a tie with an offer; of two offers the one whose id sorts last
        net = F.when(is_none, F.lit(0.0)).otherwise(_net(place))
        order = F.struct(net, is_none.cast("int").alias("is_none"), F.col(Explored.promotion_id))
        best.append(F.max_by(action, F.when(is_none | _could_make(policy), order)).alias(_best(place)))
    drawn = F.max(F.when(chosen, F.struct(Explored.promotion_id, told.alias(_TOLD), p.alias(_P)))).alias(_DRAWN)
    of_each = F.array(
        *[
            F.struct(F.lit(policy.name).alias(ChallengerContext.challenger), F.col(_best(place)).alias(_THEIRS))
            for place, policy in enumerate(policies)
            if place
        ]
    )
    rows = (
        offered.groupBy(Explored.user_id, Explored.date)
        .agg(*best, drawn)
        .select(Explored.user_id, Explored.date, _DRAWN, F.col(_best(0)).alias(_OURS), F.inline(of_each))
    )
    promotion = Explored.promotion_id
    theirs, ours, drew = (F.col(name) for name in (_THEIRS, _OURS, _DRAWN))
    differs = theirs[promotion] != ours[promotion]

    def weight(of: Column) -> Column:
        return F.when(differs & (of[promotion] == drew[promotion]), 1 / drew[_P]).otherwise(0.0)

    return ChallengerContext.shaped(
        rows.withColumns(
            {
                ChallengerContext.differs: differs,
                ChallengerContext.w_challenger: weight(theirs),
                ChallengerContext.w_today: weight(ours),
                ChallengerContext.told_drawn: drew[_TOLD],
                ChallengerContext.told_more: theirs[_TOLD] - ours[_TOLD],
            }
        )
    )


_TOLD, _P, _DRAWN, _OURS, _THEIRS = "told", "p", "drawn", "ours", "theirs"


def _best(place: int) -> str:
    return f"best_{place}"


def _ratios(explored: DataFrame, policies: Sequence[Revaluing]) -> DataFrame:
    """One row per date: of each policy the ratios of its factors, those that are not 1."""
    dates = sorted({day for policy in policies for ratios in (policy.value, policy.cost) for day in ratios})
    every = [ratios for policy in policies for ratios in (policy.value, policy.cost)]
    rows = [(day, *(dict(ratios.get(day, {})) for ratios in every)) for day in dates]
    maps = [f"{name} map<string,double>" for place in range(len(policies)) for name in _names(place)]
    return explored.sparkSession.createDataFrame(rows, f"{Explored.date} date, {', '.join(maps)}")


def _names(place: int) -> tuple[str, str]:
    return f"value_{place}", f"cost_{place}"


def _net(place: int) -> Column:
    """What an offer brings by a policy after what it takes of the budgets, each told times its factor's ratio.

    What is told to be brought, before what is given, has the one factor in it, and what is given the other.
    """
    value, cost = (
        F.coalesce(F.try_element_at(name, F.concat(F.lit("mechanic:"), Explored.mechanic)), F.lit(1.0))
        * F.coalesce(F.try_element_at(name, F.concat(F.lit("scenario:"), Explored.scenario)), F.lit(1.0))
        for name in map(F.col, _names(place))
    )
    given = F.col(Explored.expected_cost).cast("double")
    brought = F.col(Explored.incremental_margin).cast("double") + given
    return brought * value - given * cost * (1 + F.col(PRICE))


def _could_make(policy: Revaluing) -> Column:
    """Whether the policy may make an offer."""
    mechanic, scenario = (
        F.concat(F.lit(f"{kind}:"), name)
        for kind, name in (("mechanic", Explored.mechanic), ("scenario", Explored.scenario))
    )
    paused = sorted(policy.paused)
    may = ~(mechanic.isin(paused) | scenario.isin(paused)) if paused else F.lit(True)
    for scope, most in sorted(policy.depth_most.items()):
        may = may & ((scenario != scope) | (F.col(Explored.saving) <= F.lit(most)))
    return may


def challenger_moments(
    contexts: DataFrame, after: DataFrame, before: DataFrame, *, days: int, before_days: int
) -> dict[str, Moments]:
    """By challenger the moments that its difference follows from, see `off_policy`, in which today's stands for none.

    ChallengerContext, what users did after it and before offers began → Moments of users, summed over their dates.
    """
    usual = F.coalesce(figure(BEFORE, DayOutcome.margin).cast("double"), F.lit(0.0)) * (days / before_days)
    rest = figure(SPAN, DayOutcome.margin).cast("double") - usual - F.col(ChallengerContext.told_drawn)
    theirs, ours = F.col(ChallengerContext.w_challenger), F.col(ChallengerContext.w_today)
    figures: Mapping[str, tuple[Column, int]] = {
        "contexts": (F.lit(1.0), 1),
        DIFFERING: (F.col(ChallengerContext.differs).cast("double"), 1),
        "weight_policy": (theirs, 10_000),
        "weight_none": (ours, 10_000),
        "rest_policy": (theirs * rest, 100),
        "rest_none": (ours * rest, 100),
        "told": (F.col(ChallengerContext.told_more), 10_000),
    }
    whole = contexts.join(after, [Explored.user_id, Explored.date], "inner").join(before, Explored.user_id, "left")
    per_user = whole.groupBy(Explored.user_id, ChallengerContext.challenger).agg(
        *[
            F.sum(F.round(value, 6).cast("decimal(28,6)")).alias(f"sum_of_{name}")
            for name, (value, _) in figures.items()
        ]
    )
    summed = {name: (F.col(_column(name)), parts) for name, (_, parts) in figures.items()}
    return moments(per_user, groups=F.array(ChallengerContext.challenger), figures=summed)


def _column(name: str) -> str:
    return f"sum_of_{name}"


def _exact(value: Column) -> Column:
    return F.round(value, 6).cast("decimal(28,6)")


def challenger_row(
    name: str, of: Moments, window: Window, by: Judging, *, dates: int, most_dates: int, of_all: int
) -> Row:
    """What the challenger would bring more than today's policy, per explored decision. → Effects, without the date.

    `dates`: on which users were explored until now, of `most_dates` that count at most; `of_all`: so many challengers
    share the doubt. Its confidence sequence holds on all days together.
    """
    sums = dict(zip(of.names, of.sums, strict=True))
    contexts, differing = round(float(sums["contexts"])), round(float(sums[DIFFERING]))
    value = value_by_doubly_robust(of)
    users = (round(value.effective), contexts)
    slice_ = f"policy:{name}"
    empty = unsaid(window, slice_, "margin", "dr_policy", users, "")
    if differing and value.effective < by.least_users:
        reason = (
            f"in {differing:,} of {contexts:,} explored decisions it would do something else than today's policy, and "
            f"too few of these drew what one of both would: they say as much as {value.effective:,.0f} users who did, "
            f"and evaluate.least_users is {by.least_users:,}"
        )
        return empty | {Effects.reason: reason}
    told = Difference(value.estimate, value.error, 0.0) if differing else Difference(0.0, 0.0, 0.0)
    expected = round(float(sums["told"]) / contexts, DECIMALS)
    empty |= {Effects.verdict: None, Effects.reason: None, Effects.expected: expected}
    row = with_estimate(empty, told, by, window)
    at_every_look = sequence(told, days=min(dates, most_dates), planned_days=most_dates, alpha=by.alpha / of_all)
    return row | {
        Effects.cs_low: round(at_every_look.low, DECIMALS),
        Effects.cs_high: round(at_every_look.high, DECIMALS),
    }
