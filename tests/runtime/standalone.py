"""A standalone cluster on loopback, and real spark-submit to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from deltalake import write_deltalake

from promo_spark.contracts.schema import Table
from promo_spark.contracts.schema.arrow_rows import arrow_table
from promo_spark.settings import load
from promo_spark.submission.jars import delta_jars, spark_home
from promo_spark.submission.local_mode import SMALL_INPUT_CONF
from promo_spark.submission.requirements import java_home
from promo_spark.submission.shipment import package_zip

PROJECT = Path(__file__).resolve().parents[2]
# Minutes of work at most: one compiler and one collector's thread suffice, with six JVMs on two cores.
JAVA_OPTIONS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=128m"

# Of ten baskets every query runs for milliseconds, and compiling it would take seconds, in each JVM anew.
QUERIES = {key: value for key, value in SMALL_INPUT_CONF.items() if key.startswith("spark.sql.")}
LOOPBACK = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    **QUERIES,
    "spark.ui.enabled": "false",
    "spark.driver.extraJavaOptions": JAVA_OPTIONS,
    "spark.executor.extraJavaOptions": JAVA_OPTIONS,
}


def spark_submit(
    master: str, folder: Path, conf: dict[str, str], job: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """The plain line: a job's file and the zip, from a folder that is no checkout."""
    process = started(master, folder, conf, job, *arguments)
    said, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, said, errors)


def started(master: str, folder: Path, conf: dict[str, str], job: str, *arguments: str) -> subprocess.Popen[str]:
    """The same, while it runs."""
    command = [str(spark_home() / "bin" / "spark-submit"), "--master", master, "--executor-memory", "512m"]
    command += ["--py-files", str(package_zip(build=folder / "build")), "--jars", ",".join(delta_jars(load().spark))]
    command += [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHONPATH", "PYSPARK", "SPARK"))}
    environ |= {"JAVA_HOME": str(java_home(os.environ)), "PYSPARK_PYTHON": sys.executable}
    file = str(PROJECT / "jobs" / f"{job}.py")
    pipe = subprocess.PIPE
    return subprocess.Popen([*command, file, *arguments], cwd=folder, env=environ, stdout=pipe, stderr=pipe, text=True)


@contextmanager
def standalone_cluster(folder: Path, workers: int) -> Iterator[str]:
    """The address of a master with workers of one core and 1 GB each, all on loopback; stopped at the end."""
    environ = {
        **os.environ,
        "JAVA_HOME": str(java_home(os.environ)),
        "SPARK_HOME": str(spark_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_LOG_DIR": str(folder),
        "SPARK_LOCAL_DIRS": str(folder / "local"),  # where executors put what they shuffle
        "SPARK_DAEMON_JAVA_OPTS": JAVA_OPTIONS,
    }
    port, page = free_port(), free_port()
    address = f"spark://127.0.0.1:{port}"
    master = ["master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page)]
    worker = [
        "worker.Worker",
        "--host",
        "127.0.0.1",
        "--cores",
        "1",
        "--memory",
        "1g",
        "--webui-port",
        "0",
        "--work-dir",
        str(folder / "work"),
        address,
    ]
    processes = []
    try:
        for n, (name, *arguments) in enumerate([master, *[worker] * workers]):
            with (folder / f"daemon-{n}.log").open("w") as log:
                command = [str(spark_home() / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", *arguments]
                processes.append(subprocess.Popen(command, env=environ, cwd=folder, stdout=log, stderr=log))
            if n == 0:
                wait_for(page, lambda _state: True, processes, folder)
        wait_for(page, lambda state: state["aliveworkers"] == workers, processes, folder)
        yield address
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=30)


def write_rows(root: Path, rows: Mapping[type[Table], Sequence[Mapping[str, Any]]]) -> None:
    """Tables of a lake, from rows that name only what matters. Without a Spark of this process."""
    for table, of_table in rows.items():
        schema = table.schema()
        whole = arrow_table(schema, [[row.get(name) for name in schema.names] for row in of_table])
        write_deltalake(str(root / table.layer / table.name), whole)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def wait_for(page: int, reached: Any, processes: list[subprocess.Popen[bytes]], folder: Path) -> None:
    """Returns when the master's status page says so; fails with the daemons' logs when one has died."""
    until = time.monotonic() + 120
    while time.monotonic() < until and all(p.poll() is None for p in processes):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page}/json/", timeout=5) as answer:
                if reached(json.load(answer)):
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.3)
    pytest.fail("\n".join(log.read_text()[-2000:] for log in sorted(folder.glob("daemon-*.log"))))
