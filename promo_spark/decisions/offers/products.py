"""Products that may be in an offer."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import MONEY, QUANTITY, Col, Frame
from promo_spark.contracts.supply import ALL_STORES, InventoryPlan
from promo_spark.decisions.offers.pricing import margin_floor
from promo_spark.measures.stock import not_sold_out

_TEXT = T.StringType()


class OfferableProduct(Frame):
    """One row per product that may be offered: not kept out, not sold out, priced, with room above its margin floor."""

    product_id = Col(_TEXT, "the product", required=True)
    title = Col(_TEXT, "what a customer would read", required=True)
    department = Col(_TEXT, "top of the category path")
    category = Col(_TEXT, "middle of the category path")
    subcategory = Col(_TEXT, "end of the category path")
    list_price = Col(MONEY, "catalogue price", unit="currency", required=True)
    charged_price = Col(MONEY, "what is charged now, at most the list price", unit="currency", required=True)
    unit_cost = Col(MONEY, "cost of a unit", unit="currency", required=True)
    cost_is_assumed = Col(T.BooleanType(), "true: the cost follows from an assumed margin", required=True)
    units_28d = Col(QUANTITY, "units sold in the last 28 days", required=True)
    units_at_once = Col(T.DoubleType(), "units in an order line, on average; 1 where none was sold", required=True)
    buyers = Col(T.LongType(), "different users who bought it", required=True)
    on_hand = Col(QUANTITY, "units on hand; null: not known", unit="units")
    shelf_life_days = Col(T.IntegerType(), "days that a piece can be sold for; null: it keeps, or not known", "days")


def offerable_products(products: DataFrame, excluded: DataFrame, *, min_margin: float, digits: int) -> DataFrame:
    """One row per product that may be offered. ProductProfile, ExcludedProduct → OfferableProduct."""
    floor = margin_floor(F.col(ProductProfile.unit_cost), min_margin, digits)
    sold = F.col(ProductProfile.units) / F.col(ProductProfile.purchases)
    at_once = F.when((F.col(ProductProfile.purchases) > 0) & (F.col(ProductProfile.units) > 0), sold).otherwise(1)
    return OfferableProduct.shaped(
        products.join(F.broadcast(excluded), ProductProfile.product_id, "left_anti")
        .withColumn(OfferableProduct.units_at_once, at_once.cast("double"))
        .filter(
            F.col(ProductProfile.promotable)
            & not_sold_out()
            & (F.col(ProductProfile.charged_price) > 0)
            & (F.col(ProductProfile.charged_price) <= F.col(ProductProfile.list_price))
            & (F.col(ProductProfile.unit_cost) > 0)
            & (floor < F.col(ProductProfile.charged_price))
        )
    )


def lasting_products(products: DataFrame, plan: DataFrame, *, most_risk: float) -> DataFrame:
    """The products but those that are likely to run out before more can come. ProductProfile, InventoryPlan → the same.

    `most_risk`: the risk of a stock-out up to which a product is offered. One whose risk is not known is.
    """
    at_risk = plan.filter(
        (F.col(InventoryPlan.store_id) == ALL_STORES) & (F.col(InventoryPlan.stock_out_risk) > most_risk)
    ).select(InventoryPlan.product_id)
    return products.join(F.broadcast(at_risk), ProductProfile.product_id, "left_anti")
