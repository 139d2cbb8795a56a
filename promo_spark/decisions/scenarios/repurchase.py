"""A discount on what the user buys regularly, when it is due by the user's own cadence."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.offers.targets import ProposedOffer, single_item
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import Repurchase, repurchases


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user and product due from today to `repurchase_lead_days` from now. → ProposedOffer.

    A 30-day cadence with a lead of 3 days is due on days 27 to 30 after the last purchase. Appeal: orders.
    """
    orders, due_date = F.col(Repurchase.orders), F.col(Repurchase.due_date)
    last_due = inputs.date + datetime.timedelta(days=inputs.settings.repurchase_lead_days)
    due = repurchases(inputs.users).filter(due_date.between(F.lit(inputs.date), F.lit(last_due)))
    priced = inputs.with_item_rungs(due.join(inputs.products, OfferableProduct.product_id, "inner"), REPURCHASE.name)
    return single_item(
        priced.withColumns(
            {
                ProposedOffer.appeal: orders.cast("double"),
                ProposedOffer.reason_codes: F.array(
                    F.concat(F.lit("repurchase_due:"), due_date.cast("string")),
                    F.concat(F.lit("bought_in_orders:"), orders.cast("string")),
                ),
            }
        )
    )


REPURCHASE = Scenario(
    "repurchase",
    mechanic="discount",
    candidates=candidates,
    texts={
        "en-US": "Time for {title} again? {percent}% off: {offer} instead of {charged}, until {valid_to}.",
        "zh-CN": "{title}该补货了？立减{percent}%：{offer}（现价{charged}），有效期至{valid_to}。",
    },
)
