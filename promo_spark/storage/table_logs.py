"""What the tables of a lake say of themselves: their versions, the runs that wrote their rows, commits by others."""

from __future__ import annotations

import datetime
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from promo_spark.contracts.schema import Table
from promo_spark.storage.commits import Commit
from promo_spark.storage.lake import Lake
from promo_spark.storage.pages import page_run

Runs = tuple[str | None, ...]  # ids of runs, sorted; None: rows that name none, of version 0.1


@dataclass(frozen=True)
class Condition:
    """What rows are asked for: those whose value in a column equals, or is less than, another."""

    column: str
    operator: Literal["=", "<"]
    value: datetime.date | str | bool


@dataclass(frozen=True)
class RowsOf:
    """Rows of a table at a version: those that meet all conditions."""

    table: type[Table]
    version: int
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Totals:
    """Groups by columns, and what is asked of each: its number of `rows`, different values of a column, and sums."""

    by: tuple[str, ...]
    different: str
    sums: tuple[str, ...]


class TableLogs(Protocol):
    """What may be asked of the tables of a lake."""

    def version(self, table: type[Table]) -> int | None:
        """The newest Delta version, or None where there is no table."""

    def runs_of(self, wanted: Sequence[RowsOf]) -> dict[RowsOf, Runs]:
        """The ids of the runs that wrote the rows. Raises an error where files are gone."""

    def removed_by(self, table: type[Table]) -> str:
        """The newest run that only took rows out of the table; empty: none. No row that is left says so."""

    def changed_by_others(
        self, table: type[Table], since: int, concerns: Callable[[Mapping[str, str]], bool]
    ) -> Commit | None:
        """The newest commit after a version with which somebody outside the suite may have changed rows.

        Only commits that touch a partition which `concerns` names count. What Delta has cleaned up of its log is not
        looked at.
        """

    def rows(self, table: type[Table], conditions: Sequence[Condition] = ()) -> list[Row]:
        """Rows of a table that does not grow with the users; none where there is no table."""

    def totals(self, table: type[Table], conditions: Sequence[Condition], totals: Totals) -> list[Row]:
        """One row per group; none where there is no table."""

    def page_run(self, name: str) -> str | None:
        """The id of the run that wrote a page; None where there is no such page, or none that a run wrote."""


class SparkLogs:
    """The logs of a lake wherever it lies, by Spark."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def version(self, table: type[Table]) -> int | None:
        return self._lake.version(table)

    def runs_of(self, wanted: Sequence[RowsOf]) -> dict[RowsOf, Runs]:
        ids: dict[int, list[str | None]] = {i: [] for i in range(len(wanted))}
        if wanted:
            frames = [
                self._lake.runs_of(rows.table, rows.version, _column(rows.conditions)).withColumn("place", F.lit(i))
                for i, rows in enumerate(wanted)
            ]
            for row in functools.reduce(DataFrame.unionByName, frames).collect():  # as many as there are runs
                ids[row.place].append(row.run_id)
        return {rows: sorted_runs(ids[i]) for i, rows in enumerate(wanted)}

    def removed_by(self, table: type[Table]) -> str:
        return self._lake.removed_by(table)

    def changed_by_others(
        self, table: type[Table], since: int, concerns: Callable[[Mapping[str, str]], bool]
    ) -> Commit | None:
        return self._lake.changed_by_others(table, since, concerns)

    def rows(self, table: type[Table], conditions: Sequence[Condition] = ()) -> list[Row]:
        frame = self._frame(table, conditions)
        return [] if frame is None else frame.collect()

    def totals(self, table: type[Table], conditions: Sequence[Condition], totals: Totals) -> list[Row]:
        frame = self._frame(table, conditions)
        if frame is None:
            return []
        different = F.countDistinct(totals.different).alias(totals.different)
        sums = [F.sum(column).alias(column) for column in totals.sums]
        return frame.groupBy(*totals.by).agg(F.count(F.lit(1)).alias("rows"), different, *sums).collect()

    def page_run(self, name: str) -> str | None:
        return page_run(self._lake, name)

    def _frame(self, table: type[Table], conditions: Sequence[Condition]) -> DataFrame | None:
        if not self._lake.exists(table):
            return None
        wanted = _column(conditions)
        rows = self._lake.read(table)
        return rows if wanted is None else rows.filter(wanted)


def sorted_runs(ids: Sequence[str | None]) -> Runs:
    """
    >>> sorted_runs(["b2", None, "a1"])
    (None, 'a1', 'b2')
    """
    return tuple(sorted(ids, key=lambda run: (run is not None, run or "")))


def _column(conditions: Sequence[Condition]) -> Column | None:
    columns = [COMPARISONS[c.operator](F.col(c.column), F.lit(c.value)) for c in conditions]
    return functools.reduce(operator.and_, columns) if columns else None


COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {"=": operator.eq, "<": operator.lt}
