"""The one shape in which all scenarios propose offers."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import MONEY, RATE, Col, Frame, Personal
from promo_spark.decisions.offers.pricing import PricedOffer, ShopMargin
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.users import DailyUser
from promo_spark.measures.best_rows import best_rows
from promo_spark.measures.money import half_up

_TEXT = T.StringType()
_TEXTS = T.ArrayType(_TEXT)


class OfferTerms(Frame):
    """One row per user and possible offer: what it is good for, at which price, what it brings and why."""

    user_id = Col(_TEXT, "who could get it", required=True, personal=Personal.IDENTIFIER)
    product_ids = Col(_TEXTS, "products it is good for, sorted; empty: the whole shop", required=True)
    category = Col(_TEXT, "category of the product; null: several, or the whole shop")
    categories = Col(_TEXTS, "categories of all its products", required=True)
    discount_rate = Col(RATE, "share off the price charged now; null: a coupon", unit="share")
    coupon_amount = Col(MONEY, "amount off; null: no coupon", unit="currency")
    min_spend = Col(MONEY, "amount to spend before the offer counts; null: none", unit="currency")
    list_price = Col(MONEY, "catalogue price of the products together; null: no products", unit="currency")
    charged_price = Col(MONEY, "what is charged for them together now; null: no products", unit="currency")
    offer_price = Col(MONEY, "price with the offer; null: no products", unit="currency")
    margin_floor = Col(MONEY, "lowest price that keeps the minimum margin; null: no products", unit="currency")
    margin_is_assumed = Col(T.BooleanType(), "true: a cost follows from an assumed margin", required=True)
    saving = Col(MONEY, "what the offer takes off when it is used", unit="currency", required=True)
    margin_if_used = Col(MONEY, "margin of the purchase after the saving", unit="currency", required=True)
    anchor = Col(_TEXT, "the product whose observed response counts; null: a coupon")
    response_factor = Col(RATE, "of buyers of the anchor, the share who take the whole offer", "share", required=True)
    appeal = Col(T.DoubleType(), "order among the scenario's candidates of a user, largest first", required=True)
    reason_codes = Col(_TEXTS, "why this offer", required=True)


class ProposedOffer(OfferTerms):
    """One row per user and offer that a scenario proposes, with the names that its text mentions."""

    title = Col(_TEXT, "the product's name; null: no products")
    partner_title = Col(_TEXT, "the name of a bundle's other product; null: no bundle")


class OfferCandidate(OfferTerms):
    """One row per user and offer that could be made, of any scenario."""

    scenario = Col(_TEXT, "which scenario proposes it", required=True)
    mechanic = Col(_TEXT, "how it is given", required=True)
    text = Col(_TEXT, "the offer as a sentence", required=True)
    held_offers = Col(T.LongType(), "offers of earlier dates that the user still holds", required=True)


def single_item(offers: DataFrame) -> DataFrame:
    """One row per user and product. Priced OfferableProduct with user_id, appeal, reason_codes → ProposedOffer."""
    offer_price = F.col(PricedOffer.offer_price)
    product_id = F.col(OfferableProduct.product_id)
    return ProposedOffer.shaped(
        offers.withColumns(
            {
                ProposedOffer.product_ids: F.array(product_id),
                ProposedOffer.categories: F.array(OfferableProduct.category),
                ProposedOffer.coupon_amount: F.lit(None),
                ProposedOffer.min_spend: F.lit(None),
                ProposedOffer.margin_is_assumed: F.col(OfferableProduct.cost_is_assumed),
                ProposedOffer.saving: F.col(PricedOffer.charged_price) - offer_price,
                ProposedOffer.margin_if_used: offer_price - F.col(PricedOffer.unit_cost),
                ProposedOffer.anchor: product_id,
                ProposedOffer.response_factor: F.lit(1),
                ProposedOffer.partner_title: F.lit(None),
            }
        )
    )


def whole_shop_coupon(coupons: DataFrame, *, digits: int) -> DataFrame:
    """One row per user. DailyUser and ShopMargin with coupon_amount, min_spend, appeal, reasons → ProposedOffer.

    The purchase is expected to be the user's median basket, or the minimum spend where that is more.
    """
    min_spend, coupon_amount = F.col(ProposedOffer.min_spend), F.col(ProposedOffer.coupon_amount)
    basket = F.greatest(
        min_spend, F.coalesce(half_up(F.col(DailyUser.basket_median).cast("decimal(18,6)"), digits), min_spend)
    )
    of_products = (
        ProposedOffer.category,
        ProposedOffer.discount_rate,
        ProposedOffer.list_price,
        ProposedOffer.charged_price,
        ProposedOffer.offer_price,
        ProposedOffer.margin_floor,
        ProposedOffer.anchor,
        ProposedOffer.title,
        ProposedOffer.partner_title,
    )
    return ProposedOffer.shaped(
        coupons.withColumns(
            {
                **{column: F.lit(None) for column in of_products},
                ProposedOffer.product_ids: F.array().cast(_TEXTS),
                ProposedOffer.categories: F.array().cast(_TEXTS),
                ProposedOffer.saving: coupon_amount,
                ProposedOffer.margin_if_used: half_up(basket * F.col(ShopMargin.margin_share), digits) - coupon_amount,
                ProposedOffer.response_factor: F.lit(1),
            }
        )
    )


def best_per_scenario(candidates: DataFrame, *, keep: int) -> DataFrame:
    """Up to `keep` rows per user and scenario: the most appealing. OfferCandidate → OfferCandidate.

    This bounds what the allocation has to look at.
    """
    return best_rows(
        candidates,
        of=[OfferCandidate.user_id, OfferCandidate.scenario],
        by=[F.desc(OfferCandidate.appeal), OfferCandidate.product_ids],
        keep=keep,
    )
