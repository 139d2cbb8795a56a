"""What a work is: its data, its engines, how their results are judged, and a time that none of them can beat."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SIZES = ("tiny", "small", "medium", "large")  # tiny: what warms a process up, and what tests take
SEED = 20170101
OURS = "ours"


@dataclass(frozen=True)
class Engine:
    """One way to do a work. A name that begins with `ours` is promo_spark's own.

    `run` reads the input from the first folder and leaves its result as Parquet at the second path; the third argument
    is the Spark session, or None. `modules` are imported before the clock starts, `packages` have versions to tell.
    """

    name: str
    run: Callable[[Path, Path, Any], None]
    modules: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    spark: bool = False
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a result is the right one; of works where quality counts: the quality; and what there is to say."""

    equal: bool | None  # None: there was nothing to compare with
    quality: float | None = None
    note: str = ""


class Work(Protocol):
    """A work of a size. `about`, `tolerance` and `limited_by` are sentences for the page."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str: ...

    @property
    def tolerance(self) -> str: ...

    @property
    def limited_by(self) -> str: ...

    @property
    def reference(self) -> str:
        """The engine whose result is the right one; "" where quality decides."""
        ...

    @property
    def sizes(self) -> Sequence[str]: ...

    @property
    def engines(self) -> Sequence[Engine]: ...

    def prepare(self, folder: Path, size: str) -> int:
        """Writes the input, the same for the same size, and returns its rows."""
        ...

    def judged(self, folder: Path, results: Mapping[str, Path]) -> Mapping[str, Verdict]:
        """What the results are worth, by engine; the result of the reference is among them, if there is one."""
        ...

    def limit(self, folder: Path) -> float:
        """Seconds on this machine that no engine can beat on this input, by measured rates or bare kernels."""
        ...


def write(folder: Path, name: str, columns: Mapping[str, Any]) -> None:
    """One Parquet file of several row groups, so that two tasks can read it."""
    table = pa.table(dict(columns))
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / f"{name}.parquet", row_group_size=max(1, -(-table.num_rows // 4)))


def column(table: pa.Table, name: str) -> Any:
    """As numpy."""
    return table[name].to_numpy()


def result(path: Path) -> pa.Table:
    """What an engine left: a file, or a folder of files."""
    return pq.read_table(path).combine_chunks()


def multiplication_rate(n: int = 2000, dtype: str = "float32") -> float:
    """Floating-point operations a second of this machine's matrix product, at its best."""
    a = np.random.default_rng(SEED).random((n, n)).astype(dtype)
    return 2.0 * n**3 / _fastest(lambda: a @ a)


def reading_rate() -> float:
    """Bytes a second that this machine sums up from memory."""
    a = np.ones(1 << 24, np.float64)
    return a.nbytes / _fastest(a.sum)


def _fastest(done: Callable[[], object], times: int = 5) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        done()
        taken.append(time.perf_counter() - started)
    return min(taken)
