"""Offers at prices that were found before, as long as the limits last: how a few users more are given theirs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.allocation.best_sets import best_sets
from promo_spark.decisions.allocation.options import Bools, Floats, Ints, Options, options_of
from promo_spark.decisions.allocation.repair import filled_in_order, too_large
from promo_spark.decisions.allocation.user_options import UserOptions
from promo_spark.decisions.allocation.user_sets import AllocatedOffer, net_values, ranks

_MOST_USERS = 100_000  # that the driver holds at a time


def allocated_at_prices(options: DataFrame, limits: Mapping[str, int], prices: Mapping[str, float]) -> DataFrame:
    """The offers that are worth more than they use of the limits. UserOptions → AllocatedOffer.

    `limits`: what is left, in whole units, by constraint. `prices`: in millionths per unit; what has none costs
    nothing. See `given_at`; of more users than the driver holds one part follows the other, by a hash of the user.
    """
    names = sorted(limits)
    left = np.array([limits[name] for name in names], np.int64)
    price = np.array([prices.get(name, 0.0) for name in names])
    parts = -(-options.count() // _MOST_USERS)
    part = F.pmod(F.xxhash64(UserOptions.user_id), F.lit(parts))
    given = []
    for number in range(parts):
        rows = options.filter(part == number).toArrow().sort_by(UserOptions.user_id)
        of, ids = options_of(rows, names)
        chosen = given_at(of, left, price)
        left = left - of.used(chosen)
        picked = np.flatnonzero(chosen)
        owners = rows.column(UserOptions.user_id).take(pa.array(of.owner[picked])).combine_chunks()
        rank = pa.array(ranks(of, picked, price), pa.int32())
        given.append(pa.table([owners, ids.take(pa.array(picked)), rank], list(AllocatedOffer.columns())))
    if not given:
        return AllocatedOffer.frame(options.sparkSession)
    return AllocatedOffer.shaped(options.sparkSession.createDataFrame(pa.concat_tables(given)))


def given_at(of: Options, left: Ints, prices: Floats) -> Bools:
    """The options that are given: each user's best set at the prices, as promote gives it, where all of them fit.

    Else what gains most after prices comes first, of these sets, then of other options above their price.

    >>> from scipy.sparse import csr_array
    >>> uses = csr_array(np.array([[2], [2], [2]]))  # of users 0, 1 and 2
    >>> topics, alone = np.array([[1], [1], [1]]), np.zeros(3, bool)
    >>> of = Options(3, np.array([0, 1, 2]), np.array([1, 1, 1]), np.array([30, 50, 20]), uses, topics, alone)
    >>> given_at(of, np.array([2]), np.array([10.0])).tolist()  # after prices 10, 30 and 0; the limit is one's
    [False, True, False]
    """
    net = net_values(of, prices, too_large(of, left))
    best = best_sets(of, net).chosen
    if np.all(of.used(best) <= left):
        return best
    order = np.lexsort((np.arange(len(of)), -net, ~best))
    return filled_in_order(of, left, order[net[order] > 0])
