"""Daily sales: a full calendar, sums that reconcile, and the promo calendar as driver."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.silver import OrderLines, Products, PromoCalendar
from promo_spark.features.past_lines import past_lines
from promo_spark.features.series.daily_sales import daily_sales, sales_days
from promo_spark.features.series.promo_exposure import planned_exposure
from promo_spark.features.series.wanted import wanted_series
from promo_spark.features.sold_days import product_days, store_days
from promo_spark.settings import Settings

AS_OF = datetime.date(2017, 6, 15)


def day(number: int) -> datetime.date:
    return datetime.date(2017, 6, number)


def line(product: str, number: int, paid: float, quantity: float = 1, **more: Any) -> dict[str, Any]:
    return {
        "product_id": product,
        "order_id": f"{product}{number}{quantity}",
        "store_id": "s1",
        "quantity": quantity,
        "amount_paid": paid,
        "list_amount": paid + more.get("discount_retail", 0),
        "order_date": day(number),
        **more,
    }


def placed(product: str, store: str, first: int, last: int, **how: Any) -> dict[str, Any]:
    return {"product_id": product, "store_id": store, "start_date": day(first), "end_date": day(last), **how}


LINES = [
    line("milk", 2, 4.0, quantity=2),  # 2.00 each
    line("milk", 5, 3.0, discount_retail=1.0),
    line("milk", 5, 5.0, quantity=4, store_id="s2"),  # on day 5: 8 for 5 pieces, 1 of 9 listed was given off
    line("milk", 9, -2.0, quantity=-1),  # a return alone on its day
    line("eggs", 3, 6.0),
    line("figs", 4, 1.0),  # of least revenue: no series of its own
    line("nuts", 4, 7.0),  # not in any category
]
CATALOGUE = [
    {"product_id": p, "category": c} for p, c in {"milk": "fresh", "eggs": "fresh", "figs": "dry", "nuts": None}.items()
]
CALENDAR = [
    placed("milk", "s1", 1, 7, display="aisle"),
    placed("milk", "s2", 1, 7, mailer="front"),
    placed("eggs", "s1", 1, 7, display="aisle", mailer="back"),
    placed("figs", "s3", 1, 7, mailer="back"),  # a third store in the calendar
    placed("eggs", "s1", 8, 12, display="aisle", discount_depth=0.3),
    placed("eggs", "s2", 8, 12, display="aisle"),
    placed("milk", "s1", 15, 21, display="aisle"),  # not before the date
]


def series(
    spark: SparkSession,
    settings: Settings,
    lines: list[dict[str, Any]],
    calendar: list[dict[str, Any]],
    partitions: int = 1,
) -> DataFrame:
    sold, products = OrderLines.frame(spark, lines).repartition(partitions), Products.frame(spark, CATALOGUE)
    placements = PromoCalendar.frame(spark, calendar).repartition(partitions)
    levels = ["product", "category", "store", "all"]
    few = settings.profile.model_copy(
        update={"recent_days": 90, "series_levels": levels, "top_products": 3, "top_stores": 5}
    )
    past = past_lines(sold, AS_OF)
    by_product, by_store = product_days(past), store_days(past)
    wanted = wanted_series(by_product, by_store, products, as_of=AS_OF, settings=few)
    per_day = sales_days(by_product, by_store, products, wanted, levels)
    df = daily_sales(per_day, products=products, calendar=placements, wanted=wanted, as_of=AS_OF, levels=levels)
    return DailySales.enforced(df.withColumns({DailySales.as_of: F.lit(AS_OF), DailySales.run_id: F.lit("r1")}))


@pytest.fixture(scope="module")
def found(spark: SparkSession, settings: Settings) -> dict[tuple[str, int], Row]:
    rows = series(spark, settings, LINES, CALENDAR).collect()
    by_day = {(r.series_id, r.day.day): r for r in rows}
    assert len(by_day) == len(rows), "a series has a day twice"
    return by_day


def test_no_day_is_missing_from_the_first_sale_to_the_day_before(found: dict[tuple[str, int], Row]) -> None:
    """A06: the series has no missing day."""
    days: dict[str, list[int]] = {}
    for series_id, number in sorted(found):
        days.setdefault(series_id, []).append(number)
    first = {
        "product:milk": 2,
        "product:eggs": 3,
        "product:nuts": 4,
        "category:fresh": 2,
        "category:dry": 4,
        "store:s1": 2,
        "store:s2": 5,
        "all:all": 2,
    }
    assert days == {series_id: list(range(start, 15)) for series_id, start in first.items()}


def test_units_and_revenue_sum_to_those_of_the_order_lines(found: dict[tuple[str, int], Row]) -> None:
    """A06: Σ units equals Σ quantity of the orders, at every level."""
    total = {
        level: (
            sum(r.units for r in found.values() if r.level == level),
            sum(r.revenue for r in found.values() if r.level == level),
        )
        for level in ("product", "category", "store", "all")
    }
    assert total["product"] == (8, 23)  # without figs: 2 + 1 + 4 − 1 + 1 + 1 pieces, 4 + 3 + 5 − 2 + 6 + 7
    assert total["category"] == (8, 17)  # without nuts
    assert total["store"] == total["all"] == (9, 24)  # everything


def test_the_price_is_carried_over_days_without_a_sale(found: dict[tuple[str, int], Row]) -> None:
    """B03: counts are filled with 0, a price never."""
    milk = {n: found["product:milk", n] for n in range(2, 15)}
    assert [milk[n].price for n in (2, 3, 4)] == [2.0] * 3
    assert [milk[n].price for n in range(5, 15)] == [8 / 5] * 10  # the return of day 9 has no price
    assert [milk[n].units for n in (2, 3, 5, 9)] == [2, 0, 5, -1]
    assert [milk[n].revenue for n in (3, 5, 9)] == [Decimal("0.00"), Decimal("8.00"), Decimal("-2.00")]
    assert [milk[n].discount_depth for n in (2, 3, 5, 6, 9)] == [0, 0, pytest.approx(1 / 9), 0, 0]


def test_display_and_mailer_are_those_of_the_promo_calendar(found: dict[tuple[str, int], Row]) -> None:
    """A06: the promotion drivers equal the promotions calendar."""
    shares = {
        # three stores are in the calendar of the first week, two in the second
        ("product:milk", 2): (1 / 3, 1 / 3),
        ("product:milk", 7): (1 / 3, 1 / 3),
        ("product:milk", 8): (0, 0),  # covered, but milk is not listed
        ("product:eggs", 7): (1 / 3, 1 / 3),
        ("product:eggs", 8): (1, 0),
        ("product:eggs", 12): (1, 0),
        ("product:nuts", 5): (0, 0),
        ("category:fresh", 5): (2 / 6, 2 / 6),  # the mean of milk and eggs
        ("category:fresh", 9): (1, 0),  # of eggs alone
        ("category:dry", 5): (0, 1 / 3),
        ("store:s1", 5): (1, 1 / 2),  # milk and eggs displayed, eggs in the mailer
        ("store:s2", 5): (0, 1),
        ("all:all", 5): (2 / 9, 3 / 9),  # of three products in three stores
    }
    assert {k: (found[k].display_share, found[k].mailer_share) for k in shares} == {
        k: pytest.approx(v) for k, v in shares.items()
    }
    depths = {
        ("product:eggs", 9): 0.15,  # 0.3 in one of two stores
        ("product:eggs", 5): 0.0,
        ("product:milk", 9): 0.0,
        ("category:fresh", 9): 0.15,  # of eggs alone
        ("store:s1", 9): 0.3,
        ("store:s2", 9): 0.0,
        ("all:all", 9): 0.15,
    }
    assert {k: found[k].announced_depth for k in depths} == {k: pytest.approx(v) for k, v in depths.items()}
    unknown = [r for (_, number), r in found.items() if number > 12]  # the calendar ends on day 12
    assert {(r.display_share, r.mailer_share, r.announced_depth) for r in unknown} == {(None, None, None)}
    assert {r.stock_out for r in found.values()} == {None}  # there is no stock table


def test_what_is_planned_is_told_as_the_past_was(spark: SparkSession) -> None:
    """Two days to come: on the first, eggs stand in the mailer of one of two stores, a fifth cheaper; of the second
    nobody plans."""
    series = [{"series_id": f"{level}:{item}", "level": level, "item_id": item} for level, item in SERIES_TO_COME]
    planned = planned_exposure(
        DailySales.frame(spark, [row | {"as_of": AS_OF, "day": day(14)} for row in series]),
        PromoCalendar.frame(
            spark,
            [
                placed("eggs", "s1", 12, 15, mailer="front", discount_depth=0.2),
                placed("milk", "s2", 12, 15, display="aisle"),
                placed("figs", "s1", 1, 14, display="aisle"),  # over
            ],
        ),
        Products.frame(spark, CATALOGUE),
        as_of=AS_OF,
        days=2,
    )
    shares = {(r.series_id, r.day.day): (r.display_share, r.mailer_share, r.announced_depth) for r in planned.collect()}
    assert shares == {
        ("product:eggs", 15): (0.0, 0.5, 0.1),
        ("product:figs", 15): (0.0, 0.0, 0.0),
        ("category:fresh", 15): (0.25, 0.25, 0.05),  # the mean of eggs' and milk's
        **{(name, 16): (None, None, None) for name in ("product:eggs", "product:figs", "category:fresh")},
    }


SERIES_TO_COME = (("product", "eggs"), ("product", "figs"), ("category", "fresh"))


def test_nothing_on_or_after_the_date_leaks_in_and_partitions_do_not_matter(
    spark: SparkSession, settings: Settings, found: dict[tuple[str, int], Row]
) -> None:
    """C17: same input, same rows, however it is partitioned; and none of the future."""
    future = [line("figs", 15, 99.0), line("milk", 16, 99.0)]
    planned = [placed("figs", "s4", 15, 21, display="aisle"), placed("milk", "s5", 16, 22, mailer="front")]
    assert_df_equality(
        series(spark, settings, [*future, *reversed(LINES)], [*planned, *reversed(CALENDAR)], partitions=5),
        spark.createDataFrame(list(found.values()), DailySales.schema()),
        ignore_row_order=True,
        ignore_nullable=True,
    )
