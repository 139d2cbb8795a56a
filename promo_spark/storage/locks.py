"""One run at a time writes a job's tables of a date: the second waits, or ends saying who holds them since when.

On a folder of this machine the operating system keeps the lock and frees it when its holder ends, however that
happens. Elsewhere (HDFS, object stores) a lease file is the lock. Its holder renews it; one that nobody renews for
`STALE_AFTER` seconds, by the waiting machine's own watch, is free. No two machines' clocks are compared.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from promo_spark.errors import BusyError, RequirementError
from promo_spark.storage.files import Files
from promo_spark.storage.jvm import JvmError

FOLDER = ".locks"
POLL_SECONDS = 0.5
RENEW_SECONDS = 15.0
STALE_AFTER = 60.0


@contextlib.contextmanager
def held(
    spark: SparkSession, root: str, name: str, run: str, wait_seconds: float, say: Callable[[str], None]
) -> Iterator[int]:
    """Holds the lock `name` of a lake while the block runs. `run` says who holds it, for whoever waits.

    The block gets the time at which the lock was taken, in milliseconds by the clock of the lake's file system.
    Raises BusyError when another run holds it for longer than `wait_seconds`, RequirementError where the lake's folder
    cannot be written.
    """
    holder = {
        "run": run,
        "since": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "process": f"process {os.getpid()} on {platform.node()}",
    }
    local = _local_folder(root)
    lock = _lock_file(local, name, holder) if local is not None else _lease(spark, f"{root}/{FOLDER}/{name}", holder)
    waited_since = time.monotonic()
    told = False
    taken = lock()
    while isinstance(taken, dict):
        if time.monotonic() - waited_since >= wait_seconds:
            raise BusyError(
                f"{taken.get('run', 'another run')} holds the tables of {name} since {taken.get('since', 'a while')} "
                f"({taken.get('process', 'elsewhere')}); waited {wait_seconds:.0f} s. Run again when it has ended, or "
                "set lake.wait_seconds higher"
            )
        if not told:
            say(f"waiting for {taken.get('run', 'another run')}, which holds the tables since {taken.get('since')}")
            told = True
        time.sleep(POLL_SECONDS)
        taken = lock()
    try:
        yield taken.since
    finally:
        taken.release()


@dataclass(frozen=True)
class _Taken:
    """A lock that is held since a time, in milliseconds by the clock of the lake's file system."""

    since: int
    release: Callable[[], None]


Holder = dict[str, str]


def _local_folder(root: str) -> Path | None:
    if root.startswith("file:"):
        return Path(root.removeprefix("file://").removeprefix("file:"))
    return None if ":/" in root else Path(root)


def _lock_file(root: Path, name: str, holder: Holder) -> Callable[[], _Taken | Holder]:
    folder = root / FOLDER
    path = folder / name

    def opened() -> int:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RequirementError(
                f"lake.root is {root}, which cannot be written ({error.strerror}: {error.filename}): let the user who "
                "runs the job write there, or set lake.root to another folder"
            ) from error

    def taken() -> _Taken | Holder:
        file = opened()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return _holder(path.read_text(encoding="utf-8"))
        os.ftruncate(file, 0)
        os.write(file, json.dumps(holder).encode())
        # Closing the file frees the lock.
        return _Taken(os.fstat(file).st_mtime_ns // 1_000_000, lambda: os.close(file))

    return taken


def _lease(spark: SparkSession, path: str, holder: Holder) -> Callable[[], _Taken | Holder]:
    files = Files(spark)
    seen_text, seen_at, told = "", time.monotonic(), dict[str, str]()

    def text(renewals: int) -> str:
        return json.dumps({**holder, "renewals": str(renewals)})

    def taken() -> _Taken | Holder:
        if not files.create(path, text(renewals=0)):
            return _freed_when_stale()
        since = files.modified(path)
        ended = threading.Event()

        def renew() -> None:
            renewals = 0
            while not ended.wait(RENEW_SECONDS):
                renewals += 1
                files.write(path, text(renewals))

        renewing = threading.Thread(target=renew, name="lease", daemon=True)
        renewing.start()

        def release() -> None:
            ended.set()
            renewing.join()
            files.delete(path)

        return _Taken(since, release)

    def _freed_when_stale() -> Holder:
        nonlocal seen_text, seen_at, told
        try:
            found = files.text(path)
        except JvmError:  # released in between
            return {}
        now = time.monotonic()
        if found != seen_text:
            seen_text, seen_at = found, now
        elif now - seen_at >= STALE_AFTER:
            files.delete(path)
        told = _holder(found) or told  # it may be read while it is renewed
        return told

    return taken


def _holder(text: str) -> Holder:
    try:
        found = json.loads(text)
    except ValueError:  # it is being written
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
