"""spark-submit as a child that ends as its job does: signals reach the job first, so that it can put its tables back.

A Ctrl-C on a terminal goes to every process there, and so does the SIGTERM of a tool that ends a whole group. The JVM
would stop Spark under the job's hands, so it is started with both ignored, and only the job's Python driver hears them.
A SIGTERM to this process alone is passed on to the driver. If this process is killed outright, spark-submit is ended by
the system, and with it the job.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

DRIVER_FILE = "PROMO_SPARK_DRIVER_FILE"  # where the driver writes its process id
_PR_SET_PDEATHSIG = 1


def supervised(command: Sequence[str], environment: Mapping[str, str], stderr: IO[bytes] | None = None) -> int:
    """Runs the command to its end; its exit code, or 128 + the signal that ended it."""
    with tempfile.TemporaryDirectory(prefix="promo_spark_driver_") as folder, _signals_as_before():
        driver_file = Path(folder) / "pid"
        _on_signal(signal.SIGINT, signal.SIG_IGN)
        process = subprocess.Popen(
            command,
            env={**environment, DRIVER_FILE: str(driver_file)},
            stderr=stderr,
            preexec_fn=_without_signals_ended_with_parent,
        )

        def pass_on(number: int, _frame: FrameType | None) -> None:
            try:
                os.kill(int(driver_file.read_text()), number)
            except (OSError, ValueError):  # there is no driver yet, or none on this machine
                process.kill()

        _on_signal(signal.SIGTERM, pass_on)
        code = process.wait()
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _signals_as_before() -> Iterator[None]:
    """Puts back what the caller does on the signals: it may be a program that goes on afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            _on_signal(number, handler)


def _on_signal(number: signal.Signals, handler: Any) -> None:
    if threading.current_thread() is threading.main_thread():  # Python allows it nowhere else
        signal.signal(number, handler)


def announce_driver() -> None:
    """Tells the supervisor, if there is one, which process is the driver. It hears the signals that the JVM ignores."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    file = os.environ.get(DRIVER_FILE)
    if file:
        unfinished = Path(f"{file}.part")
        try:
            unfinished.write_text(str(os.getpid()))
            unfinished.replace(file)
        except OSError:  # the driver runs on another machine
            return


def _without_signals_ended_with_parent() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
