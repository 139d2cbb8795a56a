"""What a campaign returns for what it costs."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def return_on_investment(attributed_sales: Column, cost: Column, cps_rate: Column) -> Column:
    """(sales − what the channel is paid of them − cost) / cost, as a double; null where there is no cost.

    `cps_rate` is the share of each attributed sale that the channel is paid (cost per sale); null counts as none.
    Inventory row O12: with a rate of 5 % the return is lower than with none by exactly 5 % of sales / cost.
    """
    paid = attributed_sales * F.coalesce(cps_rate, F.lit(0))
    return F.when(cost > 0, ((attributed_sales - paid - cost) / cost).cast("double"))
