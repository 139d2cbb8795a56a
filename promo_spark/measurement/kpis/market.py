"""How much of what the whole market sold the shop sold."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import Market, OrderLines
from promo_spark.measurement.kpis.rows import kpi_rows_of, kpi_struct, sliced_sums
from promo_spark.measures.ratios import ratio

_OWN, _LINES = "own_sales", "lines"


def market_share(lines: DataFrame, products: DataFrame, market: DataFrame, *, day: datetime.date) -> DataFrame:
    """One row per category whose market is known on the day, and one of all of them. OrderLines, … → KpiRow.

    Own sales are the amounts received, returns taken off. A category that the market table does not have is in no row,
    so that its sales do not count as a share of the others' market.
    """
    own = (
        lines.filter(F.col(OrderLines.order_date) == F.lit(day))
        .join(products.select(ProductProfile.product_id, ProductProfile.category), OrderLines.product_id)
        .groupBy(ProductProfile.category)
        .agg(F.sum(OrderLines.amount_paid).alias(_OWN), F.count("*").alias(_LINES))
    )
    of_day = market.filter((F.col(Market.day) == F.lit(day)) & F.col(Market.market_sales).isNotNull())
    both = of_day.select(Market.category, Market.market_sales).join(own, Market.category, "left")
    sums = {name: F.col(name) for name in (_OWN, _LINES, Market.market_sales)}
    share = ratio(F.col(_OWN), F.col(Market.market_sales))
    return kpi_rows_of(
        sliced_sums(both, {"category": Market.category}, sums),
        [kpi_struct("market_share", of="slice", value=share, n=_LINES)],
    )
