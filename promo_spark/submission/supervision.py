"""spark-submit as a child that ends as its job does: signals reach the job first, so that it can put its tables back.

A Ctrl-C on a terminal goes to every process there. The JVM would stop Spark under the job's hands, so it is started
with that signal ignored, and only the job's Python driver hears it. SIGTERM goes to this process alone, and is
passed on to the driver. If this process is killed outright, spark-submit is ended by the system, and with it the job.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

DRIVER_FILE = "PROMO_SPARK_DRIVER_FILE"  # where the driver writes its process id
_PR_SET_PDEATHSIG = 1


def supervised(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs the command to its end; its exit code, or 128 + the signal that ended it."""
    with tempfile.TemporaryDirectory(prefix="promo_spark_driver_") as folder:
        driver_file = Path(folder) / "pid"
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # and so for the child
        process = subprocess.Popen(
            command, env={**environment, DRIVER_FILE: str(driver_file)}, preexec_fn=_end_with_parent
        )

        def pass_on(number: int, _frame: FrameType | None) -> None:
            try:
                os.kill(int(driver_file.read_text()), number)
            except (OSError, ValueError):  # there is no driver yet, or none on this machine
                process.send_signal(number)

        signal.signal(signal.SIGTERM, pass_on)
        code = process.wait()
    return code if code >= 0 else 128 - code


def announce_driver() -> None:
    """Tells the supervisor, if there is one, which process is the driver."""
    file = os.environ.get(DRIVER_FILE)
    if file:
        unfinished = Path(f"{file}.part")
        try:
            unfinished.write_text(str(os.getpid()))
            unfinished.replace(file)
        except OSError:  # the driver runs on another machine
            return


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
