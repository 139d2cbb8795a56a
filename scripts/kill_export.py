"""Kills exports at random moments, and looks at what a consumer sees: before it is run again, and after.

    .venv/bin/python scripts/kill_export.py [--kills 10] [--offers 5000] [--seed 7] [--kafka]

Files and a PostgreSQL table take the offers of a date; with --kafka a topic too. Each round decides other offers,
starts the export, and kills its whole process group with SIGKILL at a moment between the first that it sends and its
usual end; every fifth time from its start on. Then it looks: the files that the manifest names and the table each have
all offers from before or all new ones. The export is run again to its end, and files, table and topic (the last message
of each promotion_id) have just the new ones, each once. Servers run on loopback. Exit code 1 where something is not so.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is part of no installation

from promo_spark.runtime.session import started_session
from promo_spark.settings import Settings, load
from promo_spark.storage.lake import Lake
from promo_spark.storage.sinks.databases import connection_options
from tests.jobs.export_rows import DAY, decide, offer, read_back
from tests.storage.database_servers import PASSWORD, USER, postgresql
from tests.storage.kafka_server import kafka

ROOT = Path(__file__).resolve().parents[1]


class Places:
    """Where the offers go, and which of them a consumer has to send: promotion_id → how often."""

    def __init__(self, settings: Settings, lake: Lake, folder: Path) -> None:
        self.settings, self.lake, self.folder = settings, lake, folder
        self.targets = settings.export.targets

    def seen(self) -> dict[str, Counter[str]]:
        found = {"files": self._files(), "table": self._table()}
        return found | ({"topic": self._topic()} if "bus" in self.targets else {})

    def _files(self) -> Counter[str]:
        if not (self.folder / "files" / str(DAY) / "manifest.json").exists():
            return Counter()
        return Counter(r["promotion_id"] for r in read_back(self.folder / "files") if r["action"] == "send")

    def _table(self) -> Counter[str]:
        target = self.targets["crm"]
        options = connection_options("crm", target)
        there = "SELECT COUNT(*) AS n FROM information_schema.tables WHERE table_name = 'offers'"
        reader = self.lake.spark.read.format("jdbc").options(**options)
        if not reader.option("query", there).load().collect()[0][0]:
            return Counter()
        sent = "SELECT promotion_id FROM offers WHERE action = 'send'"
        return Counter(
            r[0] for r in self.lake.spark.read.format("jdbc").options(**options, query=sent).load().collect()
        )

    def _topic(self) -> Counter[str]:
        target = self.targets["bus"]
        options = {"kafka.bootstrap.servers": target.servers, "kafka.isolation.level": "read_committed"}
        rows = self.lake.spark.read.format("kafka").options(
            **options, subscribe=target.topic, startingOffsets="earliest"
        )
        kept: dict[str, str] = {}
        messages = rows.load().selectExpr("CAST(value AS string) AS value", "partition", "offset").collect()
        for message in sorted(messages, key=lambda r: (r.partition, r.offset)):
            value = json.loads(message.value)
            kept[value["promotion_id"]] = value["action"]
        return Counter(i for i, action in kept.items() if action == "send")


def offers(version: int, count: int) -> list[dict[str, Any]]:
    """Every version has half of the offers of the one before, and as many new ones; the first half again."""
    first = (version % 2) * count // 2
    return [offer(n, n % (count // 2 + 1)) for n in range(first, first + count)]


def started(settings: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs", "export", "--date", str(DAY), "--settings-file", str(settings)]
    environ = {**os.environ, "KILL_USER": USER, "KILL_PASSWORD": PASSWORD}
    with log.open("ab") as out:
        return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environ, start_new_session=True)


STARTS, SENDS = b"export ", b"sending to"


def begun(process: subprocess.Popen[bytes], log: Path, since: int, word: bytes) -> float:
    """Waits for a word of the job; when it came."""
    while process.poll() is None and word not in log.read_bytes()[since:]:
        time.sleep(0.05)
    return time.monotonic()


def finished(settings: Path, log: Path) -> dict[bytes, float]:
    """Runs the export to its end; its seconds from each word on."""
    since = log.stat().st_size if log.exists() else 0
    process = started(settings, log)
    began = {word: begun(process, log, since, word) for word in (STARTS, SENDS)}
    if process.wait() != 0:
        sys.exit(f"the export failed: {log.read_text(errors='replace')[-3000:]}")
    return {word: time.monotonic() - at for word, at in began.items()}


@contextlib.contextmanager
def places(folder: Path, with_kafka: bool) -> Iterator[tuple[Places, Path]]:
    os.environ |= {"KILL_USER": USER, "KILL_PASSWORD": PASSWORD}
    with contextlib.ExitStack() as servers:
        database = servers.enter_context(postgresql())
        secrets = {"user_secret": "env:KILL_USER", "password_secret": "env:KILL_PASSWORD"}
        targets: dict[str, Any] = {
            "files": {"kind": "csv", "path": str(folder / "files"), "parts": 2},
            "crm": {"kind": "postgresql", "url": database.url, "table": "offers", **secrets},
        }
        if with_kafka:
            (folder / "kafka").mkdir()
            broker = servers.enter_context(kafka(folder / "kafka"))
            targets["bus"] = {"kind": "kafka", "servers": broker.servers, "topic": "offers"}
        spark_conf = {"spark.master": "local[2]", "spark.driver_memory": "1g"}
        settings = load(None, {"lake.root": str(folder / "lake"), "export.targets": targets, **spark_conf})
        file = folder / "settings.json"
        file.write_text(settings.model_dump_json(), encoding="utf-8")
        spark = started_session("kill_export", settings)
        try:
            yield Places(settings, Lake(spark, settings.lake.root), folder), file
        finally:
            spark.stop()


def main(argv: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=10)
    options.add_argument("--offers", type=int, default=5000)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--kafka", action="store_true", help="a topic, too")
    chosen = options.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="kill_export_"))
    log, moments, wrong = folder / "export.log", random.Random(chosen.seed), 0
    with places(folder, chosen.kafka) as (there, settings):
        for version in (0, 1):  # the second is as long as those that are killed: it revokes what the first has sent
            decide(there.lake, offers(version, chosen.offers), run=f"promote-{version}")
            length = finished(settings, log)
        print(
            f"undisturbed: {chosen.offers} offers to {len(there.targets)} targets in {length[STARTS]:.1f} s", flush=True
        )
        for n in range(2, chosen.kills + 2):
            old, new = ({r["promotion_id"] for r in offers(version, chosen.offers)} for version in (n - 1, n))
            decide(there.lake, offers(n, chosen.offers), run=f"promote-{n}")
            since = log.stat().st_size
            process = started(settings, log)
            word = STARTS if n % 5 == 0 else SENDS
            begun(process, log, since, word)
            moment = moments.uniform(0, length[word])
            try:
                process.wait(moment)
                fate = "ended before"
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                fate = "killed at"
            half = [p for p, seen in there.seen().items() if p != "topic" and seen not in (Counter(old), Counter(new))]
            has = {p: "new" if seen == Counter(new) else "old" for p, seen in there.seen().items() if p != "topic"}
            seconds = finished(settings, log)[STARTS]
            differing = [place for place, seen in there.seen().items() if seen != Counter(new)]
            wrong += bool(half or differing)
            verdict = f"HALF in {half}, DIFFERS in {differing}" if half or differing else "whole before, equal after"
            state = ", ".join(f"{place} {which}" for place, which in has.items())
            after = "it began" if word == STARTS else "it sent"
            print(
                f"{n - 1:2}: {fate} {moment:4.1f} s after {after}: {state}; run again {seconds:4.1f} s: {verdict}",
                flush=True,
            )
    print(f"{chosen.kills} kills, {wrong} with something half or different")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
