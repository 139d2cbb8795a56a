"""Tables of a lake read without Spark, as Arrow: by the deltalake package, which reads the same files."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from promo_spark.contracts.schema import Table
from promo_spark.errors import MissingDataError
from promo_spark.storage.file_digests import local_path

UNREADABLE = (DeltaError, OSError, pa.ArrowException, ValueError, KeyError)  # what damage, or a newer table, leads to
SEPARATOR = "; "  # between the values of a list that becomes text


def folder_of(root: str) -> str:
    """The folder of this machine that a lake's root names; empty: it lies elsewhere.

    >>> folder_of("/data/lake"), folder_of("file:/data/lake"), folder_of("s3a://shop/lake")
    ('/data/lake', '/data/lake', '')
    """
    return local_path(root) if root.startswith("file:") else "" if ":/" in root else str(Path(root).absolute())


def arrow_table(root: str, table: type[Table], date: datetime.date | None = None) -> pa.Table:
    """All rows of a table, or those of a date.

    Raises MissingDataError where there is no such table, or it has no dates.
    """
    path = f"{root}/{table.layer}/{table.name}"
    if not DeltaTable.is_deltatable(path):
        raise MissingDataError(f"{table.full_name()} is not in the lake {root}")
    stored = dataset(DeltaTable(path))
    if date is None:
        return stored.to_table()
    if table.dated_by is None:
        raise MissingDataError(f"{table.full_name()} has no rows by date: read it without one")
    return stored.to_table(filter=ds.field(table.dated_by) == ds.scalar(date))


def dataset(table: DeltaTable) -> ds.Dataset:
    """The files of a table. Those of this machine are read by Arrow itself.

    deltalake's own way reads them through Python, on threads that outlive the reading: a Python that ends meanwhile
    is aborted ("terminate called without an active exception").
    """
    folder = urlsplit(table.table_uri)
    if folder.scheme not in ("", "file"):
        return table.to_pyarrow_dataset()
    return table.to_pyarrow_dataset(filesystem=SubTreeFileSystem(unquote(folder.path), LocalFileSystem()))


def flat(rows: pa.Table) -> pa.Table:
    """The same rows without nested columns, as CSV files need them.

    A list of texts becomes one text, its values joined by "; "; what is nested otherwise becomes JSON text.

    >>> flat(pa.table({"product_ids": [["1", "2"], []]}))["product_ids"].to_pylist()
    ['1; 2', '']
    """
    for position, field in enumerate(rows.schema):
        if pa.types.is_nested(field.type):
            rows = rows.set_column(position, field.name, _text(rows.column(position)))
    return rows


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    kind = column.type
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
        return pc.binary_join(column, SEPARATOR)
    return pa.array([None if v is None else json.dumps(v, default=str) for v in column.to_pylist()], pa.string())
