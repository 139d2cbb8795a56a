"""The lake keeps its promises on real Delta tables."""

from __future__ import annotations

import datetime

import deltalake
import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Table
from promo_spark.contracts.silver import QUARANTINE, OrderLines, Users
from promo_spark.errors import ContractError, MissingDataError, SettingsError
from promo_spark.storage import small_tables
from promo_spark.storage.commits import Mark
from promo_spark.storage.histories import days_touched
from promo_spark.storage.lake import Lake
from tests.storage.test_small_tables import executions


class Prices(Table):
    """One row per day and product."""

    layer, name = "features", "prices"
    key = ("day", "product_id")
    partition = ("day",)
    day = Col(T.DateType(), "the day", required=True)
    product_id = Col(T.StringType(), "the product", required=True)
    price = Col(T.DoubleType(), "price")


MONDAY, TUESDAY = datetime.date(2017, 11, 6), datetime.date(2017, 11, 7)


def test_a_date_is_replaced_and_no_other_date_touched(spark: SparkSession, lake: Lake) -> None:
    """A15: re-running a date rewrites only that partition."""
    lake.write(Prices, Prices.frame(spark, [{"day": MONDAY, "product_id": "a", "price": 1.0}]), {"day": MONDAY})
    lake.write(Prices, Prices.frame(spark, [{"day": TUESDAY, "product_id": "b", "price": 2.0}]), {"day": TUESDAY})
    monday_files = set(lake.read(Prices).filter(F.col("day") == MONDAY).inputFiles())
    lake.write(Prices, Prices.frame(spark, [{"day": TUESDAY, "product_id": "c", "price": 3.0}]), {"day": TUESDAY})
    rows = {(r.product_id, r.price) for r in lake.read(Prices).collect()}
    assert rows == {("a", 1.0), ("c", 3.0)}
    assert set(lake.read(Prices).filter(F.col("day") == MONDAY).inputFiles()) == monday_files


def test_an_empty_result_clears_its_date(spark: SparkSession, lake: Lake) -> None:
    lake.write(Prices, Prices.frame(spark, [{"day": MONDAY, "product_id": "a"}]), {"day": MONDAY})
    lake.write(Prices, Prices.frame(spark), {"day": MONDAY})
    assert lake.read(Prices).count() == 0


def test_column_comments_come_from_the_contract(spark: SparkSession, lake: Lake) -> None:
    lake.write(Users, Users.frame(spark, [{"user_id": "u1"}]))
    stored = spark.read.format("delta").load(lake.path(Users)).schema
    assert {f.name: f.metadata["comment"] for f in stored.fields} == {n: c.comment for n, c in Users.columns().items()}


@pytest.mark.parametrize("rewritten", [-1, small_tables.REWRITTEN_BYTES])
def test_merge_updates_changed_rows_only(
    spark: SparkSession, lake: Lake, rewritten: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A04: a changed region leaves one row per user; unknown gender stays null. By Delta's merge, and written anew."""
    monkeypatch.setattr(small_tables, "REWRITTEN_BYTES", rewritten)
    lake.write(
        Users,
        Users.frame(
            spark,
            [
                {"user_id": "moved", "region": "north", "run_id": "r1"},
                {"user_id": "stayed", "region": "north", "run_id": "r1"},
            ],
        ),
    )
    second = Users.frame(
        spark,
        [
            {"user_id": "moved", "region": "south", "run_id": "r2"},
            {"user_id": "stayed", "region": "north", "run_id": "r2"},  # only the run differs: kept as it was
            {"user_id": "came", "run_id": "r2"},
        ],
    )
    assert lake.write(Users, second).version == 1
    again = lake.write(Users, second.limit(2)).version
    assert rewritten < 0 or again == 1  # they are there: nothing is written
    assert lake.commits_since(Users, 0)[0].operation == ("MERGE" if rewritten < 0 else "WRITE")  # type: ignore[union-attr]  # it is there
    rows = {(r.user_id, r.region, r.run_id, r.gender) for r in lake.read(Users).collect()}
    assert rows == {
        ("moved", "south", "r2", None),
        ("stayed", "north", "r1", None),
        ("came", None, "r2", None),
    }


def test_days_in_the_delivery_are_replaced(spark: SparkSession, lake: Lake) -> None:
    def line(order: str, day: datetime.date) -> dict[str, object]:
        return {"order_id": order, "line_no": 1, "product_id": "p", "quantity": 1, "order_date": day}

    lake.write(OrderLines, OrderLines.frame(spark, [line("o1", MONDAY), line("o2", TUESDAY)]))
    lake.write(OrderLines, OrderLines.frame(spark, [line("o3", TUESDAY)]))
    assert {r.order_id for r in lake.read(OrderLines).collect()} == {"o1", "o3"}


def by_line(lake: Lake) -> dict[tuple[str, int], tuple[str, int, str]]:
    return {
        (r.order_id, r.line_no): (r.order_date.strftime("%a"), int(r.quantity), r.run_id)
        for r in lake.read(OrderLines).collect()
    }


def test_rows_delivered_late_leave_the_other_rows_of_their_day(spark: SparkSession, lake: Lake) -> None:
    def line(order: str, day: datetime.date, pieces: int, run: str) -> dict[str, object]:
        same = {"line_no": 1, "product_id": "p"}
        return same | {"order_id": order, "quantity": pieces, "order_date": day, "run_id": run}

    lake.write(
        OrderLines,
        OrderLines.frame(
            spark,
            [
                line("o1", MONDAY, 1, "r1"),
                line("o2", MONDAY, 1, "r1"),
                line("o3", MONDAY, 1, "r1"),
                line("o4", TUESDAY, 1, "r1"),
            ],
        ),
    )
    tuesday_files = set(lake.read(OrderLines).filter(F.col("order_date") == TUESDAY).inputFiles())
    late = OrderLines.frame(
        spark,
        [
            line("late", MONDAY, 7, "r2"),  # new: in
            line("o1", MONDAY, 5, "r2"),  # other pieces: updated
            line("o2", MONDAY, 1, "r2"),  # only the run differs: stays as it was
        ],
    )
    lake.write(OrderLines, late, by_key=True)
    expected = {
        ("o1", 1): ("Mon", 5, "r2"),
        ("o2", 1): ("Mon", 1, "r1"),
        ("o3", 1): ("Mon", 1, "r1"),
        ("late", 1): ("Mon", 7, "r2"),
        ("o4", 1): ("Tue", 1, "r1"),
    }
    assert by_line(lake) == expected
    assert set(lake.read(OrderLines).filter(F.col("order_date") == TUESDAY).inputFiles()) == tuesday_files

    lake.write(OrderLines, late, by_key=True)  # the same delivery again
    assert by_line(lake) == expected


def test_a_row_whose_day_changed_moves_and_a_gone_key_goes_in_one_commit(spark: SparkSession, lake: Lake) -> None:
    line = {"line_no": 1, "product_id": "p", "quantity": 1, "run_id": "r1"}
    lake.write(
        OrderLines,
        OrderLines.frame(
            spark,
            [
                line | {"order_id": "moved", "order_date": MONDAY},
                line | {"order_id": "gone", "order_date": MONDAY},
                line | {"order_id": "stays", "order_date": MONDAY},
            ],
        ),
    )
    moved = OrderLines.frame(spark, [line | {"order_id": "moved", "order_date": TUESDAY, "run_id": "r2"}])
    gone = spark.createDataFrame([("gone", 1), ("never there", 1)], "order_id string, line_no int")
    before = lake.version(OrderLines)
    assert before is not None
    lake.write(OrderLines, moved, by_key=True, gone=gone)
    assert by_line(lake) == {("moved", 1): ("Tue", 1, "r2"), ("stays", 1): ("Mon", 1, "r1")}
    assert lake.version(OrderLines) == before + 1

    written = lake.write(OrderLines, OrderLines.frame(spark), by_key=True)  # an empty delivery: no commit at all
    assert (written.version, written.rows) == (before + 1, 0)


def test_what_another_engine_commits_is_seen_at_once(spark: SparkSession, lake: Lake) -> None:
    assert lake.version(Prices) is None
    price = {"day": MONDAY, "product_id": "a", "price": 1.0}
    assert lake.write(Prices, Prices.frame(spark, [price]), {"day": MONDAY}).version == 0
    deltalake.DeltaTable(lake.path(Prices)).delete()
    assert lake.version(Prices) == 1
    written = lake.write(Prices, Prices.frame(spark, [price, price | {"product_id": "b"}]), {"day": MONDAY})
    assert (written.version, written.rows) == (2, 2)


def test_a_slice_can_be_narrowed_to_the_rows_of_some_files(spark: SparkSession, lake: Lake) -> None:
    quarantine = QUARANTINE[OrderLines]

    def rejected(file: str, raw: str) -> dict[str, object]:
        return {"source": "shop", "source_file": file, "raw": raw}

    odd = "it's a \\ file"
    lake.write(quarantine, quarantine.frame(spark, [rejected("a", "1"), rejected(odd, "2")]), {"source": "shop"})
    again = quarantine.frame(spark, [rejected(odd, "3")])
    lake.write(quarantine, again, {"source": "shop", "source_file": [odd]})
    assert {(r.source_file, r.raw) for r in lake.read(quarantine).collect()} == {("a", "1"), (odd, "3")}


def test_a_broken_row_aborts_the_write_and_names_itself(spark: SparkSession, lake: Lake) -> None:
    good = {"order_id": "o1", "line_no": 1, "product_id": "p", "quantity": 1, "order_date": MONDAY}
    lake.write(OrderLines, OrderLines.frame(spark, [good]))
    bad = OrderLines.frame(spark, [good | {"order_id": "o9", "quantity": 0}])
    with pytest.raises(ContractError, match=r"silver.order_lines: check quantity_not_zero .* order_id=o9"):
        lake.write(OrderLines, bad)
    assert [r.order_id for r in lake.read(OrderLines).collect()] == ["o1"]


def test_every_problem_of_a_frame_is_reported_at_once(spark: SparkSession) -> None:
    df = spark.createDataFrame([("a", "x")], "product_id string, price string")
    with pytest.raises(ContractError, match=r"features.prices: missing columns: day .*wrong types: price is string"):
        Prices.conform(df)


def test_conform_cuts_and_orders_columns(spark: SparkSession) -> None:
    df = spark.createDataFrame([(9, 1.0, "a", MONDAY)], "extra int, price double, product_id string, day date")
    assert_df_equality(
        Prices.conform(df),
        Prices.frame(spark, [{"day": MONDAY, "product_id": "a", "price": 1.0}]),
        ignore_nullable=True,
    )


def test_restore_takes_a_failed_run_back(spark: SparkSession, lake: Lake) -> None:
    first = lake.write(Prices, Prices.frame(spark, [{"day": MONDAY, "product_id": "a"}]), {"day": MONDAY})
    lake.write(Prices, Prices.frame(spark), {"day": MONDAY})
    lake.take_back(Prices, first.version, {"day": MONDAY}, "run-2")
    assert lake.read(Prices).count() == 1
    lake.take_back(Prices, None, {"day": MONDAY}, "run-2")
    assert lake.read(Prices).count() == 0


@pytest.mark.parametrize("by_spark", [False, True])
def test_a_table_is_put_back_with_a_mark_and_without_a_query_or_by_spark(
    spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch, by_spark: bool
) -> None:
    """The rows and columns of the version, and what the commit says of itself and of the days that it touched."""
    day = datetime.timedelta(1)
    lines = [{"order_id": f"o{n}", "line_no": 1, "quantity": 1, "order_date": MONDAY + n * day} for n in range(3)]
    version = lake.write(OrderLines, OrderLines.frame(spark, lines)).version
    lake.write(OrderLines, OrderLines.frame(spark, [lines[1] | {"quantity": 5}]), mark=Mark("r2", "ingest"))
    lake.write(OrderLines, OrderLines.frame(spark, [lines[0], lines[0] | {"line_no": 2}]), mark=Mark("r2", "ingest"))
    if by_spark:
        monkeypatch.setattr(lake.small, "restored", lambda *_: False)
    before = executions(spark)
    lake.take_back(OrderLines, version, {}, "r2")
    assert (executions(spark) == before) is not by_spark
    rows = lake.read(OrderLines).orderBy(OrderLines.order_id).collect()
    assert [(r.order_id, r.line_no, r.quantity) for r in rows] == [("o0", 1, 1), ("o1", 1, 1), ("o2", 1, 1)]
    put_back = lake.commits_since(OrderLines, version)[-1]
    assert put_back and (put_back.operation, put_back.mark) == ("RESTORE", Mark("r2"))
    assert days_touched(lake, OrderLines, version, put_back.version) == [MONDAY, MONDAY + day]
    lake.write(OrderLines, OrderLines.frame(spark, [lines[2] | {"quantity": 7}]))  # goes on from there
    assert [r.quantity for r in lake.read(OrderLines).orderBy(OrderLines.order_id).collect()] == [1, 1, 7]


def test_a_lake_of_a_newer_contract_is_refused(
    spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Prices.frame(spark, [{"day": MONDAY, "product_id": "a"}])
    monkeypatch.setattr(Prices, "version", 2)
    lake.write(Prices, rows, {"day": MONDAY})
    monkeypatch.setattr(Prices, "version", 1)
    with pytest.raises(ContractError, match=r"features.prices was written by contract version 2"):
        lake.read(Prices)
    with pytest.raises(ContractError, match="update promo_spark"):
        lake.write(Prices, rows, {"day": MONDAY})


def test_a_lake_of_an_older_contract_gains_the_columns_that_rows_may_lack(spark: SparkSession, lake: Lake) -> None:
    class OlderUsers(Table):
        """One row per user, as an earlier version of the contract had it."""

        layer, name, key, write_mode = Users.layer, Users.name, Users.key, Users.write_mode
        user_id, source_file, run_id = (Col(T.StringType(), text) for text in ("the user", "the file", "the run"))

    lake.write(OlderUsers, OlderUsers.frame(spark, [{"user_id": "u1"}]))
    assert [(r.user_id, r.region) for r in lake.read(Users).collect()] == [("u1", None)]
    lake.write(Users, Users.frame(spark, [{"user_id": "u2", "region": "N", "cleaned": [("region", None)]}]))  # merged
    rows = {r.user_id: (r.region, r.cleaned and [tuple(c) for c in r.cleaned]) for r in lake.read(Users).collect()}
    assert rows == {"u1": (None, None), "u2": ("N", [("region", None)])}
    stored = spark.read.format("delta").load(lake.path(Users)).schema
    assert stored["cleaned"].metadata["comment"] == Users.columns()["cleaned"].comment


def test_missing_tables_and_unsafe_places_are_named(lake: Lake, spark: SparkSession) -> None:
    with pytest.raises(MissingDataError, match=r"features.prices is not in the lake"):
        lake.read(Prices)
    with pytest.raises(SettingsError, match=r"'\.\.' is not allowed"):
        Lake(spark, "lake/../../etc")
    with pytest.raises(ContractError, match="cannot be a partition value"):
        lake.write(Prices, Prices.frame(spark), {"day": "' OR '1'='1"})


def test_a_delivery_without_a_day_changes_none_and_makes_the_table(spark: SparkSession, lake: Lake) -> None:
    assert lake.write(OrderLines, OrderLines.frame(spark)).rows == 0
    assert lake.read(OrderLines).count() == 0
    line = {"order_id": "o1", "line_no": 1, "quantity": 1, "order_date": MONDAY}
    assert lake.write(OrderLines, OrderLines.frame(spark, [line])).rows == 1
    assert lake.write(OrderLines, OrderLines.frame(spark)).rows == 0  # not the row of the write before
    assert lake.read(OrderLines).count() == 1


def test_a_contract_judges_only_the_rows_that_are_written(spark: SparkSession, lake: Lake) -> None:
    rows = spark.createDataFrame(
        [(MONDAY, "a", 1.0), (MONDAY, None, 2.0)],  # the second has no product, but is taken out before the write
        "day date, product_id string, price double",
    )
    withdrawn = spark.createDataFrame([(2.0,)], "withdrawn double")
    left = rows.join(withdrawn, F.col("price") == F.col("withdrawn"), how="left").filter(F.col("withdrawn").isNull())
    assert lake.write(Prices, left, {"day": MONDAY}).rows == 1
