"""The way from Python to the JVM."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def test_a_call_on_a_column_does_not_search_the_jvm_for_its_class(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    gateway: Any = spark.sparkContext._gateway
    send = gateway._gateway_client.send_command

    def told(command: str, *rest: object, **named: object) -> object:
        sent.append(command)
        return send(command, *rest, **named)

    monkeypatch.setattr(gateway._gateway_client, "send_command", told)
    F.when(F.col("paid") > F.lit(3), F.lit("much"))
    assert sent and not [command for command in sent if command.startswith("r\n")]  # r: py4j's look-up of a name
