"""Which setting takes in the rows that a check rejects: said before the settings that let a delivery lose them."""

from __future__ import annotations

import datetime
import re

from pyspark.sql import types as T

from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import OrderLines
from promo_spark.sources.checks.rules import BROKEN_ENCODING, DUPLICATE_ROW, REJECT, UNREADABLE_ID, Rule

_OF_ORDER_LINES = {
    "quantity_zero": 'discount_lines = ["…", "=", 0] in {source} takes lines without pieces as discounts on their '
    "order",
    "amount_negative": "negative_when in {source}.columns.quantity tells which lines are returns, or discount_lines in "
    "{source} which are discounts on their order",
    "discount_negative": "scale = -1 on the column of the discount, in {source}.columns, turns its sign",
}
_ANSWERS = (
    ("yes", "no"),
    ("y", "n"),
    ("ja", "nein"),
    ("oui", "non"),
    ("si", "no"),
    ("sim", "não"),
    ("是", "否"),
)
_UNPARSABLE, _MISSING = "unparsable_", "missing_"
_DATE = {  # how a date looks: its pattern as Spark writes it, and as Python does
    r"\d{8}": ("yyyyMMdd", "%Y%m%d"),
    r"\d{1,2}\.\d{1,2}\.\d{4}": ("d.M.yyyy", "%d.%m.%Y"),
    r"\d{4}/\d{1,2}/\d{1,2}": ("yyyy/M/d", "%Y/%m/%d"),
}
_TIME = {r" \d{1,2}:\d{2}": " H:mm", r" \d{1,2}:\d{2}:\d{2}": " H:mm:ss", "": ""}


def mending_setting(table: type[Table], rule: Rule, source: str, value: str | None) -> str:
    """The setting that takes rows in which the rule rejects, as words to add to its meaning; "": there is none.

    `value` is what most such rows have in the rule's column; None: nothing, or nothing to be shown.
    """
    mapping = f"in ingest.sources.{source}.columns.{rule.column}"
    if rule.name == BROKEN_ENCODING.name:
        return f'encoding = "…" in ingest.sources.{source} names that of the file, such as windows-1252'
    if rule.name in _OF_ORDER_LINES:
        return _OF_ORDER_LINES[rule.name].format(source=f"ingest.sources.{source}")
    if rule.name.startswith(_UNPARSABLE):
        keys = reading_keys(value, table.type_of(rule.column))
        return f"{keys} {mapping} reads it" if keys else ""
    if rule.name.startswith(_MISSING):
        if rule.column.endswith("_id") or isinstance(table.type_of(rule.column), T.DateType):
            return ""  # an id cannot be made up; a day follows from the time
        if rule.column == OrderLines.list_amount:
            return ""  # it follows from what was paid and the discounts
        return f'default = "…" {mapping} fills blanks'
    if rule.name == "unknown_product" and value and re.fullmatch(r"\d+\.0+", value):
        return f"whole_number = true {mapping} reads it as the id {value.split('.')[0]}"
    if rule.name == DUPLICATE_ROW.name and table is OrderLines:
        return f'equal_rows = "pieces" in ingest.sources.{source} takes equal lines as so many pieces'
    return f"--set ingest.policies.{rule.name}=warn keeps such rows" if _may_be_kept(table, rule) else ""


def reading_keys(value: str | None, kind: T.DataType) -> str:
    """The keys of a column's mapping under which a value can be read; "": none is known.

    >>> reading_keys("1.234,50", T.DecimalType(12, 2)), reading_keys("1,234.50", T.DecimalType(12, 2))
    ('decimal_comma = true', 'thousands = ","')
    >>> reading_keys("n/a", T.DecimalType(12, 2)), reading_keys("ja", T.BooleanType())
    ('map = { "n/a" = "" }', 'map = { "ja" = "true", "nein" = "false" }')
    >>> reading_keys("maybe", T.BooleanType())
    'map = { "maybe" = "…" }, with true or false in the place of …,'
    >>> reading_keys("31.12.2024 9:15", T.TimestampType()), reading_keys("1433221332117", T.TimestampType())
    ('format = "d.M.yyyy H:mm"', 'unit = "ms"')
    >>> reading_keys("31.11.2024 9:15", T.TimestampType())  # no format reads a day that there is not
    ''
    """
    if value is None:
        return ""
    if isinstance(kind, T.BooleanType):
        return _answer_keys(value)
    if isinstance(kind, T.ArrayType) or not re.search(r"\d", value):
        return f'map = {{ "{value}" = "" }}'
    return _time_keys(value) if isinstance(kind, (T.DateType, T.TimestampType)) else _number_keys(value)


def _answer_keys(value: str) -> str:
    """What an answer means is not guessed, it may be a consent: only words that say yes or no are known."""
    for yes, no in _ANSWERS:
        if value.lower() in (yes, no):
            written = str.upper if value.isupper() else str.capitalize if value[:1].isupper() else str.lower
            return f'map = {{ "{written(yes)}" = "true", "{written(no)}" = "false" }}'
    return f'map = {{ "{value}" = "…" }}, with true or false in the place of …,'


def _number_keys(number: str) -> str:
    if re.fullmatch(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+", number):
        return "decimal_comma = true"
    if re.fullmatch(r"[+-]?\d{1,3}([ \u00a0\u202f]\d{3})+(,\d+)?", number):
        return 'decimal_comma = true and thousands = " "'
    between = re.fullmatch(r"[+-]?\d{1,3}(([,'\u00a0 ])\d{3})(\2\d{3})*(\.\d+)?", number)
    return f'thousands = "{between[2]}"' if between else ""


def _time_keys(time: str) -> str:
    if re.fullmatch(r"\d{10}|\d{13}", time):
        return f'unit = "{"s" if len(time) == 10 else "ms"}"'
    slashed = re.fullmatch(r"\d{1,2}/\d{1,2}/\d{4}(.*)", time)
    for date, (date_pattern, python_pattern) in _DATE.items():
        for clock, clock_pattern in _TIME.items():
            dated = re.fullmatch(f"({date}){clock}", time)
            if dated:
                return f'format = "{date_pattern}{clock_pattern}"' if _is_a_day(dated[1], python_pattern) else ""
            if slashed and re.fullmatch(clock, slashed[1]):
                return f'format = "d/M/yyyy{clock_pattern}", or "M/d/yyyy{clock_pattern}",'
    return ""


def _is_a_day(date: str, pattern: str) -> bool:
    try:
        datetime.datetime.strptime(date, pattern).replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return False
    return True


def _may_be_kept(table: type[Table], rule: Rule) -> bool:
    """Whether the rule is a check that may warn: the table itself does not refuse the rows."""
    check = next((c for c in table.source_checks if c.name == rule.name), None)
    enforced = {(c.column, c.operator, str(c.literal)) for c in table.checks}
    return (
        check is not None
        and rule.criticality == REJECT
        and check.name != UNREADABLE_ID
        and (check.column, check.operator, str(check.literal)) not in enforced
    )
