"""Which offers can be used on a day: those that hold, without what is not approved, was stopped or was revoked."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions

LAST_DAY = "last_day"  # of an offer, by whatever it ended


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


def with_last_day(promotions: DataFrame) -> DataFrame:
    """The offers that went out, each with the last day on which it held. Promotions → Promotions and LAST_DAY.

    An offer ends before its time where it was stopped, or revoked by a row of a later date. LAST_DAY is before
    valid_from where it never held.
    """
    revoked = promotions.select(
        F.explode(Promotions.revokes).alias(Promotions.promotion_id), F.date_sub(Promotions.date, 1).alias(_REVOKED)
    )
    last_day = F.least(Promotions.valid_to, F.date_sub(Promotions.stopped_on, 1), F.col(_REVOKED))
    offers = approved_offers(promotions).join(revoked, Promotions.promotion_id, "left")
    return offers.withColumn(LAST_DAY, last_day).drop(_REVOKED)


_REVOKED = "day_before_revoked"
