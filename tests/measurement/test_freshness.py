"""How old the newest rows of a delivery are."""

from __future__ import annotations

import datetime

from pyspark.sql import SparkSession

from promo_spark.contracts.measurement import Checks
from promo_spark.contracts.silver import Events, OrderLines
from promo_spark.measurement.check_rows import CheckRow
from promo_spark.measurement.freshness import freshness

DATE = datetime.date(2024, 6, 10)  # so that rows of the 9th are 0 days old


def day(number: int) -> datetime.date:
    return datetime.date(2024, 6, number)


def told(spark: SparkSession, *, lines: list[int], events: list[int]) -> dict[str, CheckRow]:
    rows = freshness(
        OrderLines.frame(spark, [{"order_date": day(n)} for n in lines]),
        Events.frame(spark, [{"event_date": day(n)} for n in events]),
        None,
        date=DATE,
        oldest_days=2,
    )
    Checks.frame(spark, rows)  # refuses a column that the contract does not have
    return {row["slice"]: row for row in rows}


def test_a_table_is_stale_only_beyond_the_days_that_it_may_be_old(spark: SparkSession) -> None:
    """Events of the 7th are two days older than the 9th, which may be; those of the 6th three, which is an alarm."""
    fresh = told(spark, lines=[8, 9, 9], events=[6, 7])
    assert [(r["value"], r["n"], r["outcome"], r["message"]) for r in fresh.values()] == [
        (0.0, 2, "ok", None),
        (2.0, 1, "ok", None),
    ]
    stale = told(spark, lines=[9], events=[5, 6])["silver.events"]
    assert (stale["value"], stale["threshold"], stale["outcome"]) == (3.0, 2, "alarm")
    assert "silver.events are of 2024-06-06, 3 days before" in stale["message"]


def test_rows_from_the_date_on_make_nothing_fresh(spark: SparkSession) -> None:
    """The date is evaluated once more, later, when newer days are there."""
    row = told(spark, lines=[5, 10, 11], events=[9])["silver.order_lines"]
    assert (row["value"], row["n"], row["outcome"]) == (4.0, 1, "alarm")


def test_events_and_stock_need_not_be_there_but_order_lines_must(spark: SparkSession) -> None:
    rows = told(spark, lines=[], events=[])
    assert list(rows) == ["silver.order_lines"]
    row = rows["silver.order_lines"]
    assert (row["value"], row["n"], row["outcome"]) == (None, 0, "alarm")
    assert "has no row before 2024-06-10" in row["message"]
