"""Allocation by prices of limits: how long, how near to the bound, and what the greedy baseline brings.

Each user has options of eight mechanics about products of their own; a budget of the day, one of each mechanic and one
of each of twelve departments bind. Values and costs are derived from hashes, so that a size is the same everywhere. No
limit may be exceeded, nobody may have more than two offers or two about the same: else exit code 1. Greedy runs on the
driver, and only up to so many users.

    PYTHONPATH=. .venv/bin/python benchmarks/allocation.py [--users 1000000] [--options 20] [--seeds 1,2,3]
"""

from __future__ import annotations

import argparse
import sys
import time

from local_session import local_session
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.decisions.allocation.limits import DAILY, of_mechanic
from promo_spark.decisions.allocation.policies import greedy
from promo_spark.decisions.allocation.prices import Allocation, allocated_by_prices
from promo_spark.decisions.allocation.user_options import OptionUse, UserOption, UserOptions
from promo_spark.decisions.allocation.user_sets import AllocatedOffer
from promo_spark.settings import load

MECHANICS, DEPARTMENTS, PRODUCTS = 8, 12, 2_000
ROOM, GREEDY_USERS = 2, 100_000
MICRO_PER_CENT = 10_000
SAVED = {DAILY: 0.10, "mechanic": 0.03, "department": 0.015}  # of the cost of all options, so that all may bind


def options_of_hashes(spark: SparkSession, users: int, options: int, seed: int) -> DataFrame:
    """One row per user. → UserOptions: costs of 1 to 400 cents, worth 0.2 to 5 times as much."""

    def draw(what: str) -> Column:
        return F.pmod(F.xxhash64(F.lit(seed), F.lit(what), "id", "n"), F.lit(1_000_003)) / 1_000_003

    cost = F.ceil(F.exp(draw("cost") * 6)).cast("long")
    value = (cost * MICRO_PER_CENT * F.exp((draw("value") - 0.5) * 3.2)).cast("long")
    product = F.floor(draw("product") * PRODUCTS)
    names = (
        F.lit(DAILY),
        F.concat(F.lit(of_mechanic("m")), F.floor(draw("mechanic") * MECHANICS).cast("string")),
        F.concat(F.lit("department:"), (product % DEPARTMENTS).cast("string")),
    )
    uses = F.array(*(F.struct(name.alias(OptionUse.constraint), cost.alias(OptionUse.amount)) for name in names))
    option = F.struct(
        F.sha2(F.concat_ws("-", F.lit(seed), "id", "n"), 256).alias(UserOption.promotion_id),
        value.alias(UserOption.value_micro),
        F.array(F.concat(F.lit("p"), product.cast("string"))).alias(UserOption.topics),
        uses.alias(UserOption.uses),
    )
    return UserOptions.shaped(
        spark.range(users)
        .select("id", F.explode(F.sequence(F.lit(1), F.lit(options))).alias("n"))
        .select("id", option.alias("option"))
        .groupBy("id")
        .agg(F.sort_array(F.collect_list("option")).alias(UserOptions.options))
        .select(
            F.concat(F.lit("u"), F.col("id").cast("string")).alias(UserOptions.user_id),
            F.lit(ROOM).alias(UserOptions.room),
            UserOptions.options,
        )
    ).localCheckpoint()


def limits_of(options: DataFrame) -> dict[str, int]:
    """A share of what all options would use."""
    uses = F.flatten(F.transform(UserOptions.options, lambda option: option[UserOption.uses]))
    sums = options.select(F.inline(uses)).groupBy(OptionUse.constraint).agg(F.sum(OptionUse.amount)).collect()
    whole = next(total for name, total in sums if name == DAILY)
    return {name: int(whole * SAVED[name.partition(":")[0]]) for name, _ in sums}


def broken(chosen: DataFrame, options: DataFrame, limits: dict[str, int]) -> list[str]:
    """Every promise that the choice breaks."""
    each = options.select(UserOptions.user_id, F.inline(UserOptions.options))
    made = chosen.join(each, [UserOptions.user_id, UserOption.promotion_id], "left").localCheckpoint()
    used = made.select(F.inline(UserOption.uses)).groupBy(OptionUse.constraint).agg(F.sum(OptionUse.amount)).collect()
    found = [f"{name}: {total:,} of {limits[name]:,}" for name, total in used if total > limits[name]]
    per_user = made.groupBy(UserOptions.user_id).agg(
        F.count("*").alias("offers"), F.count_distinct(F.get(UserOption.topics, F.lit(0))).alias("topics")
    )
    wrong = per_user.filter((F.col("offers") > ROOM) | (F.col("topics") < F.col("offers"))).count()
    return [*found, *([f"{wrong:,} users with too many offers, or two of a product"] if wrong else [])]


def told(name: str, value: int, bound: int, seconds: float) -> None:
    print(f"    {name}: {value / 1e6:,.0f} of at most {bound / 1e6:,.0f}, gap {1 - value / bound:.4%}, {seconds:.0f} s")


def compared(spark: SparkSession, users: int, options_each: int, seed: int) -> list[str]:
    """One seed: prints ours and, where it fits, greedy; what is broken."""
    options = options_of_hashes(spark, users, options_each, seed)
    limits = limits_of(options)
    print(f"  seed {seed}: {users:,} users with {options_each} options each, {len(limits)} limits", flush=True)
    started = time.perf_counter()
    ours: Allocation = allocated_by_prices(options, limits, sample_users=load().promote.sample_users, frontier_of=DAILY)
    offers = ours.offers.localCheckpoint()
    told("prices", ours.value_micro, ours.bound_micro, time.perf_counter() - started)
    found = broken(offers.select(AllocatedOffer.user_id, AllocatedOffer.promotion_id), options, limits)
    if users <= GREEDY_USERS:
        started = time.perf_counter()
        chosen = greedy(options, limits).localCheckpoint()
        each = options.select(UserOptions.user_id, F.inline(UserOptions.options))
        by_greedy = chosen.join(each, [UserOptions.user_id, UserOption.promotion_id]).agg(F.sum(UserOption.value_micro))
        told("greedy", by_greedy.collect()[0][0], ours.bound_micro, time.perf_counter() - started)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--options", type=int, default=20)
    parser.add_argument("--seeds", default="1")
    asked = parser.parse_args()
    spark = local_session("allocation", memory="8g")
    found = [one for seed in asked.seeds.split(",") for one in compared(spark, asked.users, asked.options, int(seed))]
    spark.stop()
    sys.exit("broken: " + "; ".join(found) if found else 0)


if __name__ == "__main__":
    main()
