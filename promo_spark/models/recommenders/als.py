"""MLlib's ALS on purchases: deterministic ids, input and factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

_ID_BUCKETS = 64


@dataclass(frozen=True)
class Factors:
    """What a fit knows: a vector per user (user_id, features) and, on the driver, one per product.

    `items` are the products' positions, rising; `vectors` has a row for each. Their size is bounded by the
    catalogue: a million products of rank 64 are 256 MB.
    """

    users: DataFrame
    items: NDArray[np.int64]
    vectors: NDArray[np.float32]


def dense_ids(keys: DataFrame, key: str, id_column: str) -> DataFrame:
    """One row per key with an int id from 0 on, without gaps; the same for the same set of keys.

    MLlib wants ints. Keys are numbered within hash buckets and the buckets put one after the other, so that
    no single task has to sort all of them.
    """
    bucketed = keys.select(key, F.pmod(F.xxhash64(key), F.lit(_ID_BUCKETS)).alias("bucket"))
    sizes = bucketed.groupBy("bucket").agg(F.count("*").alias("size"))
    before = Window.orderBy("bucket").rowsBetween(Window.unboundedPreceding, -1)
    starts = sizes.select("bucket", F.coalesce(F.sum("size").over(before), F.lit(0)).alias("start"))
    within = F.row_number().over(Window.partitionBy("bucket").orderBy(key)) - 1
    return bucketed.join(F.broadcast(starts), "bucket").select(
        key, (F.col("start") + within).cast("int").alias(id_column)
    )


def als_factors(
    pairs: DataFrame,
    *,
    rank: int,
    iterations: int,
    regularisation: float,
    alpha: float,
    blocks: int,
    seed: int,
) -> Factors:
    """Factors of implicit ALS (Hu, Koren, Volinsky 2008). (user_id, item, strength) → Factors.

    A pair's confidence is 1 + alpha × strength. MLlib multiplies the regularisation by the number of pairs
    of the user or product (Zhou et al. 2008), so values that suit other libraries are far too strong here.
    The fit sees its rows in one order and one partitioning, whatever those of the input.
    """
    ids = dense_ids(pairs.select("user_id").distinct(), "user_id", "user")
    ratings = (
        pairs.join(ids, "user_id")
        .select("user", "item", F.col("strength").cast("float").alias("rating"))
        .repartition(blocks, "user")
        .sortWithinPartitions("user", "item")
        .persist()
    )
    try:
        if ratings.isEmpty():
            nobody = ids.select("user_id", F.array().cast("array<float>").alias("features"))
            return Factors(nobody, np.empty(0, np.int64), np.empty((0, rank), np.float32))
        model = ALS(
            userCol="user",
            itemCol="item",
            ratingCol="rating",
            implicitPrefs=True,
            coldStartStrategy="drop",
            rank=rank,
            maxIter=iterations,
            regParam=regularisation,
            alpha=alpha,
            seed=seed,
            numUserBlocks=blocks,
            numItemBlocks=blocks,
        ).fit(ratings)
        items = model.itemFactors.orderBy("id").toArrow().combine_chunks()
        users = model.userFactors.withColumnRenamed("id", "user").join(ids, "user")
        return Factors(
            users.select("user_id", "features"),
            items["id"].to_numpy().astype(np.int64),
            np.asarray(items["features"].combine_chunks().values, dtype=np.float32).reshape(-1, rank),
        )
    finally:
        ratings.unpersist()
