"""A coupon with a minimum spend for users who used to buy and have gone quiet."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import MONEY
from promo_spark.decisions.offers.candidates import ProposedOffer, whole_shop_coupon
from promo_spark.decisions.offers.pricing import ShopMargin, depth, greatest_coupon_share, margin_of_shop
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user in the lifecycles of the settings who buys at a discount at times. → ProposedOffer.

    The minimum spend is the user's mean basket × min_spend_stretch, up to the whole unit of currency, so that
    the coupon stretches the basket. The amount is a share of it by the user's deal-proneness, cut to what the
    shop's margin floor leaves. Whoever buys nearly nothing at a discount gets no coupon: it would move nobody.
    """
    settings = inputs.settings
    basket_value, discounted_share = F.col(DailyUser.basket_value), F.col(DailyUser.discounted_lines_share)
    quiet_users = inputs.users.filter(
        F.col(DailyUser.lifecycle).isin(settings.win_back_lifecycles)
        & (basket_value > 0)
        & (discounted_share >= settings.coupon_min_discounted_share)
    ).crossJoin(F.broadcast(margin_of_shop(inputs.products)))
    least, _ = bounds = inputs.bounds(WIN_BACK.name)
    room = F.floor(greatest_coupon_share(F.col(ShopMargin.margin_share), settings.min_margin) * 100) / 100
    share = F.least(depth(discounted_share, bounds), room)
    basket = F.round(basket_value.cast("decimal(18,6)"), 2) * F.lit(Decimal(str(settings.min_spend_stretch)))
    return whole_shop_coupon(
        quiet_users.filter(share >= F.lit(Decimal(str(least))))
        .withColumn(ProposedOffer.min_spend, F.ceil(basket).cast(MONEY))
        .withColumn(ProposedOffer.coupon_amount, F.round(F.col(ProposedOffer.min_spend) * share, 2).cast(MONEY))
        .withColumn(ProposedOffer.appeal, F.lit(0.0))
        .withColumn(
            ProposedOffer.reason_codes,
            F.array(
                F.concat(F.lit("lifecycle:"), F.col(DailyUser.lifecycle)),
                F.concat(F.lit("days_since_order:"), F.col(DailyUser.recency_days).cast("string")),
            ),
        )
    )


WIN_BACK = Scenario(
    "win_back",
    mechanic="coupon",
    candidates=candidates,
    text="We have missed you: {amount} off when you spend {min_spend} or more, until {valid_to}.",
)
