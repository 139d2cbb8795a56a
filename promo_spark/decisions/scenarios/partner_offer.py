"""A deeper discount on what a user buys of a partner, who pays a share of it."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.decisions.offers.funds import ProductFunds, best_fund
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.offers.targets import Fund, ProposedOffer, single_item
from promo_spark.decisions.scenarios.inputs import ScenarioInputs, last_valid_day
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user and product that the user bought of late and that a fund pays a share of. → ProposedOffer.

    Appeal: how likely it is bought anyway within the days of an offer.
    """
    likelihood = F.col(ItemPropensity.p_offer)
    fund = best_fund(F.col(ProductFunds.funds), F.lit(last_valid_day(inputs.date, inputs.settings)))
    bought = (
        inputs.item_propensity.filter(F.col(ItemPropensity.source) == "own")
        .select(ItemPropensity.user_id, ItemPropensity.product_id, likelihood)
        .join(F.broadcast(inputs.funds), ProductFunds.product_id, "inner")
        .withColumn(_PARTNER, fund[Fund.partner])
        .filter(F.col(_PARTNER).isNotNull())
        .join(inputs.users.select(DailyUser.user_id), DailyUser.user_id, "inner")
        .join(inputs.products, OfferableProduct.product_id, "inner")
    )
    return single_item(
        inputs.with_item_rungs(bought, PARTNER_OFFER.name).withColumns(
            {
                ProposedOffer.appeal: F.coalesce(likelihood, F.lit(0.0)),
                ProposedOffer.reason_codes: F.array(F.concat(F.lit("buys_of_partner:"), F.col(_PARTNER))),
            }
        )
    )


_PARTNER = "partner"

PARTNER_OFFER = Scenario(
    "partner_offer",
    mechanic="discount",
    candidates=candidates,
    texts={
        "en-US": "Together with {funder}: {title}, {percent}% off: {offer} instead of {charged}, until {valid_to}.",
        "zh-CN": "与{funder}联合优惠：{title}，立减{percent}%：{offer}（现价{charged}），有效期至{valid_to}。",
    },
    needs_fund=True,
)
