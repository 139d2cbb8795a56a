"""Contracts describe themselves, and hold together as a fleet. No Spark session is started here."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from promo_spark.contracts.catalogue import ALL_TABLES
from promo_spark.contracts.schema import CONTRACT_VERSION_KEY, Check, Table, WriteMode
from promo_spark.contracts.silver import OrderLines, Quarantined
from promo_spark.errors import ContractError

NOON = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda t: t.full_name())
def test_every_contract_is_whole(table: type[Table]) -> None:
    columns = table.columns()
    assert set(table.key) <= set(columns), "the key is made of columns"
    assert set(table.partition) <= set(columns), "the partition is made of columns"
    assert all(columns[p].required for p in table.partition), "a partition value is never null"
    assert {c.column for c in table.checks} <= set(columns), "checks are about columns"
    assert all(c.meaning for c in columns.values()), "every column says what it means"
    assert table.grain().startswith("One row per"), "the docstring starts with the grain"
    assert table.key or issubclass(table, Quarantined), "only quarantine may hold equal rows"
    if table.write_mode in (WriteMode.REPLACE_DATE, WriteMode.REPLACE_SLICE, WriteMode.REPLACE_DAYS):
        assert table.partition, "a part can be replaced only where there is a partition"


def test_table_names_are_unique() -> None:
    names = [t.full_name() for t in ALL_TABLES]
    assert len(names) == len(set(names))


def test_a_column_is_its_name_and_the_schema_carries_comments() -> None:
    assert OrderLines.order_id == "order_id"
    field = OrderLines.schema()["quantity"]
    assert field.metadata["comment"].endswith("[units]")
    assert OrderLines.schema().fields[0].metadata[CONTRACT_VERSION_KEY] == OrderLines.version
    assert OrderLines.schema().fieldNames()[-2:] == ["source_file", "run_id"]


def test_every_problem_of_a_schema_is_named_at_once() -> None:
    schema = T.StructType(
        [
            T.StructField("order_id", T.LongType()),  # should be text
            T.StructField("line_no", T.ByteType()),  # widens to int: no problem
            T.StructField("user_id", T.StringType()),
            T.StructField("user_id", T.StringType()),  # twice
        ]
    )
    missing, doubled, mistyped = OrderLines.schema_problems(schema)
    assert missing.startswith("missing columns: product_id, ")
    assert doubled == "doubled columns: user_id"
    assert mistyped == "wrong types: order_id is bigint, should be string"


def test_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ContractError, match="operator '~' is unknown"):
        Check("odd", "quantity", "~", 1)


def test_a_contract_has_no_instances() -> None:
    with pytest.raises(TypeError, match="use the class itself"):
        OrderLines()


def test_markdown_says_type_unit_and_null() -> None:
    page = OrderLines.markdown()
    assert "### silver.order_lines" in page and "Key: order_id, line_no." in page
    [amount] = [line for line in page.splitlines() if line.startswith("| amount_paid |")]
    assert amount.startswith("| amount_paid | decimal(18,2) |") and amount.endswith("[currency] | never |  |")


def test_rows_of_a_program_are_a_frame_as_its_contract_says(spark: SparkSession) -> None:
    """Amounts are rounded half up to the digits of their column; what is not named is null, or neutral."""
    rows: list[dict[str, Any]] = [
        {"order_id": "o1", "line_no": 1, "amount_paid": Decimal("2.675"), "ts": NOON},
        {"order_id": "o2"},
    ]
    frame = OrderLines.frame(spark, rows)
    assert frame.schema == OrderLines.schema()
    first, second = frame.orderBy("order_id").collect()
    assert (first.amount_paid, first.line_no, first.user_id) == (Decimal("2.68"), 1, None)
    assert (second.order_id, second.line_no, second.amount_paid) == ("o2", 0, Decimal(0))
    assert OrderLines.frame(spark).schema == OrderLines.schema() and OrderLines.frame(spark).isEmpty()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"line_no": "1"}, r"line_no int: '1' for int"),
        ({"order_id": 1}, r"order_id string: 1 for string"),
        (
            {"ts": NOON.replace(tzinfo=None)},
            r"ts timestamp: a time without a zone",
        ),  # else the machine's zone says when
        ({"amount_paid": Decimal("1e30")}, r"amount_paid decimal"),
        ({"colour": "red"}, r"no column colour"),
    ],
)
def test_a_row_of_another_shape_is_refused_with_its_column(spark: SparkSession, row: dict[str, Any], told: str) -> None:
    with pytest.raises(ContractError, match=rf"silver\.order_lines.*{told}"):
        OrderLines.frame(spark, [row])
