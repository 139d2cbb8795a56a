"""Which offers can be used on a day: those that hold, without what is not approved, was stopped or was revoked."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions


def approved_offers(promotions: DataFrame) -> DataFrame:
    """The offers that went out: without those that nobody approved. Promotions → Promotions."""
    approved = F.coalesce(F.col(Promotions.status) != "proposed", F.lit(True))
    return promotions.filter((F.col(Promotions.mechanic) != "none") & approved)


def offers_in_force(promotions: DataFrame, date: datetime.date) -> DataFrame:
    """The offers that can be used on the date. Promotions of that date and of earlier ones → Promotions."""
    revoked = promotions.select(F.explode(Promotions.revokes).alias(Promotions.promotion_id))
    holds = F.lit(date).between(F.col(Promotions.valid_from), F.col(Promotions.valid_to))
    goes_on = F.coalesce(F.col(Promotions.stopped_on) > F.lit(date), F.lit(True))
    offers = approved_offers(promotions).filter(holds & goes_on)
    return offers.join(revoked, Promotions.promotion_id, "left_anti").select(promotions.columns)
