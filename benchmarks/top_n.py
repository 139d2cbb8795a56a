"""Top-N of every user: MLlib's recommendForAllUsers against recommended_items, from the same fitted model.

The lists are compared first: at every rank the scores must agree to float32 precision, and the products
too, but where two scores are closer than that. Then both are timed in turn, results thrown away.

    python benchmarks/top_n.py [USERS] [PRODUCTS] [ROUNDS]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from local_session import local_session
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.models.recommenders.lists import ItemModel, PopularItems
from promo_spark.models.recommenders.recommendations import UserToRank, recommended_items

N, RANK, BLOCKS, BOUGHT = 10, 64, 4, 20


def fitted(spark: SparkSession, users: int, products: int) -> ALSModel:
    """A model of purchases derived from hashes: each user bought 20 products, low numbers more often."""
    draw = F.pmod(F.xxhash64("id", "n"), F.lit(1_000_000)) / 1_000_000
    ratings = (
        spark.range(users)
        .select(F.col("id").cast("int").alias("user"), "id", F.explode(F.sequence(F.lit(1), F.lit(BOUGHT))).alias("n"))
        .select("user", F.floor(draw * draw * products).cast("int").alias("item"), F.lit(1.0).alias("rating"))
    )
    return ALS(
        userCol="user",
        itemCol="item",
        ratingCol="rating",
        implicitPrefs=True,
        rank=RANK,
        maxIter=2,
        seed=1,
        numUserBlocks=BLOCKS,
        numItemBlocks=BLOCKS,
    ).fit(ratings.distinct().persist())


def by_mllib(model: ALSModel) -> DataFrame:
    return model.recommendForAllUsers(N)


def by_chunks(model: ALSModel) -> DataFrame:
    """What the job does, the transfer of the product vectors to the driver included."""
    factors = model.itemFactors.orderBy("id").toArrow().combine_chunks()
    no_items = np.empty(0, np.int64)
    items = ItemModel(
        factors["id"].to_numpy().astype(np.int64),
        np.asarray(factors["features"].combine_chunks().values, np.float32).reshape(-1, RANK),
        PopularItems(no_items, no_items),
        {},
    )
    users = model.userFactors.select(
        F.col("id").cast("string").alias(UserToRank.user_id),
        F.lit(0).alias(UserToRank.segment_id),
        F.lit(None).cast(UserToRank.type_of(UserToRank.own)).alias(UserToRank.own),
        UserToRank.features,
        *(F.lit(None).cast(UserToRank.type_of(c)).alias(c) for c in (UserToRank.lists, UserToRank.outside)),
    )
    return recommended_items(users, items, recommender="als", policy="keep", repeat_weight=0.0, top_n=N)


def compared(model: ALSModel) -> str:
    """How far the two agree; exits when they do not."""
    theirs = (
        by_mllib(model)
        .select("user", F.posexplode("recommendations").alias("rank", "r"))
        .select(
            "user",
            (F.col("rank") + 1).alias("rank"),
            F.col("r.item").alias("their_item"),
            F.col("r.rating").alias("their_score"),
        )
    )
    both = theirs.join(by_chunks(model).withColumn("user", F.col("user_id").cast("int")), ["user", "rank"], "full")
    gap = F.abs(F.col("score") - F.col("their_score"))
    found = both.agg(
        F.count("*").alias("rows"),
        F.count("score").alias("ours"),
        F.count("their_score").alias("theirs"),
        F.max(gap).alias("gap"),
        F.count_if(F.col("item") == F.col("their_item")).alias("same"),
    ).collect()[0]
    if found.ours != found.rows or found.theirs != found.rows or found.gap > 1e-5 or found.same < 0.999 * found.rows:
        sys.exit(f"the lists differ: {found}")
    return f"{found.rows:,} rows, {found.rows - found.same} at another rank by a tie, scores within {found.gap:.1e}"


def seconds(made: Callable[[ALSModel], DataFrame], model: ALSModel) -> float:
    started = time.perf_counter()
    made(model).write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started


def main(users: int, products: int, rounds: int) -> None:
    spark = local_session("top_n")
    model = fitted(spark, users, products)
    print(f"equal lists: {compared(model)}")
    taken: dict[str, list[float]] = {"recommendForAllUsers": [], "recommended_items": []}
    for _ in range(rounds):
        taken["recommendForAllUsers"].append(seconds(by_mllib, model))
        taken["recommended_items"].append(seconds(by_chunks, model))
    for name, times in taken.items():
        print(f"{name:22}{statistics.median(times):8.2f} s  (median of {rounds}, {min(times):.2f} to {max(times):.2f})")
    theirs, ours = (statistics.median(t) for t in taken.values())
    print(f"{users:,} users × {products:,} products, rank {RANK}, top {N}: {theirs / ours:.1f} times faster")
    spark.stop()


if __name__ == "__main__":
    main(*(int(given) for given in [*sys.argv[1:], *("20000", "10000", "3")[len(sys.argv) - 1 :]]))
