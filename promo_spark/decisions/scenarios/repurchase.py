"""A discount on what the user buys regularly, when it is due by the user's own cadence."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.offers.candidates import single_item
from promo_spark.decisions.offers.pricing import item_prices
from promo_spark.decisions.offers.texts import item_text
from promo_spark.decisions.scenarios.inputs import World


def candidates(world: World) -> DataFrame:
    """One row per user and product whose next purchase is due from today to `repurchase_lead_days` from now.

    A 30-day cadence with a lead of 3 days is due on days 27 to 30 after the last purchase. Appeal: orders.
    """
    last_due = world.date + datetime.timedelta(days=world.settings.repurchase_lead_days)
    due = (
        world.users.select("user_id", "discounted_lines_share", F.explode("repurchases").alias("again"))
        .select("user_id", "discounted_lines_share", "again.product_id", "again.orders", "again.due_date")
        .filter(F.col("due_date").between(F.lit(world.date), F.lit(last_due)))
    )
    priced = item_prices(
        due.join(world.products, "product_id", "inner"),
        F.col("discounted_lines_share"),
        world.bounds("repurchase"),
        world.settings.min_margin,
    )
    reasoned = priced.withColumns(
        {
            "appeal": F.col("orders").cast("double"),
            "reason_codes": F.array(
                F.concat(F.lit("repurchase_due:"), F.col("due_date").cast("string")),
                F.concat(F.lit("bought_in_orders:"), F.col("orders").cast("string")),
            ),
        }
    )
    text = item_text("repurchase", world.valid_to.isoformat(), world.currency)
    return single_item(reasoned, "repurchase", text)
