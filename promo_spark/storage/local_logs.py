"""The logs of a lake in a folder of this machine, without Spark: in milliseconds where Spark takes a query each.

Delta's log is read by the deltalake package, the runs that wrote rows from the footers of the Parquet files: a row
group whose least and greatest run are the same was written by that run alone.
"""

from __future__ import annotations

import functools
import operator
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from pyspark.sql import Row

from promo_spark.contracts.schema import Table
from promo_spark.storage.arrow_tables import UNREADABLE, dataset, folder_of
from promo_spark.storage.commits import Commit, commit_in, partitions_in
from promo_spark.storage.lake import REMOVED_BY, Lake
from promo_spark.storage.pages import local_page_run
from promo_spark.storage.table_logs import (
    COMPARISONS,
    Condition,
    RowsOf,
    Runs,
    SparkLogs,
    TableLogs,
    Totals,
    sorted_runs,
)

RUN_ID = "run_id"

A = TypeVar("A")


def logs_of(lake: Lake) -> TableLogs:
    """The logs of a lake: read on this machine where it lies here, else by Spark."""
    folder = "" if lake.catalog else folder_of(lake.root)
    return LocalLogs(folder, SparkLogs(lake)) if folder else SparkLogs(lake)


class LocalLogs:
    """The logs of a lake in a folder. What cannot be read here is asked of `otherwise`, or raises one of UNREADABLE."""

    def __init__(self, folder: str, otherwise: TableLogs | None = None) -> None:
        self._folder = Path(folder)
        self._otherwise = otherwise

    def version(self, table: type[Table]) -> int | None:
        return self._read(
            lambda: self._opened(table).version() if self._exists(table) else None, lambda other: other.version(table)
        )

    def runs_of(self, wanted: Sequence[RowsOf]) -> dict[RowsOf, Runs]:
        return self._read(
            lambda: {rows: _runs(self._opened(rows.table, rows.version), rows.conditions) for rows in wanted},
            lambda other: other.runs_of(wanted),
        )

    def removed_by(self, table: type[Table]) -> str:
        return self._read(
            lambda: str(self._opened(table).metadata().configuration.get(REMOVED_BY) or ""),
            lambda other: other.removed_by(table),
        )

    def changed_by_others(
        self, table: type[Table], since: int, concerns: Callable[[Mapping[str, str]], bool]
    ) -> Commit | None:
        return self._read(
            lambda: self._changed(table, since, concerns), lambda other: other.changed_by_others(table, since, concerns)
        )

    def rows(self, table: type[Table], conditions: Sequence[Condition] = ()) -> list[Row]:
        return self._read(
            lambda: _rows(table, self._arrow(table, conditions, None)) if self._exists(table) else [],
            lambda other: other.rows(table, conditions),
        )

    def totals(self, table: type[Table], conditions: Sequence[Condition], totals: Totals) -> list[Row]:
        return self._read(
            lambda: self._totals(table, conditions, totals) if self._exists(table) else [],
            lambda other: other.totals(table, conditions, totals),
        )

    def page_run(self, name: str) -> str | None:
        return local_page_run(self._folder, name)

    def _read(self, here: Callable[[], A], otherwise: Callable[[TableLogs], A]) -> A:
        try:
            return here()
        except UNREADABLE:
            if self._otherwise is None:
                raise
            return otherwise(self._otherwise)

    def _path(self, table: type[Table]) -> Path:
        return self._folder / table.layer / table.name

    def _exists(self, table: type[Table]) -> bool:
        return (self._path(table) / "_delta_log").is_dir() and DeltaTable.is_deltatable(os.fspath(self._path(table)))

    def _opened(self, table: type[Table], version: int | None = None) -> DeltaTable:
        return DeltaTable(os.fspath(self._path(table)), version=version)

    def _arrow(self, table: type[Table], conditions: Sequence[Condition], columns: list[str] | None) -> pa.Table:
        return dataset(self._opened(table)).to_table(columns=columns, filter=_all_of(conditions))

    def _totals(self, table: type[Table], conditions: Sequence[Condition], totals: Totals) -> list[Row]:
        rows = self._arrow(table, conditions, [*totals.by, totals.different, *totals.sums])
        wanted = [(totals.different, "count_distinct"), *((column, "sum") for column in totals.sums), ([], "count_all")]
        renamed = {"count_all": "rows", f"{totals.different}_count_distinct": totals.different}
        renamed |= {f"{column}_sum": column for column in totals.sums}
        groups = rows.group_by(list(totals.by)).aggregate(wanted).to_pylist()
        return [Row(**{renamed.get(name, name): value for name, value in group.items()}) for group in groups]

    def _changed(self, table: type[Table], since: int, concerns: Callable[[Mapping[str, str]], bool]) -> Commit | None:
        newest = self._opened(table).version()
        for version in range(newest, since, -1):
            file = self._path(table) / "_delta_log" / f"{version:020d}.json"
            if not file.is_file():
                continue  # Delta has cleaned it up
            commit = commit_in(_lines(file), version)
            if commit.may_change_rows and any(concerns(values) for values in partitions_in(_lines(file))):
                return commit
        return None


def _lines(file: Path) -> Iterator[str]:
    yield from file.read_text(encoding="utf-8").splitlines()


def _runs(table: DeltaTable, conditions: Sequence[Condition]) -> Runs:
    """The runs that wrote the rows: of whole files by their footers, where conditions are on partitions."""
    rows = dataset(table)
    wanted = _all_of(conditions)
    found: set[str | None] = set()
    of_partitions = {c.column for c in conditions} <= set(table.metadata().partition_columns)
    for fragment in rows.get_fragments(wanted):
        if RUN_ID not in rows.schema.names:
            found |= {None} if fragment.count_rows(filter=wanted) else set()
            continue
        told = _told_by_footer(fragment) if of_partitions else None
        if told is None:
            column = fragment.to_table(schema=rows.schema, columns=[RUN_ID], filter=wanted).column(RUN_ID)
            told = set(column.unique().to_pylist())
        found |= told
    return sorted_runs(list(found))


def _told_by_footer(fragment: ds.ParquetFileFragment) -> set[str | None] | None:
    """The runs of a file's rows; None where its footer leaves it open."""
    footer = fragment.metadata
    names = [footer.schema.column(i).path for i in range(footer.num_columns)]
    if RUN_ID not in names:
        return {None} if footer.num_rows else set()
    found: set[str | None] = set()
    for group in range(footer.num_row_groups):
        told = footer.row_group(group).column(names.index(RUN_ID)).statistics
        if told is None or not told.has_min_max or told.null_count or told.min != told.max:
            return None
        found.add(told.min)
    return found


def _all_of(conditions: Sequence[Condition]) -> ds.Expression | None:
    expressions = [COMPARISONS[c.operator](ds.field(c.column), ds.scalar(c.value)) for c in conditions]
    return functools.reduce(operator.and_, expressions) if expressions else None


def _rows(table: type[Table], stored: pa.Table) -> list[Row]:
    """The rows as Spark would collect them; a column that the contract gained since they were written is null."""
    gained = dict.fromkeys(name for name in table.columns() if name not in stored.column_names)
    convert = {field.name: _converter(field.type) for field in stored.schema}
    return [Row(**{n: convert[n](value) for n, value in row.items()}, **gained) for row in stored.to_pylist()]


def _converter(kind: pa.DataType) -> Callable[[Any], Any]:
    if pa.types.is_map(kind):
        of_value = _converter(kind.item_type)
        return lambda pairs: None if pairs is None else {key: of_value(value) for key, value in pairs}
    if pa.types.is_struct(kind):
        of_fields = {field.name: _converter(field.type) for field in kind}
        return lambda row: None if row is None else Row(**{n: convert(row[n]) for n, convert in of_fields.items()})
    return lambda value: value
