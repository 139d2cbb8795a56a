"""The step of promote that books points and rebates: what earlier offers earned, what users paid with, what ran out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import Points, Promotions
from promo_spark.contracts.silver import OrderLines, PointRedemptions
from promo_spark.decisions.points import Booking, EndedOffer, booked, ended_offers
from promo_spark.runtime.job import Context
from promo_spark.settings.promote import PromoteSettings


def booked_points(ctx: Context[PromoteSettings]) -> DataFrame | list[Mapping[str, Any]]:
    """The day's entries of the ledger. → Points."""
    settings = ctx.settings
    by = Booking(ctx.date, digits_of(ctx.business.currency), settings.return_days, settings.points_valid_days)
    promotions, entries = ctx.earlier(Promotions), ctx.earlier(Points)
    if promotions is None and not ctx.exists(PointRedemptions):
        return []  # the first date of a shop: nothing can have been earned
    earlier = Points.frame(ctx.spark) if entries is None else entries
    made = Promotions.frame(ctx.spark) if promotions is None else promotions
    offers = ended_offers(made, by)
    first_day = offers.agg(F.min(EndedOffer.first_day)).collect()[0][0]  # one row
    redemptions = ctx.read_everyone(PointRedemptions)
    if first_day is None and redemptions.isEmpty() and earlier.isEmpty():
        return []
    lines = ctx.read_everyone(OrderLines).filter(F.col(OrderLines.order_date) >= F.lit(first_day or ctx.date))
    return booked(offers, lines, redemptions, earlier, by)
