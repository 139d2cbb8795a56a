"""Rows of Python as Arrow takes them, by the types that Spark has for their columns."""

from __future__ import annotations

import decimal
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_schema


def arrow_table(schema: T.StructType, rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows → a table of as many. Each row has a value, or null, for each column of the schema, in its order.

    Raises TypeError naming the column and the value that is of another type, or does not fit.

    >>> arrow_table(T.StructType([T.StructField("price", T.DecimalType(6, 2))]), [(decimal.Decimal("2.345"),)])["price"]
    <pyarrow.lib.ChunkedArray object at 0x...>
    [
      [
        2.35
      ]
    ]
    """
    columns = to_arrow_schema(schema, timezone="UTC")
    return pa.Table.from_arrays(
        [_array(field, columns.field(at).type, [row[at] for row in rows]) for at, field in enumerate(schema.fields)],
        schema=columns,
    )


def _array(field: T.StructField, kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array([arrow_value(value, field.dataType) for value in values], kind)
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:  # Arrow's own are of these, too
        raise TypeError(f"{field.name} {field.dataType.simpleString()}: {error}") from None


def arrow_value(value: Any, kind: T.DataType) -> Any:
    """A value as Arrow takes it; a decimal is rounded half up to the digits of its type, as Spark does.

    Raises TypeError for one that Spark would not take, or read in a zone of its own.
    """
    if value is None:
        return None
    if isinstance(kind, T.MapType):
        return [(arrow_value(k, kind.keyType), arrow_value(value[k], kind.valueType)) for k in sorted(value)]
    if isinstance(kind, T.ArrayType):
        return [arrow_value(entry, kind.elementType) for entry in value]
    if isinstance(kind, T.StructType):
        fields = value if isinstance(value, Mapping) else dict(zip(kind.names, value, strict=True))
        return {f.name: arrow_value(fields.get(f.name), f.dataType) for f in kind.fields}
    if isinstance(kind, T.DecimalType) and isinstance(value, decimal.Decimal):
        return value.quantize(decimal.Decimal(1).scaleb(-kind.scale), decimal.ROUND_HALF_UP)
    if isinstance(kind, T.TimestampType) and value.tzinfo is None:
        raise TypeError("a time without a zone")
    if isinstance(kind, T.StringType) is not isinstance(value, str):
        raise TypeError(f"{value!r} for {kind.simpleString()}")
    if isinstance(kind, T.BooleanType) is not isinstance(value, bool):
        raise TypeError(f"{value!r} for {kind.simpleString()}")
    if isinstance(kind, T.IntegralType) and not isinstance(value, int):
        raise TypeError(f"{value!r} for {kind.simpleString()}")
    return value
