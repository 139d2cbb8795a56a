"""A coupon with a minimum spend for users who used to buy and have gone quiet."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import MONEY
from promo_spark.decisions.offers.candidates import whole_shop_coupon
from promo_spark.decisions.offers.pricing import depth, greatest_coupon_share, margin_of_shop
from promo_spark.decisions.offers.texts import coupon_text
from promo_spark.decisions.scenarios.inputs import World


def candidates(world: World) -> DataFrame:
    """One row per user in the lifecycles of the settings who cares for discounts at all.

    The minimum spend is the user's mean basket × min_spend_stretch, up to the whole unit of currency, so that
    the coupon stretches the basket; the amount is a share of it by the user's deal-proneness, cut to what the
    shop's margin floor leaves. Whoever buys nearly nothing at a discount gets no coupon: it would move nobody.
    """
    settings = world.settings
    quiet = world.users.filter(
        F.col("lifecycle").isin(settings.win_back_lifecycles)
        & (F.col("basket_value") > 0)
        & (F.col("discounted_lines_share") >= settings.coupon_min_discounted_share)
    ).crossJoin(F.broadcast(margin_of_shop(world.products)))
    least, _ = bounds = world.bounds("win_back")
    room = F.floor(greatest_coupon_share(F.col("margin_share"), settings.min_margin) * 100) / 100
    share = F.least(depth(F.col("discounted_lines_share"), bounds), room)
    basket = F.round(F.col("basket_value").cast("decimal(18,6)"), 2) * F.lit(Decimal(str(settings.min_spend_stretch)))
    coupons = (
        quiet.withColumn("min_spend", F.ceil(basket).cast(MONEY))
        .withColumn("share", share)
        .filter(F.col("share") >= F.lit(Decimal(str(least))))
        .withColumn("coupon_amount", F.round(F.col("min_spend") * F.col("share"), 2).cast(MONEY))
        .withColumn("appeal", F.lit(0.0))
        .withColumn(
            "reason_codes",
            F.array(
                F.concat(F.lit("lifecycle:"), F.col("lifecycle")),
                F.concat(F.lit("days_since_order:"), F.col("recency_days").cast("string")),
            ),
        )
    )
    return whole_shop_coupon(coupons, "win_back", coupon_text("win_back", world.valid_to.isoformat(), world.currency))
