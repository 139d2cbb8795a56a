"""Kafka for tests: the real broker, one of it on loopback, in KRaft mode; its JARs come from Maven Central once."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from promo_spark.settings import load
from promo_spark.submission.jars import _fetched, spark_home
from promo_spark.submission.requirements import java_home
from tests.storage.database_servers import free_port

BROKER = "org.apache.kafka:kafka_2.13:3.9.2"  # the version of the client that Spark's connector brings
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/log
num.partitions=3
auto.create.topics.enable=true
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""


@dataclass
class Broker:
    """A broker with a folder of its own: it can be stopped in the middle of things and started again."""

    folder: Path
    port: int
    jars: str
    java: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "out").open("ab") as told:
            command = [*self._command("256m"), "kafka.Kafka", str(self.folder / "server.properties")]
            self.process = subprocess.Popen(command, stdout=told, stderr=told)
        until = time.monotonic() + 60
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                pytest.fail(f"Kafka did not start: {(self.folder / 'out').read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)

    def stop(self) -> None:
        """As a machine stops that loses its power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def format(self) -> None:
        tool = [*self._command("64m"), "kafka.tools.StorageTool", "format", "-t", _cluster(), "-c"]
        ran = subprocess.run(
            [*tool, str(self.folder / "server.properties")], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def _answers(self) -> bool:
        """It listens once it can serve."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _command(self, heap: str) -> list[str]:
        return [self.java, f"-Xmx{heap}", "-XX:TieredStopAtLevel=1", "-cp", self.jars]


@contextmanager
def kafka(folder: Path) -> Iterator[Broker]:
    scala = (spark_home() / "jars").glob("scala-library-*.jar")  # Spark fetches nothing that it has itself
    jars = os.pathsep.join([*_fetched(load().spark, [BROKER], (), None), *map(str, scala)])
    broker = Broker(folder, free_port(), jars, str(java_home(os.environ) / "bin" / "java"))
    settings = _PROPERTIES.format(port=broker.port, controller=free_port(), folder=folder)
    (folder / "server.properties").write_text(settings, encoding="utf-8")
    broker.format()
    broker.start()
    try:
        yield broker
    finally:
        with suppress(ProcessLookupError):
            broker.stop()


def _cluster() -> str:
    return base64.urlsafe_b64encode(uuid.UUID(int=42).bytes).decode().rstrip("=")
