"""A shared class archive: the JVM maps the classes of Spark and Delta, already parsed, instead of loading them.

Made once per Java, Spark and JARs, as a step of the installation: a short run of what every job does is
recorded at its exit. Made there, because writing it takes seconds of both cores, which at the end of a job
or beside one would be felt on the job's own clock. It is a convenience: where it cannot be made, or does
not fit the JVM that reads it, jobs start as without it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TRAINING_SECONDS = 300
_TRAINING = "training-"
NOT_ARCHIVED = ("HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_CONF_DIR")  # folders on the class path forbid an archive


def archive_path(java: Path, spark_version: str, jars: Sequence[str], cache: Path) -> Path:
    """Where the archive for this Java, Spark and JARs lies or would lie."""
    release = java / "release"
    parts = [release.read_text(encoding="utf-8") if release.is_file() else str(java), spark_version, *jars]
    return cache / f"classes-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:12]}.jsa"


def reading(archive: Path) -> list[str]:
    """The JVM's options to start with the archive; none where there is none."""
    if not archive.is_file() or archive.stat().st_size == 0:
        return []
    return [f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]


def make(archive: Path, command: Callable[[list[str]], list[str]], environment: Mapping[str, str]) -> bool:
    """Runs the training once and keeps its classes; whether that worked.

    `command` gives the training's command line for some JVM options. A failed attempt leaves an empty file,
    so that not every later start pays for another: remove it to try again.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    for left in archive.parent.glob(f"{_TRAINING}*"):  # by trainings that were killed
        if time.time() - left.stat().st_mtime > 2 * TRAINING_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=_TRAINING) as folder:
        unfinished = Path(folder) / archive.name
        options = [f"-XX:ArchiveClassesAtExit={unfinished}", "-Xlog:disable"]
        clean = {key: value for key, value in environment.items() if key not in NOT_ARCHIVED}
        try:
            ran = subprocess.run(
                command(options),
                env=clean,
                cwd=folder,
                capture_output=True,
                check=False,
                timeout=TRAINING_SECONDS,
            )
            made = ran.returncode == 0 and unfinished.is_file()
        except subprocess.TimeoutExpired:
            made = False
        if not made:
            unfinished.write_bytes(b"")
        unfinished.replace(archive)
    return made
