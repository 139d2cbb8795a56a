"""What settings say is cleaned, judged against the tables; and the rules that tell of it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.raw_rows import IncomingRow
from promo_spark.contracts.schema import Personal, Table
from promo_spark.contracts.silver import SILVER, OrderLines
from promo_spark.errors import SettingsError
from promo_spark.settings.ingest import ColumnCleaning, IngestSettings, MostlyMissing
from promo_spark.sources.checks.own_checks import typed_literal
from promo_spark.sources.checks.rules import CLEANED, REJECT, WARN, Rule
from promo_spark.sources.incoming import GIVEN_BY_THE_RUN

_MONEY_BOOKED = (
    OrderLines.amount_paid,
    OrderLines.list_amount,
    OrderLines.discount_retail,
    OrderLines.discount_coupon,
    OrderLines.discount_coupon_match,
)


@dataclass(frozen=True)
class Plan:
    """What settings say of a table's columns; `constants` in the types of their columns."""

    columns: Mapping[str, ColumnCleaning]
    constants: Mapping[str, Any]
    mostly_missing: MostlyMissing | None = None

    @property
    def looks_at_promotions(self) -> bool:
        """Whether it matters which order lines were sold on promotion."""
        return any(how.outliers != "keep" and how.spare_promotions for how in self.columns.values())


def plans(settings: IngestSettings) -> dict[type[Table], Plan]:
    """The plan of each table that is cleaned. Raises SettingsError for what cannot be, naming the key."""
    cleanable = {t.name: t for t in SILVER if CLEANED in t.columns()}
    plan_of = {}
    for name in dict.fromkeys((*settings.cleaning, *settings.mostly_missing)):
        key = "ingest.cleaning" if name in settings.cleaning else "ingest.mostly_missing"
        if name not in cleanable:
            raise SettingsError(f"{key}.{name}: the tables that can be cleaned are: {', '.join(cleanable)}")
        plan_of[cleanable[name]] = _plan(
            cleanable[name], settings.cleaning.get(name, {}), settings.mostly_missing.get(name)
        )
    return plan_of


def rules(table: type[Table], plan: Plan) -> list[Rule]:
    """The rules that rows are judged by once they are cleaned: what was missing, filled, beyond a fence."""
    judged_by = []
    for column, how in plan.columns.items():
        required, outlier = table.columns()[column].required, outlier_mark(column, how)
        if how.missing == "drop" and not required:
            judged_by.append(Rule(f"missing_{column}", f"{column} has no value", REJECT, is_missing(column), column))
        elif how.missing not in ("keep", "drop"):
            meaning = f"{column} had no value and was given one: {_filling(how)}"
            judged_by.append(Rule(filled_mark(column), meaning, WARN, F.col(filled_mark(column)), column))
        if how.outliers != "keep":
            meaning = f"{column} is beyond the fence" + (": cut to it" if how.outliers == "winsorise" else "")
            judged_by.append(Rule(outlier, meaning, REJECT if how.outliers == "drop" else WARN, F.col(outlier), column))
    if plan.mostly_missing:
        named, share = plan.mostly_missing.columns, plan.mostly_missing.max_share
        missing = functools.reduce(Column.__add__, [F.col(c).isNull().cast("int") for c in named])
        meaning = f"of {', '.join(named)} more than {share:.0%} have no value"
        judged_by.append(Rule("mostly_missing", meaning, REJECT, missing > F.lit(share * len(named))))
    return judged_by


def _plan(table: type[Table], columns: Mapping[str, ColumnCleaning], mostly_missing: MostlyMissing | None) -> Plan:
    constants = {}
    cleanable = {
        n: c for n, c in table.columns().items() if n not in GIVEN_BY_THE_RUN and not isinstance(c.type, T.ArrayType)
    }
    for column, how in columns.items():
        key = f"ingest.cleaning.{table.name}.{column}"
        named = [column, *how.within, *([how.order_by] if how.order_by else [])]
        unknown = [c for c in named if c not in cleanable]
        if unknown:
            raise SettingsError(
                f"{key}: {table.full_name()} has no column {', '.join(unknown)} that can be cleaned; "
                f"it has: {', '.join(cleanable)}"
            )
        if column in (*table.key, *table.partition) or cleanable[column].personal in (
            Personal.IDENTIFIER,
            Personal.SHARED,
            Personal.FREE_TEXT,
        ):
            raise SettingsError(f"{key}: what tells rows, days or persons apart or was typed by them is not cleaned")
        number = isinstance(cleanable[column].type, T.NumericType)
        if not number and (how.missing in ("mean", "median") or how.outliers != "keep"):
            raise SettingsError(
                f"{key}: the column is no number, so it has no mean, median or outliers; its missing "
                "values can be constant, forward_fill, drop or keep"
            )
        changes = how.missing not in ("keep", "drop") or how.outliers == "winsorise"
        if table is OrderLines and column in _MONEY_BOOKED and changes:
            raise SettingsError(
                f"{key}: money that was booked is not made up; its outliers can be flag or drop, its "
                "missing values drop or keep"
            )
        if how.constant is not None:
            constants[column] = typed_literal(key, how.constant, cleanable[column])
    if mostly_missing:
        unknown = [c for c in mostly_missing.columns if c not in cleanable]
        if unknown:
            raise SettingsError(
                f"ingest.mostly_missing.{table.name}: {table.full_name()} has no column "
                f"{', '.join(unknown)}; it has: {', '.join(cleanable)}"
            )
    return Plan(columns, constants, mostly_missing)


def is_missing(column: str) -> Column:
    """Whether there was no value; one that does not parse is there."""
    return F.col(column).isNull() & ~(
        (F.size(IncomingRow.unparsed) > 0) & F.array_contains(IncomingRow.unparsed, column)
    )


def filled_mark(column: str) -> str:
    return f"filled_{column}"


def outlier_mark(column: str, how: ColumnCleaning) -> str:
    return f"winsorised_{column}" if how.outliers == "winsorise" else f"outlier_{column}"


def _filling(how: ColumnCleaning) -> str:
    within = f" within {', '.join(how.within)}" if how.within else ""
    return {
        "mean": f"the mean{within}",
        "median": f"the median{within}",
        "constant": f"{how.constant!r}",
        "forward_fill": f"the last value before, along {how.order_by}{within}",
    }[how.missing]
