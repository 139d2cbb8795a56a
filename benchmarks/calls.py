"""Calls of the suite that benchmarks measure: what each took, and what it asked Spark for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = Path(__file__).resolve().parents[1]


class Used(NamedTuple):
    """What a call took, with all that it started; `peak`: the bytes of its largest process."""

    wall: float
    cpu: float
    peak: int


def submitted(code: Path, *arguments: str) -> Used:
    """Runs the suite of a checkout to its end."""
    environment = {**os.environ, "PROMO_SPARK_VENV": sys.prefix, "PYTHONPATH": str(code)}
    command = [sys.executable, "-m", "promo_spark.submission.spark_submit", *arguments]
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=code, env=environment, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        if os.waitstatus_to_exitcode(status) != 0:
            said.seek(0)
            sys.exit(f"{' '.join(arguments)} failed in {code}:\n{said.read()[-6000:].decode(errors='replace')}")
    return Used(wall, used.ru_utime + used.ru_stime, used.ru_maxrss << 10)


def events(folder: Path) -> Iterator[dict[str, Any]]:
    for file in folder.rglob("*"):
        if file.is_file() and not file.name.startswith((".", "appstatus")):
            with file.open(encoding="utf-8") as lines:
                yield from (json.loads(line) for line in lines)


def event_log(folder: Path) -> tuple[Path, str]:
    """A new folder for the Spark events of one call, and the setting that has them written there."""
    log = Path(tempfile.mkdtemp(dir=folder, prefix="events-"))
    logged = {"enabled": "true", "compress": "false", "dir": log.as_uri()}
    conf = ", ".join(f'"spark.eventLog.{key}"="{value}"' for key, value in logged.items())
    return log, f"spark.conf={{{conf}}}"
