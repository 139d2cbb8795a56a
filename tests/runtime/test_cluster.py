"""Jobs through real spark-submit: on this machine, and on a standalone cluster of one master and two workers."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from deltalake import DeltaTable

from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.errors import MissingDataError
from tests.runtime.standalone import LOOPBACK, PROJECT, spark_submit, standalone_cluster, write_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # six JVMs on what may be two cores
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


def write_baskets(root: Path) -> None:
    """Without a Spark of this process."""
    one, day = Decimal(1), datetime.date(2017, 11, 30)
    products = [{"product_id": name, "title": name} for name in ("bread", "milk", "pasta", "sauce")]
    lines = [
        {"order_id": f"o{n}", "line_no": i, "product_id": name, "quantity": one, "order_date": day}
        for n, basket in enumerate(BASKETS)
        for i, name in enumerate(basket, start=1)
    ]
    write_rows(root, {Products: products, OrderLines: lines})


def test_a_job_on_a_standalone_cluster_writes_what_another_engine_reads(tmp_path: Path) -> None:
    """M06: (baskets, on a cluster) the job runs through spark-submit with its executors in processes of their own."""
    root = tmp_path / "lake"
    write_baskets(root)
    conf = ", ".join(f'"{key}"="{value}"' for key, value in LOOPBACK.items())
    rules_of_all = ["baskets.level=product", "baskets.min_baskets=2", "baskets.min_support=0.1"]
    rules_of_all += ["baskets.max_items_quantile=1.0", "baskets.max_q_value=1.0", "baskets.max_antecedent=1"]
    job = ["--date", "2017-12-01", "--env", "standalone", *options(f"lake.root={root}", *rules_of_all)]
    with standalone_cluster(tmp_path, workers=2) as master:
        resources = ["spark.driver_memory=1g", "spark.executor_memory=512m", "spark.executor_cores=1"]
        resources += ["spark.executor_instances=2", f"spark.master={master}", f"spark.conf={{{conf}}}"]
        ran = submit("baskets", *job, *options(*resources))
        plain = spark_submit(master, tmp_path, LOOPBACK, "baskets", *job, "--force")
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
