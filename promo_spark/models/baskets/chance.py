"""How likely two items are so often in one basket by their buyers' habits alone."""

from __future__ import annotations

import pandas as pd
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import pandas_udf
from scipy.special import pdtrc

from promo_spark.contracts.models import BasketRules, FrequentItemsets

_RANK = "rank"  # a column of single steps below


def with_chance(itemsets: DataFrame) -> DataFrame:
    """The sets with `p_value` and `q_value`, both null but for pairs. FrequentItemsets → FrequentItemsets and both.

    p: the chance of so many baskets or more by the Poisson law around what is expected by habit: many shoppers add a
    little each. As each shopper's baskets are few, the sum scatters less than that, so that p is no smaller than it
    should be. q: of the pairs of this p or less, the share that is expected to be false (Benjamini & Hochberg 1995).
    All pairs of the frequent items count as tried, also those that are in too few baskets to be a set.
    """

    @pandas_udf(T.DoubleType())  # type: ignore[call-overload, untyped-decorator]  # its stubs take no type object
    def chance(n: pd.Series, expected: pd.Series) -> pd.Series:
        return pd.Series(pdtrc(n.to_numpy(float) - 1, expected.to_numpy(float)))

    is_pair = F.col(FrequentItemsets.expected_baskets).isNotNull()
    by_p = Window.partitionBy(is_pair).orderBy(BasketRules.p_value)
    singles = F.count(F.when(F.col(FrequentItemsets.size) == 1, 1)).over(Window.partitionBy(FrequentItemsets.level))
    tried = singles * (singles - 1) / 2
    as_small = F.count("*").over(by_p.rangeBetween(Window.unboundedPreceding, Window.currentRow))
    share = F.least(F.lit(1.0), F.col(BasketRules.p_value) * tried / as_small)
    smallest = F.min(_RANK).over(by_p.rangeBetween(Window.currentRow, Window.unboundedFollowing))
    return (
        itemsets.withColumn(
            BasketRules.p_value,
            F.when(is_pair, chance(FrequentItemsets.baskets, FrequentItemsets.expected_baskets)),
        )
        .withColumn(_RANK, share)
        .withColumn(BasketRules.q_value, F.when(is_pair, smallest))
        .drop(_RANK)
    )
