"""Rows looked up by a few keys while they are read, so that a join with these shuffles only what may match."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

MOST = 2_000_000  # keys that every task holds in memory: some 100 MB
_KEY = "hash_of_key"


def that_may_match(rows: DataFrame, few: DataFrame, keys: Sequence[str], most: int = MOST) -> DataFrame:
    """The rows whose keys are among those of `few`, and by chance some others; all rows where these are not few.

    To be followed by the join itself, which then finds the same as without. `few` is looked at twice: a frame that is
    kept.
    """
    hashes = few.select(F.xxhash64(*keys).alias(_KEY)).distinct()
    if hashes.count() > most:
        return rows
    found = rows.withColumn(_KEY, F.xxhash64(*keys)).join(F.broadcast(hashes), _KEY, "left_semi")
    return found.select(rows.columns)
