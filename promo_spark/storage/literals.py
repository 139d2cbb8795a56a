"""Values as they stand in a condition of SQL: what could be anything else is refused or quoted."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

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


def text_literal(value: str) -> str:
    """A text such as a file's name, whatever it contains, as one literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
