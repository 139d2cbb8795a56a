"""Money back on what the best customers buy regularly."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.offers.targets import ProposedOffer, single_item
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user in the lifecycles of the settings and product that a purchase is foretold of. → ProposedOffer.

    Appeal: how likely it is. The price at the till stays; `offer_price` is what is left after the money back.
    """
    best_customers = inputs.users.filter(F.col(DailyUser.lifecycle).isin(inputs.settings.rebate_lifecycles))
    likely = inputs.likely_products(best_customers.select(DailyUser.user_id, DailyUser.lifecycle))
    return single_item(
        inputs.with_item_rungs(likely, HIGH_VALUE_REBATE.name).withColumn(
            ProposedOffer.reason_codes, F.array(F.concat(F.lit("lifecycle:"), F.col(DailyUser.lifecycle)))
        )
    )


HIGH_VALUE_REBATE = Scenario(
    "high_value_rebate",
    mechanic="rebate",
    candidates=candidates,
    texts={
        "en-US": "Thank you for shopping with us: {back} back on each {title} that you buy at {charged} "
        "until {valid_to} and keep.",
        "zh-CN": "感谢您的支持：{valid_to}前购买{title}（现价{charged}）且未退货，每件返{back}。",
    },
)
