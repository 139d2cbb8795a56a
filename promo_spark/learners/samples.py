"""A sample that is the same whatever the partitions: by a hash of the key, in the order of the key."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def hashed_sample(rows: DataFrame, key: str, *, at_most: int, seed: int) -> DataFrame:
    """The rows of up to `at_most` keys, those with the lowest hashes. Any frame with the key → the same columns.

    The keys are drawn by themselves, so that nothing but keys is sorted.
    """
    order = F.xxhash64(F.lit(seed), F.col(key))
    keys = rows.select(key).distinct().orderBy(order, key).limit(at_most)
    return rows.join(F.broadcast(keys), key, "left_semi")
