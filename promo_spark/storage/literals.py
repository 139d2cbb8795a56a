"""Values as they stand in a condition of SQL: what could be anything else is refused or quoted."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence

from promo_spark.contracts.schema import Table
from promo_spark.errors import ContractError

SliceValue = str | datetime.date | Sequence[str] | Sequence[datetime.date]

_SAFE_VALUE = re.compile(r"[A-Za-z0-9_.:-]+")


def literal(table: type[Table], value: SliceValue) -> str:
    text = value.isoformat() if isinstance(value, datetime.date) else value
    if not isinstance(text, str) or not _SAFE_VALUE.fullmatch(text):
        raise ContractError(
            f"{table.full_name()}: {text!r} cannot be a partition value; use letters, digits and _ . : -"
        )
    return f"'{text}'"


def days_in_slice(table: type[Table], slice_values: Mapping[str, SliceValue]) -> list[datetime.date]:
    """The days that a list of them names for a table by days; none where there is no list."""
    given = slice_values.get(table.partition[0], ())
    return [] if isinstance(given, datetime.date) else [day for day in given if isinstance(day, datetime.date)]


def text_literal(value: str) -> str:
    """A text such as a file's name, whatever it contains, as one literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
