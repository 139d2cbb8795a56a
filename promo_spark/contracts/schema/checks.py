"""Named checks of values: those that every stored row passes, and those that a delivered row is judged by."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pyspark.sql import Column
from pyspark.sql import functions as F

from promo_spark.errors import ContractError

COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {  # of columns, or of values
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_OPERATORS = (*COMPARISONS, "in", "between", "is not null")


@dataclass(frozen=True)
class Check:
    """A named check of a value: column, operator, literal. Null passes, unless the column is required."""

    name: str
    column: str
    operator: str
    literal: Any = None

    def __post_init__(self) -> None:
        if self.operator not in _OPERATORS:
            raise ContractError(f"check {self.name}: operator {self.operator!r} is unknown; use {_OPERATORS}")

    def holds(self) -> Column:
        """The condition under which a row passes; never null."""
        c = F.col(self.column)
        if self.operator == "is not null":
            return c.isNotNull()
        if self.operator == "in":
            condition = c.isin(list(self.literal))
        elif self.operator == "between":
            condition = c.between(*self.literal)
        else:
            condition = COMPARISONS[self.operator](c, self.literal)
        return F.coalesce(condition, F.lit(True))

    def passes(self, value: Any) -> bool:
        """The same of a value that the driver holds."""
        if self.operator == "is not null" or value is None:
            return value is not None or self.operator != "is not null"
        if self.operator == "in":
            return value in self.literal
        if self.operator == "between":
            lowest, highest = self.literal
            return bool(lowest <= value <= highest)
        return bool(COMPARISONS[self.operator](value, self.literal))

    def __str__(self) -> str:
        shown = "" if self.operator == "is not null" else f" {self.literal}"
        return f"{self.column} {self.operator}{shown}"


Criticality = Literal["reject", "warn", "off"]


@dataclass(frozen=True)
class SourceCheck:
    """A named check of what a source delivers, with what happens to a row that fails it if settings do not say else.

    The name and `meaning` say what is wrong with a row that fails. The rule is a triple (column, operator,
    literal) that holds of a good row; without an operator it is the named predicate of
    promo_spark/sources/predicates.py, on the column. reject: the row goes to quarantine; warn: it is kept and
    counted; off: it is not judged.
    """

    name: str
    meaning: str
    criticality: Criticality
    column: str
    operator: str = ""
    literal: Any = None

    @property
    def triple(self) -> Check | None:
        """The rule as a triple; None for a named predicate."""
        return Check(self.name, self.column, self.operator, self.literal) if self.operator else None
