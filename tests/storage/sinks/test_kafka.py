"""A topic of a real broker that takes the decisions of a date: no offer is lost, and none there twice by its id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.exports import OUTGOING, OutgoingOffer
from promo_spark.errors import TargetError
from promo_spark.settings.export import TargetSettings
from promo_spark.storage import sinks
from promo_spark.storage.sinks import Batch
from tests.jobs.export_rows import DAY, user
from tests.storage.kafka_server import Broker, kafka

PATIENCE = {"delivery.timeout.ms": "4000", "request.timeout.ms": "3000", "max.block.ms": "4000"}
USERS = 50


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with kafka(Path(tmp_path_factory.mktemp("kafka"))) as broker:
        yield broker


def target(broker: Broker, topic: str) -> TargetSettings:
    return TargetSettings(kind="kafka", servers=broker.servers, topic=topic, options=PATIENCE)


def batch(spark: SparkSession, count: int) -> Batch:
    named = [
        {"date": DAY, "user_id": user(n % USERS), "promotion_id": f"p{n}", "action": "send", "product_ids": ["1", "2"]}
        for n in range(count)
    ]
    frame = OutgoingOffer.frame(spark, named)
    return Batch("bus", DAY, "run-1", "promotions", "pseudonyms", OUTGOING["promotions"], frame, count, "d1")


def consumed(spark: SparkSession, broker: Broker, topic: str) -> list[Any]:
    """The messages that a read_committed consumer sees: key, value, partition, offset."""
    options = {
        "kafka.bootstrap.servers": broker.servers,
        "subscribe": topic,
        "startingOffsets": "earliest",
        "kafka.isolation.level": "read_committed",
    }
    rows = spark.read.format("kafka").options(**options).load()
    found = rows.selectExpr("CAST(key AS string)", "CAST(value AS string)", "partition", "offset").collect()
    return sorted(found, key=lambda r: (r.partition, r.offset))


def kept(messages: list[Any]) -> dict[str, dict[str, Any]]:
    """What a consumer has that keeps the last message of each promotion_id."""
    values = [json.loads(message.value) for message in messages]
    return {value["promotion_id"]: value for value in values}


def test_every_offer_is_a_message_keyed_by_its_user(spark: SparkSession, broker: Broker) -> None:
    """M07: as many messages as rows, those of a user in one partition, in JSON with lists as they are."""
    sinks.send(spark, batch(spark, 120), target(broker, "offers"))
    messages = consumed(spark, broker, "offers")
    assert len(messages) == 120 and len({m.partition for m in messages}) == 3
    assert len({(m.key, m.partition) for m in messages}) == USERS
    value = kept(messages)["p7"]
    assert value == dict.fromkeys(value) | {
        "date": "2017-12-01",
        "promotion_id": "p7",
        "user_id": user(7),
        "action": "send",
        "product_ids": ["1", "2"],
        "export_id": "d1",
        "export_rows": 120,
        "schema_version": 1,
    }
    assert set(value) == {*OutgoingOffer.columns(), "export_id", "export_rows", "schema_version"}


def test_a_run_that_is_cut_off_and_run_again_loses_no_offer_and_doubles_none(
    spark: SparkSession, broker: Broker
) -> None:
    """The first run fails at its last row. Who keys by promotion_id has each offer once, and can tell when all."""
    whole = batch(spark, 600)
    last = F.when(F.col("promotion_id") == "p599", F.raise_error("cut off")).otherwise(F.col("action"))
    rows = whole.rows.coalesce(1).withColumn("action", last.cast("string"))
    cut = replace(whole, rows=rows)
    with pytest.raises(TargetError, match=r"target bus: not all of 600 messages came to the topic cut"):
        sinks.send(spark, cut, target(broker, "cut"))
    half = kept(consumed(spark, broker, "cut"))
    assert 0 < len(half) < 600 and {v["export_rows"] for v in half.values()} == {600}
    sinks.send(spark, whole, target(broker, "cut"))
    messages = consumed(spark, broker, "cut")
    assert len(messages) == 600 + len(half) and sorted(kept(messages)) == sorted(f"p{n}" for n in range(600))


def test_a_broker_that_is_down_is_told_of_and_run_again_is_done(spark: SparkSession, broker: Broker) -> None:
    sinks.send(spark, batch(spark, 10), target(broker, "down"))
    broker.stop()
    with pytest.raises(TargetError, match=r"the brokers or the topic cannot be reached.*Run again"):
        sinks.send(spark, batch(spark, 20), target(broker, "down"))
    broker.start()
    sinks.send(spark, batch(spark, 20), target(broker, "down"))
    assert sorted(kept(consumed(spark, broker, "down"))) == sorted(f"p{n}" for n in range(20))
