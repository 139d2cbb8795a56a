"""What each user is given at some prices of the limits: whole sets of options, user by user, in Arrow batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.decisions.allocation.best_sets import best_sets
from promo_spark.decisions.allocation.options import Bools, Floats, Ints, Options, options_of
from promo_spark.decisions.allocation.repair import too_large
from promo_spark.decisions.allocation.user_options import UserOptions

Batches = Iterator[pa.RecordBatch]


class AllocatedOffer(Frame):
    """One row per user and option that becomes an offer."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    promotion_id = Col(T.StringType(), "as in UserOptions", required=True)
    rank = Col(
        T.IntegerType(), "order among the user's offers by what they are worth after prices, 1 = best", required=True
    )


class UserSet(Frame):
    """One row per user: the set at the higher prices, and whether it is the same at the lower ones."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    settled = Col(T.BooleanType(), "it is the same", required=True)
    promotion_ids = Col(T.ArrayType(T.StringType()), "the set, the best after prices first", required=True)


@dataclass(frozen=True)
class PriceRange:
    """Prices of the limits, from `low` to `high`. Whoever is given something of what is `scarce` is not settled."""

    low: Floats
    high: Floats
    scarce: Bools


def user_sets(options: DataFrame, names: Sequence[str], most: Ints, at: PriceRange) -> DataFrame:
    """One row per user. UserOptions → UserSet. `names`, `most`: of each limit, in the order of the prices."""

    def of_batches(batches: Batches) -> Batches:
        for batch in batches:
            of, ids = options_of(batch, names)
            chosen, same = sets_at(of, most, at)
            picked = np.flatnonzero(chosen)
            rank = ranks(of, picked, at.high)
            picked = picked[np.lexsort((rank, of.owner[picked]))]
            ends = np.append(0, np.cumsum(np.bincount(of.owner[picked], minlength=of.users)))
            lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), ids.take(pa.array(picked)))
            columns = [batch.column(UserOptions.user_id), pa.array(same), lists]
            yield pa.RecordBatch.from_arrays(columns, names=list(UserSet.columns()))

    return options.mapInArrow(of_batches, UserSet.struct())


def offers_of_sets(sets: DataFrame) -> DataFrame:
    """One row per user and option of the set. UserSet → AllocatedOffer."""
    ids = F.posexplode(UserSet.promotion_ids).alias("place", AllocatedOffer.promotion_id)
    return AllocatedOffer.shaped(sets.select(UserSet.user_id, ids).withColumn(AllocatedOffer.rank, F.col("place") + 1))


def sets_at(of: Options, most: Ints, at: PriceRange) -> tuple[Bools, Bools]:
    """The options chosen at the higher prices; and by user, whether they are the same at the lower ones.

    A user who is given something of what is scarce counts as one with another set.
    """
    large = too_large(of, most)
    one, other = (best_sets(of, net_values(of, prices, large)).chosen for prices in (at.low, at.high))
    open_ones = (one != other) | (other & (of.uses @ at.scarce.astype(np.int64) > 0))
    return other, np.asarray(np.bincount(of.owner, open_ones, of.users) == 0)


def net_values(of: Options, prices: Floats, large: Bools) -> Floats:
    """What each option is worth after prices; what alone passes a limit is worth nothing."""
    return np.where(large, -np.inf, of.value - np.asarray(of.uses @ prices, np.float64))


def ranks(of: Options, picked: Ints, prices: Floats) -> Ints:
    """The place of each option among those picked of its user, by what it is worth after prices."""
    net = (of.value - np.asarray(of.uses @ prices, np.float64))[picked]
    owner = of.owner[picked]
    order = np.lexsort((picked, -net, owner))
    rank = np.zeros(len(picked), np.int64)
    rank[order] = np.arange(len(picked)) - np.searchsorted(owner[order], owner[order]) + 1
    return rank
