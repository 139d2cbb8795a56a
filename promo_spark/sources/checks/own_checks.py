"""Checks that the settings define: a column, an operator and a literal that hold of a good row; never SQL text."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

from pyspark.sql import types as T

from promo_spark.contracts.schema import Check, Col, SourceCheck, Table
from promo_spark.contracts.silver import SILVER
from promo_spark.errors import SettingsError
from promo_spark.sources.checks.rules import check_names
from promo_spark.sources.incoming import GIVEN_BY_THE_RUN

_TAKEN = ("broken_", "unparsable_", "missing_", "duplicate_")  # how the names of what every table is checked for begin


def own_check(
    table: str, name: str, column: str, operator: str, literal: Any, criticality: Any, meaning: str
) -> tuple[type[Table], SourceCheck]:
    """A check that the settings define, with its literal in the column's type.

    Raises SettingsError when there is no such table or column, the name is taken, or the literal does not
    fit the column and the operator.
    """
    key = f"ingest.checks, {name}"
    of = next((t for t in SILVER if t.name == table), None)
    if of is None:
        raise SettingsError(f"{key}: there is no table silver.{table}; there are: {', '.join(t.name for t in SILVER)}")
    columns = {n: c for n, c in of.columns().items() if n not in GIVEN_BY_THE_RUN}
    if column not in columns:
        raise SettingsError(f"{key}: {of.full_name()} has no column {column}; it has: {', '.join(columns)}")
    if name in check_names() or name.startswith(_TAKEN):
        raise SettingsError(f"{key}: there is a check of this name already; give yours another")
    takes, fits = {
        "in": ("a list", isinstance(literal, list) and len(literal) > 0),
        "between": ("2 values", isinstance(literal, list) and len(literal) == 2),
        "is not null": ("no value", literal is None),
    }.get(operator, ("one value", literal is not None and not isinstance(literal, list)))
    if not fits:
        raise SettingsError(f"{key}: {operator} takes {takes}, found {literal!r}")
    value = literal
    if isinstance(literal, list):
        value = tuple(typed_literal(key, v, columns[column]) for v in literal)
    elif literal is not None:
        value = typed_literal(key, literal, columns[column])
    description = meaning or f"not {Check(name, column, operator, literal)}"
    return of, SourceCheck(name, description, criticality, column, operator, value)


def typed_literal(key: str, value: Any, column: Col) -> Any:
    """A literal of the settings as the column has it; dates and times are written in ISO form."""
    kind = column.type
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        if isinstance(kind, T.StringType) and isinstance(value, str):
            return value
        if isinstance(kind, T.BooleanType) and isinstance(value, bool):
            return value
        if isinstance(kind, T.DecimalType) and number:
            return decimal.Decimal(str(value))
        if isinstance(kind, (T.IntegralType, T.DoubleType)) and number:
            return value
        if isinstance(kind, T.DateType) and isinstance(value, str):
            return datetime.date.fromisoformat(value)
        if isinstance(kind, T.TimestampType) and isinstance(value, str):
            parsed = datetime.datetime.fromisoformat(value)
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        pass
    raise SettingsError(f"{key}: the column is of type {kind.simpleString()}, the literal is {value!r}")
