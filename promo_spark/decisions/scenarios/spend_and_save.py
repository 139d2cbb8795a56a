"""An amount off every basket that is larger than usual, for users who buy steadily."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.offers.targets import ProposedOffer, whole_shop
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser
from promo_spark.measures.money import half_up


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user in the lifecycles of the settings. → ProposedOffer.

    The amounts and the minimum spend are those of with_basket_rungs. Unlike a coupon it needs no code and counts for
    every order while it holds.
    """
    steady_users = inputs.users.filter(F.col(DailyUser.lifecycle).isin(inputs.settings.spend_and_save_lifecycles))
    basket = half_up(F.col(DailyUser.basket_median).cast("decimal(18,6)"), inputs.digits)
    return whole_shop(
        inputs.with_basket_rungs(steady_users, SPEND_AND_SAVE.name, SPEND_AND_SAVE.mechanic)
        .withColumn(ProposedOffer.appeal, F.lit(0.0))
        .withColumn(
            ProposedOffer.reason_codes,
            F.array(
                F.concat(F.lit("lifecycle:"), F.col(DailyUser.lifecycle)),
                F.concat(F.lit("usual_basket:"), basket.cast("string")),
            ),
        )
    )


SPEND_AND_SAVE = Scenario(
    "spend_and_save",
    mechanic="threshold",
    candidates=candidates,
    texts={
        "en-US": "{amount} off every order of {min_spend} or more, until {valid_to}.",
        "zh-CN": "每单满{min_spend}减{amount}，有效期至{valid_to}。",
    },
)
