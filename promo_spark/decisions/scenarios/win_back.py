"""A coupon with a minimum spend for users who used to buy and have gone quiet."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.offers.targets import ProposedOffer, whole_shop
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user in the lifecycles of the settings who buys at a discount at times. → ProposedOffer.

    The amounts and the minimum spend are those of with_basket_rungs. Whoever buys nearly nothing at a discount gets no
    coupon: it would move nobody.
    """
    settings = inputs.settings
    quiet_users = inputs.users.filter(
        F.col(DailyUser.lifecycle).isin(settings.win_back_lifecycles)
        & (F.col(DailyUser.discounted_lines_share) >= settings.coupon_min_discounted_share)
    )
    return whole_shop(
        inputs.with_basket_rungs(quiet_users, WIN_BACK.name, WIN_BACK.mechanic)
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
