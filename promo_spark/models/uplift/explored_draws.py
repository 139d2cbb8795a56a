"""What chance drew for explored users, as evidence beside the arms of past experiments: decisions.explored.

Chance knew every probability: none was drawn with one that is the same for all, an offer of a mechanic with one that
goes with the user's own list of what could be offered. A user who was explored again is a row more. Only dates whose
offers are over count, so that all of a date are followed for as long as was meant.
"""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Explored, Promotions
from promo_spark.contracts.responses import ON_PRODUCTS
from promo_spark.contracts.schema import Col
from promo_spark.contracts.silver import OrderLines
from promo_spark.measures.offers_in_force import LAST_DAY, with_last_day
from promo_spark.models.uplift.told import Message, Told, day_number, whole_cents, with_weight

_NO_OFFER = ""  # the mechanic of an arm without an offer
_BUNDLE = "bundle"


class ExploredDraw(Told):
    """One row per explored user and date: what was drawn, and how long it held. `campaign_id`: the promotion's id."""

    product_ids = Col(T.ArrayType(T.StringType()), "as in Explored", required=True)
    least_cents = Col(T.LongType(), "as in MessageEntry; null: an offer on products, or none")


def explored_draws(
    explored: DataFrame, promotions: DataFrame, *, since: datetime.date, as_of: datetime.date, most_days: int
) -> DataFrame:
    """One row per user and date from `since` on whose offers are over by `as_of`. Explored, Promotions → ExploredDraw.

    Both of dates before `as_of`. An offer held until it ended, by whatever; one that nobody approved never did, and is
    no evidence. None is followed for as long as the longest of the date's offers that were drawn.
    """
    user_and_date = [Explored.user_id, Explored.date]
    chosen, is_none = F.col(Explored.chosen), F.col(Explored.mechanic) == "none"
    terms = F.struct(Explored.promotion_id, Explored.saving, Explored.min_spend, Explored.product_ids)
    drawn = (
        explored.filter((F.col(Explored.date) >= F.lit(since)) & (F.col(Explored.date) < F.lit(as_of)))
        .groupBy(*user_and_date, Explored.mechanic)
        .agg(F.sum(Explored.action_propensity).alias(_P), F.max(F.when(chosen, terms)).alias(_DRAWN))
        .filter(F.col(_DRAWN).isNotNull())
        .select(*user_and_date, Explored.mechanic, _P, f"{_DRAWN}.*")
    )
    columns = [Promotions.promotion_id, Promotions.user_id, Promotions.date, Promotions.mechanic, Promotions.valid_to]
    columns += [Promotions.status, Promotions.stopped_on, Promotions.revokes]
    made = promotions.filter(F.col(Promotions.date) >= F.lit(since)).select(columns)
    pair = [Promotions.promotion_id, Promotions.user_id]
    until = with_last_day(made).select(*pair, LAST_DAY).distinct()
    held = drawn.join(until, pair, "left").withColumn(_HELD, F.date_diff(LAST_DAY, Explored.date) + 1)
    longest = F.max(_HELD).over(Window.partitionBy(Explored.date))
    held = held.withColumn(_LONGEST, longest).withColumn(
        _HELD, F.when(is_none, F.col(_LONGEST)).otherwise(F.col(_HELD))
    )
    over = held.filter((F.col(_HELD) > 0) & (F.date_add(Explored.date, F.col(_LONGEST)) <= F.lit(as_of)))
    start = day_number(Explored.date)
    on_basket = ~F.col(Explored.mechanic).isin("none", *ON_PRODUCTS)
    return ExploredDraw.shaped(
        with_weight(over, arm=[Explored.mechanic], propensity=_P).withColumns(
            {
                Told.campaign_id: F.col(Explored.promotion_id),
                Told.start: start,
                Told.end: start + F.least(F.col(_HELD), F.lit(most_days)),
                Told.saving: F.col(Explored.saving).cast("double"),
                Told.mechanic: F.when(is_none, F.lit(_NO_OFFER)).otherwise(F.col(Explored.mechanic)),
                ExploredDraw.least_cents: F.when(on_basket, whole_cents(F.col(Explored.min_spend))),
            }
        )
    )


_P, _DRAWN, _HELD, _LONGEST = "p_of_mechanic", "drawn", "days_held", "longest_of_date"


def draw_messages(sales: DataFrame, draws: DataFrame) -> DataFrame:
    """One row per draw of a user who had bought before it. OrderLines, ExploredDraw → Message.

    Others would be there only if they bought after it. Of a bundle what the user buys less of counts, twice.
    """
    first = sales.groupBy(OrderLines.user_id).agg(day_number(F.min(OrderLines.order_date)).alias(_FIRST_DAY))
    known = draws.join(first, Told.user_id).filter(F.col(_FIRST_DAY) < F.col(Told.start))
    pair = [Told.campaign_id, Told.user_id]
    with_sums = known.join(_of_products(sales, known), pair, "left").join(_of_baskets(sales, known), pair, "left")
    nothing = F.lit(0).cast("long")
    on_basket, offer = F.col(ExploredDraw.least_cents).isNotNull(), F.col(Told.mechanic) != _NO_OFFER
    return Message.shaped(
        with_sums.withColumns(
            {
                Message.used: F.lit(None).cast("boolean"),
                Message.whole_shop: ~offer,
                Message.cents_before: F.coalesce(Message.cents_before, nothing),
                Message.lines_before: F.coalesce(Message.lines_before, nothing),
                Message.lines_held: F.coalesce(Message.lines_held, F.col(_REACHED_HELD), nothing),
                Message.usual_share: F.coalesce(Message.usual_share, F.when(offer, F.lit(0.0)), F.lit(1.0)),
                Message.usual_lines: F.coalesce(Message.usual_lines, F.lit(0.0)),
                Message.reached_before: F.when(on_basket, F.coalesce(Message.reached_before, nothing)),
                Message.explored: F.lit(True),
            }
        )
    )


_FIRST_DAY, _REACHED_HELD = "first_day_of_user", "days_reached_held"


def _of_products(sales: DataFrame, draws: DataFrame) -> DataFrame:
    """One row per draw of an offer on products. OrderLines, ExploredDraw → what was bought of these."""
    key = [Told.campaign_id, Told.user_id, Told.mechanic]
    day, start, end = day_number(OrderLines.order_date), F.col(Told.start), F.col(Told.end)
    before, held = day < start, day.between(start, end - 1)
    on_products = draws.filter(F.col(Told.mechanic).isin(*ON_PRODUCTS))
    parts = on_products.select(*key, Told.start, Told.end, F.explode(ExploredDraw.product_ids).alias(_PRODUCT))
    bought = sales.withColumn(_PRODUCT, F.col(OrderLines.product_id)).select(
        OrderLines.user_id, _PRODUCT, OrderLines.order_date, OrderLines.amount_paid
    )
    of_part = (
        parts.join(bought, [OrderLines.user_id, _PRODUCT], "left")
        .groupBy(*key, Told.start, _PRODUCT)
        .agg(
            whole_cents(F.sum(F.when(before, F.col(OrderLines.amount_paid)))).alias(Message.cents_before),
            F.count_if(F.coalesce(before, F.lit(False))).alias(Message.lines_before),
            F.count_if(F.coalesce(held, F.lit(False))).alias(Message.lines_held),
        )
        .join(_usual(sales, parts), [_PRODUCT, Told.start])
    )
    together = F.col(Told.mechanic) == _BUNDLE

    def paid(name: str) -> Column:
        return F.when(together, F.min(name) * F.count("*")).otherwise(F.sum(name)).alias(name)

    return (
        of_part.groupBy(*key)
        .agg(
            paid(Message.cents_before),
            F.sum(Message.lines_before).alias(Message.lines_before),
            F.sum(Message.lines_held).alias(Message.lines_held),
            F.round(paid(_EXACT_SHARE).cast("double"), 9).alias(Message.usual_share),
            F.sum(_EXACT_LINES).cast("double").alias(Message.usual_lines),
        )
        .drop(Told.mechanic)
    )


_PRODUCT, _EXACT_SHARE, _EXACT_LINES = "product_of_part", "usual_share_exact", "usual_lines_exact"


def _usual(sales: DataFrame, parts: DataFrame) -> DataFrame:
    """One row per product and first day of an offer of it: its part of all that users bought before that day.

    OrderLines, products of draws → share of what was paid, lines per order day. By running sums over the days of each
    product: what was sold before a day is not read again for each day that is asked about.
    """
    day = day_number(OrderLines.order_date).alias(_DAY)
    asked = parts.select(_PRODUCT, F.col(Told.start).alias(_DAY)).distinct()
    of_day = (
        sales.withColumn(_PRODUCT, F.col(OrderLines.product_id))
        .join(asked.select(_PRODUCT).distinct(), _PRODUCT, "left_semi")
        .groupBy(_PRODUCT, day)
        .agg(whole_cents(F.sum(OrderLines.amount_paid)).alias(_CENTS), F.count("*").alias(_LINES))
    )
    none = F.lit(0).cast("long")
    asking = asked.select(_PRODUCT, _DAY, none.alias(_CENTS), none.alias(_LINES), F.lit(True).alias(_ASKED))
    earlier = Window.partitionBy(_PRODUCT).orderBy(_DAY).rangeBetween(Window.unboundedPreceding, -1)
    so_far = (
        of_day.withColumn(_ASKED, F.lit(False))
        .unionByName(asking)
        .withColumns({name: F.coalesce(F.sum(name).over(earlier), none) for name in (_CENTS, _LINES)})
        .filter(_ASKED)
    )
    shop = sales.groupBy(day).agg(
        whole_cents(F.sum(OrderLines.amount_paid)).alias(_SHOP_CENTS),
        F.count_distinct(OrderLines.user_id).alias(_ORDER_DAYS),
    )
    days = asked.select(F.col(_DAY).alias(Told.start)).distinct()
    of_shop = days.join(F.broadcast(shop), F.col(_DAY) < F.col(Told.start)).groupBy(Told.start)
    whole = of_shop.agg(F.sum(_SHOP_CENTS).alias(_SHOP_CENTS), F.sum(_ORDER_DAYS).alias(_ORDER_DAYS))

    def part(name: str, of: str) -> Column:
        return F.coalesce(F.col(name) / F.nullif(of, F.lit(0)), F.lit(0.0)).cast("decimal(20,12)")

    return (
        so_far.withColumnRenamed(_DAY, Told.start)
        .join(F.broadcast(whole), Told.start)
        .select(
            _PRODUCT,
            Told.start,
            part(_CENTS, _SHOP_CENTS).alias(_EXACT_SHARE),
            part(_LINES, _ORDER_DAYS).alias(_EXACT_LINES),
        )
    )


_DAY, _CENTS, _LINES, _ASKED = "day", "cents", "lines", "is_asked_about"
_SHOP_CENTS, _ORDER_DAYS = "cents_of_shop", "order_days_of_shop"


def _of_baskets(sales: DataFrame, draws: DataFrame) -> DataFrame:
    """One row per draw of an offer on baskets: order days before it and under it that reached its minimum spend."""
    day = day_number(OrderLines.order_date).alias(_DAY)
    of_day = sales.groupBy(OrderLines.user_id, day).agg(whole_cents(F.sum(OrderLines.amount_paid)).alias(_CENTS))
    reached, day = F.col(_CENTS) >= F.col(ExploredDraw.least_cents), F.col(_DAY)
    held = day.between(F.col(Told.start), F.col(Told.end) - 1)
    return (
        draws.filter(F.col(ExploredDraw.least_cents).isNotNull())
        .join(of_day, OrderLines.user_id)
        .groupBy(Told.campaign_id, Told.user_id)
        .agg(
            F.count_if(reached & (day < F.col(Told.start))).alias(Message.reached_before),
            F.count_if(reached & held).alias(_REACHED_HELD),
        )
    )
