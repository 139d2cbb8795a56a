"""Which candidates become offers: greedy by expected margin per expected cost, under all constraints at once.

The rule, as if one clerk went through the candidates of all users: from the best ratio down, give the user the
candidate unless it would be one too many for this user, or repeats a product or category this user already
has. The first candidate that no longer fits a mechanic's budget closes that mechanic; the first that no longer
fits the daily budget closes the day. So no budget is exceeded, and each is used up to less than one offer's cost.

A user has few places, and the most efficient offer is often the smallest. So the clerk first goes through each
user's best offers only, best by expected margin: where no budget binds, that is the best there is. Where one
does, the clerk also goes through all candidates, and the way that brings the larger expected margin is taken.
Either way a larger daily budget never lowers the margin. Without a most per user, what is given falls short of the
optimum by less than one offer and 5% (the bound of the fractional knapsack, Dantzig 1957).

Ratios within 5% of one another count as equal; among them the larger expected margin comes first, as a cent of
rounding must not decide. Then comes promotion_id, a digest, so that no user is favoured by name.

Nobody goes through tens of millions of users one by one: users are independent but for the budgets, and each
budget closes once. So each round lets every user choose under the closings known so far, in parallel, and then
looks for the first overrun in the sums by ratio, then by margin, then by a digest's prefix, then offer by offer:
a few small aggregations, whose size depends on these resolutions and not on the number of users. There are at
most as many rounds as budgets, plus one. The result does not depend on how the data are partitioned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

RATIO_STEP = 1.05

DAILY = "daily"


def of_mechanic(mechanic: str) -> str:
    """The constraint's name of a mechanic's budget."""
    return f"mechanic:{mechanic}"


@dataclass(frozen=True)
class Place:
    """A place in the order of all candidates, and the ratio of expected margin to expected cost there."""

    step: int  # minus the ratio in steps of 5%
    bonus: int  # minus the expected margin in cents
    promotion_id: str
    ratio: float


@dataclass(frozen=True)
class Allocation:
    """Offers with user_id, promotion_id, rank, mechanic and cost; and where each binding constraint closed."""

    offers: DataFrame
    closed: Mapping[str, Place]


def choices(candidates: DataFrame, *, by_ratio: bool = True) -> DataFrame:
    """One row per user: the valued candidates in the order of the allocation.

    Without `by_ratio` the order is that of the ids alone, which is random: a baseline to compare with.
    """
    ratio = F.col("margin_micro") / F.col("cost_micro")
    step = -F.floor(F.log(ratio) / math.log(RATIO_STEP))
    bonus = -F.floor(F.col("margin_micro") / 10_000)
    topics = F.array_compact(
        F.concat(
            F.transform("product_ids", lambda p: F.concat(F.lit("product:"), p)),
            F.transform("categories", lambda c: F.concat(F.lit("category:"), c)),
            F.array(F.when(F.size("product_ids") == 0, "shop")),
        )
    )
    choice = F.struct(
        (step if by_ratio else F.lit(0)).cast("long").alias("step"),
        (bonus if by_ratio else F.lit(0)).cast("long").alias("bonus"),
        "promotion_id",
        "mechanic",
        F.col("cost_cents").alias("cost"),
        F.col("margin_micro").alias("margin"),
        F.round(ratio, 6).alias("ratio"),
        topics.alias("topics"),
    )
    return candidates.groupBy("user_id").agg(F.sort_array(F.collect_list(choice)).alias("choices"))


def allocate(choices: DataFrame, *, limits: Mapping[str, int], max_offers: int) -> Allocation:
    """Offers under the limits in cents, by constraint name; `choices` is read several times, so keep it.

    A mechanic without a limit of its own is bound by the daily limit only.
    """
    wanted = filled(best_of_each_user(choices, max_offers), limits=limits, max_offers=max_offers)
    if not wanted.closed:
        return wanted
    efficient = filled(choices, limits=limits, max_offers=max_offers)
    return max(wanted, efficient, key=lambda allocation: _margin(allocation.offers))


def filled(choices: DataFrame, *, limits: Mapping[str, int], max_offers: int) -> Allocation:
    """Offers as the clerk gives them out of these choices."""
    closed: dict[str, Place] = {}
    while True:
        offers = chosen(choices, closed, max_offers)
        overrun = first_overrun(offers, {c: limit for c, limit in limits.items() if c not in closed})
        if overrun is None:
            return Allocation(offers, closed)
        place, constraints = overrun
        closed |= dict.fromkeys(constraints, place)


def best_of_each_user(choices: DataFrame, max_offers: int) -> DataFrame:
    """The choices cut down to those a user would get if no budget were in the way, best by expected margin."""
    by_margin = F.transform("choices", lambda c: F.struct(-c["margin"], c["promotion_id"], c.alias("choice")))
    order = F.transform(F.array_sort(by_margin), lambda c: c["choice"])
    best = _picked(choices, order, max_offers, lambda _: F.lit(True))
    return choices.withColumn("choices", F.array_sort(best))


def chosen(choices: DataFrame, closed: Mapping[str, Place], max_offers: int) -> DataFrame:
    """One row per offer: what each user gets when every constraint closes where `closed` says."""
    given = _picked(choices, F.col("choices"), max_offers, lambda choice: _open(choice, closed))
    return (
        choices.select("user_id", F.posexplode(given).alias("pos", "choice"))
        .select("user_id", (F.col("pos") + 1).alias("rank"), "choice.*")
        .drop("topics")
    )


def _picked(choices: DataFrame, order: Column, max_offers: int, allowed: Callable[[Column], Column]) -> Column:
    """The choices that a user gets, going through `order`: as many as allowed, no product or category twice."""
    no_choices = F.array().cast(choices.schema["choices"].dataType)
    no_topics = F.array().cast("array<string>")

    def step(held: Column, choice: Column) -> Column:
        fits = (
            allowed(choice) & (F.size(held["given"]) < max_offers) & ~F.arrays_overlap(held["topics"], choice["topics"])
        )
        more = F.struct(
            F.concat(held["given"], F.array(choice)).alias("given"),
            F.concat(held["topics"], choice["topics"]).alias("topics"),
        )
        return F.when(fits, more).otherwise(held)

    held = F.aggregate(order, F.struct(no_choices.alias("given"), no_topics.alias("topics")), step)
    return held["given"]


def _margin(offers: DataFrame) -> int:
    return int(offers.agg(F.coalesce(F.sum("margin"), F.lit(0))).collect()[0][0])


def first_overrun(offers: DataFrame, limits: Mapping[str, int]) -> tuple[Place, list[str]] | None:
    """The first offer in the order that some limit has no room for, and which limits those are."""
    spent: Mapping[str, int] = {}
    at: dict[str, Any] = {}
    over: list[str] = []
    prefix = F.substring("promotion_id", 1, 3)
    keys = {"step": F.col("step"), "bonus": F.col("bonus"), "prefix": prefix, "id": F.col("promotion_id")}
    for name, key in keys.items():
        sums = offers.groupBy(key.alias("key"), "mechanic")
        rows = sums.agg(F.sum("cost").alias("cost"), F.max("ratio").alias("ratio")).collect()
        found = overrun([(r["key"], r["mechanic"], r["cost"]) for r in rows], spent, limits)
        if found is None:
            return None
        at[name], spent, over = found
        offers = offers.filter(key == at[name])
    ratio = next(r["ratio"] for r in rows if r["key"] == at["id"])
    return Place(at["step"], at["bonus"], at["id"], ratio), over


def overrun(
    costs: Iterable[tuple[Any, str, int]], spent: Mapping[str, int], limits: Mapping[str, int]
) -> tuple[Any, Mapping[str, int], list[str]] | None:
    """The first key in order at which a running sum passes a limit: (key, spent before it, limits passed).

    `costs` has key, mechanic and cents; `spent` is what went out before the first of them.
    """
    for key, group in groupby(sorted(costs), key=lambda c: c[0]):
        after = dict(spent)
        for _, mechanic, cost in group:
            for constraint in (DAILY, of_mechanic(mechanic)):
                after[constraint] = after.get(constraint, 0) + cost
        over = [c for c, limit in limits.items() if after.get(c, 0) > limit]
        if over:
            return key, spent, over
        spent = after
    return None


def _open(choice: Column, closed: Mapping[str, Place]) -> Column:
    """Whether a choice comes before the closing of the day and of its mechanic."""
    fits = F.lit(True)
    for constraint, at in closed.items():
        before = F.struct(choice["step"], choice["bonus"], choice["promotion_id"]) < F.struct(
            F.lit(at.step).cast("long"), F.lit(at.bonus).cast("long"), F.lit(at.promotion_id)
        )
        bound = F.lit(True) if constraint == DAILY else F.concat(F.lit("mechanic:"), choice["mechanic"]) == constraint
        fits = fits & (before | ~bound)
    return fits
