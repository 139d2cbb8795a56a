"""A coupon for the first order of users who have not ordered yet; once per user, ever."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import MONEY
from promo_spark.decisions.offers.candidates import whole_shop_coupon
from promo_spark.decisions.offers.pricing import cents, greatest_coupon_share, margin_of_shop
from promo_spark.decisions.offers.texts import coupon_text
from promo_spark.decisions.scenarios.inputs import World


def candidates(world: World) -> DataFrame:
    """One row per user without orders who was never welcomed on an earlier date.

    The amount is `welcome_amount`, or less where the shop's margin floor on `welcome_min_spend` asks for it.
    """
    settings = world.settings
    new = (
        world.users.filter((F.col("orders") == 0) & (F.col("lifecycle") == "new"))
        .join(world.welcomed.select("user_id").distinct(), "user_id", "left_anti")
        .crossJoin(F.broadcast(margin_of_shop(world.products)))
    )
    least_spend = F.lit(Decimal(cents(settings.welcome_min_spend)) / 100).cast(MONEY)
    most = least_spend * greatest_coupon_share(F.col("margin_share"), settings.min_margin)
    coupons = (
        new.withColumn("min_spend", least_spend)
        .withColumn(
            "coupon_amount",
            F.least(
                F.lit(Decimal(cents(settings.welcome_amount)) / 100).cast(MONEY),
                (F.floor(most * 100) / 100).cast(MONEY),
            ),
        )
        .filter(F.col("coupon_amount") > 0)
        .withColumn("appeal", F.lit(0.0))
        .withColumn("reason_codes", F.array(F.lit("no_order_yet")))
    )
    text = coupon_text("new_user_welcome", world.valid_to.isoformat(), world.currency)
    return whole_shop_coupon(coupons, "new_user_welcome", text)
