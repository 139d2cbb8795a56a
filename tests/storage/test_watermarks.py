"""Rows of a database's table since a watermark, on real PostgreSQL and MariaDB servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.errors import SettingsError, SourceError
from promo_spark.settings.sources import ConnectionSettings, Extraction
from promo_spark.storage.databases import newest_watermark, table_digest, table_rows
from promo_spark.storage.watermarks import Watermark
from tests.storage import database_servers
from tests.storage.database_servers import PASSWORD, USER, Server

# `placed` is a time of the clock without a zone, `changed_at` an instant.
TABLE = {
    "postgresql": "CREATE TABLE sold (id bigint, sku text, day date, placed timestamp, changed_at timestamptz)",
    "mysql": "CREATE TABLE sold (id bigint, sku text, day date, placed datetime(6), changed_at timestamp(6) null)",
}
ROWS = [  # id; day; hour, in UTC
    ("1", "'2024-06-01'", "23:59:59.999999"),
    ("10000", "'2024-06-02'", "00:00:00"),
    ("25000", "'2024-06-03'", "10:00:00.5"),
]


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Servers whose own zone is eight hours ahead of UTC."""
    started = database_servers.postgresql if request.param == "postgresql" else database_servers.mariadb
    with started() as server:
        server.execute(TABLE[server.kind])
        zone = "SET TIME ZONE 'UTC'" if server.kind == "postgresql" else "SET time_zone = '+00:00'"
        values = [f"({i}, 'tea', {day}, '{day[1:-1]} {hour}', '{day[1:-1]} {hour}')" for i, day, hour in ROWS]
        values += ["(NULL, 'none', NULL, NULL, NULL)", "(7, 'far', '2035-01-01', '2035-01-01', '2035-01-01')"]
        server.execute(f"{zone}; INSERT INTO sold VALUES {', '.join(values)}")
        yield server


@pytest.fixture
def connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> ConnectionSettings:
    monkeypatch.setenv("SHOP_USER", USER)
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    return ConnectionSettings(url=server.url, user_secret="env:SHOP_USER", password_secret="env:SHOP_PASSWORD")


def source(column: str, overlap: str = "", **settings: object) -> Extraction:
    values = {"format": "jdbc", "connection": "shop", "db_table": "sold", "watermark_column": column}
    return Extraction.model_validate(values | {"overlap": overlap} | settings)


@pytest.mark.parametrize(
    ("column", "overlap", "newest", "since", "file"),
    [
        ("changed_at", "", "2024-06-03 10:00:00.500000", "2024-06-03 00:00:00.000000", "2024-06-03"),
        ("placed", "", "2024-06-03 10:00:00.500000", "2024-06-03 00:00:00.000000", "2024-06-03"),
        ("day", "", "2024-06-03", "2024-06-03", "2024-06-03"),
        ("id", "", "25000", "20000", "20000"),
    ],
)
def test_rows_since_a_watermark_are_asked_of_the_database(
    spark: SparkSession,
    connection: ConnectionSettings,
    column: str,
    overlap: str,
    newest: str,
    since: str,
    file: str,
) -> None:
    """A14: from the start of its day, or of its ten thousand; rows of the future and without one come each time."""
    lines = source(column, overlap, partition_column="id", partitions=2)
    found = newest_watermark(spark, "lines", lines, connection)
    assert found is not None and found.text == newest  # and not the row of 2035
    start = found.before("lines", overlap)
    assert start.text == since
    rows = {r.id: r[RawRow.file] for r in table_rows(spark, "lines", lines, connection, ["id"], start).collect()}
    expected = {25000: f"shop/sold@{file}", None: "shop/sold@null"}
    assert rows == (expected if column == "id" else expected | {7: "shop/sold@2035-01-01"})


def test_an_overlap_reads_days_before_it_again(spark: SparkSession, connection: ConnectionSettings) -> None:
    lines = source("changed_at", "34 hours")  # of 10 o'clock on the 3rd: midnight on the 2nd
    newest = newest_watermark(spark, "lines", lines, connection)
    assert newest is not None
    rows = table_rows(spark, "lines", lines, connection, ["id"], newest.before("lines", "34 hours"))
    assert {r.id for r in rows.collect()} == {10000, 25000, 7, None}
    rows = table_rows(spark, "lines", lines, connection, ["id"], newest.before("lines", "35 hours"))
    assert {r.id for r in rows.collect()} == {1, 10000, 25000, 7, None}


def test_the_digest_is_that_of_what_the_next_run_reads(
    spark: SparkSession, server: Server, connection: ConnectionSettings
) -> None:
    lines = source("changed_at")
    before = table_digest(spark, "lines", lines, connection)
    server.execute("UPDATE sold SET sku = 'milk' WHERE id = 1")  # and its time stays: no watermark tells of it
    assert table_digest(spark, "lines", lines, connection) == before
    server.execute("UPDATE sold SET sku = 'milk' WHERE id = 25000")
    assert table_digest(spark, "lines", lines, connection) != before


@pytest.mark.parametrize(
    ("column", "overlap", "message"),
    [
        ("nothing", "", "lacks the watermark_column nothing; it has: id, sku"),
        ("sku", "", "watermark_column sku is string; choose a timestamp, a date or a whole number"),
        ("id", "1 day", "overlap is 1 day, but the watermark_column is a number"),
        ("day", "500", "overlap is 500, but the watermark_column is a time"),
    ],
)
def test_a_column_that_tells_nothing_of_what_is_new_is_refused(
    spark: SparkSession, connection: ConnectionSettings, column: str, overlap: str, message: str
) -> None:
    with pytest.raises((SourceError, SettingsError), match=message):
        table_digest(spark, "lines", source(column, overlap), connection)


def test_no_other_text_than_a_value_reaches_the_database() -> None:
    for kind in ("a number", "a date", "a timestamp"):
        with pytest.raises(ArithmeticError if kind == "a number" else ValueError):
            Watermark("1) OR (1=1", kind).literal("postgresql")
