"""MLlib's ALS on purchases: deterministic ids, input and factors."""

from __future__ import annotations

import numpy as np
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.models.recommenders.factors import Factors, UserVector
from promo_spark.models.recommenders.strengths import ModelPair
from promo_spark.settings.recommend import RecommendSettings

_ID_BUCKETS = 64
_ID = "id"  # of users and items in the frames that MLlib gives


class Rating(Frame):
    """One row per user and product, as MLlib wants them."""

    user = Col(T.IntegerType(), "the user's dense id", required=True)
    item = Col(T.IntegerType(), "the product's position in the catalogue", required=True)
    rating = Col(T.FloatType(), "how strongly purchases tie the two", required=True)


class IdBucket(Frame):
    """One row per bucket of keys, by their hash."""

    bucket = Col(T.LongType(), "the bucket", required=True)
    size = Col(T.LongType(), "keys in it", required=True)
    start = Col(T.LongType(), "keys in the buckets before it", required=True)


def dense_ids(keys: DataFrame, key: str, id_column: str) -> DataFrame:
    """One row per key, with an int id from 0 on, without gaps; the same for the same set of keys.

    MLlib wants ints. Keys are numbered within hash buckets and the buckets put one after the other, so that
    no single task has to sort all of them.
    """
    bucketed = keys.select(key, F.pmod(F.xxhash64(key), F.lit(_ID_BUCKETS)).alias(IdBucket.bucket))
    sizes = bucketed.groupBy(IdBucket.bucket).agg(F.count("*").alias(IdBucket.size))
    before = Window.orderBy(IdBucket.bucket).rowsBetween(Window.unboundedPreceding, -1)
    start = F.coalesce(F.sum(IdBucket.size).over(before), F.lit(0))
    starts = sizes.select(IdBucket.bucket, start.alias(IdBucket.start))
    within = F.row_number().over(Window.partitionBy(IdBucket.bucket).orderBy(key)) - 1
    return bucketed.join(F.broadcast(starts), IdBucket.bucket).select(
        key, (F.col(IdBucket.start) + within).cast("int").alias(id_column)
    )


def mllib_factors(pairs: DataFrame, settings: RecommendSettings) -> Factors:
    """Factors of implicit ALS (Hu, Koren, Volinsky 2008). ModelPair → Factors.

    A pair's confidence is 1 + alpha × strength. MLlib multiplies the regularisation by the number of pairs
    of the user or product (Zhou et al. 2008), so values that suit other libraries are far too strong here.
    The fit sees its rows in one order and one partitioning, whatever those of the input.
    """
    rank, blocks = settings.rank, settings.blocks
    ids = dense_ids(pairs.select(ModelPair.user_id).distinct(), ModelPair.user_id, Rating.user)
    ratings = (
        pairs.join(ids, ModelPair.user_id)
        .select(Rating.user, Rating.item, F.col(ModelPair.strength).cast("float").alias(Rating.rating))
        .repartition(blocks, Rating.user)
        .sortWithinPartitions(Rating.user, Rating.item)
        .persist()
    )
    try:
        if ratings.isEmpty():
            return Factors.of_nothing(pairs, rank)
        model = ALS(
            userCol=Rating.user,
            itemCol=Rating.item,
            ratingCol=Rating.rating,
            implicitPrefs=True,
            coldStartStrategy="drop",
            rank=rank,
            maxIter=settings.iterations,
            regParam=settings.regularisation,
            alpha=settings.alpha,
            seed=settings.seed,
            numUserBlocks=blocks,
            numItemBlocks=blocks,
        ).fit(ratings)
        items = model.itemFactors.orderBy(_ID).toArrow().combine_chunks()
        users = model.userFactors.withColumnRenamed(_ID, Rating.user).join(ids, Rating.user)
        return Factors(
            users.select(*UserVector.columns()),
            items[_ID].to_numpy().astype(np.int64),
            np.asarray(items[UserVector.features].combine_chunks().values, dtype=np.float32).reshape(-1, rank),
        )
    finally:
        ratings.unpersist()
