"""A discount on products of which too much is on hand, for users who like that kind of product.

Where the stock is known, its cover tells: how many days it lasts at the forecast sales. Where it is not, the sign is a
champion forecast far below what the last 28 days sold. The more there is, or the steeper the fall, the deeper the
markdown may be.
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
_LONGEST_COVER = 999.0  # days that are told of what does not sell at all


class ForecastOfProduct(Frame):
    """One row per product with a champion forecast."""

    product_id = Col(T.StringType(), "the product", required=True)
    units_ahead = Col(T.DecimalType(38, 9), "units forecast, over all days", unit="units", required=True)
    days_ahead = Col(T.LongType(), "days forecast", unit="days", required=True)


class OverstockedProduct(OfferableProduct):
    """One row per product whose stock lasts too long, or, where that is not known, that sells ever less."""

    sign = Col(T.StringType(), "what tells so, as a reason code", required=True)
    excess = Col(T.DoubleType(), "0: just too much, 1: nothing more will be sold", unit="share", required=True)


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


def overstocked_products(inputs: ScenarioInputs) -> DataFrame:
    """One row per product with more than can be sold in time. → OverstockedProduct.

    With known stock: its cover is above `clearance_cover_days`, or above the shelf life where that is shorter, at the
    forecast sales or, without a forecast, at those of the last 28 days. Without: it was sold in these and its forecast
    is below `clearance_trend` × their sales.
    """
    settings = inputs.settings
    sold = F.col(OfferableProduct.units_28d).cast("double")
    forecast = F.col(ForecastOfProduct.units_ahead).cast("double") / F.col(ForecastOfProduct.days_ahead)
    on_hand, units_per_day = F.col(OfferableProduct.on_hand).cast("double"), F.coalesce(forecast, sold / SALES_DAYS)
    lasts = F.when(units_per_day > 0, F.least(on_hand / units_per_day, F.lit(_LONGEST_COVER))).otherwise(_LONGEST_COVER)
    trend = F.when(sold > 0, F.round(forecast * SALES_DAYS / sold, 4))
    usable = F.least(F.lit(settings.clearance_cover_days), F.col(OfferableProduct.shelf_life_days))
    by_cover = 1 - usable / F.col(_COVER)
    by_trend = 1 - F.col(_TREND) / settings.clearance_trend
    cover_sign = F.concat(F.lit("stock_lasts_days:"), F.floor(_COVER).cast("string"))
    trend_sign = F.concat(F.lit("forecast_of_last_sales:"), F.col(_TREND).cast("string"))
    return OverstockedProduct.shaped(
        inputs.products.join(product_forecasts(inputs.forecasts), OfferableProduct.product_id, "left")
        .withColumns({_COVER: F.when(on_hand > 0, lasts), _TREND: trend})
        .withColumn(OverstockedProduct.excess, F.coalesce(by_cover, by_trend))
        .withColumn(OverstockedProduct.sign, F.coalesce(cover_sign, trend_sign))
        .filter(F.col(OverstockedProduct.excess) > 0)
    )


_COVER, _TREND = "cover_days", "trend"


def liked_products(inputs: ScenarioInputs, priced: DataFrame) -> DataFrame:
    """One row per user and product of `priced` that the user bought or may like. OverstockedProduct → LikedProduct.

    Of a category only the largest excesses are tried: as many as a scenario may propose to a user.
    """
    user_id, product_id, category = DailyUser.user_id, OfferableProduct.product_id, OfferableProduct.category
    largest = best_rows(
        priced,
        of=[category],
        by=[F.desc(OverstockedProduct.excess), product_id],
        keep=inputs.settings.candidates_per_scenario,
    )
    of_interest = interests(inputs.users).join(F.broadcast(largest), Interest.category, "inner")
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
    """One row per user and overstocked product that the user bought before or may like. → ProposedOffer.

    Appeal: bought before first, then the larger excess.
    """
    bought, excess = F.col(LikedProduct.bought), F.col(OverstockedProduct.excess)
    deepest = depth(excess, inputs.bounds(CLEARANCE.name))
    priced = inputs.with_item_rungs(overstocked_products(inputs), CLEARANCE.name, greatest=deepest)
    of_interest = F.concat(F.lit("interest:"), F.col(OfferableProduct.category))
    return single_item(
        liked_products(inputs, priced)
        .join(F.broadcast(priced), OfferableProduct.product_id, "inner")
        .withColumns(
            {
                ProposedOffer.appeal: bought + excess,
                ProposedOffer.reason_codes: F.array(
                    F.col(OverstockedProduct.sign),
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
