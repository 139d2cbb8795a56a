"""A discount on products whose sales are falling, for users who like that kind of product.

No stock table exists yet, so cover cannot be computed: the sign of overstock is a champion forecast far below
what the last 28 days sold. The steeper the fall, the deeper the markdown may be.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.models import Forecasts
from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.decisions.offers.pricing import depth
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.offers.targets import ProposedOffer, single_item
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser, Interest, interests
from promo_spark.measures.best_rows import best_rows

SALES_DAYS = 28  # what OfferableProduct.units_28d covers


class ForecastOfProduct(Frame):
    """One row per product with a champion forecast."""

    product_id = Col(T.StringType(), "the product", required=True)
    units_ahead = Col(T.DecimalType(38, 9), "units forecast, over all days", unit="units", required=True)
    days_ahead = Col(T.LongType(), "days forecast", unit="days", required=True)


class FallingProduct(OfferableProduct):
    """One row per product whose forecast is far below what it sold."""

    trend = Col(T.DoubleType(), "forecast over sales of as many days", unit="share", required=True)
    fall = Col(T.DoubleType(), "0: at the threshold, 1: nothing more will be sold", unit="share", required=True)


class LikedProduct(Frame):
    """One row per user and product that the user bought, or whose category is among the user's interests."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(T.StringType(), "the product", required=True)
    bought = Col(T.IntegerType(), "1: bought before, 0: only of interest", required=True)


def product_forecasts(forecasts: DataFrame) -> DataFrame:
    """One row per product. Forecasts → ForecastOfProduct."""
    units = F.sum(F.col(Forecasts.units).cast("decimal(28,9)"))
    return ForecastOfProduct.shaped(
        forecasts.filter(F.col(Forecasts.champion) & (F.col(Forecasts.level) == "product"))
        .groupBy(F.col(Forecasts.item_id).alias(ForecastOfProduct.product_id))
        .agg(units.alias(ForecastOfProduct.units_ahead), F.count("*").alias(ForecastOfProduct.days_ahead))
    )


def falling_products(inputs: ScenarioInputs) -> DataFrame:
    """One row per product sold in the last 28 days whose forecast is below the threshold × sales. → FallingProduct."""
    threshold, units_28d = inputs.settings.clearance_trend, F.col(OfferableProduct.units_28d)
    units_per_day = F.col(ForecastOfProduct.units_ahead).cast("double") / F.col(ForecastOfProduct.days_ahead)
    trend = units_per_day * SALES_DAYS / units_28d.cast("double")
    return FallingProduct.shaped(
        inputs.products.filter(units_28d > 0)
        .join(product_forecasts(inputs.forecasts), OfferableProduct.product_id, "inner")
        .withColumn(FallingProduct.trend, F.round(trend, 4))
        .filter(F.col(FallingProduct.trend) < threshold)
        .withColumn(FallingProduct.fall, 1 - F.col(FallingProduct.trend) / threshold)
    )


def liked_products(inputs: ScenarioInputs, priced: DataFrame) -> DataFrame:
    """One row per user and product of `priced` that the user bought or may like. FallingProduct → LikedProduct.

    Of a category only the steepest falls are tried: as many as a scenario may propose to a user.
    """
    user_id, product_id, category = DailyUser.user_id, OfferableProduct.product_id, OfferableProduct.category
    steepest = best_rows(
        priced,
        of=[category],
        by=[F.desc(FallingProduct.fall), product_id],
        keep=inputs.settings.candidates_per_scenario,
    )
    of_interest = interests(inputs.users).join(F.broadcast(steepest), Interest.category, "inner")
    bought = (
        inputs.item_propensity.filter(F.col(ItemPropensity.source) == "own")
        .select(ItemPropensity.user_id, ItemPropensity.product_id)
        .join(F.broadcast(priced.select(product_id)), product_id, "left_semi")
        .join(inputs.users.select(user_id), user_id, "left_semi")
    )
    both = bought.select(user_id, product_id, F.lit(1).alias(LikedProduct.bought)).unionByName(
        of_interest.select(user_id, product_id, F.lit(0).alias(LikedProduct.bought))
    )
    return LikedProduct.shaped(
        both.groupBy(user_id, product_id).agg(F.max(LikedProduct.bought).alias(LikedProduct.bought))
    )


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user and falling product that the user bought before or may like. → ProposedOffer.

    Appeal: bought before first, then the steeper fall.
    """
    bought, fall = F.col(LikedProduct.bought), F.col(FallingProduct.fall)
    deepest = depth(fall, inputs.bounds(CLEARANCE.name))
    priced = inputs.with_item_rungs(falling_products(inputs), CLEARANCE.name, greatest=deepest)
    of_interest = F.concat(F.lit("interest:"), F.col(OfferableProduct.category))
    return single_item(
        liked_products(inputs, priced)
        .join(F.broadcast(priced), OfferableProduct.product_id, "inner")
        .withColumns(
            {
                ProposedOffer.appeal: bought + fall,
                ProposedOffer.reason_codes: F.array(
                    F.concat(F.lit("forecast_of_last_sales:"), F.col(FallingProduct.trend).cast("string")),
                    F.when(bought == 1, "bought_before").otherwise(of_interest),
                ),
            }
        )
    )


CLEARANCE = Scenario(
    "clearance",
    mechanic="discount",
    candidates=candidates,
    texts={
        "en-US": "While it lasts: {title}, {percent}% off: {offer} instead of {charged}, until {valid_to}.",
        "zh-CN": "售完为止：{title}，立减{percent}%：{offer}（现价{charged}），有效期至{valid_to}。",
    },
)
