"""What single offers changed, from users for whom chance drew one of those that could be made, or none.

Of each user and date chance knew every offer's probability, so those for whom it drew an offer of a kind are compared
with those for whom it drew none, among users who could have drawn either; each counts as many times as one in so many
was drawn. A user who was explored several times is one user.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Budget, Explored
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.measurement.figures import BEFORE, USERS, Figures, figures_of
from promo_spark.measurement.moments import Moments, moments
from promo_spark.measurement.outcomes import FIGURES, DayOutcome, figure
from promo_spark.measurement.populations import CONTROL, TREATED

_TEXT, _DOUBLE = T.StringType(), T.DoubleType()
SPAN = "after"  # the days that a drawn offer is followed
EXPECTED = {  # by metric, what was told of an offer
    "orders": Explored.expected_uplift,
    "margin": Explored.incremental_margin,
    "given": Explored.expected_cost,
    "redeemed": Explored.expected_conversion,
}


class Drawn(Frame):
    """One row per explored user, date and slice of which an offer, or none, was drawn."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    date = Col(T.DateType(), "the day", required=True)
    slice = Col(_TEXT, "as in Effects", required=True)
    side = Col(_TEXT, f"{TREATED}: an offer of the slice was drawn; {CONTROL}: none was", required=True)
    weight = Col(_DOUBLE, "one in so many such users was drawn so", required=True)
    told_orders = Col(_DOUBLE, "what promote told of what was drawn; 0 of none")
    told_margin = Col(_DOUBLE, "the same", unit="currency")
    told_given = Col(_DOUBLE, "the same", unit="currency")
    told_redeemed = Col(_DOUBLE, "the same", unit="share")


def told_column(metric: str) -> str:
    """The column of Drawn that has what was told of a metric."""
    return f"told_{metric}"


def drawn(explored: DataFrame) -> DataFrame:
    """One row per user, date and slice. Explored → Drawn."""
    is_none = F.col(Explored.mechanic) == "none"
    p, chosen = F.col(Explored.action_propensity).cast("double"), F.col(Explored.chosen)
    keys = [Explored.user_id, Explored.date]
    nothing = explored.filter(is_none).select(*keys, p.alias(_P_NONE), chosen.alias(_NONE_CHOSEN))
    depth = F.concat(F.lit("depth:"), F.format_number(F.col(Explored.saving).cast("double"), 1))
    of_offer = F.array(
        F.lit("all"),
        F.concat(F.lit("scenario:"), F.col(Explored.scenario)),
        F.concat(F.lit("mechanic:"), F.col(Explored.mechanic)),
        depth,
    )
    funded = F.coalesce(F.col(Explored.fund_cost), F.lit(0))
    told = [
        F.sum(F.when(chosen, (F.col(name) + (funded if metric == "given" else 0)).cast("double"))).alias(
            told_column(metric)
        )
        for metric, name in EXPECTED.items()
    ]
    of_slice = (
        explored.filter(~is_none)
        .withColumn(Drawn.slice, F.explode(of_offer))
        .groupBy(*keys, Drawn.slice)
        .agg(F.sum(Explored.action_propensity).cast("double").alias(_P), F.bool_or(chosen).alias(_CHOSEN), *told)
    )
    both = of_slice.join(nothing, keys, "inner").filter(F.col(_CHOSEN) | F.col(_NONE_CHOSEN))
    side = F.when(F.col(_CHOSEN), TREATED).otherwise(CONTROL)
    weight = F.when(F.col(_CHOSEN), 1 / F.col(_P)).otherwise(1 / F.col(_P_NONE))
    zeros = {told_column(metric): F.coalesce(F.col(told_column(metric)), F.lit(0.0)) for metric in EXPECTED}
    return Drawn.shaped(both.withColumns({Drawn.side: side, Drawn.weight: weight, **zeros}))


_P, _P_NONE, _CHOSEN, _NONE_CHOSEN = "p_of_slice", "p_of_none", "is_chosen", "none_is_chosen"


def outcomes_after(contexts: DataFrame, outcomes: DataFrame, days: int) -> DataFrame:
    """One row per user and date: what the user did in so many days from the date on.

    Any frame with user_id and date, DayOutcome → both, and each figure as `after_figure`.
    """
    keys = [Explored.user_id, Explored.date]
    told = [F.coalesce(F.sum(name), F.lit(0)).alias(f"{SPAN}_{name}") for name in FIGURES]
    each_day = F.explode(F.sequence(F.col(Explored.date), F.date_add(Explored.date, days - 1)))
    followed = contexts.select(*keys).distinct().withColumn(DayOutcome.day, each_day)
    return followed.join(outcomes, [Explored.user_id, DayOutcome.day], "left").groupBy(*keys).agg(*told)


def explored_moments(
    rows: DataFrame, after: DataFrame, before: DataFrame
) -> tuple[dict[str, Moments], dict[str, dict[str, float]]]:
    """The moments of each slice and side, and what was told of the treated of each slice, a mean by metric.

    Drawn, what users did after it, what they did before offers began → group → Moments, slice → metric → mean.
    """
    keys = [Drawn.user_id, Drawn.date]
    whole = rows.join(after, keys, "inner").join(before, Drawn.user_id, "left")
    figures: Figures = figures_of(SPAN, F.col(Drawn.weight))
    told: Figures = {told_column(m): (F.col(told_column(m)) * F.col(Drawn.weight), 10_000) for m in EXPECTED}
    every = {**figures, **told}
    per_user = whole.groupBy(Drawn.user_id, Drawn.slice, Drawn.side).agg(
        *[F.sum(_exact(value)).alias(_column(name)) for name, (value, _) in every.items()]
    )
    groups = F.array(F.concat_ws("|", Drawn.slice, Drawn.side))
    summed = {name: (F.col(_column(name)), parts) for name, (_, parts) in every.items()}
    found = moments(per_user, groups=groups, figures=summed)
    expected: dict[str, dict[str, float]] = {}
    for name, arm in found.items():
        slice_, _, side = name.partition("|")
        if side == TREATED:
            sums = dict(zip(arm.names, arm.sums, strict=True))
            expected[slice_] = {m: round(float(sums[told_column(m)] / sums[USERS]), 6) for m in EXPECTED}
    return found, expected


def _column(name: str) -> str:
    return f"sum_of_{name}"


def _exact(value: Column) -> Column:
    return F.round(value, 6).cast("decimal(28,6)")


class PolicyContext(Frame):
    """One row per explored user and date: what was drawn, and what a policy would have done."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    date = Col(T.DateType(), "the day", required=True)
    w_policy = Col(_DOUBLE, "1 / probability where the policy would have done what was drawn, else 0", required=True)
    w_none = Col(_DOUBLE, "1 / probability where none was drawn, else 0", required=True)
    told_drawn = Col(_DOUBLE, "what promote told of what was drawn", unit="currency", required=True)
    told_policy = Col(_DOUBLE, "of what the policy would have offered", unit="currency", required=True)


PRICE = "price_of_budgets"


def with_prices(explored: DataFrame, budget: DataFrame) -> DataFrame:
    """The candidates with what a unit of their cost takes of the day's budget and of their mechanic's: column PRICE.

    Explored, Budget of the dates → Explored and PRICE.
    """
    price = F.coalesce(F.col(Budget.dual_price), F.lit(0.0))
    daily = budget.filter(F.col(Budget.constraint) == "daily").select(Budget.date, price.alias(_DAILY))
    of_mechanics = budget.filter(F.col(Budget.constraint).startswith("mechanic:")).select(
        Budget.date,
        F.substring_index(Budget.constraint, ":", -1).alias(Explored.mechanic),
        price.alias(_OF_MECHANIC),
    )
    prices = F.coalesce(F.col(_DAILY), F.lit(0.0)) + F.coalesce(F.col(_OF_MECHANIC), F.lit(0.0))
    return (
        explored.join(F.broadcast(daily), Explored.date, "left")
        .join(F.broadcast(of_mechanics), [Explored.date, Explored.mechanic], "left")
        .withColumn(PRICE, prices)
        .drop(_DAILY, _OF_MECHANIC)
    )


_DAILY, _OF_MECHANIC = "price_daily", "price_of_mechanic"


def policy_contexts(explored: DataFrame, budget: DataFrame) -> DataFrame:
    """One row per user and date, for the policy of the date. Explored, Budget of the dates → PolicyContext.

    The policy makes the offer that brings most after what it takes of the day's budget and of its mechanic's, at their
    prices; none where none is left of it. Other limits are left out.
    """
    value = F.col(Explored.incremental_margin).cast("double")
    net = value - F.col(PRICE) * F.col(Explored.expected_cost).cast("double")
    p, chosen = F.col(Explored.action_propensity).cast("double"), F.col(Explored.chosen)
    is_none = F.col(Explored.mechanic) == "none"
    offered = with_prices(explored, budget).withColumn(_NET, F.when(is_none, F.lit(0.0)).otherwise(net))
    # none wins a tie with an offer; of two offers the one whose id sorts last
    order = F.struct(F.col(_NET), is_none.cast("int").alias("is_none"), F.col(Explored.promotion_id))
    best = F.max_by(F.struct(Explored.promotion_id, value.alias(_VALUE)), order)
    of_drawn = F.max(
        F.when(chosen, F.struct(Explored.promotion_id, value.alias(_VALUE), p.alias(_P), is_none.alias(_IS_NONE)))
    )
    told = offered.groupBy(Explored.user_id, Explored.date).agg(best.alias(_BEST), of_drawn.alias(_DRAWN))
    weight = 1 / F.col(_DRAWN)[_P]
    same = F.col(_BEST)[Explored.promotion_id] == F.col(_DRAWN)[Explored.promotion_id]
    return PolicyContext.shaped(
        told.withColumns(
            {
                PolicyContext.w_policy: F.when(same, weight).otherwise(0.0),
                PolicyContext.w_none: F.when(F.col(_DRAWN)[_IS_NONE], weight).otherwise(0.0),
                PolicyContext.told_drawn: F.col(_DRAWN)[_VALUE],
                PolicyContext.told_policy: F.col(_BEST)[_VALUE],
            }
        )
    )


_NET, _VALUE, _IS_NONE = "net", "told_value", "drew_none"
_BEST, _DRAWN = "best_candidate", "drawn_candidate"


def policy_moments(
    contexts: DataFrame, after: DataFrame, before: DataFrame, *, days: int, before_days: int
) -> Moments | None:
    """The moments that a policy's value follows from, see `off_policy`; None: nobody was explored.

    PolicyContext, what users did after it and before offers began → Moments of users, summed over their dates.
    """
    keys = [Drawn.user_id, Drawn.date]
    usual = F.coalesce(figure(BEFORE, DayOutcome.margin).cast("double"), F.lit(0.0)) * (days / before_days)
    rest = figure(SPAN, DayOutcome.margin).cast("double") - usual
    w_policy, w_none = F.col(PolicyContext.w_policy), F.col(PolicyContext.w_none)
    told_policy = F.col(PolicyContext.told_policy)
    figures: Mapping[str, tuple[Column, int]] = {
        "contexts": (F.lit(1.0), 1),
        "weight_policy": (w_policy, 10_000),
        "weight_none": (w_none, 10_000),
        "rest_policy": (w_policy * (rest - F.col(PolicyContext.told_drawn)), 100),
        "rest_none": (w_none * rest, 100),
        "told": (told_policy, 10_000),
    }
    whole = contexts.join(after, keys, "inner").join(before, Drawn.user_id, "left")
    per_user = whole.groupBy(Drawn.user_id).agg(
        *[F.sum(_exact(value)).alias(_column(name)) for name, (value, _) in figures.items()]
    )
    summed = {name: (F.col(_column(name)), parts) for name, (_, parts) in figures.items()}
    return moments(per_user, groups=F.array(F.lit("policy")), figures=summed).get("policy")


def finished_dates(explored: DataFrame, *, date: datetime.date, days: int, at_most: int) -> DataFrame:
    """The rows whose days are over, of so many dates at most. Explored of earlier dates → Explored."""
    last = date - datetime.timedelta(days)
    return explored.filter(F.col(Explored.date).between(F.lit(last - datetime.timedelta(at_most - 1)), F.lit(last)))
