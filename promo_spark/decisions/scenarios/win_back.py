"""A coupon with a minimum spend for users who used to buy and have gone quiet."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import MONEY
from promo_spark.decisions.offers.pricing import ShopMargin, greatest_coupon_share, margin_of_shop, rungs
from promo_spark.decisions.offers.targets import ProposedOffer, whole_shop_coupon
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser
from promo_spark.measures.money import half_up


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user in the lifecycles of the settings who buys at a discount at times. → ProposedOffer.

    The minimum spend is the user's median basket × min_spend_stretch, up to the whole unit of currency, so that
    the coupon stretches the basket. The amounts are shares of it, cut to what the shop's margin floor leaves and to the
    most that one coupon may take off; where the least share is more than that, there is none. Whoever buys nearly
    nothing at a discount gets no coupon: it would move nobody.
    """
    settings = inputs.settings
    basket_median, discounted_share = F.col(DailyUser.basket_median), F.col(DailyUser.discounted_lines_share)
    quiet_users = inputs.users.filter(
        F.col(DailyUser.lifecycle).isin(settings.win_back_lifecycles)
        & (basket_median > 0)
        & (discounted_share >= settings.coupon_min_discounted_share)
    ).crossJoin(F.broadcast(margin_of_shop(inputs.products)))
    bounds = inputs.bounds(WIN_BACK.name)
    room = F.floor(greatest_coupon_share(F.col(ShopMargin.margin_share), settings.min_margin) * 100) / 100
    basket = half_up(basket_median.cast("decimal(18,6)"), inputs.digits) * F.lit(
        Decimal(str(settings.min_spend_stretch))
    )
    min_spend, cap = F.ceil(basket).cast(MONEY), inputs.most_coupon_amount
    amounts = rungs(
        min_spend,
        most=F.least(room, F.floor(F.lit(cap) * 100 / min_spend) / 100),
        bounds=bounds,
        step=settings.depth_step,
        digits=inputs.digits,
    )
    return whole_shop_coupon(
        quiet_users.withColumn(ProposedOffer.min_spend, min_spend)
        .withColumn(ProposedOffer.rungs, amounts)
        .filter(F.size(ProposedOffer.rungs) > 0)
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
    texts={
        "en-US": "We have missed you: {amount} off when you spend {min_spend} or more, until {valid_to}.",
        "zh-CN": "好久不见！满{min_spend}减{amount}，有效期至{valid_to}。",
    },
)
