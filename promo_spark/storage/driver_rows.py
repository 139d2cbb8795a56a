"""Rows that the driver holds, put into tables of this machine without a query.

A run's row of ops.runs, its figures, its fitted models: a few rows, for each of which Spark plans two queries, half a
second. Here Arrow writes the file and the deltalake package the commit, as atomic as Spark's own. A merge into a small
table writes all its rows anew. What is not plainly so, such as a row that breaks its contract or a table of newer
features, is left to Spark.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import math
import operator
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction, create_table_with_add_actions
from pyspark.sql import types as T

from promo_spark.contracts.schema import Check, Table, WriteMode, contract_version
from promo_spark.contracts.schema.arrow_rows import arrow_value
from promo_spark.storage.arrow_tables import UNREADABLE, dataset
from promo_spark.storage.commits import Mark
from promo_spark.storage.literals import SliceValue, days_in_slice
from promo_spark.storage.merges import compared

Rows = Sequence[Mapping[str, Any]]  # by column; see Frame.complete

_SLICED = (WriteMode.REPLACE_DATE, WriteMode.REPLACE_SLICE)
_Filter = tuple[str, str, str | list[str]]  # a partition column, an operator of the deltalake package, its values


def committed(
    folder: Path, table: type[Table], rows: Rows, slice_values: Mapping[str, SliceValue], mark: Mark | None
) -> tuple[int, int] | None:
    """The version of the commit that put the rows in place of those of their slice, and how many rows it wrote.

    A merge that changes nothing gives the version that there is, and no rows. None: Spark is to write them, and nothing
    was written.
    """
    complete = [table.complete(row) for row in rows]
    values = _partition_values(table, slice_values)
    if values is None or set(slice_values) - set(values) or table.layer == "silver":
        return None
    if not takes(folder, table, slice_values):
        return None
    if not all(_is_plain(table, row, slice_values) for row in complete):
        return None
    try:
        written = _arrow(table, complete)
        if table.write_mode is WriteMode.MERGE:
            return _merged_and_put(folder, table, written, mark)
        return _put(folder, _stored(folder), table, [(values, written)], _equal(values), mark)
    except (*UNREADABLE, TypeError, AttributeError, ArithmeticError):
        return None


def committed_table(
    folder: Path, table: type[Table], rows: pa.Table, slice_values: Mapping[str, SliceValue], mark: Mark | None
) -> tuple[int, int] | None:
    """As `committed`, of rows in the columns of the contract that are known to keep it."""
    rows = rows.replace_schema_metadata(None)
    try:
        if table.write_mode is WriteMode.MERGE:
            return _merged_and_put(folder, table, rows, mark)
        if table.write_mode is WriteMode.REPLACE_DAYS:
            return _days_put(folder, table, rows, slice_values, mark)
        values, stored = _partition_values(table, slice_values), _stored(folder)
        if values is None or not all(_all_are(rows[name], value) for name, value in slice_values.items()):
            return None
        of_file = rows.drop_columns(list(table.partition))
        stay = _staying(stored, table, values, slice_values)
        both = of_file if stay is None else pa.concat_tables([of_file, stay.cast(of_file.schema)])
        return _put(folder, stored, table, [(values, both)], _equal(values), mark, rows.num_rows)
    except UNREADABLE:
        return None


def committed_without(folder: Path, table: type[Table], keys: pa.Table, mark: Mark | None) -> bool:
    """Whether a commit took out the rows with the values of one of the keys, nulls alike; else nothing was written."""
    try:
        stored = _stored(folder)
        if stored is None or not _takes_out(stored, table):
            return False
        rows, columns = dataset(stored).to_table(), keys.column_names
        if any(rows[name].null_count for name in table.partition):
            return False
        named = set(zip(*(keys[c].to_pylist() for c in columns), strict=True))
        values = zip(*(rows[c].to_pylist() for c in columns), strict=True)
        stays = pa.array([value not in named for value in values], pa.bool_())
        if not table.partition:
            _put(folder, stored, table, [({}, rows.filter(stays))], [], mark, 0)
            return True
        [part] = table.partition
        touched = sorted({str(value) for value in rows.filter(pc.invert(stays))[part].to_pylist()})
        of_part = pc.cast(rows[part], pa.string())
        left = [(of, rows.filter(pc.and_(stays, pc.equal(of_part, of))).drop_columns([part])) for of in touched]
        _put(folder, stored, table, [({part: of}, few) for of, few in left], [(part, "in", touched)], mark, 0)
    except (*UNREADABLE, TypeError):
        return False
    return True


def takes(folder: Path, table: type[Table], slice_values: Mapping[str, SliceValue]) -> bool:
    """Whether rows of the driver can be put into a table that may not be there yet, in place of those of a slice."""
    days = table.write_mode is WriteMode.REPLACE_DAYS and not set(slice_values) - set(table.partition)
    if table.statistics or not (days or _partition_values(table, slice_values) is not None):
        return False
    try:
        stored = _stored(folder)
        return stored is None or _takes(stored, table)
    except UNREADABLE:
        return False


def schema_of(stored: DeltaTable) -> T.StructType:
    """The columns of a table as Spark knows them."""
    return T.StructType.fromJson(json.loads(stored.schema().to_json()))


def is_plain(stored: DeltaTable) -> bool:
    """Whether a table has none of Delta's newer features."""
    return (stored.protocol().min_reader_version, stored.protocol().min_writer_version) == (1, 2)


def _stored(folder: Path) -> DeltaTable | None:
    return DeltaTable(str(folder)) if DeltaTable.is_deltatable(str(folder)) else None


def _merged_and_put(folder: Path, table: type[Table], rows: pa.Table, mark: Mark | None) -> tuple[int, int] | None:
    """The rows of all, merged by their key into those that are stored, in a commit; none where nothing changes."""
    stored = _stored(folder)
    if stored is not None:
        old, new = dataset(stored).to_table().to_pylist(), rows.to_pylist()
        merged = None if _is_ambiguous(table, new) else _merged(table, old, new)
        if merged is None:
            return None
        if merged == old:
            return int(stored.version()), 0
        rows = pa.Table.from_pylist(merged, schema=rows.schema)
    return _put(folder, stored, table, [({}, rows)], [], mark)


def _days_put(
    folder: Path, table: type[Table], rows: pa.Table, slice_values: Mapping[str, SliceValue], mark: Mark | None
) -> tuple[int, int] | None:
    """A file for each day of the rows, in place of those days, or of the days that are given."""
    day = table.partition[0]
    found = sorted(pc.unique(rows[day]).to_pylist())
    replaced = days_in_slice(table, slice_values) or found
    if not replaced or set(found) - set(replaced):
        return None
    parts = [({day: str(of)}, rows.filter(pc.equal(rows[day], pa.scalar(of))).drop_columns([day])) for of in found]
    return _put(folder, _stored(folder), table, parts, [(day, "in", [str(of) for of in replaced])], mark)


def _all_are(column: pa.ChunkedArray, value: SliceValue) -> bool:
    """Whether all values are the one of a slice, or among those that it names."""
    if isinstance(value, (str, datetime.date)):
        return bool(pc.all(pc.equal(column, pa.scalar(value, column.type)), min_count=0).as_py())
    return bool(pc.all(pc.is_in(column, pa.array(list(value), column.type)), min_count=0).as_py())


def _staying(
    stored: DeltaTable | None, table: type[Table], values: Mapping[str, str], slice_values: Mapping[str, SliceValue]
) -> pa.Table | None:
    """The stored rows of a partition that a slice leaves there: it replaces those of some values of another column."""
    narrowed = {n: v for n, v in slice_values.items() if n not in table.partition and not isinstance(v, datetime.date)}
    if stored is None or not narrowed:
        return None
    replaced = [ds.field(name).isin([*given]) for name, given in narrowed.items()]
    stay = ~functools.reduce(operator.and_, replaced)
    for name, value in values.items():
        stay &= ds.field(name).cast("string") == value
    return dataset(stored).to_table(filter=stay).drop_columns(list(table.partition))


def _equal(values: Mapping[str, str]) -> list[_Filter]:
    return [(name, "=", value) for name, value in values.items()]


def _put(
    folder: Path,
    stored: DeltaTable | None,
    table: type[Table],
    parts: Sequence[tuple[Mapping[str, str], pa.Table]],
    replaced: list[_Filter],
    mark: Mark | None,
    new: int | None = None,
) -> tuple[int, int]:
    """Writes a file for the rows of each partition, and the commit that names them in place of what is replaced.

    Without the commit, no file is left. The rows have the columns of the files; `new`: so many of them are not what
    was there; None: all.
    """
    files: list[Path] = []
    added: list[AddAction] = []
    written = sum(rows.num_rows for _, rows in parts) if new is None else new
    try:
        for values, rows in parts:
            if rows.num_rows:
                file = folder.joinpath(*(f"{name}={value}" for name, value in values.items()), _file_name())
                files.append(file)
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("wb") as sink:  # closed for certain: on a full disk a file that is open keeps its room
                    pq.write_table(rows, sink, compression="snappy")
                made, stats = file.stat(), json.dumps({"numRecords": rows.num_rows})
                path = file.relative_to(folder).as_posix()
                added.append(AddAction(path, made.st_size, dict(values), int(made.st_mtime * 1000), True, stats))
        _commit(folder, stored, table, added, replaced, mark, written)
    except (*UNREADABLE, TypeError, AttributeError):
        for file in files:
            with contextlib.suppress(OSError):  # of a file system that cannot be written
                file.unlink(missing_ok=True)
        raise
    if stored is None:
        return 0, written
    stored.update_incremental()  # what fails from here on must leave the files: they are committed
    return int(stored.version()), written


def _commit(
    folder: Path,
    stored: DeltaTable | None,
    table: type[Table],
    added: list[AddAction],
    replaced: list[_Filter],
    mark: Mark | None,
    rows: int,
) -> None:
    told: dict[str, Any] = {"operationMetrics": {"numFiles": str(len(added)), "numOutputRows": str(rows)}}
    if mark is not None:
        told["userMetadata"] = mark.text()
    properties = CommitProperties(custom_metadata=told)
    if stored is None:
        create_table_with_add_actions(
            str(folder),
            Schema.from_json(table.schema().json()),
            added,
            partition_by=list(table.partition),
            configuration={"delta.enableDeletionVectors": "false", "delta.dataSkippingNumIndexedCols": "0"},
            commit_properties=properties,
        )
        return
    appended = table.write_mode is WriteMode.APPEND
    stored.create_write_transaction(
        [*added],
        "append" if appended else "overwrite",
        stored.schema(),
        list(table.partition),
        replaced if replaced and not appended else None,
        commit_properties=properties,
    )


def _partition_values(table: type[Table], slice_values: Mapping[str, SliceValue]) -> dict[str, str] | None:
    """The values of the partition that rows of a slice are in; None: not in one.

    Of another column a slice may name some values: what the partition has of others stays.
    """
    if table.partition and table.write_mode not in _SLICED:
        return None
    others = [value for name, value in slice_values.items() if name not in table.partition]
    if any(isinstance(value, (str, datetime.date)) or not value for value in others):
        return None
    values = {name: slice_values.get(name) for name in table.partition}
    if not all(isinstance(v, datetime.date) or (isinstance(v, str) and v.isidentifier()) for v in values.values()):
        return None
    return {name: str(value) for name, value in values.items()}


def _takes(stored: DeltaTable, table: type[Table]) -> bool:
    """Whether rows of the contract can be added to a table, or put in place of a slice of it, as it stands."""
    if (table.write_mode in (*_SLICED, WriteMode.REPLACE_DAYS)) is not bool(table.partition):
        return False
    schema = schema_of(stored)
    return (
        is_plain(stored)
        and contract_version(schema) <= table.version
        and list(stored.metadata().partition_columns) == list(table.partition)
        and [(f.name, f.dataType) for f in schema.fields] == [(f.name, f.dataType) for f in table.schema().fields]
    )


def _takes_out(stored: DeltaTable, table: type[Table]) -> bool:
    """Whether rows can be taken out of a table: in place of the partitions that have some, of days, or of all."""
    days = len(table.partition) == 1 and table.schema()[table.partition[0]].dataType == T.DateType()
    whole = not table.partition and table.write_mode is not WriteMode.APPEND
    return (days or whole) and not table.statistics and _takes(stored, table)


def _is_ambiguous(table: type[Table], rows: Rows) -> bool:
    """Whether a row lacks a part of its key, or two have the same."""
    keys = [_key(table, row) for row in rows]
    return len(set(keys)) < len(keys) or any(value is None for key in keys for value in key)


def _merged(table: type[Table], stored: Rows, rows: Rows) -> list[Mapping[str, Any]]:
    """The stored rows, those that changed replaced, and behind them the rows of new keys; see merges.merged.

    A row stays as it is where only the run or the file differs.
    """
    new = {_key(table, row): row for row in rows}
    columns = compared(table)

    def newer(row: Mapping[str, Any]) -> Mapping[str, Any]:
        other = new.pop(_key(table, row), row)
        return row if all(row[c] == other[c] for c in columns) else other

    replaced = [newer(row) for row in stored]
    return [*replaced, *new.values()]


def _key(table: type[Table], row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in table.key)


def _is_plain(table: type[Table], row: Mapping[str, Any], slice_values: Mapping[str, SliceValue]) -> bool:
    """Whether a row is known to keep its contract, and to be of the slice."""
    columns = table.columns()
    return (
        all(row[name] is not None for name, column in columns.items() if column.required)
        and all(_holds(check, row[check.column]) for check in table.checks)
        and all(row[name] == value for name, value in slice_values.items())
    )


def _holds(check: Check, value: Any) -> bool:
    return check.passes(value) and not (isinstance(value, float) and math.isnan(value))  # Spark orders it


def _arrow(table: type[Table], rows: Rows) -> pa.Table:
    kinds = {name: column.type for name, column in table.columns().items() if name not in table.partition}
    whole: pa.Schema = pa.schema(Schema.from_json(table.schema().json()))
    schema = pa.schema([whole.field(name).remove_metadata() for name in kinds])
    arrays = [pa.array([arrow_value(row[n], kinds[n]) for row in rows], schema.field(n).type) for n in kinds]
    return pa.Table.from_arrays(arrays, schema=schema)


def _file_name() -> str:
    return f"part-00000-{uuid.uuid4()}-c000.snappy.parquet"
