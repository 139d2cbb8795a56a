"""The one shape in which all scenarios propose offers: what could be offered to whom, at which depths."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import MONEY, QUANTITY, RATE, Col, Frame, Personal
from promo_spark.decisions.offers.pricing import RUNG
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.measures.best_rows import best_rows

_TEXT = T.StringType()
_TEXTS = T.ArrayType(_TEXT)


class OfferedProduct(Frame):
    """One product of an offer: an entry of OfferTarget.parts."""

    product_id = Col(_TEXT, "the product", required=True)
    department = Col(_TEXT, "its department")
    category = Col(_TEXT, "its category")
    charged_price = Col(MONEY, "what is charged for it now", unit="currency", required=True)
    unit_cost = Col(MONEY, "its cost", unit="currency", required=True)
    units_28d = Col(QUANTITY, "units of it sold in the last 28 days", required=True)
    units_at_once = Col(T.DoubleType(), "units of it in an order line, on average", unit="units", required=True)


PART = OfferedProduct.struct()


class Fund(Frame):
    """The fund that pays a share of what an offer gives: OfferTarget.fund."""

    fund_id = Col(_TEXT, "as in PromotionFunds", required=True)
    partner = Col(_TEXT, "as in PromotionFunds", required=True)
    cost_share = Col(RATE, "as in PromotionFunds", unit="share", required=True)
    end_date = Col(T.DateType(), "last day on which an offer with it may hold; null: for good")
    limited = Col(T.BooleanType(), "it has a budget", required=True)


FUND = Fund.struct()


class ProposedOffer(Frame):
    """One row per user and thing that a scenario proposes to offer: the terms but for the depth, and why."""

    user_id = Col(_TEXT, "who could get it", required=True, personal=Personal.IDENTIFIER)
    parts = Col(
        T.ArrayType(PART),
        "what it is good for, the user's own first; of a gift what is given; empty: the whole shop",
        required=True,
    )
    category = Col(_TEXT, "category of the product; null: several, a gift, or the whole shop")
    rungs = Col(T.ArrayType(RUNG), "the depths at which it could be made, least first", required=True)
    min_spend = Col(MONEY, "amount to spend before the offer counts; null: none", unit="currency")
    list_price = Col(MONEY, "catalogue price of the products together; null: no products, or a gift", unit="currency")
    charged_price = Col(MONEY, "what is charged for them together now; null: no products, or a gift", unit="currency")
    margin_floor = Col(
        MONEY, "lowest price that keeps the minimum margin; null: no products, or a gift", unit="currency"
    )
    margin_is_assumed = Col(T.BooleanType(), "true: a cost follows from an assumed margin", required=True)
    title = Col(_TEXT, "the product's name; null: no products")
    partner_title = Col(_TEXT, "the name of a bundle's other product; null: no bundle")
    occasion = Col(_TEXT, "the day that it is made for, such as a holiday; null: none")
    appeal = Col(T.DoubleType(), "order among the scenario's proposals to a user, largest first", required=True)
    reason_codes = Col(_TEXTS, "why this offer", required=True)


class OfferTarget(ProposedOffer):
    """One row per user and thing that any scenario proposes to offer."""

    scenario = Col(_TEXT, "which scenario proposes it", required=True)
    mechanic = Col(_TEXT, "how it is given", required=True)
    days = Col(T.IntegerType(), "how long it holds, the first day included", unit="days", required=True)
    fund = Col(FUND, "what pays a share of it; null: the shop pays all")
    campaign_id = Col(_TEXT, "the campaign that it belongs to; null: none")
    objective = Col(_TEXT, "what it is chosen for; null: as the settings say")
    channel = Col(_TEXT, "the one channel in which it holds; null: any")


def product_ids(parts: Column) -> Column:
    """The products of an offer, sorted."""
    return F.array_sort(F.transform(parts, lambda part: part[OfferedProduct.product_id]))


def categories(parts: Column) -> Column:
    """The categories of an offer's products, each once."""
    return F.array_distinct(F.array_compact(F.transform(parts, lambda part: part[OfferedProduct.category])))


def departments(parts: Column) -> Column:
    """The departments of an offer's products, each once."""
    return F.array_distinct(F.array_compact(F.transform(parts, lambda part: part[OfferedProduct.department])))


def single_item(offers: DataFrame, occasion: Column | None = None) -> DataFrame:
    """One row per user and product. OfferableProduct with rungs, user_id, appeal, reason_codes → ProposedOffer."""
    return ProposedOffer.shaped(
        offers.withColumns(
            {
                ProposedOffer.parts: F.array(F.struct(*OfferedProduct.columns())),
                ProposedOffer.min_spend: F.lit(None),
                ProposedOffer.margin_is_assumed: F.col(OfferableProduct.cost_is_assumed),
                ProposedOffer.partner_title: F.lit(None),
                ProposedOffer.occasion: F.lit(None) if occasion is None else occasion,
            }
        )
    )


def whole_shop(offers: DataFrame) -> DataFrame:
    """One row per user. Rows with rungs, min_spend, margin_is_assumed, appeal, reason_codes → ProposedOffer."""
    of_products = (
        ProposedOffer.category,
        ProposedOffer.list_price,
        ProposedOffer.charged_price,
        ProposedOffer.margin_floor,
        ProposedOffer.title,
        ProposedOffer.partner_title,
        ProposedOffer.occasion,
    )
    return ProposedOffer.shaped(
        offers.withColumns(
            {
                **{column: F.lit(None) for column in of_products},
                ProposedOffer.parts: F.array().cast(ProposedOffer.type_of(ProposedOffer.parts)),
            }
        )
    )


def best_per_scenario(targets: DataFrame, *, keep: int) -> DataFrame:
    """Up to `keep` rows per user and scenario: the most appealing. OfferTarget → OfferTarget.

    This bounds what has to be valued.
    """
    return best_rows(
        targets,
        of=[OfferTarget.user_id, OfferTarget.scenario],
        by=[F.desc(OfferTarget.appeal), product_ids(F.col(OfferTarget.parts))],
        keep=keep,
    )
