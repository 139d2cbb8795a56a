"""How much of each product every store needs, and where there is too little or too much of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.contracts.models import Forecasts, ForecastTotals
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Inventory, OrderLines
from promo_spark.contracts.supply import ALL_STORES, InventoryPlan
from promo_spark.measures.exact_sums import exact
from promo_spark.measures.stock import newest_counts
from promo_spark.models.supply.demand import Demand, Floats, ForecastDemand, Ints
from promo_spark.settings.forecast import SupplySettings

_DOUBLES = T.ArrayType(T.DoubleType())
_PLAN = InventoryPlan.columns()
_DAYS, _TOTALS = ("units", "upper_80", "upper_95"), ("total", "total_upper_80", "total_upper_95")
_DECIMALS = 6  # as forecasts: beyond lies the noise of floating point
_UNITS, _OF_ALL = "units_of_store", "units_of_all"


class ProductDemand(Frame):
    """One row per product with a forecast: what its champion says of the days ahead and of their total."""

    product_id = _PLAN[InventoryPlan.product_id]
    units = Col(_DOUBLES, "points by day ahead", unit="units", required=True)
    upper_80 = Col(_DOUBLES, "upper ends of the 80% intervals", unit="units", required=True)
    upper_95 = Col(_DOUBLES, "the same of the 95% intervals", unit="units", required=True)
    total = Col(T.DoubleType(), "point of their sum", unit="units", required=True)
    total_upper_80 = Col(T.DoubleType(), "upper end of its 80% interval", unit="units", required=True)
    total_upper_95 = Col(T.DoubleType(), "the same of its 95% interval", unit="units", required=True)
    in_pieces = Col(T.BooleanType(), "whether it was sold in whole pieces only", required=True)


class StockOfStore(Frame):
    """One row per product and store that counts or sold it, and one per counted product of all stores together."""

    product_id = _PLAN[InventoryPlan.product_id]
    store_id = _PLAN[InventoryPlan.store_id]
    share = Col(T.DoubleType(), "of the product's sales", unit="share", required=True)
    on_hand = _PLAN[InventoryPlan.on_hand]
    on_order = _PLAN[InventoryPlan.on_order]
    counted_on = _PLAN[InventoryPlan.counted_on]
    lead_time_days = Col(T.IntegerType(), "from order to shelf; null: not known", unit="days")


class DemandOfStore(ProductDemand, StockOfStore):
    """One row per product and store, and one per product of all stores: what is wanted and what there is."""

    shelf_life_days = Col(T.IntegerType(), "days that a piece can be sold for; null: it keeps, or not known", "days")


def product_demand(forecasts: DataFrame, totals: DataFrame, sales: DataFrame) -> DataFrame:
    """One row per product with a champion. Forecasts, ForecastTotals, DailySales → ProductDemand."""
    of_products = F.col(Forecasts.level) == "product"
    by_day = F.sort_array(F.collect_list(F.struct(Forecasts.day, *_DAYS))).alias(_BY_DAY)
    ahead = forecasts.filter(F.col(Forecasts.champion) & of_products).groupBy(Forecasts.item_id).agg(by_day)
    whole = F.every(F.col(DailySales.units) == F.floor(DailySales.units)).alias(ProductDemand.in_pieces)
    pieces = sales.filter(F.col(DailySales.level) == "product").groupBy(DailySales.item_id).agg(whole)
    of_total = [F.col(of).alias(name) for of, name in zip(_DAYS, _TOTALS, strict=True)]
    return ProductDemand.shaped(
        ahead.join(totals.filter(of_products).select(ForecastTotals.item_id, *of_total), Forecasts.item_id)
        .join(pieces, Forecasts.item_id)
        .select(
            F.col(Forecasts.item_id).alias(ProductDemand.product_id),
            *[F.col(_BY_DAY).getField(name).alias(name) for name in _DAYS],
            *_TOTALS,
            ProductDemand.in_pieces,
        )
    )


_BY_DAY = "by_day"


def store_sales(lines: DataFrame, *, as_of: datetime.date, days: int) -> DataFrame:
    """One row per product and store of the last `days` before the date: units, returns taken off. OrderLines → _."""
    recent = F.col(OrderLines.order_date).between(F.lit(as_of - datetime.timedelta(days)), F.date_sub(F.lit(as_of), 1))
    return (
        lines.filter(recent)
        .groupBy(OrderLines.product_id, OrderLines.store_id)
        .agg(F.sum(exact(OrderLines.quantity)).alias(_UNITS))
        .filter(F.col(_UNITS) > 0)
    )


def stock_of_stores(inventory: DataFrame, sold: DataFrame, *, as_of: datetime.date, stock_days: int) -> DataFrame:
    """What is counted, and what share of a product's sales is each store's. Inventory, `store_sales` → StockOfStore.

    A product has rows of stores where one that sells counts it: all that counted or sold it. What a warehouse counts, a
    store_id that no sale has, and what was sold in no store, is in the row of all stores only.
    """
    key = [Inventory.product_id, Inventory.store_id]
    newest = newest_counts(inventory, as_of=as_of, stock_days=stock_days)
    of_all = newest.groupBy(Inventory.product_id).agg(
        F.lit(ALL_STORES).alias(Inventory.store_id),
        F.lit(1.0).alias(StockOfStore.share),
        *[F.sum(c).alias(c) for c in (Inventory.on_hand, Inventory.on_order)],
        F.max(Inventory.day).alias(StockOfStore.counted_on),
        F.max(Inventory.lead_time_days).alias(StockOfStore.lead_time_days),
    )
    selling = sold.filter(F.col(OrderLines.store_id).isNotNull()).select(OrderLines.store_id).distinct()
    counting = newest.filter(F.col(Inventory.store_id) != ALL_STORES).join(selling, Inventory.store_id, "left_semi")
    all_sold = sold.groupBy(OrderLines.product_id).agg(F.sum(_UNITS).alias(_OF_ALL))
    share = F.col(_UNITS).cast("double") / F.col(_OF_ALL).cast("double")
    of_stores = (
        counting.join(sold.filter(F.col(OrderLines.store_id).isNotNull()), key, "full")
        .join(counting.select(Inventory.product_id).distinct(), Inventory.product_id, "left_semi")
        .join(all_sold, Inventory.product_id, "left")
        .withColumns(
            {
                StockOfStore.share: F.coalesce(share, F.lit(0.0)),
                StockOfStore.counted_on: F.col(Inventory.day),
            }
        )
    )
    return StockOfStore.shaped(of_stores).unionByName(StockOfStore.shaped(of_all))


def inventory_plan(demand: DataFrame, stock: DataFrame, products: DataFrame, settings: SupplySettings) -> DataFrame:
    """One row per product with a forecast and store. ProductDemand, StockOfStore, ProductProfile → InventoryPlan.

    A product that nobody counts has its needs in one row, of all stores.
    """
    uncounted = demand.join(stock.select(StockOfStore.product_id).distinct(), ProductDemand.product_id, "left_anti")
    missing = uncounted.select(ProductDemand.product_id, F.lit(ALL_STORES).alias(StockOfStore.store_id))
    known = stock.unionByName(missing.withColumn(StockOfStore.share, F.lit(1.0)), allowMissingColumns=True)
    of_stores = demand.join(known, ProductDemand.product_id).join(
        products.select(ProductProfile.product_id, ProductProfile.shelf_life_days), ProductDemand.product_id, "left"
    )

    def planned(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in batches:
            yield planned_rows(rows, settings)

    wanted = [name for name in InventoryPlan.columns() if name not in (InventoryPlan.as_of, InventoryPlan.run_id)]
    schema = T.StructType([InventoryPlan.schema()[name] for name in wanted])
    return DemandOfStore.shaped(of_stores).mapInPandas(planned, schema)


def planned_rows(rows: pd.DataFrame, settings: SupplySettings) -> pd.DataFrame:
    """DemandOfStore → InventoryPlan, without as_of and run_id."""
    if rows.empty:
        return pd.DataFrame()
    said = rows[StockOfStore.lead_time_days]
    keeps = rows[DemandOfStore.shelf_life_days].astype(np.float64).fillna(np.inf).to_numpy()
    lead = np.where(said.isna(), np.minimum(keeps, settings.lead_time_days), said.astype(np.float64)).astype(np.int64)
    on_hand = rows[StockOfStore.on_hand].astype(np.float64).to_numpy()
    there = on_hand + rows[StockOfStore.on_order].astype(np.float64).fillna(0.0).to_numpy()
    sellable = np.minimum(keeps, settings.overstock_days).astype(np.int64)
    wanted, share = forecast_demand(rows), rows[StockOfStore.share].to_numpy(np.float64)

    def over(days: Ints) -> Demand:
        return wanted.over(days).of_share(share)

    until_next = over(lead + settings.review_days)
    reorder = until_next.quantile(settings.service_level)
    daily = wanted.units.mean(axis=1) * share
    out, left = 1 - over(lead).at_most(there), over(sellable).fewer(there)
    status = np.where(left >= settings.overstock_probability, "overstock", "ok")
    status = np.where(out > 1 - settings.service_level, "stockout_risk", status)
    found: dict[str, Any] = {
        InventoryPlan.lead_time_days: lead,
        InventoryPlan.lead_time_is_assumed: said.isna().to_numpy(),
        InventoryPlan.days: lead + settings.review_days,
        InventoryPlan.expected_units: _told(until_next.mean),
        InventoryPlan.deviation: _told(until_next.deviation),
        InventoryPlan.safety_stock: _told(np.maximum(reorder - until_next.mean, 0.0)),
        InventoryPlan.reorder_point: _told(reorder),
        InventoryPlan.order_units: _known(np.maximum(reorder - there, 0.0)),
        InventoryPlan.cover_days: _known(np.where(daily > 0, on_hand / np.where(daily > 0, daily, 1.0), np.nan)),
        InventoryPlan.stock_out_risk: _known(np.where(np.isnan(there), np.nan, out)),
        InventoryPlan.overstock_risk: _known(np.where(np.isnan(there), np.nan, left)),
        InventoryPlan.status: pd.Series(status, dtype=object).where(~np.isnan(there), None),
    }
    kept = (InventoryPlan.product_id, InventoryPlan.store_id, InventoryPlan.on_hand, InventoryPlan.on_order)
    return rows[[*kept, InventoryPlan.counted_on]].reset_index(drop=True).assign(**found)


def forecast_demand(rows: pd.DataFrame) -> ForecastDemand:
    """Rows of ProductDemand → what they say of any number of days."""
    points, upper_80, upper_95 = (np.array(rows[name].tolist(), np.float64) for name in _DAYS)
    total, total_80, total_95 = (rows[name].to_numpy(np.float64) for name in _TOTALS)
    in_pieces = rows[ProductDemand.in_pieces].to_numpy(bool)
    return ForecastDemand.of((points, upper_80, upper_95), (total, total_80, total_95), in_pieces)


def _told(values: Floats) -> Floats:
    rounded: Floats = np.round(values, _DECIMALS)
    return rounded


def _known(values: Floats) -> pd.Series[float]:
    """The values with null for what is not a number."""
    return pd.Series(_told(values)).astype(object).where(~np.isnan(values), None)
