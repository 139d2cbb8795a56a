"""A discount on what a user is likely to buy, in the days up to a holiday or a shopping festival."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Holidays
from promo_spark.decisions.offers.targets import ProposedOffer, single_item
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser


class ComingHoliday(Frame):
    """One row: the next holiday within the days ahead; no row where there is none."""

    occasion = Col(T.StringType(), "its name", required=True)
    day = Col(T.DateType(), "when it is", required=True)


def coming_holiday(holidays: DataFrame, date: datetime.date, lead_days: int, *, names: Sequence[str]) -> DataFrame:
    """The first holiday from the date to `lead_days` after it; of several on a day the first by name.

    Holidays → ComingHoliday. Of those named, or of all where none is. The table says when a feast is, also one that
    moves from year to year.
    """
    if names:
        holidays = holidays.filter(F.col(Holidays.holiday).isin(list(names)))
    last = date + datetime.timedelta(days=lead_days)
    first = F.min(F.struct(F.col(Holidays.day), F.col(Holidays.holiday))).alias(_FIRST)
    coming = holidays.filter(F.col(Holidays.day).between(F.lit(date), F.lit(last))).agg(first)
    return ComingHoliday.shaped(
        coming.filter(F.col(_FIRST).isNotNull()).select(
            F.col(f"{_FIRST}.{Holidays.holiday}").alias(ComingHoliday.occasion),
            F.col(f"{_FIRST}.{Holidays.day}").alias(ComingHoliday.day),
        )
    )


_FIRST = "first"


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user and product that a purchase is foretold of, where a holiday is near. → ProposedOffer.

    Appeal: how likely the purchase is.
    """
    settings = inputs.settings
    coming = coming_holiday(inputs.holidays, inputs.date, settings.holiday_lead_days, names=settings.holidays)
    likely = inputs.likely_products(inputs.users.select(DailyUser.user_id)).crossJoin(F.broadcast(coming))
    occasion = F.col(ComingHoliday.occasion)
    reason = F.concat(F.lit("holiday:"), occasion, F.lit(":"), F.col(ComingHoliday.day).cast("string"))
    return single_item(
        inputs.with_item_rungs(likely, HOLIDAY.name).withColumn(ProposedOffer.reason_codes, F.array(reason)),
        occasion=occasion,
    )


HOLIDAY = Scenario(
    "holiday",
    mechanic="discount",
    candidates=candidates,
    texts={
        "en-US": "{occasion}: {title}, {percent}% off: {offer} instead of {charged}, until {valid_to}.",
        "zh-CN": "{occasion}：{title}，立减{percent}%：{offer}（现价{charged}），有效期至{valid_to}。",
    },
)
