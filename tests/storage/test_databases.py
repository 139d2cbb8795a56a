"""Tables of real PostgreSQL and MariaDB servers, which the tests start, as raw rows and through ingest to silver."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from deltalake import DeltaTable
from moto.server import ThreadedMotoServer
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.errors import SettingsError, SourceError
from promo_spark.settings import load, validated
from promo_spark.settings.sources import ConnectionSettings, Extraction
from promo_spark.storage import jdbc, landing
from promo_spark.storage.databases import table_digest, table_rows
from tests.jobs.delivered_files import LINE_COLUMNS
from tests.storage import database_servers
from tests.storage.database_servers import PASSWORD, USER, Server

PROJECT = Path(__file__).resolve().parents[2]
UTC = datetime.timezone.utc

# `placed` is a time of the clock without a zone, `paid_at` an instant.
TABLE = {
    "postgresql": 'CREATE TABLE "Orders" (id bigint, sku text, pieces smallint, paid numeric(10,2), '
    "day date, placed timestamp, paid_at timestamptz)",
    "mysql": "CREATE TABLE Orders (id bigint, sku text, pieces tinyint(1), paid decimal(10,2), "
    "day date, placed datetime, paid_at timestamp null)",
}
ROWS = ", ".join(
    [
        "(1, 'a', 2, 1.50, '2024-06-01', '2024-06-01 10:00:00', '2024-06-01 10:00:00+00:00')",
        "(50, 'b', 1, 2.25, '2024-06-02', '2024-06-02 10:00:00', '2024-06-02 10:00:00+00:00')",
        "(100, 'c', 3, 0.00, '2024-06-03', '2024-06-03 10:00:00', '2024-06-03 10:00:00+00:00')",
        "(NULL, 'no id', 1, 1.00, '2024-06-03', NULL, NULL)",  # no range has it by its value
    ]
)
NAME = {"postgresql": "public.Orders", "mysql": "Orders"}


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    started = database_servers.postgresql if request.param == "postgresql" else database_servers.mariadb
    with started() as server:
        server.execute(TABLE[server.kind])
        rows = ROWS if server.kind == "postgresql" else ROWS.replace("+00:00", "")
        zone = "" if server.kind == "postgresql" else "SET time_zone = '+00:00'; "
        quoted = '"Orders"' if server.kind == "postgresql" else "Orders"
        server.execute(f"{zone}INSERT INTO {quoted} VALUES {rows}")
        yield server


@pytest.fixture
def connection(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ConnectionSettings:
    monkeypatch.setenv("SHOP_USER", USER)
    (tmp_path / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    return ConnectionSettings(
        url=server.url, user_secret="env:SHOP_USER", password_secret=f"file:{tmp_path}/password", fetch_rows=2
    )


def source(server: Server, **settings: Any) -> Extraction:
    return Extraction(**{"format": "jdbc", "connection": "shop", "db_table": NAME[server.kind], **settings})


def test_a_table_is_read_in_partitions_with_nothing_lost(
    spark: SparkSession, server: Server, connection: ConnectionSettings
) -> None:
    """A14: PostgreSQL and MariaDB by JDBC, bounds found by the suite: ids 1 and below 50.5, the rest, and null."""
    orders = source(server, partition_column="id", partitions=2)
    rows = table_rows(spark, "orders", orders, connection, ["id", "pieces", "paid", "day", "placed", "paid_at"])
    found = {r.id: r for r in rows.withColumn("partition", F.spark_partition_id()).collect()}
    assert {i: r.partition for i, r in found.items()} == {1: 0, 50: 1, 100: 1, None: 0}  # 1 + (100 - 1) / 2 = 50
    assert (found[1].pieces, found[1].paid, found[1].day) == (2, Decimal("1.50"), datetime.date(2024, 6, 1))
    ten = datetime.datetime(2024, 6, 1, 10, tzinfo=UTC)
    epochs = rows.filter("id = 1").select(F.unix_timestamp("placed"), F.unix_timestamp("paid_at")).collect()
    assert [tuple(r) for r in epochs] == [
        (ten.timestamp(), ten.timestamp())
    ]  # though the server's zone is eight hours ahead
    assert found[1][RawRow.raw].sku == "a"  # columns that no mapping names stand in the raw row


def test_what_lies_beyond_given_bounds_is_read_too(
    spark: SparkSession, server: Server, connection: ConnectionSettings
) -> None:
    orders = source(server, partition_column="id", partitions=3, lower_bound="40", upper_bound="60")
    rows = table_rows(spark, "orders", orders, connection, ["id"]).collect()
    assert sorted(str(r.id) for r in rows) == ["1", "100", "50", "None"]


def test_a_range_of_days_is_asked_of_the_database(
    spark: SparkSession, server: Server, connection: ConnectionSettings
) -> None:
    days = [["day", ">=", "2024-06-02"], ["day", "<", "2024-06-03"]]
    orders = source(server, db_where=days, partition_column="id", partitions=2)
    rows = table_rows(spark, "orders", orders, connection, ["id"])
    assert [(r.id, r._file) for r in rows.collect()] == [
        (50, f"shop/{NAME[server.kind]} where day >= 2024-06-02 and day < 2024-06-03")
    ]
    plan = rows._jdf.queryExecution().executedPlan().toString()
    assert "GreaterThanOrEqual(day,2024-06-02)" in plan and "LessThan(day,2024-06-03)" in plan


def test_the_digest_changes_with_any_row_of_what_is_read(
    spark: SparkSession, server: Server, connection: ConnectionSettings
) -> None:
    server.execute("CREATE TABLE stock (day date, n int)")
    server.execute("INSERT INTO stock VALUES ('2024-06-01', 1), ('2024-06-02', 1)")
    stock = source(server, db_table="stock")
    june = source(server, db_table="stock", db_where=[["day", "<", "2024-06-02"]])
    before = [table_digest(spark, "stock", of, connection) for of in (stock, june)]
    server.execute("UPDATE stock SET n = 2 WHERE day = '2024-06-02'")
    after = [table_digest(spark, "stock", of, connection) for of in (stock, june)]
    assert before[0] != after[0]
    assert before[1] == after[1]  # the second of June is not what it reads


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"db_table": "nowhere"}, "there is no such table or column"),
        ({"partition_column": "nothing", "partitions": 2}, "lacks the partition_column nothing; it has: id, sku"),
        ({"partition_column": "sku", "partitions": 2}, "partition_column sku is string; choose a number, a date"),
        ({"db_where": [["nothing", "=", 1]]}, "there is no column nothing"),
        ({"columns": ["nothing"]}, "lacks the columns nothing; it has: id, sku"),
        ({"url": "127.0.0.1:1/"}, "the database cannot be reached"),
        ({"password": "not-this"}, "user or password is wrong"),
        ({"driver": "org.nowhere.Driver"}, "its JDBC driver is not on the class path"),
    ],
)
def test_what_is_wrong_is_named_without_a_secret(
    spark: SparkSession,
    server: Server,
    connection: ConnectionSettings,
    monkeypatch: pytest.MonkeyPatch,
    wrong: dict[str, Any],
    message: str,
) -> None:
    wrong = dict(wrong)
    if "url" in wrong:
        elsewhere = f"jdbc:{server.kind}://{wrong.pop('url')}shop"
        connection = connection.model_copy(update={"url": elsewhere})
    if "password" in wrong:
        monkeypatch.setenv("WRONG", wrong.pop("password"))
        connection = connection.model_copy(update={"password_secret": "env:WRONG"})
    if "driver" in wrong:
        monkeypatch.setitem(jdbc.DRIVER, server.kind, wrong.pop("driver"))
    columns = wrong.pop("columns", ["id"])
    with pytest.raises(SourceError) as error:
        table_rows(spark, "orders", source(server, **wrong), connection, columns)
    assert message in str(error.value) and "source orders" in str(error.value)
    assert error.value.__context__ is None
    assert not any(secret in str(error.value) for secret in (USER, PASSWORD, "not-this"))


def test_a_literal_that_its_column_cannot_have_and_a_missing_secret_are_named(
    spark: SparkSession, server: Server, connection: ConnectionSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match=r"'soon' is no value of day, which is date"):
        table_rows(spark, "orders", source(server, db_where=[["day", ">", "soon"]]), connection, ["id"])
    monkeypatch.delenv("SHOP_USER")
    with pytest.raises(SettingsError, match=r"ingest\.connections\.shop\.user_secret .* SHOP_USER is not set"):
        table_rows(spark, "orders", source(server), connection, ["id"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"connections.shop.url": "jdbc:postgresql://h/db?user=u&password=hunter2"}, "no user and no password in"),
        ({"connections.shop.url": "jdbc:mysql://me:hunter2@h/db"}, "no user and no password in"),
        ({"connections.shop.url": "jdbc:oracle:thin:hunter2"}, "write it as jdbc:postgresql://"),
        ({"connections.shop.password_secret": "hunter2"}, "a secret is given by reference"),
        ({"connections.shop.pw": "hunter2"}, "there is no such setting"),
        ({"sources.orders.db_table": 'orders"; DROP TABLE orders'}, "sources.orders.db_table"),
        ({"sources.orders.db_table": "(SELECT 1) t"}, "sources.orders.db_table"),
        ({"sources.orders.partition_column": "id) OR (1=1"}, "sources.orders.partition_column"),
        ({"sources.orders.partitions": 4}, "partitions (2 or more) and partition_column go together"),
        ({"sources.orders.connection": "till"}, "'till', which is not in ingest.connections; there are: shop"),
        ({"sources.orders.path": "/data"}, 'format = "jdbc" needs no path'),
        ({"sources.orders.format": "csv", "sources.orders.path": "/data"}, 'connection is for format = "jdbc" only'),
        (
            {"sources.orders.format": "csv", "sources.orders.connection": "", "sources.orders.db_table": ""},
            "needs a path",
        ),
    ],
)
def test_settings_of_a_database_are_refused_before_anything_starts(changed: dict[str, Any], message: str) -> None:
    values = load(None, ["business.privacy.pseudonymise=false"]).model_dump(mode="json")
    values["ingest"]["connections"] = {
        "shop": {
            "url": "jdbc:postgresql://h/db",
            "user_secret": "env:U",
            "password_secret": "env:P",
        }
    }
    values["ingest"]["sources"] = {
        "orders": {"format": "jdbc", "connection": "shop", "db_table": "public.orders", "columns": {"order_id": "id"}}
    }
    validated(values)
    for key, value in changed.items():
        *path, last = key.split(".")
        section = values["ingest"]
        for part in path:
            section = section[part]
        section[last] = value
    with pytest.raises(SettingsError) as error:
        validated(values)
    assert message in str(error.value) and "hunter2" not in str(error.value)


S3_KEY, S3_SECRET = "CANARYKEY0b77", "canary-s3-secret-9d20"
SDK = "2.35.4"  # what hadoop-aws 3.5.0 is built with; its bundle of everything has 686 MB, these parts 15
S3_PACKAGES = [
    "org.apache.hadoop:hadoop-aws:3.5.0",
    *(
        f"software.amazon.awssdk:{part}:{SDK}"
        for part in (
            "s3",
            "s3-transfer-manager",
            "sts",
        )
    ),
]


@pytest.fixture
def object_store() -> Iterator[str]:
    """The address of an S3 server on loopback, with a bucket `shop` that holds a product list."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id=S3_KEY, aws_secret_access_key=S3_SECRET
    )
    client.create_bucket(Bucket="shop")
    client.put_object(Bucket="shop", Key="products/1.csv", Body=b"sku,price\nmilk,1.50\nbread,-1\n")
    yield address
    server.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ingest_from_databases_and_an_object_store_shows_no_secret_anywhere(tmp_path: Path, object_store: str) -> None:
    """A12, A14: lines from PostgreSQL, users from MariaDB, products from S3, by a job with Spark's event log on."""
    secrets = {"user_secret": "env:DB_USER", "password_secret": "env:DB_PASSWORD"}
    values = load(None, ["business.privacy.pseudonymise=false"]).model_dump(mode="json")
    (tmp_path / "events").mkdir()
    values["lake"]["root"] = str(tmp_path / "lake")
    values["spark"]["packages"] += S3_PACKAGES
    # Spark has a Netty and a logger of its own, newer than these.
    values["spark"]["excludes"] += ["software.amazon.awssdk:bundle", "io.netty:*", "org.slf4j:slf4j-api"]
    values["spark"] |= {
        "master": "local[2]",
        "driver_memory": "1g",
        "hadoop_secret": {"fs.s3a.access.key": "env:S3_KEY", "fs.s3a.secret.key": "env:S3_SECRET"},
        "conf": {
            "spark.eventLog.enabled": "true",
            "spark.eventLog.compress": "false",
            "spark.eventLog.dir": (tmp_path / "events").as_uri(),
            "spark.hadoop.fs.s3a.endpoint": object_store,
            "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
            "spark.hadoop.fs.s3a.path.style.access": "true",
        },
    }
    with database_servers.postgresql() as orders, database_servers.mariadb() as users:
        orders.execute("CREATE TABLE lines (o int, n int, sku text, pieces int, paid numeric(8,2), at timestamptz)")
        orders.execute(
            "INSERT INTO lines VALUES (1, 1, 'milk', 2, 3.00, '2024-06-01 10:00+00'), "
            "(2, 1, 'milk', 0, 1.50, '2024-06-01 11:00+00')"
        )  # nothing sold: rejected, kept raw
        users.execute("CREATE TABLE customers (id int, region varchar(20))")
        users.execute("INSERT INTO customers VALUES (7, 'north')")
        values["ingest"] |= {
            "connections": {"erp": {"url": orders.url, **secrets}, "crm": {"url": users.url, **secrets}},
            "sources": {
                "products": {
                    "format": "csv",
                    "path": "s3a://shop/products",
                    "columns": {"product_id": "sku", "list_price": "price"},
                },
                "users": {
                    "format": "jdbc",
                    "connection": "crm",
                    "db_table": "customers",
                    "columns": {"user_id": "id", "region": "region"},
                },
                "order_lines": {
                    "format": "jdbc",
                    "connection": "erp",
                    "db_table": "public.lines",
                    "partition_column": "o",
                    "partitions": 2,
                    "columns": LINE_COLUMNS,
                },
            },
        }
        (tmp_path / "settings.json").write_text(json.dumps(values), encoding="utf-8")
        ran = subprocess.run(
            [
                sys.executable,
                "-m",
                "jobs",
                "ingest",
                "--date",
                "2024-06-02",
                "--settings-file",
                str(tmp_path / "settings.json"),
            ],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "DB_USER": USER, "DB_PASSWORD": PASSWORD, "S3_KEY": S3_KEY, "S3_SECRET": S3_SECRET},
        )
    assert ran.returncode == 0, ran.stderr

    def rows(table: str) -> list[dict[str, Any]]:
        stored: list[dict[str, Any]] = DeltaTable(str(tmp_path / "lake" / table)).to_pyarrow_table().to_pylist()
        return stored

    assert [(r["order_id"], float(r["amount_paid"]), r["source_file"]) for r in rows("silver/order_lines")] == [
        ("1", 3.0, "erp/public.lines")
    ]
    assert [(r["reasons"], json.loads(r["raw"])["o"]) for r in rows("quarantine/order_lines")] == [
        (["quantity_zero"], 2)
    ]
    assert [(r["user_id"], r["region"]) for r in rows("silver/users")] == [("7", "north")]
    assert [(r["product_id"], r["source_file"]) for r in rows("silver/products")] == [
        ("milk", "s3a://shop/products/1.csv")
    ]
    runs = rows("ops/runs")
    assert "env:DB_PASSWORD" in runs[0]["settings"]

    logged = b"".join(p.read_bytes() for p in (tmp_path / "events").rglob("*") if p.is_file())
    assert b"JDBCRelation" in logged and b"fs.s3a.secret.key" in logged  # the log is whole, and not compressed
    shown = ran.stdout.encode() + ran.stderr.encode() + logged + str(runs).encode()
    stored = b"".join(p.read_bytes() for p in (tmp_path / "lake").rglob("*") if p.is_file())
    for secret in (USER, PASSWORD, S3_KEY, S3_SECRET):
        assert secret.encode() not in shown + stored


def test_a_name_node_that_does_not_answer_is_named(spark: SparkSession) -> None:
    spark.conf.set("ipc.client.connect.max.retries", "0")  # a test does not wait for one to come
    try:
        with pytest.raises(SourceError, match=r"source hdfs://127\.0\.0\.1:1/orders cannot be read"):
            landing.typed_rows(spark, "hdfs://127.0.0.1:1/orders", "parquet", ["id"])
    finally:
        spark.conf.unset("ipc.client.connect.max.retries")
