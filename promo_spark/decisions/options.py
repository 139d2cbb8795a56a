"""What users could be given, as the allocation takes it: one row per user, all that could be offered with its uses."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.allocation.limits import (
    departments_of,
    is_of_a_group,
    is_of_stock,
    uses_of,
    uses_of_departments,
    uses_of_groups,
    uses_of_stock,
)
from promo_spark.decisions.allocation.user_options import UserOption, UserOptions
from promo_spark.decisions.groups import GroupedOffer
from promo_spark.decisions.mechanics import ON_BASKETS
from promo_spark.decisions.offers.targets import Fund, OfferedProduct, categories, departments, product_ids
from promo_spark.decisions.offers.topics import topics_of
from promo_spark.decisions.rooms import Room
from promo_spark.decisions.valuation import ValuedOffer
from promo_spark.measures.money import minor_per_unit


def user_options(
    offers: DataFrame,
    rooms: DataFrame,
    *,
    max_offers: int,
    digits: int,
    limits: Collection[str],
    keep: int | None = None,
) -> DataFrame:
    """One row per user with any offer. ValuedOffer, or GroupedOffer where groups have limits, Room → UserOptions.

    `limits`: the constraints of the day.
    `keep`: of more options those that bring most, with a fund and without one each, as a fund may be used up;
    None: all.
    """
    parts = F.col(ValuedOffer.parts)
    option = F.struct(
        (-F.col(ValuedOffer.aim_micro)).alias(_ORDER),
        F.col(ValuedOffer.promotion_id).alias(UserOption.promotion_id),
        F.col(ValuedOffer.aim_micro).alias(UserOption.value_micro),
        topics_of(F.col(ValuedOffer.mechanic), product_ids(parts), categories(parts)).alias(UserOption.topics),
        uses_of_offers(digits, limits).alias(UserOption.uses),
        F.col(ValuedOffer.fund).isNotNull().alias(_FUNDED),
    )
    return UserOptions.shaped(
        offers.groupBy(ValuedOffer.user_id)
        .agg(F.array_sort(F.collect_list(option)).alias(UserOptions.options))
        .join(rooms.select(Room.user_id, Room.room), ValuedOffer.user_id, "left")
        .withColumn(UserOptions.room, F.coalesce(Room.room, F.lit(max_offers)))
        .withColumn(UserOptions.options, _without_order(F.col(UserOptions.options), keep))
    )


def uses_of_offers(digits: int, limits: Collection[str]) -> Column:
    """What an offer uses of each constraint, as an array of OptionUse. Of ValuedOffer.

    Money in minor units; of departments and products whose budget or stock is no limit nothing is told.
    """
    off_basket = (F.col(ValuedOffer.off) * minor_per_unit(digits)).cast("long")
    parts = F.col(ValuedOffer.parts)
    uses = uses_of(
        F.col(ValuedOffer.mechanic),
        F.col(ValuedOffer.cost_minor),
        off_basket=F.when(F.col(ValuedOffer.mechanic).isin(list(ON_BASKETS)), off_basket),
        fund_id=F.col(ValuedOffer.fund)[Fund.fund_id],
        fund_cost=F.col(ValuedOffer.fund_minor),
        campaign_id=F.col(ValuedOffer.campaign_id),
    )
    if departments_of(limits):
        of_departments = uses_of_departments(departments(parts), F.col(ValuedOffer.cost_minor), limits)
        uses = F.concat(uses, of_departments)
    if any(map(is_of_a_group, limits)):
        of_groups = uses_of_groups(F.col(GroupedOffer.groups), F.col(ValuedOffer.cost_minor), limits)
        uses = F.concat(uses, of_groups)
    if any(map(is_of_stock, limits)):
        product_ids_in_order = F.transform(parts, lambda part: part[OfferedProduct.product_id])
        uses = F.concat(uses, uses_of_stock(product_ids_in_order, F.col(ValuedOffer.units_milli), limits))
    return uses


_ORDER, _FUNDED = "order", "funded"


def _without_order(options: Column, keep: int | None) -> Column:
    if keep is None:
        kept = options
    else:
        ways = [F.filter(options, lambda one: ~one[_FUNDED]), F.filter(options, lambda one: one[_FUNDED])]
        kept = F.concat(*[F.slice(way, 1, keep) for way in ways])
    return F.transform(kept, lambda one: F.struct(*[one[name].alias(name) for name in UserOption.columns()]))
