"""Which offers are made: by prices of limits, by the greedy baseline, or by a policy of another package.

Another package brings a policy by an entry point of the group promo_spark.policies: a function of UserOptions and of
what each limit allows that gives the user_id and promotion_id of what is chosen. What it chooses is held to every
promise of decisions.promotions; the bound that decisions.budget has is that of the best allocation, so that its gap
shows what the policy leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import entry_points

import numpy as np
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from promo_spark.contracts.vocabulary import POLICIES_GROUP
from promo_spark.decisions.allocation.options import options_of
from promo_spark.decisions.allocation.prices import Allocation
from promo_spark.decisions.allocation.repair import filled_in_order
from promo_spark.decisions.allocation.user_options import UserOption, UserOptions
from promo_spark.decisions.allocation.user_sets import AllocatedOffer
from promo_spark.errors import ContractError, SettingsError

Policy = Callable[[DataFrame, Mapping[str, int]], DataFrame]


def policy(name: str) -> Policy | None:
    """The policy of a name; None: the allocation by prices. Raises SettingsError for one that is no function."""
    if name == "prices":
        return None
    if name == "greedy":
        return greedy
    entry = next(entry for entry in entry_points(group=POLICIES_GROUP) if entry.name == name)
    brought = entry.load()
    if not callable(brought):
        raise SettingsError(
            f"the entry point {name} = {entry.value} of {POLICIES_GROUP} has to be a function of options and limits, "
            f"found {brought!r:.200}"
        )
    chosen: Policy = brought
    return chosen


def greedy(options: DataFrame, limits: Mapping[str, int]) -> DataFrame:
    """What brings most for its part of all limits comes first, and what then fits. UserOptions → user_id, promotion_id.

    The baseline: one pass over all options on the driver, for shops that fit there.
    """
    names = sorted(limits)
    most = np.array([limits[name] for name in names], np.int64)
    rows = options.toArrow().sort_by(UserOptions.user_id)
    of, ids = options_of(rows, names)
    part = np.asarray(of.uses @ (1.0 / np.maximum(most, 1)), np.float64)
    order = np.lexsort((np.arange(len(of)), -of.value / np.maximum(part, 1e-12)))
    picked = np.flatnonzero(filled_in_order(of, most, order))
    users = rows.column(UserOptions.user_id).to_pylist()
    chosen = [(users[of.owner[place]], ids[place].as_py()) for place in picked.tolist()]
    schema = AllocatedOffer.schema()
    return options.sparkSession.createDataFrame([(*one, 1) for one in chosen], schema).drop(AllocatedOffer.rank)


def by_policy(best: Allocation, chosen: DataFrame, options: DataFrame, name: str) -> Allocation:
    """The allocation of what a policy chose. user_id and promotion_id, UserOptions → Allocation.

    Of a user's offers the one that brings most comes first. Raises ContractError for a choice that is no option.
    """
    key = [AllocatedOffer.user_id, AllocatedOffer.promotion_id]
    each = options.select(UserOptions.user_id, F.inline(UserOptions.options))
    picked = chosen.select(*key).join(each.select(*key, F.col(UserOption.value_micro).alias(_VALUE)), key, "left")
    told = picked.agg(F.sum(_VALUE), F.count_if(F.col(_VALUE).isNull())).collect()[0]  # one row
    if told[1]:
        raise ContractError(f"promote.policy {name} chose {told[1]} offers that could not be made: see UserOptions")
    order = Window.partitionBy(AllocatedOffer.user_id).orderBy(F.desc(_VALUE), AllocatedOffer.promotion_id)
    offers = AllocatedOffer.shaped(picked.withColumn(AllocatedOffer.rank, F.row_number().over(order)))
    return replace(best, offers=offers, value_micro=int(told[0] or 0))


_VALUE = "value_of_option"
