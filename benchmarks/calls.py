"""Calls of the suite that benchmarks measure: what each took, and what it asked Spark for."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]


def submitted(code: Path, *arguments: str) -> tuple[float, float]:
    """Wall and CPU seconds of scripts/submit.sh of a checkout, with all that it starts."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    environment = {**os.environ, "PROMO_SPARK_VENV": sys.prefix, "PYTHONPATH": str(code)}
    command = [sys.executable, "-m", "promo_spark.submission.spark_submit", *arguments]
    ran = subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(arguments)} failed in {code}:\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, cpu


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
