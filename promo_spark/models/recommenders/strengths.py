"""How strongly each user is tied to each product by purchases, and which products there are to recommend.

The user-item matrix is kept as a long table: its wide form would have a column per product.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile, Repurchase, UserProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.contracts.silver import Events, OrderLines
from promo_spark.contracts.vocabulary import NEGATIVE_TO
from promo_spark.measures import kept_purchases
from promo_spark.measures.exact_sums import whole_parts
from promo_spark.measures.kept_purchases import ProductOrder, product_orders
from promo_spark.models.recommenders.sessions import SessionEvent

_BILLION = 1_000_000_000
_MOST_STARS = 5
_LINES, _SEGMENTS, _PROFILE = OrderLines.columns(), Segments.columns(), ProductProfile.columns()


class Purchase(Frame):
    """One row per user, product and order that bought it."""

    user_id = _LINES[OrderLines.user_id]
    product_id = _LINES[OrderLines.product_id]
    order_id = _LINES[OrderLines.order_id]
    order_date = _LINES[OrderLines.order_date]


class Strength(Frame):
    """One row per user and product that the user bought."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(T.StringType(), "the product", required=True)
    strength = Col(T.DoubleType(), "orders with the product, each counting less with its age", required=True)
    orders = Col(T.LongType(), "orders with the product", required=True)
    last_bought = Col(T.DateType(), "the day of the last one; null: met in events alone")


class MetInEvents(Frame):
    """One row per user and product that the user met in events that count."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(T.StringType(), "the product", required=True)
    met = Col(T.DoubleType(), "the events' weights, each counting less with its age", required=True)


class CatalogueItem(Frame):
    """One row per promotable product that was bought in the window."""

    product_id = _PROFILE[ProductProfile.product_id]
    title = _PROFILE[ProductProfile.title]
    item = Col(T.IntegerType(), "position in the order of product ids, from 0; ties go to the lower", required=True)
    buyers = Col(T.LongType(), "different users who bought it in the window", required=True)
    recent_buyers = Col(T.LongType(), "of those, in the last days", required=True)


class ModelPair(Frame):
    """One row per user and product that the model is fitted on."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    item = Col(T.IntegerType(), "the product's position in the catalogue", required=True)
    strength = Col(T.DoubleType(), "how strongly purchases tie the two", required=True)


class OwnProduct(Frame):
    """One row per user and product of the catalogue that the user bought: an entry of OwnProducts.own."""

    item = Col(T.IntegerType(), "the product's position in the catalogue", required=True)
    strength = Col(T.DoubleType(), "how strongly purchases tie the two", required=True)
    orders = Col(T.LongType(), "orders with the product", required=True)
    last_bought = Col(T.DateType(), "the day of the last one", required=True)
    due = Col(T.BooleanType(), "whether the user is due to buy it again by the user's own cadence", required=True)
    lately = Col(T.BooleanType(), "whether it was bought in the last recommend.bought_days days", required=True)


class OwnProducts(Frame):
    """One row per user who bought a product of the catalogue."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    own = Col(T.ArrayType(OwnProduct.schema()), "the user's products, sorted by item", required=True)


class DueProduct(Frame):
    """One row per user and product that the user is due to buy again."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(T.StringType(), "the product", required=True)
    due = Col(T.BooleanType(), "always true: what a left join finds", required=True)


class ItemPopularity(Frame):
    """One row per segment and product."""

    segment_id = Col(T.IntegerType(), "the segment; null: all users")
    item = Col(T.IntegerType(), "the product's position in the catalogue", required=True)
    recent_buyers = Col(T.LongType(), "users of the segment who bought it in the last days", required=True)
    buyers = Col(T.LongType(), "all users who bought it in the window", required=True)


def purchases(lines: DataFrame, *, before: datetime.date, days: int) -> DataFrame:
    """One row per user, product and order of the `days` before a date. OrderLines → Purchase.

    A product that stands in several lines of an order counts once. What was taken back whole is no purchase.
    """
    of_window = _in_window(lines, before, days)
    kept = product_orders(of_window, kept_purchases.taken_back(of_window)).filter(F.col(ProductOrder.kept) > 0)
    return kept.select(*Purchase.columns())


def taken_back(lines: DataFrame, bought: DataFrame, *, before: datetime.date, days: int) -> DataFrame:
    """One row per user and product of which the user kept nothing. OrderLines, Purchase → Strength, of 0 orders."""
    pair = [Purchase.user_id, Purchase.product_id]
    returned = _in_window(lines, before, days).filter((F.col(OrderLines.quantity) < 0) & F.col(pair[0]).isNotNull())
    nothing_kept = returned.groupBy(*pair).agg(F.max(Purchase.order_date).alias(Strength.last_bought))
    return nothing_kept.join(bought, pair, "left_anti").select(
        *pair,
        F.lit(0.0).alias(Strength.strength),
        F.lit(0).cast("long").alias(Strength.orders),
        Strength.last_bought,
    )


def _in_window(lines: DataFrame, before: datetime.date, days: int) -> DataFrame:
    day = F.col(OrderLines.order_date)
    return lines.filter((day < F.lit(before)) & (day >= F.lit(before - datetime.timedelta(days=days))))


def strengths(bought: DataFrame, *, as_of: datetime.date, half_life_days: int) -> DataFrame:
    """One row per user and product. Purchase → Strength.

    Strength is the number of orders with the product, each counting 0.5^(age in days / half-life): purchases
    that still count. No logarithm damps it: on the demo's holdout one took the nDCG@10 of ALS from 0.219
    down to 0.205.
    """
    age = F.date_diff(F.lit(as_of), Purchase.order_date)
    weight = whole_parts(F.pow(F.lit(0.5), age / half_life_days), _BILLION)
    return bought.groupBy(Purchase.user_id, Purchase.product_id).agg(
        (F.sum(weight) / _BILLION).alias(Strength.strength),
        F.count("*").alias(Strength.orders),
        F.max(Purchase.order_date).alias(Strength.last_bought),
    )


def with_events(
    pairs: DataFrame, events: DataFrame, *, weights: Mapping[str, float], as_of: datetime.date, half_life_days: int
) -> DataFrame:
    """One row per user and product that was bought, or met in an event that counts. Strength, Events → Strength.

    An event before the date adds its type's weight, decayed as an order is; a review with stars so much of it as these
    are above 2, of three: 5 stars all, 3 a third, 2 nothing. A pair without an order has 0 orders and no last day.
    Events of visitors nobody knows, or without a product, do not count.
    """
    weight = F.create_map(*[F.lit(part) for pair in sorted(weights.items()) for part in pair])
    stars = F.greatest(F.col(Events.rating) - NEGATIVE_TO, F.lit(0.0)) / (_MOST_STARS - NEGATIVE_TO)
    rated = (F.col(Events.event_type) == "review") & F.col(Events.rating).isNotNull()
    liked = F.when(rated, stars).otherwise(1.0)
    past = events.filter(F.col(Events.event_type).isin(sorted(weights)) & (F.col(Events.event_date) < F.lit(as_of)))
    met = _met(past, weight[F.col(Events.event_type)] * liked, as_of, half_life_days)
    return _with_met(pairs, met.filter(F.col(MetInEvents.met) > 0))


def with_browsing(
    pairs: DataFrame, looked_at: DataFrame, *, per_minute: float, as_of: datetime.date, half_life_days: int
) -> DataFrame:
    """As with_events: each minute that a product was looked at adds `per_minute`. Strength, SessionEvent → Strength."""
    viewed = looked_at.filter((F.col(SessionEvent.event_type) == "view") & (F.col(SessionEvent.seconds) > 0))
    return _with_met(pairs, _met(viewed, F.col(SessionEvent.seconds) / 60 * per_minute, as_of, half_life_days))


def _met(events: DataFrame, weight: Column, as_of: datetime.date, half_life_days: int) -> DataFrame:
    """One row per user and product: the events' weights, decayed. Events or SessionEvent → MetInEvents."""
    age = F.date_diff(F.lit(as_of), Events.event_date)
    counted = weight * F.pow(F.lit(0.5), age / half_life_days)
    known = events.filter(F.col(Events.user_id).isNotNull() & F.col(Events.product_id).isNotNull())
    return known.groupBy(Events.user_id, Events.product_id).agg(
        (F.sum(whole_parts(counted, _BILLION)) / _BILLION).alias(MetInEvents.met)
    )


def _with_met(pairs: DataFrame, met: DataFrame) -> DataFrame:
    both = F.coalesce(Strength.strength, F.lit(0.0)) + F.coalesce(MetInEvents.met, F.lit(0.0))
    joined = pairs.join(met, [Strength.user_id, Strength.product_id], "full").withColumns(
        {Strength.strength: both, Strength.orders: F.coalesce(Strength.orders, F.lit(0))}
    )
    return joined.select(*Strength.columns())


def catalogue(bought: DataFrame, products: DataFrame, *, as_of: datetime.date, popular_days: int) -> DataFrame:
    """One row per promotable product bought in the window. Purchase, ProductProfile → CatalogueItem."""
    lately = F.lit(as_of - datetime.timedelta(days=popular_days))
    last = F.max(Purchase.order_date).alias(Purchase.order_date)
    pairs = bought.groupBy(Purchase.user_id, Purchase.product_id).agg(last)  # counted distinct, rows would be doubled
    sold = pairs.groupBy(Purchase.product_id).agg(
        F.count("*").alias(CatalogueItem.buyers),
        F.count_if(F.col(Purchase.order_date) >= lately).alias(CatalogueItem.recent_buyers),
    )
    promotable = products.filter(ProductProfile.promotable).select(ProductProfile.product_id, ProductProfile.title)
    return sold.join(promotable, ProductProfile.product_id).withColumn(
        CatalogueItem.item, F.row_number().over(Window.orderBy(ProductProfile.product_id)) - 1
    )


def model_pairs(
    pairs: DataFrame, bought: DataFrame, items: DataFrame, *, min_orders: int, min_buyers: int
) -> DataFrame:
    """One row per user with enough orders and product with enough buyers. Strength, … → ModelPair.

    Users and products with fewer are not modelled, as one order says too little; such users get what is popular.
    """
    orders = bought.groupBy(Purchase.user_id).agg(F.count_distinct(Purchase.order_id).alias(Strength.orders))
    users = orders.filter(F.col(Strength.orders) >= min_orders).select(Purchase.user_id)
    modelled = items.filter(F.col(CatalogueItem.buyers) >= min_buyers)
    return (
        pairs.join(F.broadcast(modelled.select(CatalogueItem.product_id, CatalogueItem.item)), Strength.product_id)
        .join(users, Strength.user_id, "left_semi")
        .select(*ModelPair.columns())
    )


def own_products(pairs: DataFrame, items: DataFrame, due: DataFrame, *, as_of: datetime.date, days: int) -> DataFrame:
    """One row per user. Strength, CatalogueItem, DueProduct → OwnProducts.

    What was bought in so many `days` before the date was bought lately.
    """
    positions = F.broadcast(items.select(CatalogueItem.product_id, CatalogueItem.item))
    lately = F.col(Strength.last_bought) >= F.lit(as_of - datetime.timedelta(days=days))
    entry = F.struct(
        *list(OwnProduct.columns())[:-2],
        F.coalesce(DueProduct.due, F.lit(False)).alias(OwnProduct.due),
        lately.alias(OwnProduct.lately),
    )
    return (
        pairs.join(due, [Strength.user_id, DueProduct.product_id], "left")
        .join(positions, Strength.product_id)
        .groupBy(Strength.user_id)
        .agg(F.sort_array(F.collect_list(entry)).alias(OwnProducts.own))
    )


def due_again(repurchases: DataFrame, *, as_of: datetime.date, lead_days: int) -> DataFrame:
    """One row per user and product due by its cadence at the latest `lead_days` after a date.

    UserProfile (its repurchases) → DueProduct. A product bought only once has no cadence and is not due.
    """
    latest = F.lit(as_of + datetime.timedelta(days=lead_days))
    return (
        repurchases.select(UserProfile.user_id, F.inline(UserProfile.repurchases))
        .filter(F.col(Repurchase.due_date) <= latest)
        .select(DueProduct.user_id, DueProduct.product_id, F.lit(True).alias(DueProduct.due))
    )


def popularity(bought: DataFrame, items: DataFrame, segments: DataFrame, *, since: datetime.date) -> DataFrame:
    """One row per segment and product, of purchases from a day on. Purchase, … → ItemPopularity.

    Of all users (segment null) every product of the catalogue is listed, of a segment those it bought. Segment 0,
    users without orders, has none of its own.
    """
    columns = list(ItemPopularity.columns())
    recent = bought.filter(F.col(Purchase.order_date) >= F.lit(since)).join(
        segments.filter(F.col(Segments.segment_id) > 0), Purchase.user_id
    )
    by_segment = recent.groupBy(Segments.segment_id, Purchase.product_id).agg(
        F.count_distinct(Purchase.user_id).alias(ItemPopularity.recent_buyers)
    )
    listed = items.select(CatalogueItem.item, CatalogueItem.product_id, CatalogueItem.buyers)
    of_all = items.withColumn(ItemPopularity.segment_id, F.lit(None).cast("int"))
    of_segments = by_segment.join(F.broadcast(listed), CatalogueItem.product_id)
    return of_segments.select(*columns).unionByName(of_all.select(*columns))
