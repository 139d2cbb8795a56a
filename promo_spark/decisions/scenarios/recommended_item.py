"""A discount on products that the recommender ranks high for the user; deeper for deal-prone users."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.offers.candidates import single_item
from promo_spark.decisions.offers.pricing import item_prices
from promo_spark.decisions.offers.texts import item_text
from promo_spark.decisions.scenarios.inputs import World


def candidates(world: World) -> DataFrame:
    """One row per user and recommended product that may be offered. Appeal: the recommender's rank.

    Depth follows the share of the user's lines bought at a discount; the base price is the same for all.
    """
    recommended = world.recommendations.select("user_id", "product_id", "rank", "source")
    priced = item_prices(
        recommended.join(world.users.select("user_id", "discounted_lines_share"), "user_id", "inner").join(
            world.products, "product_id", "inner"
        ),
        F.col("discounted_lines_share"),
        world.bounds("recommended_item"),
        world.settings.min_margin,
    )
    reasoned = priced.withColumns(
        {
            "appeal": -F.col("rank").cast("double"),
            "reason_codes": F.array(F.concat_ws(":", F.lit("recommended"), "source", "rank")),
        }
    )
    text = item_text("recommended_item", world.valid_to.isoformat(), world.currency)
    return single_item(reasoned, "recommended_item", text)
