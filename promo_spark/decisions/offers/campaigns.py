"""Campaigns of the marketers' calendar, and which offers belong to them.

An offer belongs to one campaign at most: of those in force that its scenario, its user's segment and all its products
meet, the first by campaign_id. An amount off the whole basket names no product: it belongs to one that names none
either.
"""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.silver import PromotionCalendar
from promo_spark.decisions.offers.names import entries_by_product, with_entries_of_all_products
from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.users import DailyUser

_SCOPE = (
    PromotionCalendar.campaign_id,
    PromotionCalendar.scenario,
    PromotionCalendar.segment,
    PromotionCalendar.objective,
)
_SCOPES = T.ArrayType(T.StructType([T.StructField(name, T.StringType()) for name in _SCOPE]))


def campaigns_in_force(calendar: DataFrame, date: datetime.date) -> DataFrame:
    """The campaigns of the date. PromotionCalendar → PromotionCalendar."""
    day = F.lit(date)
    return calendar.filter(day.between(F.col(PromotionCalendar.start_date), F.col(PromotionCalendar.end_date)))


def with_campaigns(targets: DataFrame, campaigns: DataFrame, users: DataFrame, products: DataFrame) -> DataFrame:
    """The targets with the campaign that each belongs to.

    OfferTarget, PromotionCalendar in force, DailyUser, ProductProfile → OfferTarget.
    """
    scope = F.struct(*_SCOPE)
    of_products = F.coalesce(PromotionCalendar.level, PromotionCalendar.value).isNotNull()
    by_product = entries_by_product(products, campaigns.filter(of_products), scope, _OWN)
    everywhere = campaigns.filter(~of_products).agg(F.collect_list(scope).alias(_OF_ALL))
    segments = users.select(DailyUser.user_id, DailyUser.segment_name)
    own = F.coalesce(F.col(_OWN), F.array().cast(_SCOPES))
    meets = F.filter(
        F.array_sort(F.concat(own, F.col(_OF_ALL))),
        lambda one: (
            F.coalesce(one[PromotionCalendar.scenario] == F.col(OfferTarget.scenario), F.lit(True))
            & F.coalesce(one[PromotionCalendar.segment] == F.col(DailyUser.segment_name), F.lit(True))
        ),
    )
    return OfferTarget.shaped(
        with_entries_of_all_products(targets, by_product, _OWN)
        .join(segments, OfferTarget.user_id, "left")
        .crossJoin(F.broadcast(everywhere))
        .withColumns(
            {
                OfferTarget.campaign_id: F.get(meets, F.lit(0))[PromotionCalendar.campaign_id],
                OfferTarget.objective: F.get(meets, F.lit(0))[PromotionCalendar.objective],
            }
        )
    )


_OWN, _OF_ALL = "campaigns_of_products", "campaigns_of_all"
