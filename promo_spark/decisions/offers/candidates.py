"""The one shape in which all scenarios propose, and what an offer in it is expected to bring and to cost.

Expected margin = conversion × margin of the purchase after the offer. Expected cost = conversion × what the
offer takes off, rounded up to the cent: this is what a budget reserves. Both are expectations: if more users
respond than expected, the shop gives more than it reserved. Neither is an effect: a purchase that would have
happened anyway counts in full, until uplift models say otherwise.
"""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.schema import MONEY, RATE
from promo_spark.errors import ContractError

_TEXTS = T.ArrayType(T.StringType())

COLUMNS: dict[str, T.DataType] = {
    "user_id": T.StringType(),
    "scenario": T.StringType(),
    "mechanic": T.StringType(),
    "product_ids": _TEXTS,  # sorted; empty: the whole shop
    "category": T.StringType(),
    "categories": _TEXTS,  # of all its products
    "discount_rate": RATE,
    "coupon_amount": MONEY,
    "min_spend": MONEY,
    "list_price": MONEY,
    "offer_price": MONEY,
    "margin_floor": MONEY,
    "margin_is_assumed": T.BooleanType(),
    "saving": MONEY,  # what the offer takes off when it is used
    "margin_if_used": MONEY,  # margin of the purchase after that
    "anchor": T.StringType(),  # the product whose observed response counts; null: coupons
    "response_factor": RATE,  # of buyers of the anchor, the share who take the whole offer
    "appeal": T.DoubleType(),  # order among the scenario's candidates of a user, larger first
    "reason_codes": _TEXTS,
    "text": T.StringType(),
}

MICRO = 1_000_000


def shaped(df: DataFrame, scenario: str, mechanic: str) -> DataFrame:
    """A scenario's rows in the common shape. Raises ContractError naming the columns it left out."""
    df = df.withColumns({"scenario": F.lit(scenario), "mechanic": F.lit(mechanic)})
    missing = [c for c in COLUMNS if c not in df.columns]
    if missing:
        raise ContractError(f"scenario {scenario}: its candidates lack {', '.join(missing)}")
    return df.select([F.col(c).cast(kind).alias(c) for c, kind in COLUMNS.items()])


def single_item(df: DataFrame, scenario: str, text: Column) -> DataFrame:
    """Candidates of one product each, from priced rows with product_id, category, appeal and reason_codes."""
    return shaped(
        df.withColumns(
            {
                "product_ids": F.array("product_id"),
                "categories": F.array("category"),
                "coupon_amount": F.lit(None),
                "min_spend": F.lit(None),
                "margin_is_assumed": F.col("cost_is_assumed"),
                "saving": F.col("list_price") - F.col("offer_price"),
                "margin_if_used": F.col("offer_price") - F.col("unit_cost"),
                "anchor": F.col("product_id"),
                "response_factor": F.lit(1),
                "text": text,
            }
        ),
        scenario,
        "discount",
    )


def whole_shop_coupon(df: DataFrame, scenario: str, text: Column) -> DataFrame:
    """Candidates of a coupon on any order, from rows with coupon_amount, min_spend, basket_value, shop margin.

    The purchase is expected to be the user's mean basket, or the minimum spend where that is more.
    """
    basket = F.greatest(F.col("min_spend"), F.coalesce(F.col("basket_value").cast(MONEY), F.col("min_spend")))
    no_products = {
        c: F.lit(None) for c in ("category", "discount_rate", "list_price", "offer_price", "margin_floor", "anchor")
    }
    return shaped(
        df.withColumns(
            {
                **no_products,
                "product_ids": F.array().cast(_TEXTS),
                "categories": F.array().cast(_TEXTS),
                "saving": F.col("coupon_amount"),
                "margin_if_used": F.round(basket * F.col("margin_share"), 2) - F.col("coupon_amount"),
                "response_factor": F.lit(1),
                "text": text,
            }
        ),
        scenario,
        "coupon",
    )


def best_per_scenario(candidates: DataFrame, per_user: int) -> DataFrame:
    """Each user's most appealing candidates of each scenario: bounds what allocation has to look at."""
    order = Window.partitionBy("user_id", "scenario").orderBy(F.desc("appeal"), F.concat_ws("|", "product_ids"))
    return candidates.withColumn("place", F.row_number().over(order)).filter(F.col("place") <= per_user).drop("place")


def valued(candidates: DataFrame, response: DataFrame, purchases: DataFrame, date: datetime.date) -> DataFrame:
    """Candidates with segment → the same with conversion, margin, cost, promotion_id and the response's reason.

    `response` has one row per kind and segment (see response.py). What cannot be expected to bring a margin
    is dropped: an offer of nothing to nobody is not a candidate.
    """
    bought = purchases.select("user_id", F.col("product_id").alias("anchor"), F.col("orders").alias("_orders"))
    kind = (
        F.when(F.col("mechanic") == "coupon", "coupon")
        .when(F.col("_orders") >= 2, "repeat_item")
        .when(F.col("_orders") == 1, "known_item")
        .otherwise("new_item")
    )
    conversion = F.round(F.col("rate") * F.col("response_factor"), 6).cast(RATE)
    label = F.concat(F.col("basis"), F.lit(":"), F.col("kind"))
    valued = (
        candidates.join(bought, ["user_id", "anchor"], "left")
        .withColumn("kind", kind)
        .join(F.broadcast(response), ["kind", "segment_id"], "left")
        .withColumn(Promotions.expected_conversion, conversion)
        .withColumn(Promotions.reason_codes, F.concat("reason_codes", F.array(label)))
        .withColumn("margin_micro", F.floor(conversion * F.col("margin_if_used") * MICRO).cast("long"))
        .withColumn("cost_micro", F.ceil(conversion * F.col("saving") * MICRO).cast("long"))
        .withColumn("cost_cents", F.ceil(F.col("cost_micro") / 10_000).cast("long"))
        .withColumn(Promotions.promotion_id, promotion_id(date, F.col("scenario"), F.col("product_ids")))
    )
    worth_it = (F.col("margin_micro") > 0) & (F.col("cost_cents") > 0)
    return valued.filter(worth_it).drop("_orders", "kind", "rate", "basis")


def promotion_id(date: datetime.date, scenario: Column, product_ids: Column) -> Column:
    """The same id for the same date, user, scenario and products; also a fair tie-break, as it is a digest."""
    named = F.to_json(
        F.struct(
            F.lit(date.isoformat()).alias("d"), F.col("user_id").alias("u"), scenario.alias("s"), product_ids.alias("p")
        )
    )
    return F.substring(F.sha2(named, 256), 1, 32)
