"""What may be given as a gift with an order: what is in stock, and costs little enough."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import MONEY
from promo_spark.decisions.offers.pricing import ShopMargin, most_basket_amount
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.measures.money import minor_per_unit, minor_units
from promo_spark.settings.promote import PromoteSettings

_STOCK_IS_KNOWN = "stock_is_known"


def products_in_stock(products: DataFrame) -> DataFrame:
    """One row per product that is on hand. OfferableProduct → OfferableProduct.

    Where the stock of other products is known, one whose stock is not known counts as none: what is promised has to be
    there. Of a shop that delivers no stock at all every product may be there.
    """
    on_hand = F.col(OfferableProduct.on_hand)
    known = products.agg(F.coalesce(F.bool_or(on_hand.isNotNull()), F.lit(False)).alias(_STOCK_IS_KNOWN))
    return OfferableProduct.shaped(
        products.crossJoin(F.broadcast(known)).filter(F.coalesce(on_hand > 0, ~F.col(_STOCK_IS_KNOWN)))
    )


def most_gift_cost(settings: PromoteSettings, mechanic: str, digits: int) -> Decimal:
    """The most that any gift may cost: promote.gift_max_cost, and what an offer on a basket may give of its budget."""
    most = Decimal(minor_units(settings.gift_max_cost, digits)) / minor_per_unit(digits)
    return min(most, most_basket_amount(settings, mechanic, digits))


def cost_left(min_spend: Column, min_margin: float) -> Column:
    """What a gift with an order of that size may cost: (margin of the shop − min_margin) × min_spend. Of ShopMargin.

    A gift takes nothing off what is paid, so that its cost has the whole margin above the minimum.
    """
    return ((F.col(ShopMargin.margin_share) - F.lit(Decimal(str(min_margin)))) * min_spend).cast(MONEY)
