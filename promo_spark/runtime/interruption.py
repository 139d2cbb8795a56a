"""Ctrl-C and SIGTERM: what jobs are doing in Spark is stopped, so that they can put their tables back and end."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.runtime.context import Context
from promo_spark.runtime.task_progress import tasks_shown
from promo_spark.storage.jvm import unended_tasks

_MOST_SECONDS_OF_TASKS = 30.0  # a task that is lost with its executor is never told to have ended


class Interruption:
    """Whether the jobs of a call are to stop, and the tags of what they are doing in Spark."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._asked = threading.Event()
        self._tags: set[str] = set()

    @contextlib.contextmanager
    def watched(self, ctx: Context[Any]) -> Iterator[None]:
        """While the block runs, its Spark jobs can be stopped; after it, what puts tables back runs undisturbed."""
        tag = f"promo_spark-{ctx.job.name}-{uuid.uuid4().hex}"
        ctx.stop_asked = self._asked
        self._spark.addTag(tag)
        self._tags.add(tag)
        try:
            with tasks_shown(self._spark, tag, ctx.step):
                yield
        except BaseException:
            self._let_tasks_end(tag)
            raise
        finally:
            self._tags.discard(tag)
            self._spark.removeTag(tag)

    def _let_tasks_end(self, tag: str) -> None:
        """Waits for the tasks of what failed: on a full disk they would take the room that putting back needs."""
        until = time.monotonic() + _MOST_SECONDS_OF_TASKS
        while unended_tasks(self._spark, tag) and time.monotonic() < until:
            time.sleep(0.2)

    def ask(self) -> None:
        """Asks all jobs to stop. To be called again until they have: a thread may just have begun a Spark job."""
        self._asked.set()
        for tag in list(self._tags):
            self._spark.interruptTag(tag)
