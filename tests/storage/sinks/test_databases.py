"""Tables of real PostgreSQL and MariaDB servers that take the decisions of a date, in one transaction or not at all."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.exports import OUTGOING, OutgoingOffer
from promo_spark.errors import TargetError
from promo_spark.settings.export import TargetSettings
from promo_spark.storage import sinks
from promo_spark.storage.jdbc import DRIVER, quoted
from promo_spark.storage.sinks import Batch, databases
from tests.jobs.export_rows import DAY, NEXT_DAY, user
from tests.storage import database_servers
from tests.storage.database_servers import PASSWORD, USER, Server

UTC = datetime.timezone.utc


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    started = database_servers.postgresql if request.param == "postgresql" else database_servers.mariadb
    with started() as server:
        if server.kind == "mysql":
            server.execute(f"GRANT ALL ON shop.* TO {USER}")
        yield server


@pytest.fixture
def target(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[TargetSettings]:
    monkeypatch.setenv("SHOP_USER", USER)
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    yield to(server, table="Offers")
    name = '"Offers"' if server.kind == "postgresql" else "Offers"
    server.execute(f"DROP TABLE IF EXISTS {name}")


def to(server: Server, **more: Any) -> TargetSettings:
    secrets = {"user_secret": "env:SHOP_USER", "password_secret": "env:SHOP_PASSWORD"}
    return TargetSettings(**({"kind": server.kind, "url": server.url, "table": "offers", **secrets} | more))


def batch(spark: SparkSession, rows: list[dict[str, Any]], date: datetime.date = DAY) -> Batch:
    named = [{"date": date, "user_id": user(1), "action": "send", **row} for row in rows]
    frame = OutgoingOffer.frame(spark, named)
    return Batch("crm", date, "run-1", "promotions", "pseudonyms", OUTGOING["promotions"], frame, len(rows), "d1")


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"promotion_id": f"p{number}", "rank": number, **more}


def stored(spark: SparkSession, target: TargetSettings) -> list[Any]:
    """The rows as the database has them."""
    options = databases.connection_options("crm", target)
    table = quoted(target.table, target.kind)
    rows = spark.read.format("jdbc").options(**options, dbtable=table).load()
    return sorted(rows.collect(), key=lambda r: (r.date, r.promotion_id))


def tables(spark: SparkSession, target: TargetSettings) -> set[str]:
    schema = "current_schema()" if target.kind == "postgresql" else "DATABASE()"
    query = f"SELECT table_name AS name FROM information_schema.tables WHERE table_schema = {schema}"
    rows = spark.read.format("jdbc").options(**databases.connection_options("crm", target), query=query).load()
    return {r[0] for r in rows.collect()}


def test_a_date_is_taken_in_by_key_and_what_it_lacks_goes(spark: SparkSession, target: TargetSettings) -> None:
    """M07: rows come back equal; sent ten times they are there once; rows of other dates stay."""
    whole = row(
        1,
        text="茶 'tea' \"\\\n",
        product_ids=["1", "2"],
        discount_rate=Decimal("0.125"),
        offer_price=Decimal("8.09"),
        valid_to=DAY,
        send_from=datetime.datetime(2017, 12, 1, 9, 30, tzinfo=UTC),
    )
    sinks.send(spark, batch(spark, [row(1)], NEXT_DAY), target)
    first = batch(spark, [whole, row(2), row(3), {**row(4), "promotion_id": "P2"}])  # P2 is not p2
    for _ in range(10):
        sinks.send(spark, first, target)
    found = stored(spark, target)
    assert [(r.date, r.promotion_id) for r in found] == [
        *((DAY, name) for name in ("P2", "p1", "p2", "p3")),
        (NEXT_DAY, "p1"),
    ]
    one = found[1].asDict()
    assert {k: v for k, v in one.items() if v is not None and k != "send_from"} == {
        "date": DAY,
        "promotion_id": "p1",
        "user_id": user(1),
        "action": "send",
        "product_ids": "1; 2",
        "rank": 1,
        "text": whole["text"],
        "discount_rate": Decimal("0.125000"),
        "offer_price": Decimal("8.09"),
        "valid_to": DAY,
    }
    sent_from = one["send_from"]
    assert (sent_from.hour, sent_from.minute) == (9, 30)

    parts = target.model_copy(update={"parts": 3})
    sinks.send(spark, batch(spark, [row(1, text="new"), row(5)]), parts)  # p1 changes, 2, 3 and P2 are gone
    assert [(r.promotion_id, r.text, r["rank"]) for r in stored(spark, target) if r.date == DAY] == [
        ("p1", "new", 1),
        ("p5", None, 5),
    ]
    assert tables(spark, target) == {"Offers"}  # no staging table is left
    sinks.send(spark, batch(spark, []), target)
    assert [r.date for r in stored(spark, target)] == [NEXT_DAY]


def test_a_table_of_the_shops_own_keeps_its_columns_and_a_wrong_one_is_told_of_before_any_write(
    spark: SparkSession, server: Server, target: TargetSettings
) -> None:
    sinks.send(spark, batch(spark, [row(1)]), target)
    name = '"Offers"' if server.kind == "postgresql" else "Offers"
    server.execute(f"ALTER TABLE {name} ADD sent_at date")
    server.execute(f"UPDATE {name} SET sent_at = '2017-12-01'")
    sinks.send(spark, batch(spark, [row(1, text="new"), row(2)]), target)
    assert [(r.promotion_id, r.text, r.sent_at) for r in stored(spark, target)] == [
        ("p1", "new", DAY),
        ("p2", None, None),
    ]

    key = "PRIMARY KEY" if server.kind == "mysql" else 'CONSTRAINT "Offers_pkey"'
    for change, told in (
        (f"ALTER TABLE {name} ADD who int NOT NULL DEFAULT 1", ""),
        (f"ALTER TABLE {name} DROP {key}", "it has no primary key or unique index on date, promotion_id, user_id"),
        (
            f"ALTER TABLE {name} ADD more int; UPDATE {name} SET more = 1; {needed(server, name)}",
            "its column more needs",
        ),
        (f"ALTER TABLE {name} DROP COLUMN text", "it has no column text"),
        (f"ALTER TABLE {name} DROP COLUMN action; ALTER TABLE {name} ADD action date", "its column action is "),
    ):
        server.execute(change)
        if not told:
            sinks.check(spark, batch(spark, []), target)
            continue
        for attempt in (sinks.check, sinks.send):
            with pytest.raises(TargetError, match=r"target crm: the table Offers cannot take the rows: ") as refused:
                attempt(spark, batch(spark, [row(9)]), target)
            assert told in str(refused.value) and "Nothing was written" in str(refused.value)
    assert len(stored(spark, target)) == 2 and tables(spark, target) == {"Offers"}


def needed(server: Server, name: str) -> str:
    change = "ALTER COLUMN more SET NOT NULL" if server.kind == "postgresql" else "MODIFY more int NOT NULL"
    return f"ALTER TABLE {name} {change}"


def test_what_fails_in_the_middle_leaves_the_table_as_it_was(
    spark: SparkSession, target: TargetSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that did not all arrive, and a statement that fails after the upsert: nothing of them is to be seen."""
    sinks.send(spark, batch(spark, [row(1), row(2)]), target)
    before = stored(spark, target)
    new = batch(spark, [row(1, text="new"), row(3)])
    with pytest.raises(TargetError, match=r"2 of 3 rows came to Offers_staging_20171201; the target is as before"):
        sinks.send(spark, replace(new, count=3), target)
    assert stored(spark, target) == before

    real, seen = databases._run, list[str]()

    def failing(connection: Any, sql: str) -> None:
        seen.append(sql.split()[0])
        real(connection, "no SQL at all" if sql.startswith("DELETE") else sql)

    monkeypatch.setattr(databases, "_run", failing)
    with pytest.raises(TargetError, match=r"target crm: Offers cannot be written: .*Offers is as before"):
        sinks.send(spark, new, target)
    assert seen[-2:] == ["INSERT", "DELETE"] and stored(spark, target) == before
    monkeypatch.undo()
    monkeypatch.setenv("SHOP_USER", USER)
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    sinks.send(spark, new, target)  # with the staging table that was left
    assert [r.promotion_id for r in stored(spark, target)] == ["p1", "p3"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"url": "127.0.0.1:1/shop"}, "the database cannot be reached"),
        ({"password_secret": "env:WRONG"}, "user or password is wrong"),
        ({"driver": "org.nowhere.Driver"}, "its JDBC driver is not on the class path"),
    ],
)
def test_what_is_wrong_is_named_without_a_secret(
    spark: SparkSession,
    server: Server,
    target: TargetSettings,
    monkeypatch: pytest.MonkeyPatch,
    wrong: dict[str, str],
    told: str,
) -> None:
    monkeypatch.setenv("WRONG", "not-this")
    changed = {**wrong, **({"url": f"jdbc:{server.kind}://{wrong['url']}"} if "url" in wrong else {})}
    if "driver" in changed:
        monkeypatch.setitem(DRIVER, server.kind, changed.pop("driver"))
    with pytest.raises(TargetError) as error:
        sinks.check(spark, batch(spark, [row(1)]), target.model_copy(update=changed))
    assert told in str(error.value) and error.value.__context__ is None
    assert not any(secret in str(error.value) for secret in (USER, PASSWORD, "not-this"))
