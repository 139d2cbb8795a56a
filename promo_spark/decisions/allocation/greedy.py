"""Which candidates become offers: greedy by expected margin per expected cost, under all budgets at once.

The problem is a knapsack with several budgets and a most offers per user. One greedy pass goes through the
candidates of all users in descending order of their ratio, expected margin / expected cost. A candidate becomes
an offer unless its user already has the most offers (those of earlier dates that still hold count), or an offer on
one of its products or categories. A coupon for the whole shop stands alone: on top of another offer the price would
fall below the margin floor. So a user's offers keep it, used together too. The first candidate for which a budget
has no room is the budget's break item: it closes the budget for itself and for all that follow. So no budget is
exceeded, and each is used up to less than one offer's cost.

A user may have few offers, and the one with the best ratio is often the smallest. So a first pass considers of
each user only the offers with the largest expected margins, of items or the one coupon: where no budget binds and
no two candidates are about the same product or category, they are the optimum. Where a budget binds, a second pass
considers all candidates, and the pass with the larger expected margin counts. Either way a larger daily budget never
lowers the margin. Where a user may have all candidates at once, the result falls short of the optimum by less than
one offer and 5% (the bound of the fractional knapsack, Dantzig 1957).

Ratios within 5% of one another count as equal; among them the larger expected margin comes first, as a cent of
rounding must not decide. Then comes promotion_id, a digest, so that no user is favoured by name.

The pass is not run user by user: users depend on each other through the budgets only, and each budget closes
once. So each round lets every user choose, in parallel, up to the break items known so far, and then looks for
the next break item in the sums by ratio, then by margin, then by the digest's prefix, then offer by offer: a few
small aggregations, whose size depends on these resolutions and not on the number of users. There are at most as
many rounds as budgets, plus one. The result does not depend on how the data are partitioned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.decisions.allocation.limits import DAILY, constraints_of, of_mechanic
from promo_spark.decisions.offers.topics import WHOLE_SHOP, topics_of
from promo_spark.decisions.valuation import MICRO, ValuedCandidate
from promo_spark.measures.money import minor_per_unit

RATIO_STEP = 1.05

_CHOICE, _CHOSEN = "choice", "chosen"

_TEXT = T.StringType()
_TEXTS = T.ArrayType(_TEXT)


class Choice(Frame):
    """One candidate of a user. Choices sort by their columns: the best ratio first."""

    ratio_order = Col(T.LongType(), "minus the ratio in steps of 5%", required=True)
    margin_order = Col(T.LongType(), "minus the expected margin in whole minor units", required=True)
    promotion_id = Col(_TEXT, "a digest: the order among equals", required=True)
    mechanic = Col(_TEXT, "whose budget it falls under", required=True)
    cost_minor = Col(T.LongType(), "expected cost", unit="minor units", required=True)
    margin_micro = Col(T.LongType(), "expected margin", unit="millionths of currency", required=True)
    ratio = Col(T.DoubleType(), "expected margin / expected cost", required=True)
    topics = Col(_TEXTS, "its products and categories, of which a user gets one offer each", required=True)


class UserChoices(Frame):
    """One row per user: the candidates in the order of the greedy pass."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    held_offers = Col(T.LongType(), "offers of earlier dates that the user still holds", required=True)
    choices = Col(T.ArrayType(Choice.schema()), "see Choice", required=True)


class AllocatedOffer(Frame):
    """One row per user and candidate that becomes an offer."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    rank = Col(T.IntegerType(), "order among the user's offers, 1 = best ratio", required=True)
    ratio_order = Col(T.LongType(), "as in Choice", required=True)
    margin_order = Col(T.LongType(), "as in Choice", required=True)
    promotion_id = Col(_TEXT, "as in Choice", required=True)
    mechanic = Col(_TEXT, "as in Choice", required=True)
    cost_minor = Col(T.LongType(), "as in Choice", required=True)
    margin_micro = Col(T.LongType(), "as in Choice", required=True)
    ratio = Col(T.DoubleType(), "as in Choice", required=True)


@dataclass(frozen=True)
class BreakItem:
    """The first candidate in the order for which a budget has no room: its position, and its ratio."""

    ratio_order: int
    margin_order: int
    promotion_id: str
    ratio: float


@dataclass(frozen=True)
class Allocation:
    """The offers, see AllocatedOffer, and the break item of each budget that binds, by the constraint's name."""

    offers: DataFrame
    break_items: Mapping[str, BreakItem]


def user_choices(candidates: DataFrame, *, digits: int, by_ratio: bool = True) -> DataFrame:
    """One row per user. ValuedCandidate → UserChoices.

    Without `by_ratio` the order is that of the ids alone, which is random: a baseline to compare with.
    """
    margin_micro = F.col(ValuedCandidate.margin_micro)
    ratio = margin_micro / F.col(ValuedCandidate.cost_micro)
    ratio_order = -F.floor(F.log(ratio) / math.log(RATIO_STEP)) if by_ratio else F.lit(0)
    margin_order = -F.floor(margin_micro * minor_per_unit(digits) / MICRO) if by_ratio else F.lit(0)
    topics = topics_of(F.col(ValuedCandidate.product_ids), F.col(ValuedCandidate.categories))
    choice = F.struct(
        ratio_order.cast("long").alias(Choice.ratio_order),
        margin_order.cast("long").alias(Choice.margin_order),
        F.col(ValuedCandidate.promotion_id).alias(Choice.promotion_id),
        F.col(ValuedCandidate.mechanic).alias(Choice.mechanic),
        F.col(ValuedCandidate.cost_minor).alias(Choice.cost_minor),
        margin_micro.alias(Choice.margin_micro),
        F.round(ratio, 6).alias(Choice.ratio),
        topics.alias(Choice.topics),
    )
    ordered = F.sort_array(F.collect_list(choice))
    return candidates.groupBy(ValuedCandidate.user_id).agg(
        F.max(ValuedCandidate.held_offers).alias(UserChoices.held_offers), ordered.alias(UserChoices.choices)
    )


def allocate(choices: DataFrame, *, limits: Mapping[str, int], max_offers: int) -> Allocation:
    """Offers under the limits in minor units, by constraint name. UserChoices → AllocatedOffer.

    `choices` is read several times, so it has to be computed before. A mechanic without a limit of its own is
    bound by the daily limit only.
    """
    largest = greedy_pass(largest_margins(choices, max_offers), limits=limits, max_offers=max_offers)
    if not largest.break_items:
        return largest
    efficient = greedy_pass(choices, limits=limits, max_offers=max_offers)
    return max(largest, efficient, key=lambda allocation: _expected_margin(allocation.offers))


def greedy_pass(choices: DataFrame, *, limits: Mapping[str, int], max_offers: int) -> Allocation:
    """Offers of one greedy pass through the choices. UserChoices → AllocatedOffer."""
    break_items: dict[str, BreakItem] = {}
    while True:
        offers = offers_before(choices, break_items, max_offers)
        overrun = first_overrun(offers, {c: limit for c, limit in limits.items() if c not in break_items})
        if overrun is None:
            return Allocation(offers, break_items)
        break_item, constraints = overrun
        break_items |= dict.fromkeys(constraints, break_item)


def largest_margins(choices: DataFrame, max_offers: int) -> DataFrame:
    """Of each user only the choices with the largest expected margins. UserChoices → UserChoices.

    These are what a user would get if no budget were in the way.
    """
    keyed = F.transform(
        UserChoices.choices, lambda c: F.struct(-c[Choice.margin_micro], c[Choice.promotion_id], c.alias(_CHOICE))
    )
    by_margin = F.transform(F.array_sort(keyed), lambda c: c[_CHOICE])
    of_items = _chosen(choices, by_margin, max_offers, lambda choice: ~_is_whole_shop(choice))
    of_shop = _chosen(choices, by_margin, max_offers, _is_whole_shop)
    larger = F.when(_margin_of(of_shop) > _margin_of(of_items), of_shop).otherwise(of_items)
    return choices.withColumn(UserChoices.choices, F.array_sort(larger))


def offers_before(choices: DataFrame, break_items: Mapping[str, BreakItem], max_offers: int) -> DataFrame:
    """One row per offer, where each budget gives none from its break item on. UserChoices → AllocatedOffer."""
    in_order = F.col(UserChoices.choices)
    chosen = _chosen(choices, in_order, max_offers, lambda choice: _is_before(choice, break_items))
    columns = [c for c in AllocatedOffer.columns() if c in Choice.columns()]
    offers = F.transform(
        chosen,
        lambda choice, index: F.struct((index + 1).alias(AllocatedOffer.rank), *[choice[c].alias(c) for c in columns]),
    )
    return AllocatedOffer.shaped(choices.select(UserChoices.user_id, F.inline(offers)))


def _chosen(choices: DataFrame, ordered: Column, max_offers: int, allowed: Callable[[Column], Column]) -> Column:
    """The choices that a user gets in the order given: as many as allowed, no topic twice, a coupon alone."""
    no_choices = F.array().cast(choices.schema[UserChoices.choices].dataType)
    no_topics = F.array().cast(_TEXTS)

    def step(state: Column, choice: Column) -> Column:
        chosen, topics = state[_CHOSEN], state[Choice.topics]
        room = F.size(chosen) + F.col(UserChoices.held_offers) < max_offers
        apart = ~F.arrays_overlap(topics, choice[Choice.topics]) & ~F.array_contains(topics, WHOLE_SHOP)
        alone = ~_is_whole_shop(choice) | (F.size(chosen) == 0)
        fits = allowed(choice) & room & apart & alone
        more = F.struct(
            F.concat(chosen, F.array(choice)).alias(_CHOSEN),
            F.concat(topics, choice[Choice.topics]).alias(Choice.topics),
        )
        return F.when(fits, more).otherwise(state)

    start = F.struct(no_choices.alias(_CHOSEN), no_topics.alias(Choice.topics))
    return F.aggregate(ordered, start, step)[_CHOSEN]


def _is_whole_shop(choice: Column) -> Column:
    """Whether a choice is good for the whole shop."""
    return F.array_contains(choice[Choice.topics], WHOLE_SHOP)


def _margin_of(choices: Column) -> Column:
    """The expected margin of several choices together."""
    return F.aggregate(choices, F.lit(0).cast("long"), lambda margin, choice: margin + choice[Choice.margin_micro])


def _expected_margin(offers: DataFrame) -> int:
    return int(offers.agg(F.coalesce(F.sum(AllocatedOffer.margin_micro), F.lit(0))).collect()[0][0])


def first_overrun(offers: DataFrame, limits: Mapping[str, int]) -> tuple[BreakItem, list[str]] | None:
    """The first offer in the order that some limit has no room for, and which limits those are."""
    promotion_id = F.col(AllocatedOffer.promotion_id)
    keys = [
        F.col(AllocatedOffer.ratio_order),
        F.col(AllocatedOffer.margin_order),
        F.substring(promotion_id, 1, 3),
        promotion_id,
    ]
    position: list[Any] = []
    spent: Mapping[str, int] = {}
    exceeded: list[str] = []
    for key in keys:
        sums = offers.groupBy(key, AllocatedOffer.mechanic)
        rows = sums.agg(F.sum(AllocatedOffer.cost_minor), F.max(AllocatedOffer.ratio)).collect()
        first = overrun([(value, mechanic, cost) for value, mechanic, cost, _ in rows], spent, limits)
        if first is None:
            return None
        value, spent, exceeded = first
        position.append(value)
        offers = offers.filter(key == value)
    ratio_order, margin_order, _, id_of_item = position
    ratio = next(ratio for value, _, _, ratio in rows if value == id_of_item)
    return BreakItem(ratio_order, margin_order, id_of_item, ratio), exceeded


def overrun(
    costs: Iterable[tuple[Any, str, int]], spent: Mapping[str, int], limits: Mapping[str, int]
) -> tuple[Any, Mapping[str, int], list[str]] | None:
    """The first key in order at which a running sum passes a limit: (key, spent before it, limits passed).

    `costs` has key, mechanic and minor units; `spent` is what was spent before the first of them.

    >>> overrun([(1, "coupon", 30), (2, "coupon", 40)], {}, {"daily": 100, "mechanic:coupon": 60})
    (2, {'daily': 30, 'mechanic:coupon': 30}, ['mechanic:coupon'])
    >>> overrun([(1, "coupon", 30), (2, "coupon", 40)], {"daily": 20}, {"daily": 90}) is None
    True
    """
    for key, group in groupby(sorted(costs), key=lambda cost: cost[0]):
        after = dict(spent)
        for _, mechanic, cost in group:
            for constraint in (DAILY, of_mechanic(mechanic)):
                after[constraint] = after.get(constraint, 0) + cost
        exceeded = [constraint for constraint, limit in limits.items() if after.get(constraint, 0) > limit]
        if exceeded:
            return key, spent, exceeded
        spent = after
    return None


def _is_before(choice: Column, break_items: Mapping[str, BreakItem]) -> Column:
    """Whether a choice comes before the break item of every budget that it falls under."""
    position = F.struct(choice[Choice.ratio_order], choice[Choice.margin_order], choice[Choice.promotion_id])
    fits = F.lit(True)
    for constraint, item in break_items.items():
        at = F.struct(
            F.lit(item.ratio_order).cast("long"), F.lit(item.margin_order).cast("long"), F.lit(item.promotion_id)
        )
        falls_under = F.array_contains(constraints_of(choice[Choice.mechanic]), constraint)
        fits = fits & ((position < at) | ~falls_under)
    return fits
