"""Holiday: offers in the days up to one."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.contracts.silver import Holidays
from promo_spark.decisions.scenarios.holiday import HOLIDAY, coming_holiday
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.sources.holidays import holiday_rows
from tests.decisions.scenarios.shop import products_of, targets_by_user, users


@pytest.mark.parametrize(
    ("date", "feast"),
    [
        ("2026-02-10", None),  # a week before
        ("2026-02-11", "Spring Festival:2026-02-17"),
        ("2026-02-17", "Spring Festival:2026-02-17"),
        ("2027-02-06", "Spring Festival:2027-02-06"),  # another day of the year
        ("2026-03-02", None),
        ("2026-11-05", "Double 11:2026-11-11"),
    ],
)
def test_offers_come_in_the_days_up_to_a_holiday(
    spark: SparkSession, inputs: ScenarioInputs, date: str, feast: str | None
) -> None:
    """I12: when a feast is, the table says; outside its days there is no offer."""
    holidays = Holidays.frame(spark, holiday_rows(["CN"], [2026, 2027]))
    likely = [{"user_id": "buyer", "product_id": "milk", "p_offer": 0.3}]
    of = replace(
        inputs,
        date=datetime.date.fromisoformat(date),
        users=users(spark, {"user_id": "buyer"}),
        item_propensity=ItemPropensity.frame(spark, likely),
        holidays=holidays,
        settings=inputs.settings.model_copy(update={"holidays": ["Spring Festival", "Double 11"]}),
    )
    found = targets_by_user(HOLIDAY, of)
    if feast is None:
        assert found == {}
    else:
        offer = found["buyer"]
        assert products_of(offer) == ["milk"] and offer.occasion == feast.split(":")[0]
        assert offer.reason_codes == [f"holiday:{feast}"]


def test_where_no_holiday_is_named_all_count(spark: SparkSession) -> None:
    """Of several days the next one, of several on a day the first by name."""
    day = datetime.date(2026, 2, 14)
    rows = [
        {"country": "CN", "day": day + datetime.timedelta(days=d), "holiday": h}
        for d, h in ((0, "B"), (0, "A"), (1, "Aa"))
    ]
    [row] = coming_holiday(Holidays.frame(spark, rows), day, 6, names=[]).collect()
    assert (row.occasion, row.day) == ("A", day)
    [row] = coming_holiday(Holidays.frame(spark, rows), day, 6, names=["Aa"]).collect()
    assert (row.occasion, row.day) == ("Aa", datetime.date(2026, 2, 15))
