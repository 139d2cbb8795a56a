"""Offers of earlier dates that a user still holds: not made again, counted against the limit, combined with none.

The money of a held offer was reserved on the day it was made. Whether it was used is not known here: it counts until
its last day.
"""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.decisions.offers.targets import OfferTarget, categories, product_ids
from promo_spark.decisions.offers.topics import WHOLE_SHOP, topics_of
from promo_spark.measures.offers_in_force import offers_in_force

_TEXTS = T.ArrayType(T.StringType())


class HeldOffers(Frame):
    """One row per user with offers of earlier dates that still hold."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    held_offers = Col(T.LongType(), "such offers; one that was made twice counts once", required=True)
    held_products = Col(_TEXTS, "the products they are good for", required=True)
    held_topics = Col(_TEXTS, "what they are about, see topics_of", required=True)
    held_ids = Col(_TEXTS, "their promotion ids", required=True)


def held_offers(earlier_promotions: DataFrame, date: datetime.date) -> DataFrame:
    """One row per user with offers that can be used on the date. Promotions of dates before it → HeldOffers."""
    products = F.col(Promotions.product_ids)
    topics = topics_of(F.col(Promotions.mechanic), products, F.array_compact(F.array(Promotions.category)))
    return HeldOffers.shaped(
        offers_in_force(earlier_promotions, date)
        .groupBy(Promotions.user_id)
        .agg(
            F.size(F.collect_set(F.array_sort(products))).alias(HeldOffers.held_offers),
            _all_of(products).alias(HeldOffers.held_products),
            _all_of(topics).alias(HeldOffers.held_topics),
            F.array_sort(F.collect_set(Promotions.promotion_id)).alias(HeldOffers.held_ids),
        )
    )


def with_held_offers(targets: DataFrame, held: DataFrame, *, max_offers: int) -> DataFrame:
    """What may be offered to users beside what they hold. OfferTarget, HeldOffers → OfferTarget.

    Left out are targets of a user who holds as many offers as are allowed; what is about a product or a category
    that a held offer is about; and what counts on a basket, as a coupon or a gift, beside any other offer, which
    together would fall below the margin floor.
    """
    parts = F.col(OfferTarget.parts)
    topics = topics_of(F.col(OfferTarget.mechanic), product_ids(parts), categories(parts))
    held_topics, count = F.col(HeldOffers.held_topics), F.coalesce(HeldOffers.held_offers, F.lit(0))
    meets = F.arrays_overlap(topics, held_topics) | F.array_contains(topics, WHOLE_SHOP)
    conflicts = (count > 0) & (meets | F.array_contains(held_topics, WHOLE_SHOP))
    return OfferTarget.shaped(
        targets.join(held, HeldOffers.user_id, "left").filter(
            (count < max_offers) & ~F.coalesce(conflicts, F.lit(False))
        )
    )


def _all_of(texts: Column) -> Column:
    return F.array_sort(F.array_distinct(F.flatten(F.collect_list(texts))))
