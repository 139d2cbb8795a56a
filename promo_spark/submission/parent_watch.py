"""A job ends when its spark-submit does, however that happens.

A signal to spark-submit reaches its JVM alone; the Python driver that the JVM started would live on until
its next call into Spark. The JVM holds the driver's standard input open and never writes to it, so its end
of file says that the JVM is gone.
"""

from __future__ import annotations

import os
import threading

TERMINATED = 143  # as a shell reports a process ended by SIGTERM


def end_with_spark_submit() -> None:
    """Watches from a thread of its own; for drivers that spark-submit started only."""
    threading.Thread(target=_wait_and_exit, name="spark-submit watch", daemon=True).start()


def _wait_and_exit() -> None:
    while os.read(0, 4096):
        pass
    os._exit(TERMINATED)  # no clean-up: all there is to clean up went with the JVM
