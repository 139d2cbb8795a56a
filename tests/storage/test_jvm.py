"""The way from Python to the JVM."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


def test_calls_on_columns_search_for_nothing_twice_and_hand_lists_over_at_once(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> DataFrame:
        amount = F.coalesce(F.when(F.col("id") > F.lit(3), F.lit("much")), F.lit("little")).alias("amount")
        return spark.range(5).select(amount, *(F.lit(n).alias(f"n{n}") for n in range(24)))

    assert [tuple(row) for row in asked().collect()[3:]] == [("little", *range(24)), ("much", *range(24))]
    sent: list[str] = []
    gateway: Any = spark.sparkContext._gateway
    send = gateway._gateway_client.send_command

    def told(command: str, *rest: object, **named: object) -> object:
        sent.append(command)
        return send(command, *rest, **named)

    monkeypatch.setattr(gateway._gateway_client, "send_command", told)
    asked()
    assert sent and not [command for command in sent if command.startswith("r\n")]  # r: py4j's look-up of a name
    lists = [command for command in sent if command.startswith("c\nz:java.util.List\nof\n")]
    assert len(lists) == 1 + 3  # of coalesce's two; of 25 columns, ten at a time
