"""A discount on products whose sales are falling, for users who like that kind of product.

No stock table exists yet, so cover cannot be computed: the sign of overstock is a champion forecast far below
what the last 28 days sold. The steeper the fall, the deeper the markdown, the same for every user.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from promo_spark.decisions.offers.candidates import single_item
from promo_spark.decisions.offers.pricing import item_prices
from promo_spark.decisions.offers.texts import item_text
from promo_spark.decisions.scenarios.inputs import World

SALES_DAYS = 28  # what ProductProfile.units_28d covers


def falling_products(world: World) -> DataFrame:
    """One row per product sold in the last 28 days whose forecast for as many days is below trend × sales.

    `trend` is forecast / sales, `fall` from 0 (at the threshold) to 1 (nothing more will be sold).
    """
    threshold = world.settings.clearance_trend
    expected = (
        world.forecasts.filter(F.col("champion") & F.col("series_id").startswith("product:"))
        .groupBy(F.substring_index("series_id", ":", -1).alias("product_id"))
        .agg(F.sum(F.col("units").cast("decimal(28,9)")).alias("units_ahead"), F.count("*").alias("days_ahead"))
    )
    trend = F.col("units_ahead").cast("double") / F.col("days_ahead") * SALES_DAYS / F.col("units_28d").cast("double")
    return (
        world.products.filter(F.col("units_28d") > 0)
        .join(expected, "product_id", "inner")
        .withColumn("trend", F.round(trend, 4))
        .filter(F.col("trend") < threshold)
        .withColumn("fall", 1 - F.col("trend") / threshold)
    )


def candidates(world: World) -> DataFrame:
    """One row per user and falling product that the user bought before or whose category is among the interests.

    Appeal: bought before first, then the steeper fall.
    """
    priced = item_prices(falling_products(world), F.col("fall"), world.bounds("clearance"), world.settings.min_margin)
    steepest = Window.partitionBy("category").orderBy(F.desc("fall"), "product_id")
    listed = priced.withColumn("place", F.row_number().over(steepest))
    of_category = listed.filter(F.col("place") <= world.settings.candidates_per_scenario)
    users = world.users.select("user_id", "interests")
    interested = users.select("user_id", F.explode("interests.category").alias("category")).join(
        F.broadcast(of_category), "category", "inner"
    )
    bought = (
        world.purchases.select("user_id", "product_id")
        .join(F.broadcast(priced.select("product_id")), "product_id", "left_semi")
        .join(users.select("user_id"), "user_id", "left_semi")
        .select("user_id", "product_id")
    )
    liked = (
        bought.withColumn("bought", F.lit(1))
        .unionByName(interested.select("user_id", "product_id", F.lit(0).alias("bought")))
        .groupBy("user_id", "product_id")
        .agg(F.max("bought").alias("bought"))
    )
    reasoned = liked.join(F.broadcast(priced), "product_id", "inner").withColumns(
        {
            "appeal": F.col("bought") + F.col("fall"),
            "reason_codes": F.array(
                F.concat(F.lit("forecast_of_last_sales:"), F.col("trend").cast("string")),
                F.when(F.col("bought") == 1, "bought_before").otherwise(
                    F.concat(F.lit("interest:"), F.col("category"))
                ),
            ),
        }
    )
    text = item_text("clearance", world.valid_to.isoformat(), world.currency)
    return single_item(reasoned, "clearance", text)
