"""Jobs through real spark-submit: on this machine, and on a standalone cluster of one master and two workers."""

from __future__ import annotations

import datetime
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake

from promo_spark.contracts.schema.arrow_rows import arrow_table
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.errors import MissingDataError
from promo_spark.settings import load
from promo_spark.submission.jars import delta_jars, spark_home
from promo_spark.submission.local_mode import SMALL_INPUT_CONF
from promo_spark.submission.requirements import java_home
from promo_spark.submission.shipment import package_zip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # six JVMs on what may be two cores
PROJECT = Path(__file__).resolve().parents[2]
# Minutes of work at most: one compiler and one collector's thread suffice, with six JVMs on two cores.
JAVA_OPTIONS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=128m"

# Of ten baskets every query runs for milliseconds, and compiling it would take seconds, in each JVM anew.
QUERIES = {key: value for key, value in SMALL_INPUT_CONF.items() if key.startswith("spark.sql.")}

# 10 baskets. Pasta in 5, 4 of them with sauce, which is in no other: confidence of pasta ⇒ sauce 4/5,
# lift 4/5 ÷ 4/10 = 2. Milk in all: it tells nothing about the others.
BASKETS = [["milk", "pasta", "sauce"]] * 4 + [["milk", "pasta"]] + [["bread", "milk"]] * 5


def submit(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROJECT / "scripts" / "submit.sh"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PROMO_SPARK_VENV": sys.prefix},
    )


def options(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def spark_submit(
    master: str, folder: Path, conf: dict[str, str], job: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """The plain line: a job's file and the zip, from a folder that is no checkout."""
    command = [str(spark_home() / "bin" / "spark-submit"), "--master", master, "--executor-memory", "512m"]
    command += ["--py-files", str(package_zip(build=folder / "build")), "--jars", ",".join(delta_jars(load().spark))]
    command += [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHONPATH", "PYSPARK", "SPARK"))}
    environ |= {"JAVA_HOME": str(java_home(os.environ)), "PYSPARK_PYTHON": sys.executable}
    file = str(PROJECT / "jobs" / f"{job}.py")
    return subprocess.run(
        [*command, file, *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )


def write_baskets(root: Path) -> None:
    """Without a Spark of this process."""
    one, day = Decimal(1), datetime.date(2017, 11, 30)
    products = [{"product_id": name, "title": name} for name in ("bread", "milk", "pasta", "sauce")]
    lines = [
        {"order_id": f"o{n}", "line_no": i, "product_id": name, "quantity": one, "order_date": day}
        for n, basket in enumerate(BASKETS)
        for i, name in enumerate(basket, start=1)
    ]
    for table, rows in ((Products, products), (OrderLines, lines)):
        schema = table.schema()
        whole = arrow_table(schema, [[row.get(name) for name in schema.names] for row in rows])
        write_deltalake(str(root / table.layer / table.name), whole)


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


def test_a_job_on_a_standalone_cluster_writes_what_another_engine_reads(tmp_path: Path) -> None:
    """M06: (baskets, on a cluster) the job runs through spark-submit with its executors in processes of their own."""
    root = tmp_path / "lake"
    write_baskets(root)
    loopback = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        **QUERIES,
        "spark.ui.enabled": "false",
        "spark.driver.extraJavaOptions": JAVA_OPTIONS,
        "spark.executor.extraJavaOptions": JAVA_OPTIONS,
    }
    conf = ", ".join(f'"{key}"="{value}"' for key, value in loopback.items())
    rules_of_all = ["baskets.level=product", "baskets.min_baskets=2", "baskets.min_support=0.1"]
    rules_of_all += ["baskets.max_items_quantile=1.0", "baskets.max_q_value=1.0", "baskets.max_antecedent=1"]
    job = ["--date", "2017-12-01", "--env", "standalone", *options(f"lake.root={root}", *rules_of_all)]
    with standalone_cluster(tmp_path, workers=2) as master:
        resources = ["spark.driver_memory=1g", "spark.executor_memory=512m", "spark.executor_cores=1"]
        resources += ["spark.executor_instances=2", f"spark.master={master}", f"spark.conf={{{conf}}}"]
        ran = submit("baskets", *job, *options(*resources))
        plain = spark_submit(master, tmp_path, loopback, "baskets", *job, "--force")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert plain.returncode == 0, plain.stdout + plain.stderr
    assert "baskets done" in plain.stdout, "the same job by its file and the zip, run again on request"
    rules = DeltaTable(str(root / "models" / "basket_rules")).to_pyarrow_table().to_pylist()
    found = {(*r["antecedent"], *r["consequent"]): (r["confidence"], r["lift"]) for r in rules}
    assert found["pasta", "sauce"] == pytest.approx((4 / 5, 2.0))
    assert found["sauce", "pasta"] == pytest.approx((1.0, 2.0))
    executors = {path.parent.name for path in (tmp_path / "work").glob("app-*/*/stderr")}
    assert len(executors) == 2


def test_the_exit_code_and_the_one_message_of_a_job_reach_the_caller(tmp_path: Path) -> None:
    ran = submit(
        "baskets", "--date", "2017-12-01", "--set", f"lake.root={tmp_path}/lake", "--set", "spark.master=local[2]"
    )
    assert ran.returncode == MissingDataError.exit_code
    told = ran.stdout + ran.stderr
    assert "error: silver.products is not in the lake" in told
    assert "Traceback" not in told and "WARN" not in told and "incubator" not in told
    [attempt] = DeltaTable(f"{tmp_path}/lake/ops/runs").to_pyarrow_table().to_pylist()
    assert (attempt["job"], attempt["outcome"]) == ("baskets", "failed")
    assert attempt["message"].startswith("silver.products is not in the lake")
