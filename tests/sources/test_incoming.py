"""From text to values: what parses comes out exactly, what does not is named and never guessed."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import IncomingRow, RawRow
from promo_spark.contracts.silver import Feedback, Inventory, Market
from promo_spark.sources.incoming import candidates

DAY = datetime.date(2017, 2, 28)


def read(spark: SparkSession, table: Any, column: str, values: list[Any], kind: str = "string") -> dict[Any, Any]:
    """Each value → as it was read, or `unparsed`; `nothing` where there was none."""
    df = spark.createDataFrame([(v,) for v in values], f"v {kind}").withColumns(
        {RawRow.raw: F.lit(""), RawRow.file: F.lit("f"), RawRow.blank: F.lit(False), RawRow.broken: F.lit(False)}
    )
    rows = candidates(table, df.withColumn("_shown", F.col("v").cast("string")), {column: F.col("v")}).collect()
    assert all((r[column] is None) or not r[IncomingRow.unparsed] for r in rows)
    shown = [
        "unparsed" if r[IncomingRow.unparsed] == [column] else "nothing" if r[column] is None else r[column]
        for r in rows
    ]
    return dict(zip(values, shown, strict=True))


def test_a_number_is_a_number_or_unparsed(spark: SparkSession) -> None:
    """B06: NaN, infinity, digits of other scripts, hexadecimal and thousands separators are no numbers."""
    no_numbers = ["NaN", "Infinity", "1e400", "１２", "٣", "0x10", "5d", "1_000", "1,234.50", "--1", "1 2", "\u00a05"]
    quantities = read(spark, Inventory, "on_hand", [*no_numbers, "+3", " 5 ", "1e1", "-0", ".5", "2.0005"])
    assert quantities == dict.fromkeys(no_numbers, "unparsed") | {
        "+3": 3,
        " 5 ": 5,
        "1e1": 10,
        "-0": 0,
        ".5": Decimal("0.500"),
        "2.0005": Decimal("2.001"),  # half up
    }
    scores = read(spark, Feedback, "score", [*no_numbers, "0x1p3", "+3", "4.5", "1e0"])
    assert scores == dict.fromkeys([*no_numbers, "0x1p3"], "unparsed") | {"+3": 3.0, "4.5": 4.5, "1e0": 1.0}
    days = read(spark, Inventory, "lead_time_days", [*no_numbers, "5.7", "99999999999", "+3"])
    assert days == dict.fromkeys([*no_numbers, "5.7", "99999999999"], "unparsed") | {"+3": 3}


def test_nan_and_infinity_of_typed_files_are_unparsed_too(spark: SparkSession) -> None:
    """B06: a double that is no number never becomes money or a score."""
    values = [float("inf"), 1e300, 2.5]
    assert list(read(spark, Market, "market_sales", values, "double").values()) == ["unparsed", "unparsed", 2.5]
    values = [float("nan"), float("-inf"), 2.5]
    assert list(read(spark, Feedback, "score", values, "double").values()) == ["unparsed", "unparsed", 2.5]


def test_a_day_is_a_day_of_the_calendar(spark: SparkSession) -> None:
    """B05: no day is guessed: not from a time of day, not from a year, not beyond the calendar."""
    wrong = [
        "2017-02-30",
        "0000-00-00",
        "99999-01-01",
        "+99999-01-01",
        "2017-2-3",
        "2017",
        "12:30",
        "now",
        "2017-02-28T24:00:00",
    ]
    assert read(spark, Market, "day", [*wrong, "2017-02-28"]) == dict.fromkeys(wrong, "unparsed") | {"2017-02-28": DAY}
    assert set(read(spark, Feedback, "ts", wrong).values()) == {"unparsed"}
    far = read(spark, Market, "day", ["+12017-01-01"], "string")
    assert set(far.values()) == {"unparsed"}
