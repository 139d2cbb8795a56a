"""One run at a time writes a job's tables of a date: the second waits, or ends saying who holds them since when.

On a folder of this machine the operating system keeps the lock and frees it when its holder ends, however that
happens. Elsewhere (HDFS, object stores) a lease file is the lock. Its holder renews it; one that nobody renews for
`STALE_AFTER` seconds, by the waiting machine's own watch, is free. No two machines' clocks are compared.

Who needs the lake alone, such as the job that deletes files, holds its gate: a lock that all others share.
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
_GATE = "lake"  # no job has that name
POLL_SECONDS = 0.5
RENEW_SECONDS = 15.0
STALE_AFTER = 60.0


@contextlib.contextmanager
def held(
    spark: SparkSession,
    root: str,
    name: str,
    run: str,
    wait_seconds: float,
    say: Callable[[str], None],
    alone: bool = False,
) -> Iterator[int]:
    """Holds the lock `name` of a lake while the block runs. `run` says who holds it, for whoever waits.

    With `alone` no other lock of the lake is held meanwhile. The block gets the time at which the lock was taken, in
    milliseconds by the clock of the lake's file system.
    Raises BusyError when another run holds it for longer than `wait_seconds`, RequirementError where the lake's folder
    cannot be written.
    """
    holder = {
        "run": run,
        "since": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "process": f"process {os.getpid()} on {platform.node()}",
    }
    local = _local_folder(root)
    if local is not None:
        lock = _lock_files(local, name, holder, alone)
    else:
        lock = _leases(Files(spark), f"{root}/{FOLDER}", name, holder, alone)
    waited_since = time.monotonic()
    told = False
    taken = lock()
    while isinstance(taken, dict):
        if time.monotonic() - waited_since >= wait_seconds:
            who = taken.get("run", "another run")
            what = (
                f"{who} holds the tables of {name}" if not alone else f"{who} is open, and {run} wants the lake alone:"
            )
            raise BusyError(
                f"{what} since {taken.get('since', 'a while')} ({taken.get('process', 'elsewhere')}); waited "
                f"{wait_seconds:.0f} s. Run again when it has ended, or set lake.wait_seconds higher"
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


def _lock_files(root: Path, name: str, holder: Holder, alone: bool) -> Callable[[], _Taken | Holder]:
    folder = root / FOLDER

    def opened(name: str) -> int:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RequirementError(
                f"lake.root is {root}, which cannot be written ({error.strerror}: {error.filename}): let the user who "
                "runs the job write there, or set lake.root to another folder"
            ) from error

    def locked(name: str, kind: int) -> int | None:
        """The open file with its lock; None: somebody else has it. Closing the file frees the lock."""
        file = opened(name)
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file

    def told(name: str) -> Holder:
        return _holder((folder / name).read_text(encoding="utf-8"))

    def any_other() -> Holder:
        for path in sorted(folder.iterdir()):
            file = locked(path.name, fcntl.LOCK_SH) if path.name != _GATE else None
            if file is None and path.name != _GATE:
                return told(path.name)
            if file is not None:
                os.close(file)
        return told(_GATE)  # another one that is alone

    def taken() -> _Taken | Holder:
        gate = locked(_GATE, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        if gate is None:
            return any_other() if alone else told(_GATE)
        own = locked(name, fcntl.LOCK_EX)
        if own is None:
            os.close(gate)
            return told(name)
        for file in (gate, own) if alone else (own,):
            os.ftruncate(file, 0)
            os.write(file, json.dumps(holder).encode())

        def release() -> None:
            os.close(own)
            os.close(gate)

        return _Taken(os.fstat(own).st_mtime_ns // 1_000_000, release)

    return taken


def _leases(files: Files, folder: str, name: str, holder: Holder, alone: bool) -> Callable[[], _Taken | Holder]:
    seen: dict[str, tuple[str, float]] = {}  # of others' leases: the text, and since when it is the same
    last_told: dict[str, Holder] = {}
    own_name = _GATE if alone else name

    def taken() -> _Taken | Holder:
        own = _lease(files, f"{folder}/{own_name}", holder)
        if own is None:
            return told(own_name) or {}
        # Each takes its own lease and then looks for the others': of two that come at a time one sees the other.
        for other in [n for n in files.names(folder) if n != _GATE] if alone else [_GATE]:
            found = told(other)
            if found is not None:
                own.release()
                return found
        return own

    def told(name: str) -> Holder | None:
        """Who holds a lease; None: nobody does any more. One that nobody renewed for long is free from now on."""
        try:
            text = files.text(f"{folder}/{name}")
        except JvmError:  # released in between
            return None
        now = time.monotonic()
        if text != seen.get(name, ("", 0.0))[0]:
            seen[name] = (text, now)
        elif now - seen[name][1] >= STALE_AFTER:
            files.delete(f"{folder}/{name}")
        last_told[name] = _holder(text) or last_told.get(name, {})  # it may be read while it is renewed
        return last_told[name]

    return taken


def _lease(files: Files, path: str, holder: Holder) -> _Taken | None:
    """A lease file that is renewed until it is released; None: there is one."""

    def text(renewals: int) -> str:
        return json.dumps({**holder, "renewals": str(renewals)})

    if not files.create(path, text(renewals=0)):
        return None
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


def _holder(text: str) -> Holder:
    try:
        found = json.loads(text)
    except ValueError:  # it is being written
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
