"""Which offers were used, on which day, and what was given for it: known offer by offer, without a comparison.

What is given to somebody who would have bought anyway is given all the same: a cost of the offer, not its effect.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import MONEY, Col, Frame, Personal
from promo_spark.contracts.silver import OrderLines, Redemptions
from promo_spark.measurement.offers import SentOffer
from promo_spark.measures.few_keys import that_may_match

_TEXT = T.StringType()
_LATER = ("rebate", "points")  # given after the purchase, and so on no receipt
_ON_BASKETS = ("coupon", "threshold")
_PRODUCT, _ORDERED, _COUNT, _WANTED = "product_of_offer", "products_in_order", "products_bought", "products_of_offer"


class OfferUse(Frame):
    """One row per offer and day on which it was used."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    promotion_id = Col(_TEXT, "the offer", required=True)
    day = Col(T.DateType(), "the day", required=True)
    given = Col(MONEY, "what the shop and funds gave for it", unit="currency", required=True)
    later = Col(MONEY, "the part of it that stands on no receipt, as of points", unit="currency", required=True)
    paid = Col(MONEY, "what was paid for what it is good for; of a basket for all of it", "currency", required=True)
    channel = Col(_TEXT, "where the offer was given; null: nobody says")


OTHER_CHANNELS = "other"  # of settings by channel: of every channel that they do not name


class ChannelCost(Frame):
    """One row per user and day on which a channel cost something beyond what offers give."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    day = Col(T.DateType(), "the day", required=True)
    cost = Col(MONEY, "messages sent, and what channels are paid by the sale", unit="currency", required=True)


def offer_uses(offers: DataFrame, lines: DataFrame, products: DataFrame, redemptions: DataFrame) -> DataFrame:
    """One row per offer and day of its use. SentOffer, OrderLines, ProductProfile, Redemptions → OfferUse.

    Of products: they were bought while the offer held, all of a bundle in one order. A lower price counts as given
    where the receipt shows a discount; what is given later is what was promised for each piece. Of a basket: the order,
    or a redemption, names the offer's promotion_id or its coupon_code as its coupon. Of a gift: the product came for
    nothing.
    """
    bought = lines.filter((F.col(OrderLines.quantity) > 0) & F.col(OrderLines.user_id).isNotNull())
    parts = (_uses_of_products(offers, bought, products), _uses_of_baskets(offers, bought, redemptions))
    every = parts[0].unionByName(parts[1])
    keys = (OfferUse.user_id, OfferUse.promotion_id, OfferUse.day, OfferUse.channel)
    amounts = (OfferUse.given, OfferUse.later, OfferUse.paid)
    return OfferUse.shaped(every.groupBy(*keys).agg(*[F.sum(name).cast(MONEY).alias(name) for name in amounts]))


def channel_costs(
    offers: DataFrame, uses: DataFrame, *, per_message: Mapping[str, float], cps_rates: Mapping[str, float]
) -> DataFrame:
    """What carrying the offers to users costs. SentOffer, OfferUse → ChannelCost.

    `per_message`: what an offer sent by a channel costs, used or not; `cps_rates`: the share of what is paid with an
    offer that its channel gets (cost per sale). Inventory rows K04, O12.
    """
    sent = offers.select(
        SentOffer.user_id,
        F.col(SentOffer.valid_from).alias(ChannelCost.day),
        _of_channel(per_message).alias(ChannelCost.cost),
    )
    sold = uses.select(
        OfferUse.user_id, OfferUse.day, (F.col(OfferUse.paid) * _of_channel(cps_rates)).alias(ChannelCost.cost)
    )
    each = ChannelCost.shaped(sent).unionByName(ChannelCost.shaped(sold)).filter(F.col(ChannelCost.cost) > 0)
    sums = each.groupBy(ChannelCost.user_id, ChannelCost.day).agg(F.sum(ChannelCost.cost).alias(ChannelCost.cost))
    return ChannelCost.shaped(sums)


def _of_channel(values: Mapping[str, float]) -> Column:
    """The value of a row's channel; of one that is not named or not known that of others, else 0."""
    found = F.lit(values.get(OTHER_CHANNELS, 0.0))
    for name, value in sorted(values.items()):
        found = F.when(F.col(OfferUse.channel) == name, F.lit(value)).otherwise(found)
    return found


def _uses_of_products(offers: DataFrame, bought: DataFrame, products: DataFrame) -> DataFrame:
    """One row per offer on products, order and day. → OfferUse."""
    mechanic, rate = F.col(SentOffer.mechanic), F.col(SentOffer.discount_rate).cast("double")
    of_products = offers.filter(F.size(SentOffer.product_ids) > 0).select(
        SentOffer.user_id,
        SentOffer.promotion_id,
        SentOffer.mechanic,
        SentOffer.channel,
        SentOffer.discount_rate,
        SentOffer.charged_price,
        SentOffer.offer_price,
        SentOffer.valid_from,
        SentOffer.last_day,
        F.size(SentOffer.product_ids).alias(_WANTED),
        F.explode(SentOffer.product_ids).alias(_PRODUCT),
    )
    costs = products.select(F.col(ProductProfile.product_id).alias(_PRODUCT), ProductProfile.unit_cost)
    paid, off = F.col(OrderLines.amount_paid).cast("double"), F.col(OrderLines.discount_retail).cast("double")
    share = F.when(rate < 1, rate / (1 - rate))
    at_the_till = F.least(F.greatest(off, F.lit(0.0)), F.coalesce(paid * share, off))
    cost = F.col(ProductProfile.unit_cost).cast("double") * F.col(OrderLines.quantity).cast("double")
    back = F.col(SentOffer.charged_price) - F.col(SentOffer.offer_price)  # of each piece, whatever was paid for it
    promised = (back * F.col(OrderLines.quantity)).cast("double")
    given = (
        F.when(mechanic == "gift", F.coalesce(cost, F.lit(0.0)))
        .when(mechanic.isin(*_LATER), F.coalesce(promised, paid * rate))
        .otherwise(at_the_till)
    )
    counts = F.when(mechanic == "gift", (F.col(OrderLines.amount_paid) <= 0) & (F.col(OrderLines.list_amount) > 0))
    pair = [SentOffer.user_id, _PRODUCT]
    sold = bought.select(
        OrderLines.user_id,
        F.col(OrderLines.product_id).alias(_PRODUCT),
        OrderLines.order_id,
        OrderLines.order_date,
        OrderLines.quantity,
        OrderLines.amount_paid,
        OrderLines.list_amount,
        OrderLines.discount_retail,
    )
    used = (
        of_products.join(that_may_match(sold, of_products, pair), pair, "inner")
        .filter(F.col(OrderLines.order_date).between(F.col(SentOffer.valid_from), F.col(SentOffer.last_day)))
        .filter(F.coalesce(counts, F.lit(True)))
        .join(costs, _PRODUCT, "left")
        .groupBy(
            SentOffer.user_id,
            SentOffer.promotion_id,
            SentOffer.mechanic,
            SentOffer.channel,
            _WANTED,
            OrderLines.order_id,
        )
        .agg(
            F.min(OrderLines.order_date).alias(OfferUse.day),
            F.count_distinct(_PRODUCT).alias(_COUNT),
            F.sum(F.round(given, 4).cast("decimal(18,4)")).alias(OfferUse.given),
            F.sum(OrderLines.amount_paid).alias(OfferUse.paid),
        )
        .filter((mechanic != "bundle") | (F.col(_COUNT) >= F.col(_WANTED)))
    )
    later = F.when(mechanic.isin(*_LATER), F.col(OfferUse.given)).otherwise(0)
    return OfferUse.shaped(used.withColumn(OfferUse.later, later.cast(MONEY)).withColumn(OfferUse.given, _money()))


def _money() -> Column:
    return F.col(OfferUse.given).cast(MONEY)


def _uses_of_baskets(offers: DataFrame, bought: DataFrame, redemptions: DataFrame) -> DataFrame:
    """One row per offer on a basket and day. → OfferUse.

    What receipts say counts; where there is only a redemption, the offer's amount, once.
    """
    on_baskets = offers.filter(F.col(SentOffer.mechanic).isin(*_ON_BASKETS)).select(
        SentOffer.user_id,
        SentOffer.promotion_id,
        SentOffer.channel,
        SentOffer.coupon_amount,
        SentOffer.coupon_code,
        SentOffer.valid_from,
        SentOffer.last_day,
    )
    off = F.col(OrderLines.discount_coupon_match) + F.col(OrderLines.discount_coupon)
    either = F.array_distinct(F.array_compact(F.array(SentOffer.promotion_id, SentOffer.coupon_code)))
    names = on_baskets.select(SentOffer.user_id, SentOffer.promotion_id, F.explode(either).alias(_COUPON))
    coupon = [SentOffer.user_id, _COUPON]
    on_receipts = (
        bought.filter(F.col(OrderLines.coupon_id).isNotNull())
        .withColumn(_COUPON, F.col(OrderLines.coupon_id))
        .join(names, coupon, "inner")
        .groupBy(OrderLines.user_id, OfferUse.promotion_id, OrderLines.order_date)
        .agg(F.sum(off).alias(_OFF), F.sum(OrderLines.amount_paid).alias(OfferUse.paid))
        .withColumnRenamed(OrderLines.order_date, OfferUse.day)
    )
    redeemed = (
        redemptions.withColumn(_COUPON, F.col(Redemptions.coupon_id))
        .join(names, coupon, "inner")
        .groupBy(Redemptions.user_id, OfferUse.promotion_id)
        .agg(F.min(Redemptions.redeemed_on).alias(OfferUse.day))
    )
    named = [OfferUse.user_id, OfferUse.promotion_id]
    seen = on_receipts.unionByName(
        redeemed.join(on_receipts, named, "left_anti").withColumns(
            {_OFF: F.lit(None).cast("decimal(18,2)"), OfferUse.paid: F.lit(0).cast("decimal(18,2)")}
        )
    )
    used = on_baskets.join(seen, named, "inner").filter(
        F.col(OfferUse.day).between(F.col(SentOffer.valid_from), F.col(SentOffer.last_day))
    )
    given = F.coalesce(F.when(F.col(_OFF) > 0, F.col(_OFF)), SentOffer.coupon_amount)
    return OfferUse.shaped(used.withColumns({OfferUse.given: given.cast(MONEY), OfferUse.later: F.lit(0).cast(MONEY)}))


_OFF, _COUPON = "off_basket", "coupon_named"
