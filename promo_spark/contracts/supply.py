"""What follows from forecasts for whoever buys the goods."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.models import Predicted
from promo_spark.contracts.schema import QUANTITY, Check, Col, Table

_TEXT = T.StringType()
_DOUBLE = T.DoubleType()

STOCK_STATUSES = ("stockout_risk", "overstock", "ok")
ALERT_KINDS = ("sales_low", "sales_high", "no_delivery", "stock_lost", "large_delivery")
TREND_ATTRIBUTES = ("category", "subcategory", "brand", "tag")
ALL_STORES = "all"


class InventoryPlan(Predicted):
    """One row per product that is forecast and store, and one per product of all stores together.

    Stores have rows where silver.inventory counts the product by store: each store that counts or sold it. What they
    are expected to sell sums to what all are. Safety stocks do not: chance evens out between stores.
    """

    name = "inventory_plan"
    key = ("as_of", "product_id", "store_id")
    checks = (
        Check("status_known", "status", "in", STOCK_STATUSES),
        Check("safety_stock_not_negative", "safety_stock", ">=", 0.0),
        Check("reorder_point_not_negative", "reorder_point", ">=", 0.0),
        Check("stock_out_risk_is_share", "stock_out_risk", "between", (0.0, 1.0)),
        Check("overstock_risk_is_share", "overstock_risk", "between", (0.0, 1.0)),
    )
    product_id = Col(_TEXT, "the product", required=True)
    store_id = Col(_TEXT, "the store, as in silver.inventory; all: everything that the retailer has", required=True)
    on_hand = Col(
        QUANTITY,
        "newest count of the last forecast.supply.stock_days; null: none, so that the shop does not say",
        "units",
    )
    on_order = Col(QUANTITY, "ordered and not yet there, of the same rows; null: not known", unit="units")
    counted_on = Col(T.DateType(), "day of the newest count; null: none")
    lead_time_days = Col(
        T.IntegerType(),
        "from order to shelf, of the same rows, the longest of all stores; where they do not say, of the settings, "
        "or half the shelf life where that is shorter",
        unit="days",
        required=True,
    )
    lead_time_is_assumed = Col(T.BooleanType(), "true: the rows do not say lead_time_days", required=True)
    days = Col(T.IntegerType(), "lead_time_days and the days until the next chance to order", "days", required=True)
    expected_units = Col(_DOUBLE, "what these days are expected to sell", unit="units", required=True)
    deviation = Col(_DOUBLE, "standard deviation of it, from the intervals of the forecast", "units", required=True)
    safety_stock = Col(_DOUBLE, "reorder_point − expected_units, 0 at least", unit="units", required=True)
    reorder_point = Col(
        _DOUBLE,
        "enough for these days with the probability forecast.supply.service_level, to be ordered up to; of what "
        "is sold in whole pieces a whole number",
        unit="units",
        required=True,
    )
    order_units = Col(
        _DOUBLE, "reorder_point − on_hand − on_order, 0 at least; null: on_hand is not known", unit="units"
    )
    cover_days = Col(
        _DOUBLE,
        "how long on_hand lasts at the mean of the days forecast; null: on_hand is not known, or nothing is forecast",
        unit="days",
    )
    stock_out_risk = Col(
        _DOUBLE,
        "probability that the lead time needs more than on_hand + on_order: even what is ordered today comes too late; "
        "null: on_hand is not known",
        unit="share",
    )
    overstock_risk = Col(
        _DOUBLE,
        "probability that something of on_hand + on_order is left after forecast.supply.overstock_days, or after the "
        "shelf life where that is shorter; null: on_hand is not known",
        unit="share",
    )
    status = Col(
        _TEXT,
        "stockout_risk: stock_out_risk is above 1 − service_level; overstock: overstock_risk is at least "
        "forecast.supply.overstock_probability; ok; null: on_hand is not known",
    )


class SupplyAlerts(Predicted):
    """One row per product, store and kind of alert: what about its supply or its sales is far from what is usual.

    A clean series raises one on fewer than 2 % of dates. What is unusual is told, not why.
    """

    name = "supply_alerts"
    key = ("as_of", "product_id", "store_id", "kind")
    checks = (Check("kind_known", "kind", "in", ALERT_KINDS),)
    product_id = Col(_TEXT, "the product", required=True)
    store_id = Col(
        _TEXT, "where it is counted, as in silver.inventory; all: of sales, those of all stores", required=True
    )
    kind = Col(
        _TEXT,
        "sales_low, sales_high: outside what was forecast before these days; no_delivery: for longer than ever, though "
        "it is needed; stock_lost: far more is gone than was sold; large_delivery: far more came than ever",
        required=True,
    )
    days = Col(T.IntegerType(), "the days up to the date that it is about", unit="days", required=True)
    observed = Col(
        _DOUBLE, "units sold, lost or delivered in these days; of no_delivery the days without one", required=True
    )
    expected = Col(
        _DOUBLE, "of sales the units forecast, of no_delivery the mean days between deliveries; null: of others"
    )
    limit = Col(_DOUBLE, "what observed is beyond", required=True)


class DemandTrends(Predicted):
    """One row per category and what its products are: how much more of it is forecast than was sold before.

    Sums over products with a series. Where every product has one value, such as one colour, the values add up to the
    category. Of a kind and category the first 100.
    """

    name = "demand_trends"
    key = ("as_of", "category", "attribute", "value")
    checks = (Check("attribute_known", "attribute", "in", TREND_ATTRIBUTES),)
    category = Col(_TEXT, "the category", required=True)
    attribute = Col(
        _TEXT, "category: the whole of it; subcategory, brand; tag: of silver.products, such as a colour", required=True
    )
    value = Col(_TEXT, "the category, subcategory, brand or tag", required=True)
    rank = Col(T.IntegerType(), "by rise_units, 1 = what rises most of its kind in the category", required=True)
    products = Col(T.LongType(), "products with a series", required=True)
    days = Col(T.IntegerType(), "how many days are forecast, and compared with", unit="days", required=True)
    forecast_units = Col(_DOUBLE, "forecast from as_of on", unit="units", required=True)
    sold_units = Col(_DOUBLE, "sold in as many days before", unit="units", required=True)
    rise_units = Col(_DOUBLE, "forecast_units − sold_units", unit="units", required=True)


SUPPLY: tuple[type[Table], ...] = (InventoryPlan, SupplyAlerts, DemandTrends)
