"""A column of a contract: its type, meaning, unit, and what is personal in it; and which values fit a type."""

from __future__ import annotations

import builtins
import datetime
import decimal
from dataclasses import dataclass
from typing import Any

from pyspark.sql import types as T

from promo_spark.contracts.schema.personal import Personal

MONEY = T.DecimalType(18, 2)
QUANTITY = T.DecimalType(18, 3)
RATE = T.DecimalType(9, 6)


@dataclass(frozen=True)
class Col:
    """A column: type, meaning, unit, whether null is allowed (`required`), and what is personal in it."""

    type: T.DataType
    meaning: str
    unit: str | None = None
    required: bool = False
    personal: Personal | None = None
    name: str = ""  # the attribute's, where none is given

    def __set_name__(self, owner: builtins.type, name: str) -> None:
        if not self.name:
            object.__setattr__(self, "name", name)

    def __get__(self, instance: object, owner: builtins.type | None = None) -> str:
        return self.name

    @property
    def comment(self) -> str:
        return f"{self.meaning} [{self.unit}]" if self.unit else self.meaning


def widens(found: T.DataType, wanted: T.DataType) -> bool:
    """Whether a value of the found type always fits the wanted one; arrays and structs element by element."""
    if isinstance(found, T.NullType) or found == wanted:
        return True
    integers = [T.ByteType, T.ShortType, T.IntegerType, T.LongType]
    for i, narrow in enumerate(integers):
        if isinstance(found, narrow) and isinstance(wanted, (*integers[i:], T.DoubleType)):
            return True
    if isinstance(found, T.FloatType) and isinstance(wanted, T.DoubleType):
        return True
    if isinstance(found, T.DecimalType) and isinstance(wanted, T.DecimalType):
        return found.scale <= wanted.scale and found.precision - found.scale <= wanted.precision - wanted.scale
    if isinstance(found, T.ArrayType) and isinstance(wanted, T.ArrayType):
        return widens(found.elementType, wanted.elementType)
    if isinstance(found, T.MapType) and isinstance(wanted, T.MapType):
        return widens(found.keyType, wanted.keyType) and widens(found.valueType, wanted.valueType)
    if isinstance(found, T.StructType) and isinstance(wanted, T.StructType):
        return [f.name for f in found.fields] == [f.name for f in wanted.fields] and all(
            widens(a.dataType, b.dataType) for a, b in zip(found.fields, wanted.fields, strict=True)
        )
    return False


def typed(value: Any, kind: T.DataType) -> Any:
    """Numbers and ISO texts as the type wants them, so that test rows read plainly."""
    if value is None:
        return None
    if isinstance(kind, T.DecimalType) and not isinstance(value, decimal.Decimal):
        return decimal.Decimal(str(value))
    if isinstance(kind, T.DoubleType) and isinstance(value, int):
        return float(value)
    if isinstance(kind, T.DateType) and isinstance(value, str):
        return datetime.date.fromisoformat(value)
    if isinstance(kind, T.TimestampType) and isinstance(value, str):
        parsed = datetime.datetime.fromisoformat(value)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.timezone.utc)
    return value


def neutral(col: Col) -> Any:
    if not col.required:
        return None
    neutral: list[tuple[type[T.DataType], Any]] = [
        (T.StringType, ""),
        (T.BooleanType, False),
        (T.DecimalType, decimal.Decimal(0)),
        (T.DoubleType, 0.0),
        (T.FloatType, 0.0),
        (T.DateType, datetime.date(2000, 1, 1)),
        (T.TimestampType, datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)),
        (T.ArrayType, []),
        (T.MapType, {}),
    ]
    for kind, value in neutral:
        if isinstance(col.type, kind):
            return value
    return 0
