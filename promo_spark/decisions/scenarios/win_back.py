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
from promo_spark.measures.money import half_up


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user in the lifecycles of the settings who buys at a discount at times. → ProposedOffer.

    The minimum spend is the user's median basket × min_spend_stretch, up to the whole unit of currency, so that
    the coupon stretches the basket. The amount is a share of it by the user's deal-proneness, cut to what the
    shop's margin floor leaves and to the most that one coupon may take off; where the least share is more than
    that, there is none. Whoever buys nearly nothing at a discount gets no coupon: it would move nobody.
    """
    settings = inputs.settings
    basket_median, discounted_share = F.col(DailyUser.basket_median), F.col(DailyUser.discounted_lines_share)
    quiet_users = inputs.users.filter(
        F.col(DailyUser.lifecycle).isin(settings.win_back_lifecycles)
        & (basket_median > 0)
        & (discounted_share >= settings.coupon_min_discounted_share)
    ).crossJoin(F.broadcast(margin_of_shop(inputs.products)))
    least, _ = bounds = inputs.bounds(WIN_BACK.name)
    room = F.floor(greatest_coupon_share(F.col(ShopMargin.margin_share), settings.min_margin) * 100) / 100
    share = F.least(depth(discounted_share, bounds), room)
    basket = half_up(basket_median.cast("decimal(18,6)"), inputs.digits) * F.lit(
        Decimal(str(settings.min_spend_stretch))
    )
    min_spend, most = F.ceil(basket).cast(MONEY), F.lit(inputs.most_coupon_amount).cast(MONEY)
    return whole_shop_coupon(
        quiet_users.filter(share >= F.lit(Decimal(str(least))))
        .withColumn(ProposedOffer.min_spend, min_spend)
        .withColumn(ProposedOffer.coupon_amount, F.least(half_up(min_spend * share, inputs.digits), most))
        .filter(F.col(ProposedOffer.coupon_amount) >= half_up(min_spend * F.lit(Decimal(str(least))), inputs.digits))
        .filter(F.col(ProposedOffer.coupon_amount) > 0)
        .withColumn(ProposedOffer.appeal, F.lit(0.0))
        .withColumn(
            ProposedOffer.reason_codes,
            F.array(
                F.concat(F.lit("lifecycle:"), F.col(DailyUser.lifecycle)),
                F.concat(F.lit("days_since_order:"), F.col(DailyUser.recency_days).cast("string")),
            ),
        ),
        digits=inputs.digits,
    )


WIN_BACK = Scenario(
    "win_back",
    mechanic="coupon",
    candidates=candidates,
    text="We have missed you: {amount} off when you spend {min_spend} or more, until {valid_to}.",
)
