"""The profile job, from silver to features, on a real lake."""

from __future__ import annotations

import datetime

import pytest
from pyspark.sql import SparkSession

from jobs.profile import run
from promo_spark.contracts.features import DailySales, ProductProfile, UserProfile
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Products, Users
from promo_spark.errors import MissingDataError
from promo_spark.runtime.job import Context
from promo_spark.runtime.progress import Progress, Step
from promo_spark.settings import Settings
from promo_spark.settings.profile import ProfileSettings
from promo_spark.storage.lake import Lake

DAY = datetime.date(2017, 6, 10)


def execute(lake: Lake, settings: Settings, date: datetime.date, step: Step | None = None) -> None:
    step = step or Step(Progress(), "profile")
    ctx: Context[ProfileSettings] = Context(run, date, settings.profile, settings.business, "r1", lake, step)
    run.function(ctx)
    ctx.release()


def test_the_three_tables_are_written_from_products_and_orders_alone(
    spark: SparkSession, lake: Lake, settings: Settings
) -> None:
    """With each milk ten litres of fuel are bought, of an excluded category: it has a profile, and no series."""
    catalogue = [("milk", "dairy"), ("fuel", "petrol"), ("tea", None)]
    lake.write(Products, [{"product_id": product, "category": category} for product, category in catalogue])
    lake.write(
        OrderLines,
        OrderLines.frame(
            spark,
            [
                {
                    "order_id": f"o{n}",
                    "line_no": line_no,
                    "user_id": "u1",
                    "product_id": product,
                    "quantity": quantity,
                    "amount_paid": 2,
                    "list_amount": 2,
                    "order_date": datetime.date(2017, 6, n),
                }
                for n in (1, 4, 10)
                for line_no, product, quantity in ((1, "milk", 1), (2, "fuel", 10))
            ],
        ),
    )
    business = settings.business.model_copy(update={"excluded_categories": ["petrol", "diary"]})
    notes: list[str] = []
    step = Step(Progress(), "profile")
    step.note = notes.append  # type: ignore[assignment, method-assign]  # what stays on the screen
    execute(lake, settings.model_copy(update={"business": business}), DAY, step)
    [note] = [note for note in notes if "excluded" in note]
    assert "has a category of business.excluded_categories: diary. Nothing is left out" in note
    [user] = lake.read(UserProfile).collect()
    assert (user.as_of, user.orders, user.recency_days, user.due_date) == (DAY, 2, 6, datetime.date(2017, 6, 7))
    assert {r.product_id: r.units for r in lake.read(ProductProfile).collect()} == {"milk": 2, "fuel": 20, "tea": 0}
    sales = lake.read(DailySales).orderBy("series_id", "day").collect()
    assert [(r.series_id, r.day.day) for r in sales] == [
        (series, n) for series in ("all:all", "category:dairy", "product:milk") for n in range(1, 10)
    ]
    assert {r.display_share for r in sales} == {None}  # there is no promo calendar

    with pytest.raises(MissingDataError, match=r"silver\.order_lines has no day before 2017-06-01"):
        execute(lake, settings, datetime.date(2017, 6, 1))
    assert lake.read(UserProfile).count() == 1


def test_who_refused_profiling_is_in_no_profile_but_in_the_sales(
    spark: SparkSession, lake: Lake, settings: Settings
) -> None:
    """N04: non-consented user absent from user_profile, with orders, contacts or a mere registration."""
    long_ago = datetime.datetime(2017, 1, 1, tzinfo=datetime.timezone.utc)
    lake.write(Products, [{"product_id": "milk", "category": "dairy"}])
    lake.write(
        OrderLines,
        OrderLines.frame(
            spark,
            [
                {
                    "order_id": f"o{u}",
                    "line_no": 1,
                    "user_id": u,
                    "product_id": "milk",
                    "quantity": 1,
                    "amount_paid": 2,
                    "list_amount": 2,
                    "order_date": datetime.date(2017, 6, 1),
                }
                for u in ("yes", "no", "unsaid", "stranger", None)
            ],
        ),
    )
    lake.write(
        Users,
        [
            {"user_id": "yes", "consent_profiling": True, "registered_at": long_ago},
            {"user_id": "no", "consent_profiling": False, "registered_at": long_ago},
            {"user_id": "no, and no order", "consent_profiling": False, "registered_at": long_ago},
            {"user_id": "unsaid", "registered_at": long_ago},
        ],
    )
    lake.write(Campaigns, [{"campaign_id": "c", "start_date": "2017-05-01", "end_date": "2017-05-02"}])
    lake.write(Contacts, [{"campaign_id": "c", "user_id": "no"}])

    execute(lake, settings, DAY)
    assert {r.user_id for r in lake.read(UserProfile).collect()} == {"yes", "unsaid", "stranger"}
    [milk] = lake.read(ProductProfile).collect()
    assert (milk.units, milk.buyers) == (5, 3)  # every sale counts, buyers are those who may be known

    privacy = settings.business.privacy.model_copy(update={"unknown_profiling_consent": "excluded"})
    business = settings.business.model_copy(update={"privacy": privacy})
    execute(lake, settings.model_copy(update={"business": business}), DAY)
    assert {r.user_id for r in lake.read(UserProfile).collect()} == {"yes"}
