"""The promises of decisions.promotions about products: what is kept out, one price for all, gifts, and the stock."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.decisions.breaches import breaches, counted, fails
from promo_spark.decisions.mechanics import GIFT
from promo_spark.decisions.offers.exclusions import ExcludedProduct
from promo_spark.decisions.offers.gifts import cost_left, most_gift_cost, products_in_stock
from promo_spark.decisions.offers.pricing import margin_of_shop
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.stock import ExpectedUnits, StockLeft, expected_units
from promo_spark.decisions.valuation import MILLI
from promo_spark.settings.promote import PromoteSettings

_KEY, _LEAST, _MOST = "key", "least", "most"


def of_excluded(promotions: DataFrame, excluded: DataFrame, key: Column) -> DataFrame:
    """One row: the offers of products that marketers keep out. Promotions, ExcludedProduct → RuleBreach."""
    offered = promotions.select(key.alias(_KEY), F.explode(Promotions.product_ids).alias(ExcludedProduct.product_id))
    breaching = offered.join(F.broadcast(excluded), ExcludedProduct.product_id, "left_semi")
    return breaches(breaching, [("no product of silver.promotion_exclusions is offered", F.count("*"), F.min(_KEY))])


def of_prices(promotions: DataFrame) -> DataFrame:
    """One row: the products that cost some users more than others before any offer. Promotions → RuleBreach.

    A price of one's own would let an offer stand for what others pay anyway, or loyal customers pay more.
    """
    charged = F.col(Promotions.charged_price)
    of_products = promotions.groupBy(F.array_join(Promotions.product_ids, ", ").alias(_KEY)).agg(
        F.min(charged).alias(_LEAST), F.max(charged).alias(_MOST)
    )
    rule = "what is charged for a product is one price, to whomever it is offered"
    return counted(of_products, {rule: F.col(_LEAST) < F.col(_MOST)}, F.col(_KEY))


def of_gifts(
    promotions: DataFrame, products: DataFrame, settings: PromoteSettings, digits: int, key: Column
) -> DataFrame:
    """One row per rule of gifts. Promotions, OfferableProduct → RuleBreach."""
    gifts = promotions.filter(F.col(Promotions.mechanic) == GIFT).select(
        key.alias(_KEY), Promotions.min_spend, F.explode(Promotions.product_ids).alias(OfferableProduct.product_id)
    )
    cost = F.col(OfferableProduct.unit_cost)
    most = F.lit(most_gift_cost(settings, GIFT, digits))
    affordable = (cost <= most) & (cost <= cost_left(F.col(Promotions.min_spend), settings.min_margin))
    in_stock = products_in_stock(products).select(OfferableProduct.product_id, cost)
    rules = {
        "a gift is a product that may be offered, and in stock": cost.isNull(),
        "a gift costs promote.gift_max_cost at most, and no more than its budget and its order leave": cost.isNotNull()
        & fails(affordable),
    }
    known = gifts.join(in_stock, OfferableProduct.product_id, "left").crossJoin(F.broadcast(margin_of_shop(products)))
    return counted(known, rules, F.col(_KEY))


def of_stock(promotions: DataFrame, stock: DataFrame) -> DataFrame:
    """One row: the products of which offers are expected to sell more than is left. Promotions, StockLeft → RuleBreach.

    Of all products with a known stock, those too of which decisions.budget has no row.
    """
    units = expected_units(promotions).groupBy(ExpectedUnits.product_id).agg(F.sum(ExpectedUnits.units).alias(_SOLD))
    sold_out = units.join(stock, StockLeft.product_id, "inner").filter(
        F.col(_SOLD) * MILLI > F.col(StockLeft.left_milli)
    )
    rule = "offers sell no more of a product than promote.stock_share of its stock, those that still hold included"
    return breaches(sold_out, [(rule, F.count("*"), F.min(StockLeft.product_id))])


_SOLD = "sold"
