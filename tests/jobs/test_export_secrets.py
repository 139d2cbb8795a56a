"""An export to an object store, a database and a topic that is down, as a job of its own: what it leaves behind."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from deltalake import DeltaTable
from moto.server import ThreadedMotoServer

from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from tests.jobs.export_rows import DAY, decide, offer
from tests.runtime.standalone import JAVA_OPTIONS, QUERIES
from tests.storage.database_servers import PASSWORD, USER, postgresql
from tests.storage.test_databases import S3_KEY, S3_PACKAGES, S3_SECRET

PROJECT = Path(__file__).resolve().parents[2]
JAAS = "canary-jaas-3b1d"


@pytest.mark.slow
def test_an_export_shows_no_secret_and_a_target_that_is_down_keeps_no_other_waiting(lake: Lake, tmp_path: Path) -> None:
    """M07: files in S3 and rows in PostgreSQL, by a job with Spark's event log on; the topic's broker is away."""
    decide(lake, [offer(n, n) for n in range(1, 4)])
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    store = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": S3_KEY, "aws_secret_access_key": S3_SECRET}
    client = boto3.client("s3", endpoint_url=store, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="crm")
    secrets = {"user_secret": "env:DB_USER", "password_secret": "env:DB_PASSWORD"}
    waits = dict.fromkeys(("max.block.ms", "request.timeout.ms", "delivery.timeout.ms"), "2000") | {"linger.ms": "0"}
    values = load(None, []).model_dump(mode="json")
    (tmp_path / "events").mkdir()
    values["lake"]["root"] = lake.root
    values["spark"]["packages"] += S3_PACKAGES
    values["spark"]["excludes"] += ["software.amazon.awssdk:bundle", "io.netty:*", "org.slf4j:slf4j-api"]
    values["spark"] |= {
        "master": "local[2]",
        "driver_memory": "1g",
        "hadoop_secret": {"fs.s3a.access.key": "env:S3_KEY", "fs.s3a.secret.key": "env:S3_SECRET"},
        "conf": {
            **QUERIES,
            "spark.driver.extraJavaOptions": JAVA_OPTIONS,
            "spark.eventLog.enabled": "true",
            "spark.eventLog.compress": "false",
            "spark.eventLog.dir": (tmp_path / "events").as_uri(),
            "spark.hadoop.fs.s3a.endpoint": store,
            "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
            "spark.hadoop.fs.s3a.path.style.access": "true",
        },
    }
    with postgresql() as database:
        values["export"]["targets"] = {
            "bus": {
                "kind": "kafka",
                "servers": "127.0.0.1:1",
                "topic": "offers",
                "options": waits,
                "options_secret": {"sasl.jaas.config": "env:JAAS"},
            },
            "crm": {"kind": "csv", "path": "s3a://crm/offers"},
            "shop": {"kind": "postgresql", "url": database.url, "table": "offers", **secrets},
        }
        (tmp_path / "settings.json").write_text(json.dumps(values), encoding="utf-8")
        options = ["--date", str(DAY), "--settings-file", str(tmp_path / "settings.json")]
        ran = subprocess.run(
            [sys.executable, "-m", "jobs", "export", *options],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                **{"DB_USER": USER, "DB_PASSWORD": PASSWORD, "S3_KEY": S3_KEY, "S3_SECRET": S3_SECRET, "JAAS": JAAS},
            },
        )
        database.execute("DO $$ BEGIN ASSERT (SELECT COUNT(*) FROM offers WHERE action = 'send') = 3; END $$")
    assert ran.returncode == 9, ran.stderr
    assert "target bus: not all of 3 messages came to the topic offers: the brokers or the topic cannot" in ran.stderr
    assert "the other 2 have theirs" in ran.stderr

    def content(name: str) -> bytes:
        found: bytes = client.get_object(Bucket="crm", Key=f"offers/{DAY}/{name}")["Body"].read()
        return found

    told = json.loads(content("manifest.json"))
    [entry] = told["files"]
    file = content(entry["name"])
    assert (entry["rows"], entry["bytes"], entry["sha256"]) == (3, len(file), hashlib.sha256(file).hexdigest())
    names = {o["Key"].rpartition("/")[2] for o in client.list_objects_v2(Bucket="crm")["Contents"]}
    assert names - {""} == {"manifest.json", entry["name"]}  # nothing unfinished is left
    server.stop()

    def rows(table: str) -> list[dict[str, Any]]:
        stored: list[dict[str, Any]] = DeltaTable(f"{lake.root}/{table}").to_pyarrow_table().to_pylist()
        return stored

    outcomes = {r["target"]: r["outcome"] for r in rows("ops/exports")}
    assert outcomes == {"bus": "failed", "crm": "sent", "shop": "sent"}
    logged = b"".join(p.read_bytes() for p in (tmp_path / "events").rglob("*") if p.is_file())
    assert b"SaveIntoDataSourceCommand" in logged and b"fs.s3a.secret.key" in logged  # the log is whole
    stored = b"".join(p.read_bytes() for p in Path(lake.root).rglob("*") if p.is_file())
    shown = ran.stdout.encode() + ran.stderr.encode() + logged + stored + str(rows("ops/runs")).encode()
    for secret in (USER, PASSWORD, S3_KEY, S3_SECRET, JAAS):
        assert secret.encode() not in shown
    assert b"env:DB_PASSWORD" in str(rows("ops/runs")).encode()
