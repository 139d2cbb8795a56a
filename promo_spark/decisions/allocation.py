"""Which candidates become offers: greedy by expected margin per expected cost, under all constraints at once.

The rule, as if one clerk went through all candidates of all users: from the best ratio down, give the user the
candidate unless it would be one too many for this user, or repeats a product or category this user already
has. The first candidate that no longer fits a mechanic's budget closes that mechanic; the first that no longer
fits the daily budget closes the day. So no budget is exceeded, each is used up to less than one offer's cost,
and a larger daily budget only adds offers.

Ratios within 5% of one another count as equal; among them the larger expected margin comes first, as a user
has few places and a cent of rounding must not decide who gets them. Then comes promotion_id, a digest, so that
no user is favoured by name. Without the most offers per user binding, what is given falls short of the best
possible by less than one offer and the 5% (the bound of the fractional knapsack, Dantzig 1957). Where that limit
binds and budgets do not, a user may get the more efficient of two offers where the larger would have brought more.

Nobody goes through tens of millions of users one by one: users are independent but for the budgets, and each
budget closes once. So each round lets every user choose under the closings known so far, in parallel, and then
looks for the first overrun in the sums by ratio, then by margin, then by a digest's prefix, then offer by offer:
a few small aggregations, whose size depends on these resolutions and not on the number of users. There are at
most as many rounds as budgets, plus one. The result does not depend on how the data are partitioned.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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
        F.round(ratio, 6).alias("ratio"),
        topics.alias("topics"),
    )
    return candidates.groupBy("user_id").agg(F.sort_array(F.collect_list(choice)).alias("choices"))


def allocate(choices: DataFrame, *, limits: Mapping[str, int], max_offers: int) -> Allocation:
    """Offers under the limits in cents, by constraint name; `choices` is read several times, so keep it.

    A mechanic without a limit of its own is bound by the daily limit only.
    """
    closed: dict[str, Place] = {}
    while True:
        offers = chosen(choices, closed, max_offers)
        overrun = first_overrun(offers, {c: limit for c, limit in limits.items() if c not in closed})
        if overrun is None:
            return Allocation(offers, closed)
        place, constraints = overrun
        closed |= dict.fromkeys(constraints, place)


def chosen(choices: DataFrame, closed: Mapping[str, Place], max_offers: int) -> DataFrame:
    """One row per offer: what each user gets when every constraint closes where `closed` says."""
    nothing = F.array().cast("array<string>")

    def step(held: Column, choice: Column) -> Column:
        fits = (
            _open(choice, closed)
            & (F.size(held["ids"]) < max_offers)
            & ~F.arrays_overlap(held["topics"], choice["topics"])
        )
        more = F.struct(
            F.concat(held["ids"], F.array(choice["promotion_id"])).alias("ids"),
            F.concat(held["topics"], choice["topics"]).alias("topics"),
        )
        return F.when(fits, more).otherwise(held)

    held = F.aggregate("choices", F.struct(nothing.alias("ids"), nothing.alias("topics")), step)
    given = F.filter("choices", lambda choice: F.array_contains(F.col("ids"), choice["promotion_id"]))
    return (
        choices.withColumn("ids", held["ids"])
        .select("user_id", F.posexplode(given).alias("pos", "choice"))
        .select("user_id", (F.col("pos") + 1).alias("rank"), "choice.*")
        .drop("topics")
    )


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
