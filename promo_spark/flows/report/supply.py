"""What is told of supply: the plan, the alerts and the trends of the date; few rows of each."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.supply import ALL_STORES, DemandTrends, InventoryPlan, SupplyAlerts
from promo_spark.flows.report.reading import Ctx, rows_of
from promo_spark.measures.best_rows import best_rows
from promo_spark.reports.sections.supply import ALERTS, ORDERS, TRENDS, AlertGroup, PlanGroup, SupplyRows


def supply_rows(ctx: Ctx) -> SupplyRows:
    """What the section of supply is made of."""
    plan = ctx.read_optional(InventoryPlan).filter(F.col(InventoryPlan.store_id) == ALL_STORES)
    alerts, products = ctx.read_optional(SupplyAlerts), ctx.read_optional(ProductProfile)
    return SupplyRows(
        plan=rows_of(plan_groups(plan)),
        orders=rows_of(urgent_orders(plan, products)),
        kinds=rows_of(alerts.groupBy(SupplyAlerts.kind).agg(F.count(F.lit(1)).alias(AlertGroup.alerts))),
        alerts=rows_of(worst_alerts(alerts, products)),
        trends=rows_of(strongest_trends(ctx.read_optional(DemandTrends))),
    )


def plan_groups(plan: DataFrame) -> DataFrame:
    """One row per status. InventoryPlan of all stores together → PlanGroup."""
    return plan.groupBy(InventoryPlan.status).agg(
        F.count(F.lit(1)).alias(PlanGroup.products),
        F.count_if(F.col(InventoryPlan.order_units) > 0).alias(PlanGroup.to_order),
    )


def urgent_orders(plan: DataFrame, products: DataFrame) -> DataFrame:
    """What is to be ordered, likeliest to run out first. InventoryPlan, ProductProfile → rows of the plan, titled."""
    order = (F.desc(InventoryPlan.stock_out_risk), F.desc(InventoryPlan.order_units), InventoryPlan.product_id)
    return _first(plan.filter(F.col(InventoryPlan.order_units) > 0), products, order, ORDERS)


def worst_alerts(alerts: DataFrame, products: DataFrame) -> DataFrame:
    """What is farthest beyond its limit, whatever its kind. SupplyAlerts, ProductProfile → some of the alerts, titled.

    How far is a ratio, as kinds have units of their own; of one more than either, so that a single piece where none
    was the limit counts no more than a hundred where fifty were.
    """
    observed, limit = F.col(SupplyAlerts.observed) + 1, F.col(SupplyAlerts.limit) + 1
    beyond = F.when(F.col(SupplyAlerts.kind) == "sales_low", limit / observed).otherwise(observed / limit)
    order = (beyond.desc(), SupplyAlerts.product_id, SupplyAlerts.store_id, SupplyAlerts.kind)
    return _first(alerts, products, order, ALERTS)


def strongest_trends(trends: DataFrame) -> DataFrame:
    """Of each kind of attribute what rises most, of all categories. DemandTrends → some of it."""
    order = (F.desc(DemandTrends.rise_units), DemandTrends.category, DemandTrends.value)
    return best_rows(trends, of=[DemandTrends.attribute], by=order, keep=TRENDS)


def _first(rows: DataFrame, products: DataFrame, by: Sequence[Column | str], keep: int) -> DataFrame:
    """The first rows in an order, each with the title of its product; null: the product has no profile."""
    titles = products.select(ProductProfile.product_id, ProductProfile.title)
    return rows.orderBy(*by).limit(keep).join(titles, ProductProfile.product_id, "left").orderBy(*by)
