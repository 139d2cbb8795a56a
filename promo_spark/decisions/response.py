"""How often users took up what they were offered: observed rates by segment, shrunk to the global mean.

Descriptive, not causal: a user who bought at a discount might have bought anyway. Uplift models will replace
these rates. Four kinds of response are observed:

    coupon       contacts with a campaign → any redemption of it within the window after the contact
    repeat_item  a product the user had bought in two or more orders, while it sold at a discount
    known_item   the same for a product bought in one order
    new_item     the most bought product of a category the user buys, new to this user, sold at a discount

For the item kinds a trial is a user, product and period of `valid_days` in which the product sold at a discount
to anybody; a success is that this user bought it at a discount in that period. Coupons are trials only when
their whole window lies in the past, so that no rate is too low for being watched too briefly.

Shrinkage is the posterior mean of a beta-binomial: (successes + strength × global) / (trials + strength). A
segment without trials gets the global mean; a kind without any trial at all the stated setting.
"""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions
from promo_spark.contracts.table import RATE
from promo_spark.decisions.world import is_sale

KINDS = ("coupon", "repeat_item", "known_item", "new_item")


def purchases(lines: DataFrame, *, date: datetime.date, window_days: int, valid_days: int) -> DataFrame:
    """One row per user and product ever bought. OrderLines → orders, orders before the window, periods.

    `periods` are those of the last window_days, counted back in steps of valid_days from 0, in which the user
    bought the product at a discount.
    """
    periods = max(1, window_days // valid_days)
    start = date - datetime.timedelta(days=periods * valid_days)
    day = F.col(OrderLines.order_date)
    kinds = (OrderLines.discount_retail, OrderLines.discount_coupon, OrderLines.discount_coupon_match)
    discounted = F.greatest(*kinds) > 0
    period = F.floor((F.datediff(F.lit(date), day) - 1) / valid_days).cast("int")
    per_order = (
        lines.filter(is_sale() & (day < F.lit(date)))
        .repartition(F.col(OrderLines.user_id), F.col(OrderLines.product_id))  # one shuffle for both groupings
        .groupBy(OrderLines.user_id, OrderLines.product_id, OrderLines.order_id)
        .agg(
            F.min(day).alias("day"),
            F.min(F.when(discounted & (day >= F.lit(start)), period)).alias("period"),
        )
    )
    return per_order.groupBy(OrderLines.user_id, OrderLines.product_id).agg(
        F.count("*").alias("orders"),
        F.count(F.when(F.col("day") < F.lit(start), 1)).alias("orders_before"),
        F.sort_array(F.collect_set("period")).alias("periods"),
    )


def coupon_trials(
    contacts: DataFrame, campaigns: DataFrame, redemptions: DataFrame, *, date: datetime.date, window_days: int
) -> DataFrame:
    """One row per contact whose window has passed: user, trials = 1, successes = 1 where a coupon was redeemed."""
    contacted = F.coalesce(F.col(Contacts.contacted_on), F.col(Campaigns.start_date))
    offered = (
        contacts.join(F.broadcast(campaigns), Contacts.campaign_id, "inner")
        .select(Contacts.campaign_id, Contacts.user_id, contacted.alias("contacted"))
        .filter(F.date_add("contacted", window_days) <= F.lit(date))
    )
    days = F.datediff(F.col(Redemptions.redeemed_on), F.col("contacted"))
    redeemed = redemptions.select(Redemptions.campaign_id, Redemptions.user_id, Redemptions.redeemed_on)
    return (
        offered.join(redeemed, [Contacts.campaign_id, Contacts.user_id], "left")
        .groupBy(Contacts.campaign_id, Contacts.user_id)
        .agg(F.max(F.when(days.between(0, window_days - 1), 1).otherwise(0)).alias("successes"))
        .select(Contacts.user_id, F.lit("coupon").alias("kind"), F.lit(1).alias("trials"), "successes")
    )


def item_trials(bought: DataFrame, products: DataFrame) -> DataFrame:
    """One row per user and product tried, for products that may be offered. `purchases` → kind, trials, successes."""
    known = bought.join(products.select("product_id", "category"), "product_id", "inner")
    sold_off = (
        known.select("product_id", F.explode("periods").alias("period"))
        .groupBy("product_id")
        .agg(F.count_distinct("period").alias("trials"))
    )
    before = known.filter(F.col("orders_before") > 0)
    repeated = before.join(sold_off, "product_id", "inner").select(
        "user_id",
        F.when(F.col("orders_before") >= 2, "repeat_item").otherwise("known_item").alias("kind"),
        "trials",
        F.size("periods").alias("successes"),
    )
    order = Window.partitionBy("category").orderBy(F.desc("buyers"), "product_id")
    popular = (
        before.groupBy("category", "product_id").agg(F.count("*").alias("buyers"))
        .withColumn("place", F.row_number().over(order))
        .filter(F.col("place") == 1)
        .join(sold_off, "product_id", "inner")
        .select("category", "product_id", "trials")
    )  # fmt: skip
    new = (
        before.select("user_id", "category").distinct()
        .join(F.broadcast(popular), "category", "inner")
        .join(known.select("user_id", "product_id", "orders_before", "periods"), ["user_id", "product_id"], "left")
        .filter(F.coalesce(F.col("orders_before"), F.lit(0)) == 0)
        .select("user_id", F.lit("new_item").alias("kind"), "trials",
                F.coalesce(F.size("periods"), F.lit(0)).alias("successes"))
    )  # fmt: skip
    return repeated.unionByName(new)


def response_rates(
    trials: DataFrame, segments: DataFrame, *, prior_strength: float, unknown_response: float
) -> DataFrame:
    """One row per kind and segment: rate, basis (observed_response or assumed_response), trials, successes.

    `trials` has user_id, kind, trials, successes; `segments` user_id and segment_id. Users without a segment
    do not count. Counts are whole numbers, so the order of rows is of no consequence.
    """
    counted = (
        trials.join(segments.select("user_id", "segment_id"), "user_id", "inner")
        .groupBy("kind", "segment_id")
        .agg(F.sum("trials").alias("trials"), F.sum("successes").alias("successes"))
    )
    kinds = F.explode(F.array(*[F.lit(k) for k in KINDS])).alias("kind")
    everywhere = Window.partitionBy("kind")
    grid = (
        segments.select("segment_id").distinct().select("segment_id", kinds)
        .join(counted, ["kind", "segment_id"], "left")
        .na.fill(0, ["trials", "successes"])
        .withColumn("all_trials", F.sum("trials").over(everywhere))
        .withColumn("all_successes", F.sum("successes").over(everywhere))
    )  # fmt: skip
    overall = F.when(F.col("all_trials") > 0, F.col("all_successes") / F.col("all_trials"))
    rate = F.coalesce(
        shrunk(F.col("successes"), F.col("trials"), overall, prior_strength), F.lit(unknown_response)
    )
    basis = F.when(F.col("all_trials") > 0, "observed_response").otherwise("assumed_response")
    return grid.select(
        "kind", "segment_id", F.round(rate.cast("double"), 6).cast(RATE).alias("rate"), basis.alias("basis"),
        "trials", "successes",
    )  # fmt: skip


def shrunk(successes: Column, trials: Column, overall: Column, strength: float) -> Column:
    """The posterior mean of a beta-binomial with prior mean `overall` worth `strength` trials."""
    return (successes + overall * strength) / (trials + F.lit(strength))
