"""Messages of a topic, from a real broker on loopback, which goes away in the middle of things."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from promo_spark.errors import SourceError
from promo_spark.storage.lake import Lake
from tests.jobs.stream_rows import activity, batches, settings_of, take
from tests.storage.kafka_server import Broker, kafka

PATIENCE = {"default.api.timeout.ms": "8000", "request.timeout.ms": "4000"}


def send(lake: Lake, broker: Broker, *values: str) -> None:
    rows = lake.spark.createDataFrame([(value,) for value in values], "value string").coalesce(1)
    rows.write.format("kafka").option("kafka.bootstrap.servers", broker.servers).option("topic", "clicks").save()


def view(number: int, hour: int) -> str:
    row = {"event_id": f"e{number}", "user_id": "ann", "event_type": "view", "product_id": "p1"}
    return json.dumps(row | {"ts": f"2024-06-14 {hour:02}:00:00"})


def test_a_topic_is_taken_to_its_end_and_a_broker_that_was_away_loses_nothing(lake: Lake, tmp_path: Path) -> None:
    """O01 (part): Kafka as the source."""
    (tmp_path / "kafka").mkdir()
    with kafka(tmp_path / "kafka") as broker:
        topic = {"mapping": "events", "format": "kafka", "servers": broker.servers, "topic": "clicks"}
        settings = settings_of(lake, tmp_path / "in", **{"stream.sources.topic": {**topic, "options": PATIENCE}})
        send(lake, broker, view(1, 9), view(2, 10), "no JSON", view(2, 10))  # a message that came twice
        take(lake, settings)
        assert activity(lake, "ann")["views"] == 2
        broker.stop()
        with pytest.raises(SourceError, match=r"source topic \(clicks\) cannot be read: .*Timeout"):
            take(lake, settings)
        broker.start()
        send(lake, broker, view(3, 11))
        take(lake, settings)
        assert activity(lake, "ann")["views"] == 3
        told = batches(lake)["rows_in", "accepted", "quarantined", "repeated"]
        assert told.select(pl.all().sum()).rows() == [(5, 3, 1, 1)]
