"""A discount on what a user put into the cart and did not buy."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.predictions import Opportunities
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.offers.targets import ProposedOffer, single_item
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user and product that was left in the cart and may be offered. → ProposedOffer.

    Appeal: how likely it is bought within 28 days, where that is known.
    """
    since, strength = F.col(Opportunities.since), F.col(Opportunities.strength)
    left = (
        inputs.opportunities.filter(F.col(Opportunities.kind) == "cart")
        .select(Opportunities.user_id, F.col(Opportunities.item).alias(OfferableProduct.product_id), since, strength)
        .join(inputs.users.select(DailyUser.user_id), DailyUser.user_id, "inner")
        .join(inputs.products, OfferableProduct.product_id, "inner")
    )
    return single_item(
        inputs.with_item_rungs(left, ABANDONED_CART.name).withColumns(
            {
                ProposedOffer.appeal: F.coalesce(strength, F.lit(0.0)),
                ProposedOffer.reason_codes: F.array(F.concat(F.lit("in_cart_since:"), since.cast("string"))),
            }
        )
    )


ABANDONED_CART = Scenario(
    "abandoned_cart",
    mechanic="discount",
    candidates=candidates,
    texts={
        "en-US": "Still in your cart: {title}, {percent}% off: {offer} instead of {charged}, until {valid_to}.",
        "zh-CN": "购物车里的{title}降价了：立减{percent}%，{offer}（现价{charged}），有效期至{valid_to}。",
    },
)
