"""What about a product's sales, deliveries and stock is far from what is usual."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Inventory, OrderLines
from promo_spark.contracts.supply import ALL_STORES, SupplyAlerts
from promo_spark.measures.exact_sums import EXACT, exact
from promo_spark.models.supply.plan import ProductDemand, forecast_demand

LEAST_STEPS = 28  # days whose stock and sales are known, below which nothing is told of what is lost or delivered
LEAST_GAPS = 3  # between deliveries
_TIMES = 2.0  # as much as the most that ever was
_OF_STOCK = 0.1  # a loss is no less of what there was
_DEVIATIONS = 4.0  # of days between deliveries beyond their mean
_INVENTORY = Inventory.columns()
_STORE = [Inventory.product_id, Inventory.store_id]


class StockStep(Frame):
    """One row per product, store and day that is counted, after an earlier count."""

    product_id = _INVENTORY[Inventory.product_id]
    store_id = _INVENTORY[Inventory.store_id]
    day = _INVENTORY[Inventory.day]
    before = Col(EXACT, "on hand at the count before", unit="units", required=True)
    on_hand = Col(EXACT, "on hand at the end of the day", unit="units", required=True)
    came = Col(
        EXACT, "what came beyond what was sold, below 0: was lost; null: the day before was not counted", unit="units"
    )


class ProductSold(ProductDemand):
    """One row per product that was forecast: what was said of some days, and what they sold."""

    sold = Col(T.DoubleType(), "units sold in these days, 0 at least", unit="units", required=True)


def sold_since(demand: DataFrame, sales: DataFrame, *, since: datetime.date) -> DataFrame:
    """ProductDemand as forecast on `since`, DailySales up to the date → ProductSold."""
    units = F.sum(exact(DailySales.units)).cast("double")
    sold = (
        sales.filter((F.col(DailySales.level) == "product") & (F.col(DailySales.day) >= F.lit(since)))
        .groupBy(F.col(DailySales.item_id).alias(ProductDemand.product_id))
        .agg(F.greatest(units, F.lit(0.0)).alias(ProductSold.sold))
    )
    return ProductSold.shaped(demand.join(sold, ProductDemand.product_id))


def sales_alerts(sold: DataFrame, *, days: int, share: float) -> DataFrame:
    """One row per product whose sales of `days` are outside what was forecast. ProductSold → SupplyAlerts of sales.

    `share`: how often sales that are as forecast are outside, half of it on either side.
    """

    def judged(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in batches:
            yield outside(rows, days=days, share=share)

    return sold.mapInPandas(judged, _alerts_schema())


def outside(rows: pd.DataFrame, *, days: int, share: float) -> pd.DataFrame:
    """ProductSold → the rows outside, as SupplyAlerts without as_of and run_id."""
    names = _alerts_schema().names
    if rows.empty:
        return pd.DataFrame(columns=names)
    wanted, sold = forecast_demand(rows).over(np.full(len(rows), days)), rows[ProductSold.sold].to_numpy(np.float64)
    low, high = wanted.quantile(share / 2), wanted.quantile(1 - share / 2)
    is_low, is_high = wanted.at_most(sold) < share / 2, 1 - wanted.fewer(sold) < share / 2
    found = pd.DataFrame(
        {
            SupplyAlerts.product_id: rows[ProductSold.product_id].to_numpy(),
            SupplyAlerts.store_id: ALL_STORES,
            SupplyAlerts.kind: np.where(is_low, "sales_low", "sales_high"),
            SupplyAlerts.days: days,
            SupplyAlerts.observed: sold,
            SupplyAlerts.expected: wanted.mean.round(6),
            SupplyAlerts.limit: np.where(is_low, low, high).round(6),
        }
    )
    return found.loc[is_low | is_high, names]


def stock_steps(inventory: DataFrame, lines: DataFrame, *, as_of: datetime.date, days: int) -> DataFrame:
    """One row per product, store and count of the last `days`, but the first. Inventory, OrderLines → StockStep.

    Where a retailer keeps one stock, `all`, what all stores sold is taken from it.
    """
    recent = (F.lit(as_of - datetime.timedelta(days)), F.lit(as_of - datetime.timedelta(1)))
    sold = (
        lines.filter(F.col(OrderLines.order_date).between(*recent))
        .withColumn(
            Inventory.store_id,
            F.explode(F.array_distinct(F.array_compact(F.array(F.col(OrderLines.store_id), F.lit(ALL_STORES))))),
        )
        .groupBy(*_STORE, F.col(OrderLines.order_date).alias(Inventory.day))
        .agg(F.sum(exact(OrderLines.quantity)).alias(_SOLD))
    )
    in_order = Window.partitionBy(*_STORE).orderBy(Inventory.day)
    counted = inventory.filter(F.col(Inventory.day).between(*recent)).select(*_STORE, Inventory.day, Inventory.on_hand)
    before = F.lag(Inventory.on_hand).over(in_order)
    day_before = F.lag(Inventory.day).over(in_order) == F.date_sub(Inventory.day, 1)
    came = exact(Inventory.on_hand) - exact(StockStep.before) + F.coalesce(F.col(_SOLD), F.lit(0))
    return StockStep.shaped(
        counted.withColumns({StockStep.before: before, _DAY_BEFORE: day_before})
        .filter(F.col(StockStep.before).isNotNull())
        .join(sold, [*_STORE, Inventory.day], "left")
        .withColumn(StockStep.came, F.when(F.col(_DAY_BEFORE), came))
    )


_SOLD, _DAY_BEFORE = "sold", "counted_the_day_before"


def stock_alerts(steps: DataFrame, *, as_of: datetime.date) -> DataFrame:
    """One row per product, store and kind: of the day before the date. StockStep → SupplyAlerts of stock.

    stock_lost, large_delivery: twice as much as on any day before, of 28 at least; a loss of a tenth of the stock at
    least. Of days that are alike the newest is the largest of n + 1 once in n + 1 times, and twice the second seldom.
    """
    yesterday = F.col(StockStep.day) == F.lit(as_of - datetime.timedelta(1))
    came, lost = F.greatest(F.col(StockStep.came), F.lit(0)), F.greatest(-F.col(StockStep.came), F.lit(0))

    def past(value: Column) -> Column:
        return F.coalesce(F.max(F.when(~yesterday, value)), F.lit(0))

    def now(value: Column) -> Column:
        return F.max(F.when(yesterday, value))

    of_steps = (
        steps.filter(F.col(StockStep.came).isNotNull())
        .groupBy(*_STORE)
        .agg(
            F.count_if(~yesterday).alias(_STEPS),
            F.struct(now(lost).alias(_NOW), (past(lost) * _TIMES).alias(_LIMIT)).alias("stock_lost"),
            F.struct(now(came).alias(_NOW), (past(came) * _TIMES).alias(_LIMIT)).alias("large_delivery"),
            (now(F.col(StockStep.before)) * _OF_STOCK).alias(_SHARE),
        )
        .filter(F.col(_STEPS) >= LEAST_STEPS)
    )
    kinds = [
        of_steps.select(
            *_STORE,
            F.lit(kind).alias(SupplyAlerts.kind),
            F.lit(1).alias(SupplyAlerts.days),
            F.col(f"{kind}.{_NOW}").alias(SupplyAlerts.observed),
            F.lit(None).cast("double").alias(SupplyAlerts.expected),
            limit.alias(SupplyAlerts.limit),
        )
        for kind, limit in (
            ("stock_lost", F.greatest(F.col(f"stock_lost.{_LIMIT}"), F.col(_SHARE))),
            # that nothing ever came tells nothing of how much does
            ("large_delivery", F.when(F.col(f"large_delivery.{_LIMIT}") > 0, F.col(f"large_delivery.{_LIMIT}"))),
        )
    ]
    found = kinds[0].unionByName(kinds[1]).filter(F.col(SupplyAlerts.observed) > F.col(SupplyAlerts.limit))
    return _shaped(found).unionByName(_shaped(_without_delivery(steps, as_of=as_of)))


_STEPS, _NOW, _LIMIT, _SHARE = "steps", "now", "limit_of_kind", "share_of_stock"


def _without_delivery(steps: DataFrame, *, as_of: datetime.date) -> DataFrame:
    """One row per product and store that waits longer than ever: longer than the mean and four deviations, too.

    Only where there is no more on hand than there was before some delivery: what is not needed is not ordered.
    """
    is_delivery = F.coalesce(F.col(StockStep.came), F.col(StockStep.on_hand) - F.col(StockStep.before)) > 0
    in_order = Window.partitionBy(*_STORE).orderBy(StockStep.day)
    gap = F.date_diff(StockStep.day, F.lag(StockStep.day).over(in_order)).cast("long")
    deliveries = (
        steps.filter(is_delivery)
        .withColumn(_GAP, gap)
        .groupBy(*_STORE)
        .agg(
            F.max(StockStep.day).alias(_LAST),
            F.count(_GAP).alias(_GAPS),
            F.sum(_GAP).alias(_SUM),
            F.sum(F.col(_GAP) * F.col(_GAP)).alias(_SQUARES),
            F.max(_GAP).alias(_LONGEST),
            F.max(StockStep.before).alias(_NEEDED_AT),
        )
    )
    newest = steps.groupBy(*_STORE).agg(
        F.max(StockStep.day).alias(StockStep.day), F.max_by(StockStep.on_hand, StockStep.day).alias(StockStep.on_hand)
    )
    mean = F.col(_SUM) / F.col(_GAPS)
    deviation = F.sqrt(F.greatest(F.col(_SQUARES) / F.col(_GAPS) - mean * mean, F.lit(1.0)))  # a day at least
    waits = F.date_diff(StockStep.day, _LAST)
    return (
        deliveries.join(newest, _STORE)
        .filter((F.col(_GAPS) >= LEAST_GAPS) & (F.col(StockStep.day) == F.lit(as_of - datetime.timedelta(1))))
        .filter(F.col(StockStep.on_hand) <= F.col(_NEEDED_AT))
        .withColumns(
            {
                SupplyAlerts.kind: F.lit("no_delivery"),
                SupplyAlerts.days: waits,
                SupplyAlerts.observed: waits,
                SupplyAlerts.expected: mean,
                SupplyAlerts.limit: F.greatest(
                    F.col(_LONGEST).cast("double"),
                    mean + _DEVIATIONS * deviation * F.sqrt(1 + 1 / F.col(_GAPS)),
                ),
            }
        )
        .filter(F.col(SupplyAlerts.observed) > F.col(SupplyAlerts.limit))
    )


_GAP, _GAPS, _SUM, _SQUARES, _LAST, _LONGEST = "gap", "gaps", "gap_days", "gap_squares", "last_delivery", "longest_gap"
_NEEDED_AT = "most_before_delivery"


def _alerts_schema() -> T.StructType:
    wanted = [name for name in SupplyAlerts.columns() if name not in (SupplyAlerts.as_of, SupplyAlerts.run_id)]
    return T.StructType([SupplyAlerts.schema()[name] for name in wanted])


def _shaped(alerts: DataFrame) -> DataFrame:
    return alerts.select([F.col(field.name).cast(field.dataType).alias(field.name) for field in _alerts_schema()])
