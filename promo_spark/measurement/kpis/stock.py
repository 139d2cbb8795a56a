"""How often the stock is sold, and what it costs to hold it."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import Inventory, OrderLines
from promo_spark.measurement.kpis.rows import MONTH_DAYS, Days, kpi_rows_of, kpi_struct, sliced_sums
from promo_spark.measures.ratios import ratio

_DAYS_OF_YEAR = 365
_MEAN, _SOLD, _VALUE, _COST, _PRODUCTS = "mean_on_hand", "units_sold", "stock_value", "cost_of_goods", "products"
_UNITS, _AMOUNT = "decimal(18,6)", "decimal(28,6)"


def stock_figures(
    lines: DataFrame, inventory: DataFrame, products: DataFrame, *, month: Days, holding_cost_rate: float
) -> DataFrame:
    """One row per figure, of all and of each category. OrderLines, Inventory, ProductProfile → KpiRow.

    Mean stock is, of each product and store, the mean over the days on which it was counted: a store that counts once a
    week weighs as much as one that counts every day. Products whose stock or cost is not known are on neither side.
    What came back of what was sold takes its cost off.
    """
    of_stores = (
        inventory.filter(month.hold(Inventory.day))
        .groupBy(Inventory.product_id, Inventory.store_id)
        .agg(F.avg(Inventory.on_hand).cast(_UNITS).alias(_MEAN))
    )
    stock = of_stores.groupBy(Inventory.product_id).agg(F.sum(_MEAN).cast(_UNITS).alias(_MEAN))
    sold = lines.filter(month.hold(OrderLines.order_date)).groupBy(OrderLines.product_id)
    costs = products.filter(F.col(ProductProfile.unit_cost).isNotNull())
    rows = (
        stock.join(costs, Inventory.product_id)
        .select(Inventory.product_id, ProductProfile.category, ProductProfile.unit_cost, _MEAN)
        .join(sold.agg(F.sum(OrderLines.quantity).cast(_UNITS).alias(_SOLD)), OrderLines.product_id, "left")
    )
    cost = F.col(ProductProfile.unit_cost)
    sums = {
        _VALUE: (F.col(_MEAN) * cost).cast(_AMOUNT),
        _COST: (F.col(_SOLD) * cost).cast(_AMOUNT),
        _PRODUCTS: F.lit(1).cast("long"),
    }
    value = F.col(_VALUE).cast("double")
    held = value * holding_cost_rate * MONTH_DAYS / _DAYS_OF_YEAR
    return kpi_rows_of(
        sliced_sums(rows, {"category": ProductProfile.category}, sums),
        [
            kpi_struct("stock_turnover", of="slice", value=ratio(F.col(_COST), F.col(_VALUE)), n=_PRODUCTS),
            kpi_struct("stock_value", of="slice", value=value, n=_PRODUCTS),
            kpi_struct("holding_cost", of="slice", value=held, n=_PRODUCTS),
        ],
    )
