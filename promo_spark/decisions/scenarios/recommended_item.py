"""A discount on products that the recommender ranks high for the user; deeper for deal-prone users."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.models import Recommendations
from promo_spark.decisions.offers.candidates import ProposedOffer, single_item
from promo_spark.decisions.offers.pricing import item_prices
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user and recommended product that may be offered. → ProposedOffer.

    Depth follows the share of the user's lines bought at a discount; the base price is the same for all. Appeal:
    the recommender's rank.
    """
    rank, source = Recommendations.rank, Recommendations.source
    recommended = (
        inputs.recommendations.select(Recommendations.user_id, Recommendations.product_id, rank, source)
        .join(inputs.users.select(DailyUser.user_id, DailyUser.discounted_lines_share), DailyUser.user_id, "inner")
        .join(inputs.products, OfferableProduct.product_id, "inner")
    )
    priced = item_prices(
        recommended,
        eagerness=F.col(DailyUser.discounted_lines_share),
        bounds=inputs.bounds(RECOMMENDED_ITEM.name),
        min_margin=inputs.settings.min_margin,
        digits=inputs.digits,
    )
    return single_item(
        priced.withColumns(
            {
                ProposedOffer.appeal: -F.col(rank).cast("double"),
                ProposedOffer.reason_codes: F.array(F.concat_ws(":", F.lit("recommended"), source, rank)),
            }
        )
    )


RECOMMENDED_ITEM = Scenario(
    "recommended_item",
    mechanic="discount",
    candidates=candidates,
    text="Picked for you: {title}, {percent}% off: {offer} instead of {charged}, until {valid_to}.",
)
