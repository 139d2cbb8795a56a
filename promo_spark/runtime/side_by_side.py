"""Parts of a job that need not wait for one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pyspark.sql import SparkSession
from pyspark.util import inheritable_thread_target

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(what: Callable[[T], R], of: Sequence[T]) -> list[R]:
    """What is done to each, two at a time, in their order.

    A large file is read by one task where its owner wrote it as one piece, and a driver plans one query at a time: two
    side by side keep both the cores of a laptop busy. The threads inherit the tags of the job's own, so that what they
    do can be stopped.
    """
    inheriting: Callable[[T], R] = inheritable_thread_target(SparkSession.active())(what)
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(inheriting, of))


def both(one: Callable[[], T], other: Callable[[], R]) -> tuple[T, R]:
    """What two parts give that are run side by side."""
    inheriting = inheritable_thread_target(SparkSession.active())
    with ThreadPoolExecutor(max_workers=2) as pool:
        first, second = pool.submit(inheriting(one)), pool.submit(inheriting(other))
        return first.result(), second.result()
