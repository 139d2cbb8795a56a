"""How often users took up what they were offered: observed rates by segment, shrunk to the global rate.

Descriptive, not causal: a user who bought at a discount might have bought anyway. Uplift models will replace
these rates. Four kinds of response are observed:

    coupon       contacts with a campaign → any redemption of it within the window after the contact
    repeat_item  a product the user had bought in two or more orders, while it sold at a discount
    known_item   the same for a product bought in one order
    new_item     the most bought product of a category the user buys, new to this user, sold at a discount

For the item kinds a trial is a user, product and period of `valid_days` in which the product sold at a discount
to anybody; a success is that this user bought it at a discount in that period. Coupons are trials only when
their whole window lies in the past, so that no rate is too low for being watched too briefly.

Shrinkage is the posterior mean of a beta-binomial: (successes + strength × prior) / (trials + strength). Segments
are shrunk to the global rate, and the global rate itself, by the same strength, to the rate that the settings assume:
one trial never makes a rate of 0 or 1, after which nothing would be offered, and so nothing learnt, again. A segment
without trials gets the global rate; a kind without any trial at all the assumed one.
"""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import RATE, Col, Frame, Personal
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions
from promo_spark.decisions.users import DailyUser
from promo_spark.measures.best_rows import best_rows
from promo_spark.measures.order_lines import is_purchase, of_purchases
from promo_spark.settings.promote import PromoteSettings

MOST_PERIODS = 60  # they are bits of a long
KINDS = ("coupon", "repeat_item", "known_item", "new_item")

_TEXT = T.StringType()
_CONTACTED = "contacted"
_UNITS_KEPT = "units_kept"
_BUYERS = "buyers"


class PurchaseHistory(Frame):
    """One row per user and product ever bought.

    Orders count as 0, 1 or 2, where 2 stands for several: nothing here needs more, and whether the least and the
    greatest digest of their ids differ is known without sorting orders.
    """

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(_TEXT, "the product", required=True)
    orders = Col(T.IntegerType(), "orders with the product: 1, or 2 for several", required=True)
    orders_before = Col(T.IntegerType(), "those before the response window: 0, 1, or 2 for several", required=True)
    periods = Col(
        T.LongType(),
        "bit n is set if the user bought it at a discount in the n-th period of valid_days back from the date",
        required=True,
    )


class ResponseTrial(Frame):
    """One row per user and chance to respond to an offer, or several such chances of one kind."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    kind = Col(_TEXT, f"one of {', '.join(KINDS)}", required=True)
    trials = Col(T.IntegerType(), "chances to respond", required=True)
    successes = Col(T.IntegerType(), "chances that the user took", required=True)


class ResponseRate(Frame):
    """One row per kind of response and segment."""

    kind = Col(_TEXT, f"one of {', '.join(KINDS)}", required=True)
    segment_id = Col(T.IntegerType(), "the segment", required=True)
    rate = Col(RATE, "expected share of chances that are taken", unit="share", required=True)
    basis = Col(_TEXT, "observed_response, or assumed_response where nothing was observed of the kind", required=True)
    trials = Col(T.LongType(), "chances observed in the segment", required=True)
    successes = Col(T.LongType(), "those that were taken", required=True)


def purchases(lines: DataFrame, *, date: datetime.date, settings: PromoteSettings) -> DataFrame:
    """One row per user and product ever bought of which something was kept. OrderLines → PurchaseHistory."""
    valid_days = settings.valid_days
    periods = max(1, min(settings.response_window_days // valid_days, MOST_PERIODS))
    start = date - datetime.timedelta(days=periods * valid_days)
    day = F.col(OrderLines.order_date)
    kinds = (OrderLines.discount_retail, OrderLines.discount_coupon, OrderLines.discount_coupon_match)
    period = F.floor((F.datediff(F.lit(date), day) - 1) / valid_days).cast("int")
    discounted = is_purchase() & (F.greatest(*kinds) > 0)
    bit = F.when(discounted & (day >= F.lit(start)), F.pow(F.lit(2.0), period).cast("long"))
    order = of_purchases(F.xxhash64(OrderLines.order_id))
    earlier = F.when(day < F.lit(start), order)
    return PurchaseHistory.shaped(
        lines.filter(F.col(OrderLines.user_id).isNotNull() & (day < F.lit(date)))
        .groupBy(OrderLines.user_id, OrderLines.product_id)
        .agg(
            _up_to_two(order).alias(PurchaseHistory.orders),
            _up_to_two(earlier).alias(PurchaseHistory.orders_before),
            F.coalesce(F.bit_or(bit), F.lit(0).cast("long")).alias(PurchaseHistory.periods),
            F.sum(OrderLines.quantity).alias(_UNITS_KEPT),
        )
        .filter(F.col(_UNITS_KEPT) > 0)
    )


def _up_to_two(order: Column) -> Column:
    """How many different orders there are: 0, 1, or 2 for any more."""
    least, greatest = F.min(order), F.max(order)
    return F.when(least.isNull(), 0).when(least == greatest, 1).otherwise(2)


def coupon_trials(
    *, contacts: DataFrame, campaigns: DataFrame, redemptions: DataFrame, date: datetime.date, window_days: int
) -> DataFrame:
    """One row per contact whose window has passed. Contacts, Campaigns, Redemptions → ResponseTrial.

    A trial is a success if any coupon of the campaign was redeemed within the window.
    """
    contacted = F.coalesce(F.col(Contacts.contacted_on), F.col(Campaigns.start_date))
    offered = (
        contacts.join(F.broadcast(campaigns), Contacts.campaign_id, "inner")
        .select(Contacts.campaign_id, Contacts.user_id, contacted.alias(_CONTACTED))
        .filter(F.date_add(_CONTACTED, window_days) <= F.lit(date))
    )
    days = F.datediff(F.col(Redemptions.redeemed_on), F.col(_CONTACTED))
    in_window = F.when(days.between(0, window_days - 1), 1).otherwise(0)
    redeemed = redemptions.select(Redemptions.campaign_id, Redemptions.user_id, Redemptions.redeemed_on)
    return ResponseTrial.shaped(
        offered.join(redeemed, [Contacts.campaign_id, Contacts.user_id], "left")
        .groupBy(Contacts.campaign_id, Contacts.user_id)
        .agg(F.max(in_window).alias(ResponseTrial.successes))
        .withColumn(ResponseTrial.kind, F.lit("coupon"))
        .withColumn(ResponseTrial.trials, F.lit(1))
    )


def item_trials(bought: DataFrame, products: DataFrame) -> DataFrame:
    """One row per user and product tried. PurchaseHistory, offerable products with their category → ResponseTrial."""
    product_id, category = ProductProfile.product_id, ProductProfile.category
    user_id, orders_before = PurchaseHistory.user_id, F.col(PurchaseHistory.orders_before)
    offerable = bought.join(products.select(product_id, category), product_id, "inner")
    discounted = (
        offerable.groupBy(product_id)
        .agg(F.bit_count(F.bit_or(PurchaseHistory.periods)).alias(ResponseTrial.trials))
        .filter(F.col(ResponseTrial.trials) > 0)
    )
    before = offerable.filter(orders_before > 0)
    kind = F.when(orders_before >= 2, "repeat_item").otherwise("known_item")
    successes = F.bit_count(PurchaseHistory.periods)
    repeated = before.join(discounted, product_id, "inner").withColumns(
        {ResponseTrial.kind: kind, ResponseTrial.successes: successes}
    )
    most_bought = best_rows(
        before.groupBy(category, product_id).agg(F.count("*").alias(_BUYERS)),
        of=[category],
        by=[F.desc(_BUYERS), product_id],
        keep=1,
    ).join(discounted, product_id, "inner")
    new = (
        before.select(user_id, category)
        .distinct()
        .join(F.broadcast(most_bought), category, "inner")
        .join(offerable.drop(category), [user_id, product_id], "left")
        .filter(F.coalesce(orders_before, F.lit(0)) == 0)
        .withColumns({ResponseTrial.kind: F.lit("new_item"), ResponseTrial.successes: F.coalesce(successes, F.lit(0))})
    )
    return ResponseTrial.shaped(repeated).unionByName(ResponseTrial.shaped(new))


def response_rates(trials: DataFrame, users: DataFrame, settings: PromoteSettings) -> DataFrame:
    """One row per kind and segment. ResponseTrial, DailyUser → ResponseRate.

    Trials of users who are not among `users` do not count. Counts are whole numbers, so the order of rows is of
    no consequence.
    """
    counted = (
        trials.join(users.select(DailyUser.user_id, DailyUser.segment_id), DailyUser.user_id, "inner")
        .groupBy(ResponseTrial.kind, DailyUser.segment_id)
        .agg(
            F.sum(ResponseTrial.trials).alias(ResponseRate.trials),
            F.sum(ResponseTrial.successes).alias(ResponseRate.successes),
        )
    )
    kinds = F.explode(F.array(*[F.lit(kind) for kind in KINDS])).alias(ResponseRate.kind)
    kinds_and_segments = users.select(DailyUser.segment_id).distinct().select(DailyUser.segment_id, kinds)
    of_all_segments = Window.partitionBy(ResponseRate.kind)
    trials_of_all = F.sum(ResponseRate.trials).over(of_all_segments)
    successes_of_all = F.sum(ResponseRate.successes).over(of_all_segments)
    strength, assumed = settings.response_prior_strength, F.lit(settings.unknown_response)
    overall = shrunk(successes_of_all, trials_of_all, assumed, strength)
    rate = shrunk(F.col(ResponseRate.successes), F.col(ResponseRate.trials), overall, strength)
    return ResponseRate.shaped(
        kinds_and_segments.join(counted, [ResponseRate.kind, ResponseRate.segment_id], "left")
        .na.fill(0, [ResponseRate.trials, ResponseRate.successes])
        .withColumns(
            {
                ResponseRate.rate: F.round(rate.cast("double"), 6),
                ResponseRate.basis: F.when(trials_of_all > 0, "observed_response").otherwise("assumed_response"),
            }
        )
    )


def shrunk(successes: Column, trials: Column, prior: Column, strength: float) -> Column:
    """The posterior mean of a beta-binomial whose prior mean is worth `strength` trials."""
    return (successes + prior * strength) / (trials + F.lit(strength))
