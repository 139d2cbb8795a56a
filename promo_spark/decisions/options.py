"""What users could be given, as the allocation takes it: one row per user, all that could be offered with its uses."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.allocation.limits import uses_of
from promo_spark.decisions.allocation.user_options import UserOption, UserOptions
from promo_spark.decisions.held import HeldOffers
from promo_spark.decisions.offers.targets import categories, product_ids
from promo_spark.decisions.offers.topics import topics_of
from promo_spark.decisions.valuation import ValuedOffer


def user_options(offers: DataFrame, held: DataFrame, *, max_offers: int, keep: int | None = None) -> DataFrame:
    """One row per user with any offer. ValuedOffer, HeldOffers → UserOptions.

    `keep`: of more options those that bring most; None: all.
    """
    parts = F.col(ValuedOffer.parts)
    option = F.struct(
        (-F.col(ValuedOffer.value_micro)).alias(_ORDER),
        F.col(ValuedOffer.promotion_id).alias(UserOption.promotion_id),
        F.col(ValuedOffer.value_micro).alias(UserOption.value_micro),
        topics_of(product_ids(parts), categories(parts)).alias(UserOption.topics),
        uses_of(F.col(ValuedOffer.mechanic), F.col(ValuedOffer.cost_minor)).alias(UserOption.uses),
    )
    room = F.lit(max_offers) - F.coalesce(HeldOffers.held_offers, F.lit(0))
    return UserOptions.shaped(
        offers.groupBy(ValuedOffer.user_id)
        .agg(F.array_sort(F.collect_list(option)).alias(UserOptions.options))
        .join(held.select(HeldOffers.user_id, HeldOffers.held_offers), ValuedOffer.user_id, "left")
        .withColumn(UserOptions.room, room)
        .withColumn(UserOptions.options, _without_order(F.col(UserOptions.options), keep))
    )


_ORDER = "order"


def _without_order(options: Column, keep: int | None) -> Column:
    kept = options if keep is None else F.slice(options, 1, keep)
    return F.transform(kept, lambda one: F.struct(*[one[name].alias(name) for name in UserOption.columns()]))
