"""How far a long step is: the tasks that have ended of those that its largest Spark job has."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from pyspark.sql import SparkSession

from promo_spark.runtime.progress import Step
from promo_spark.storage.jvm import running_tasks

TERMINAL_SECONDS = 1.0  # between two looks where the line changes in place
PLAIN_SECONDS = 20.0  # where each look that tells something new is a line of its own


@contextlib.contextmanager
def tasks_shown(spark: SparkSession, tag: str, step: Step) -> Iterator[None]:
    """While the block runs, the step shows its tasks. Short steps show nothing: the first look comes after a while."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(TERMINAL_SECONDS if step.on_terminal else PLAIN_SECONDS):
            counted = running_tasks(spark, tag)
            step.show_tasks(counted if counted and counted[1] > 1 else None)

    looking = threading.Thread(target=look, name="task progress", daemon=True)
    looking.start()
    try:
        yield
    finally:
        ended.set()
        looking.join()
