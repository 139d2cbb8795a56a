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

from promo_spark.contracts.schema import RATE
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions
from promo_spark.measures.order_lines import is_sale

MOST_PERIODS = 60  # they are bits of a long
KINDS = ("coupon", "repeat_item", "known_item", "new_item")


def purchases(lines: DataFrame, *, date: datetime.date, window_days: int, valid_days: int) -> DataFrame:
    """One row per user and product ever bought. OrderLines → orders, orders before the window, periods.

    Orders count as 0, 1 or 2, where 2 stands for several: nothing here needs more, and whether the least and the
    greatest digest of their ids differ is known without sorting orders. `periods` has bit n set if the user bought
    the product at a discount in the n-th period of valid_days counted back from the date, within window_days.
    """
    periods = max(1, min(window_days // valid_days, MOST_PERIODS))
    start = date - datetime.timedelta(days=periods * valid_days)
    day = F.col(OrderLines.order_date)
    kinds = (OrderLines.discount_retail, OrderLines.discount_coupon, OrderLines.discount_coupon_match)
    period = F.floor((F.datediff(F.lit(date), day) - 1) / valid_days).cast("int")
    bit = F.when((F.greatest(*kinds) > 0) & (day >= F.lit(start)), F.pow(F.lit(2.0), period).cast("long"))
    order = F.xxhash64(OrderLines.order_id)
    earlier = F.when(day < F.lit(start), order)
    return (
        lines.filter(is_sale() & (day < F.lit(date)))
        .groupBy(OrderLines.user_id, OrderLines.product_id)
        .agg(
            _up_to_two(order).alias("orders"),
            _up_to_two(earlier).alias("orders_before"),
            F.coalesce(F.bit_or(bit), F.lit(0).cast("long")).alias("periods"),
        )
    )


def _up_to_two(order: Column) -> Column:
    """How many different orders there are: 0, 1, or 2 for any more."""
    least, greatest = F.min(order), F.max(order)
    return F.when(least.isNull(), 0).when(least == greatest, 1).otherwise(2)


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
        known.groupBy("product_id").agg(F.bit_count(F.bit_or("periods")).alias("trials")).filter(F.col("trials") > 0)
    )
    before = known.filter(F.col("orders_before") > 0)
    repeated = before.join(sold_off, "product_id", "inner").select(
        "user_id",
        F.when(F.col("orders_before") >= 2, "repeat_item").otherwise("known_item").alias("kind"),
        "trials",
        F.bit_count("periods").alias("successes"),
    )
    order = Window.partitionBy("category").orderBy(F.desc("buyers"), "product_id")
    popular = (
        before.groupBy("category", "product_id")
        .agg(F.count("*").alias("buyers"))
        .withColumn("place", F.row_number().over(order))
        .filter(F.col("place") == 1)
        .join(sold_off, "product_id", "inner")
        .select("category", "product_id", "trials")
    )
    new = (
        before.select("user_id", "category")
        .distinct()
        .join(F.broadcast(popular), "category", "inner")
        .join(known.select("user_id", "product_id", "orders_before", "periods"), ["user_id", "product_id"], "left")
        .filter(F.coalesce(F.col("orders_before"), F.lit(0)) == 0)
        .select(
            "user_id",
            F.lit("new_item").alias("kind"),
            "trials",
            F.coalesce(F.bit_count("periods"), F.lit(0)).alias("successes"),
        )
    )
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
        segments.select("segment_id")
        .distinct()
        .select("segment_id", kinds)
        .join(counted, ["kind", "segment_id"], "left")
        .na.fill(0, ["trials", "successes"])
        .withColumn("all_trials", F.sum("trials").over(everywhere))
        .withColumn("all_successes", F.sum("successes").over(everywhere))
    )
    overall = F.when(F.col("all_trials") > 0, F.col("all_successes") / F.col("all_trials"))
    rate = F.coalesce(shrunk(F.col("successes"), F.col("trials"), overall, prior_strength), F.lit(unknown_response))
    basis = F.when(F.col("all_trials") > 0, "observed_response").otherwise("assumed_response")
    return grid.select(
        "kind",
        "segment_id",
        F.round(rate.cast("double"), 6).cast(RATE).alias("rate"),
        basis.alias("basis"),
        "trials",
        "successes",
    )


def shrunk(successes: Column, trials: Column, overall: Column, strength: float) -> Column:
    """The posterior mean of a beta-binomial with prior mean `overall` worth `strength` trials."""
    return (successes + overall * strength) / (trials + F.lit(strength))
