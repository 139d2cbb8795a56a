"""The steps of forecast that say what to order, and what is wrong with supply."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Forecasts, ForecastTotals
from promo_spark.contracts.silver import Inventory, OrderLines
from promo_spark.models.forecasts.drift import BY_MODELS
from promo_spark.models.supply.alerts import sales_alerts, sold_since, stock_alerts, stock_steps
from promo_spark.models.supply.plan import (
    StockOfStore,
    inventory_plan,
    product_demand,
    stock_of_stores,
    store_sales,
)
from promo_spark.runtime.job import Context
from promo_spark.settings.forecast import ForecastSettings


def plan_of_date(ctx: Context[ForecastSettings], ahead: DataFrame, totals: DataFrame, sales: DataFrame) -> DataFrame:
    """One row per product with a forecast and store. Forecasts, ForecastTotals, DailySales → InventoryPlan."""
    settings = ctx.settings.supply
    stock = StockOfStore.frame(ctx.spark)
    if ctx.exists(Inventory):
        sold = store_sales(ctx.read_everyone(OrderLines), as_of=ctx.date, days=settings.share_days)
        stock = stock_of_stores(
            ctx.read_optional(Inventory), ctx.keep(sold), as_of=ctx.date, stock_days=settings.stock_days
        )
    return inventory_plan(product_demand(ahead, totals, sales), stock, ctx.read_optional(ProductProfile), settings)


def alerts_of_date(ctx: Context[ForecastSettings], sales: DataFrame) -> DataFrame:
    """One row per product, store and kind of alert. DailySales → SupplyAlerts.

    Sales are held against the forecasts of the date `alert_days` before; where that was not run, none is of sales.
    """
    settings = ctx.settings.supply
    since = ctx.date - datetime.timedelta(settings.alert_days)
    then = F.col(Forecasts.as_of) == F.lit(since)
    ahead = ctx.read_earlier(Forecasts).filter(then & F.col(Forecasts.profile).isin(*BY_MODELS))
    demand = product_demand(ahead, ctx.read_earlier(ForecastTotals).filter(then), sales)
    of_sales = sales_alerts(
        sold_since(demand, sales, since=since), days=settings.alert_days, share=settings.alert_share
    )
    if not ctx.exists(Inventory):
        return of_sales
    steps = stock_steps(
        ctx.read_optional(Inventory), ctx.read_everyone(OrderLines), as_of=ctx.date, days=settings.alert_history_days
    )
    return of_sales.unionByName(stock_alerts(steps, as_of=ctx.date))
