"""Small tables of a lake on this machine, read and written without a query about their files.

Delta finds the files of each read, and of each replaced partition, with a query of its own: a tenth of a second, where
the rows are a thousand. Here the log is read by the deltalake package, in milliseconds. The rows are given to Spark as
they are, so that it knows their number, and plans without a scan.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, WriterProperties
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from promo_spark.contracts.schema import Table, WriteMode
from promo_spark.storage.arrow_tables import UNREADABLE, dataset
from promo_spark.storage.commits import Commit, Mark, commit_in
from promo_spark.storage.driver_rows import (
    Rows,
    committed,
    committed_table,
    committed_without,
    is_plain,
    schema_of,
    takes,
)
from promo_spark.storage.literals import SliceValue, days_in_slice
from promo_spark.storage.repetition import changed_days, holds

SMALL_BYTES = 1 << 20  # of the files that hold the rows
ROWS_OF_DRIVER = "spark.promo_spark.rowsOfDriver"  # a property of sessions: what is written goes by way of the driver
MOST_ROWS = 100_000  # that go this way; of more, Spark's two queries are the smaller part of the work
MOST_MERGED = 20_000  # of those that are merged, a row at a time
REWRITTEN_BYTES = 16 << 20  # so much is written in about the time in which Delta plans a merge


class SmallTables:
    """The tables in a folder of this machine; of a lake elsewhere ("" as its folder) nothing is known."""

    def __init__(self, spark: SparkSession, folder: str) -> None:
        self._spark = spark
        self._folder = folder

    def frame(self, table: type[Table], version: int | None, date: datetime.date | None) -> DataFrame | None:
        """The rows of a version, or of its rows those of a date, as they are stored. None: not small, or unreadable.

        Why a table cannot be read, Spark's own reader says better.
        """
        try:
            stored = self._opened(table, version)
            if (
                stored is None
                or _bytes_of(stored, {table.dated_by: date} if table.dated_by and date else {}) > SMALL_BYTES
            ):
                return None
            wanted = ds.field(table.dated_by) == ds.scalar(date) if table.dated_by and date else None
            # In one piece: of a large one PySpark takes no lists whose nulls are marked in a slice.
            rows = dataset(stored).to_table(filter=wanted).combine_chunks()
        except UNREADABLE:
            return None
        return self._frame_of(rows, schema_of(stored))

    def schema(self, table: type[Table]) -> T.StructType | None:
        """The columns of the newest version, of any size; None: they are not known here."""
        try:
            stored = self._opened(table, None)
            return None if stored is None else schema_of(stored)
        except UNREADABLE:
            return None

    def version(self, table: type[Table]) -> int | None:
        """The newest version; None: it is not known here."""
        try:
            stored = self._opened(table, None)
            return None if stored is None else stored.version()
        except UNREADABLE:
            return None

    def commit(self, table: type[Table], version: int) -> Commit | None:
        """What a commit says of itself; None: it is not known here."""
        if not self._folder:
            return None
        try:
            with (self._path(table) / "_delta_log" / f"{version:020d}.json").open(encoding="utf-8") as lines:
                return commit_in(lines, version)
        except (OSError, ValueError, KeyError, StopIteration):
            return None

    def is_empty(self, table: type[Table], partition: Mapping[str, SliceValue]) -> bool:
        """Whether it is known that no file of the newest version holds rows of a partition."""
        try:
            stored = self._opened(table, None)
            return stored is not None and _bytes_of(stored, partition) == 0
        except UNREADABLE:
            return False

    def is_rewritten(self, table: type[Table]) -> bool:
        """Whether the newest version is known to be so small that a merge costs more than to write it anew."""
        try:
            stored = self._opened(table, None)
            return stored is not None and _bytes_of(stored, {}) <= REWRITTEN_BYTES
        except UNREADABLE:
            return False

    def committed(
        self, table: type[Table], rows: Rows, slice_values: Mapping[str, SliceValue], mark: Mark | None
    ) -> tuple[int, int] | None:
        """The version of the commit that put rows of the driver into the table, and how many rows it wrote.

        None: Spark is to write them.
        """
        if not self._folder or (table.write_mode is WriteMode.MERGE and not self._is_small(table)):
            return None
        return committed(self._path(table), table, rows, slice_values, mark)

    def taken(
        self,
        table: type[Table],
        rows: DataFrame,
        slice_values: Mapping[str, SliceValue],
        mark: Mark | None,
    ) -> tuple[int, int] | None:
        """As `committed`, of the rows of a frame that breaks off where one breaks the contract.

        None as well where the input is not small, or many rows come of it all the same.
        """
        if self._spark.conf.get(ROWS_OF_DRIVER, "false") != "true" or not self._folder:
            return None
        folder, merges = self._path(table), table.write_mode is WriteMode.MERGE
        if not takes(folder, table, slice_values) or (merges and not self._is_small(table)):
            return None
        if table.layer == "silver" and not merges and self.exists(table):
            stored = self.frame(table, None, None)  # None: it is larger than what comes to it
            return None if stored is None else self._news_taken(table, rows, stored, slice_values, mark)
        few = _few(rows, MOST_MERGED if merges else MOST_ROWS)
        return None if few is None else committed_table(folder, table, few, slice_values, mark)

    def _news_taken(
        self,
        table: type[Table],
        rows: DataFrame,
        stored: DataFrame,
        slice_values: Mapping[str, SliceValue],
        mark: Mark | None,
    ) -> tuple[int, int] | None:
        """As `taken`, of silver: what the table holds already stays as it is, and counts as written."""
        few = _few(rows, MOST_ROWS)
        if few is None:
            return None
        folder, stored = self._path(table), table.conform(stored)
        rows, version = self._frame_of(few, table.schema()), int(DeltaTable(str(folder)).version())
        if table.write_mode is not WriteMode.REPLACE_DAYS:
            if holds(table, rows, stored):
                return version, few.num_rows
            return committed_table(folder, table, few, slice_values, mark)
        day = table.partition[0]
        days, there = changed_days(table, rows, stored, days_in_slice(table, slice_values))
        if not days:
            return version, there
        news = few.filter(pc.is_in(few[day], pa.array(days, pa.date32())))
        done = committed_table(folder, table, news, {day: days}, mark)
        return done and (done[0], there + done[1])

    def _frame_of(self, rows: pa.Table, schema: T.StructType) -> DataFrame:
        return self._spark.createDataFrame(rows if rows.num_rows else rows.schema.empty_table(), schema)

    def exists(self, table: type[Table]) -> bool | None:
        """Whether there is such a table; None: it is not known here."""
        return DeltaTable.is_deltatable(str(self._path(table))) if self._folder else None

    def without(self, table: type[Table], keys: DataFrame, mark: Mark) -> bool:
        """Whether the rows with these values in the columns of `keys` were taken out here; else Spark is to do it."""
        if not self._folder or not self._is_small(table):
            return False
        few = _few(keys, MOST_MERGED)
        return few is not None and committed_without(self._path(table), table, few, mark)

    def files(self, table: type[Table]) -> list[str] | None:
        """The files that hold the rows of the newest version, of any size; None: it is not known here."""
        try:
            stored = self._opened(table, None)
            if stored is None:
                return None
            folder = self._path(table).as_uri().replace("file://", "file:", 1)  # as Spark names it
            return [f"{folder}/{path}" for path in _added(stored)["path"].to_pylist()]
        except UNREADABLE:
            return None

    def files_merged(self, table: type[Table], mark: Mark) -> bool:
        """Whether the small files of a table were merged here, in a commit of its own; else Spark is to do it."""
        try:
            stored = self._opened(table, None)
            if stored is None or not is_plain(stored) or _bytes_of(stored, {}) > REWRITTEN_BYTES:
                return False
            as_spark = WriterProperties(compression="SNAPPY")
            stored.optimize.compact(commit_properties=_properties(mark), writer_properties=as_spark)
        except UNREADABLE:
            return False
        return True

    def vacuumed(self, table: type[Table], hours: int, mark: Mark) -> bool:
        """Whether files that were not needed for so many hours were deleted here, of any size; else Spark is to do it.

        As Spark does: those that commits took out so long ago, and what no commit names and is as old.
        """
        try:
            stored = self._opened(table, None)
            if stored is None or not is_plain(stored):
                return False
            stored.vacuum(hours, False, False, commit_properties=_properties(mark), full=True)
        except UNREADABLE:
            return False
        return True

    def restored(self, table: type[Table], version: int, mark: Mark) -> bool:
        """Whether the table was put back to a version here, in a commit that names its files; else Spark is to do it.

        Of files of any size: none is read.
        """
        try:
            stored = self._opened(table, None)
            if stored is None or not is_plain(stored):
                return False
            stored.restore(version, commit_properties=_properties(mark))
        except UNREADABLE:
            return False
        return True

    def _is_small(self, table: type[Table]) -> bool:
        """Whether all rows of a table that may not be there yet are so few that the driver can hold them."""
        try:
            return not DeltaTable.is_deltatable(str(self._path(table))) or (
                _bytes_of(DeltaTable(str(self._path(table))), {}) <= SMALL_BYTES
            )
        except UNREADABLE:
            return False

    def _opened(self, table: type[Table], version: int | None) -> DeltaTable | None:
        if not self._folder:
            return None
        return DeltaTable(os.fspath(self._path(table)), version=version)

    def _path(self, table: type[Table]) -> Path:
        return Path(self._folder, table.layer, table.name)


def _few(rows: DataFrame, most: int) -> pa.Table | None:
    """The rows, where they are not more."""
    few = rows.limit(most + 1).toArrow()
    return few if few.num_rows <= most else None


def _properties(mark: Mark) -> CommitProperties:
    return CommitProperties(custom_metadata={"userMetadata": mark.text()})


def _added(stored: DeltaTable) -> pa.Table:
    """One row per file of the version: path, size_bytes, and more."""
    return pa.table(stored.get_add_actions(flatten=True))


def _bytes_of(stored: DeltaTable, partition: Mapping[str, SliceValue]) -> int:
    """The size of the files that may hold rows of a partition; of columns that are none, nothing is known."""
    files = _added(stored)
    for column, value in partition.items():
        name = f"partition.{column}"
        if name in files.column_names:
            values = [value] if isinstance(value, (str, datetime.date)) else list(value)
            files = files.filter(pc.is_in(files[name], pa.array(values, files[name].type)))
    return int(pc.sum(files["size_bytes"]).as_py() or 0)
