"""Rows of a table as batches of Arrow make them, without the columns that a write stamps: the date and the run."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema

from promo_spark.contracts.schema import Table


def unstamped(table: type[Table]) -> T.StructType:
    """The names and types of the table's columns but those that a write stamps."""
    stamps = {table.dated_by, *table.trailing}
    return T.StructType([field for field in table.struct() if field.name not in stamps])


def record(table: type[Table], columns: Mapping[str, object]) -> pa.RecordBatch:
    """Rows of the table, unstamped, from columns by name: Arrow arrays or sequences."""
    schema = to_arrow_schema(unstamped(table))
    return pa.RecordBatch.from_arrays([_typed(columns[f.name], f.type) for f in schema], schema=schema)


def _typed(values: object, kind: pa.DataType) -> pa.Array:
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)
