"""What scenarios draw on: the same frames and settings for all of them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.silver import OrderLines, Users
from promo_spark.decisions.pricing import margin_floor
from promo_spark.errors import SettingsError
from promo_spark.settings import PromoteSettings

PROFILED = "profiled"  # of a user: whether there is a profile to decide by


@dataclass(frozen=True)
class World:
    """The date, the settings and the frames that scenarios make candidates of.

    `users` are those who may get offers; `products` those that may be in one. `purchases` has one row per
    user and product ever bought, with `orders`: 1, or 2 for several. `welcomed` are users who got a welcome before.
    """

    date: datetime.date
    currency: str
    settings: PromoteSettings
    users: DataFrame
    products: DataFrame
    purchases: DataFrame
    recommendations: DataFrame
    rules: DataFrame
    forecasts: DataFrame
    welcomed: DataFrame

    def bounds(self, scenario: str) -> tuple[float, float]:
        """Least and greatest depth of a scenario. Raises SettingsError where there are none, or no order."""
        found = self.settings.depth.get(scenario)
        if found is None:
            raise SettingsError(
                f"promote.depth.{scenario} is missing: set its least and greatest share off, as [0.05, 0.20]"
            )
        least, greatest = found
        if least > greatest:
            raise SettingsError(f"promote.depth.{scenario} is {found}: the least depth comes first")
        return least, greatest

    @property
    def valid_to(self) -> datetime.date:
        """The last day of an offer, included."""
        return self.date + datetime.timedelta(days=self.settings.valid_days - 1)


def users_in_segments(profiles: DataFrame, segments: DataFrame) -> DataFrame:
    """One row per user. UserProfile, Segments → profiles with segment and risk tier.

    A user whom the segmentation does not know counts as segment 0, that of users without orders. The risk
    tier is null: nobody scores it yet.
    """
    named = segments.select(Segments.user_id, Segments.segment_id, Segments.segment_name)
    return profiles.join(named, UserProfile.user_id, "left").withColumns(
        {
            Segments.segment_id: F.coalesce(Segments.segment_id, F.lit(0)),
            Segments.segment_name: F.coalesce(Segments.segment_name, F.lit("unknown")),
            "risk_tier": F.lit(None).cast(T.StringType()),
        }
    )


def with_unprofiled(known: DataFrame, unprofiled: DataFrame, *, date: datetime.date, timezone: str) -> DataFrame:
    """The users of `users_in_segments`, and those who may not be profiled, with nothing known of them but consent.

    One row per user, `profiled` telling which. `unprofiled` are such users of the master data; those who
    registered on the date (a day in `timezone`) or later are left out. They count as segment 0.
    """
    registered_on = F.to_date(F.from_utc_timestamp(Users.registered_at, timezone))
    others = unprofiled.filter(F.coalesce(registered_on < F.lit(date), F.lit(True))).join(
        known, UserProfile.user_id, "left_anti"
    )
    nameless = others.select(
        Users.user_id,
        Users.consent_marketing,
        F.lit(0).alias(Segments.segment_id),
        F.lit("not profiled").alias(Segments.segment_name),
    )
    return known.withColumn(PROFILED, F.lit(True)).unionByName(
        nameless.withColumn(PROFILED, F.lit(False)), allowMissingColumns=True
    )


def priced_products(products: DataFrame, *, min_margin: float) -> DataFrame:
    """One row per product that may be offered: promotable, with price and cost, and room above its margin floor."""
    floor = margin_floor(F.col(ProductProfile.unit_cost), min_margin)
    return products.filter(
        F.col(ProductProfile.promotable)
        & (F.col(ProductProfile.list_price) > 0)
        & (F.col(ProductProfile.unit_cost) > 0)
        & (floor < F.col(ProductProfile.list_price))
    )


def is_sale() -> Column:
    """Whether an order line is a purchase of a known user, and no return."""
    return F.col(OrderLines.user_id).isNotNull() & (F.col(OrderLines.quantity) > 0)
