"""How likely two items are so often in one basket by their buyers' habits alone."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import pandas_udf
from scipy.special import pdtr, pdtrc

from promo_spark.contracts.models import BasketRules, FrequentItemsets

_RANK = "rank"  # a column of single steps below


@pandas_udf(T.DoubleType())  # type: ignore[call-overload, untyped-decorator]  # its stubs take no type object
def chance_of_as_many(n: pd.Series, expected: pd.Series) -> pd.Series:
    """The chance of n or more by the Poisson law around what is expected."""
    return pd.Series(pdtrc(n.to_numpy(float) - 1, expected.to_numpy(float)))


@pandas_udf(T.DoubleType())  # type: ignore[call-overload, untyped-decorator]  # as above
def chance_of_as_few(n: pd.Series, expected: pd.Series) -> pd.Series:
    """The chance of n or fewer by the same law."""
    return pd.Series(pdtr(n.to_numpy(float), expected.to_numpy(float)))


def with_chance(itemsets: DataFrame, of: Sequence[str] = ()) -> DataFrame:
    """The sets with `p_value` and `q_value`, both null but for pairs. FrequentItemsets → FrequentItemsets and both.

    p: the chance of so many baskets or more by the Poisson law around what is expected by habit: many shoppers add a
    little each. As each shopper's baskets are few, the sum scatters less than that, so that p is no smaller than it
    should be. q: of the pairs of this p or less, the share that is expected to be false (Benjamini & Hochberg 1995).
    All pairs of the frequent items count as tried, also those that are in too few baskets to be a set. `of` are
    columns that name a slice of the baskets: each slice is judged for itself.
    """
    is_pair = F.col(FrequentItemsets.expected_baskets).isNotNull()
    singles = F.count(F.when(F.col(FrequentItemsets.size) == 1, 1)).over(
        Window.partitionBy(*of, FrequentItemsets.level)
    )
    chance = chance_of_as_many(FrequentItemsets.baskets, FrequentItemsets.expected_baskets)
    judged = with_false_discovery(
        itemsets.withColumn(BasketRules.p_value, F.when(is_pair, chance)), singles * (singles - 1) / 2, [*of, is_pair]
    )
    return judged.withColumn(BasketRules.q_value, F.when(is_pair, F.col(BasketRules.q_value)))


def with_false_discovery(rows: DataFrame, tried: Column, of: Sequence[Column | str] = ()) -> DataFrame:
    """The rows with `q_value`, the share of false ones among those of as small a `p_value` (Benjamini & Hochberg 1995).

    `tried` is how many were looked at in all, `of` what is judged for itself.
    """
    by_p = Window.partitionBy(*of).orderBy(BasketRules.p_value)
    as_small = F.count("*").over(by_p.rangeBetween(Window.unboundedPreceding, Window.currentRow))
    share = F.least(F.lit(1.0), F.col(BasketRules.p_value) * tried / as_small)
    smallest = F.min(_RANK).over(by_p.rangeBetween(Window.currentRow, Window.unboundedFollowing))
    return rows.withColumn(_RANK, share).withColumn(BasketRules.q_value, smallest).drop(_RANK)
