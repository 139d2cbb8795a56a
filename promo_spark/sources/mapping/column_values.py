"""The closed vocabulary of mappings: what a column of ours may be made of, and how its text is read.

Everything here is a Column of a fixed kind; no text from the settings is executed.
"""

from __future__ import annotations

import decimal
import functools
import re
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import COMPARISONS
from promo_spark.measures.tags import tags
from promo_spark.settings.sources import ColumnMapping, Condition

_NUMBER = T.DecimalType(28, 9)
_FINE_NUMBER = T.DecimalType(30, 15)  # prices that a data set hid behind a factor have many digits
_SPACES = " \u00a0\u202f"  # the common one and the two that do not break a line
_LATEST_SECOND = 253_402_300_799  # the end of the year 9999, the last that Spark can show


@dataclass(frozen=True)
class TimeFormats:
    """How a source writes times and dates, the zone of times that name none, and the shop's own zone."""

    timestamp: str
    date: str
    zone: str
    business_zone: str


def column_value(
    mapping: ColumnMapping, raw: DataFrame, kind: T.DataType, times: TimeFormats
) -> tuple[Column, Column | None]:
    """The value as it stands there, and the value in its type where a cast is not the way to read it.

    The first is null exactly where the source has no value, so that a value that does not parse can be told
    from one that is missing.
    """
    given = _given(mapping, raw)
    if isinstance(kind, T.TimestampType | T.DateType):
        return given, _time(given, mapping, raw, kind, times)
    if isinstance(kind, T.ArrayType):
        return given, tags(_items(given, mapping, raw.select(given).schema[0].dataType))
    written_apart = mapping.decimal_comma or mapping.thousands
    if not (mapping.product_of or mapping.scale is not None or mapping.negative_when or written_apart):
        return given, None
    number = _number(given, mapping)
    if mapping.scale is not None:
        number = F.try_multiply(number, F.lit(decimal.Decimal(str(mapping.scale))))
    if mapping.negative_when is not None:
        negative = F.coalesce(holds(mapping.negative_when), F.lit(False))
        number = F.when(negative, -F.abs(number)).otherwise(number)
    rounded = F.round(number, kind.scale) if isinstance(kind, T.DecimalType) else number
    return given, rounded.try_cast(kind)


def text_of(column: str) -> Column:
    """A column of the source as text without blanks around it; null where nothing is left."""
    text = F.trim(F.col(f"`{column}`").cast("string"))
    return F.when(text != "", text)


def holds(condition: Condition) -> Column:
    """Whether the condition holds of a row; null where the row has no value to tell by."""
    text, literal = text_of(condition.column), condition.literal
    if literal is None:
        return text.isNotNull()
    if isinstance(literal, list):
        return text.isin(literal)
    if condition.operator == "starts with":
        return text.startswith(str(literal))
    value = text if isinstance(literal, str) else text.try_cast("double")
    compared: Column = COMPARISONS[condition.operator](value, F.lit(literal))
    return compared


def _given(mapping: ColumnMapping, raw: DataFrame) -> Column:
    """Where the value comes from, as stored; as text once anything is done to it."""
    if mapping.constant is not None:
        value = F.lit(mapping.constant)
    elif mapping.first_of is not None:
        value = F.coalesce(*[text_of(c) for c in mapping.first_of])
    elif mapping.concat is not None or mapping.product_of is not None:
        parts = [text_of(c) for c in mapping.concat or mapping.product_of or []]
        between = mapping.separator if mapping.concat is not None else " x "
        value = functools.reduce(lambda left, right: F.concat(left, F.lit(between), right), parts)
    else:
        assert mapping.column is not None  # settings allow exactly one origin
        stored = isinstance(raw.schema[mapping.column].dataType, T.StringType)
        changed = mapping.map is not None or mapping.whole_number or mapping.decimal_comma or mapping.thousands
        value = text_of(mapping.column) if stored or changed else F.col(f"`{mapping.column}`")
    if mapping.map is not None:
        value = _translated(value, mapping.map, mapping.otherwise)
    if mapping.default is not None:
        value = F.coalesce(value, F.lit(mapping.default).try_cast(raw.select(value).schema[0].dataType))
    return F.regexp_replace(value, r"\.0+$", "") if mapping.whole_number else value


def _items(given: Column, mapping: ColumnMapping, stored: T.DataType) -> Column:
    """The items of a list: stored as one, as JSON lines write one, or as text with something between them."""
    texts = T.ArrayType(T.StringType())
    if isinstance(stored, T.ArrayType):
        return given.cast(texts)
    text = given.cast("string")
    split = F.split(text, re.escape(mapping.split or ","))
    return F.when(F.startswith(F.ltrim(text), F.lit("[")), F.from_json(text, texts)).otherwise(split)


def _translated(text: Column, codes: dict[str, str], otherwise: str | None) -> Column:
    chosen = F.when(F.lit(False), F.lit(""))
    for code, value in codes.items():
        chosen = chosen.when(text == code, F.lit(value))
    chosen = chosen.otherwise(text if otherwise is None else F.when(text.isNotNull(), F.lit(otherwise)))
    return F.nullif(chosen, F.lit(""))


def _number(given: Column, mapping: ColumnMapping) -> Column:
    if mapping.product_of is not None:
        factors = [_plain(text_of(c), mapping).try_cast("decimal(18,6)") for c in mapping.product_of]
        product: Column = functools.reduce(F.try_multiply, factors)
        if mapping.default is None:
            return product
        all_there = functools.reduce(Column.__and__, [text_of(c).isNotNull() for c in mapping.product_of])
        return F.when(all_there, product).otherwise(_plain(F.lit(mapping.default), mapping).try_cast(_NUMBER))
    return _plain(given, mapping).try_cast(_NUMBER if mapping.scale is None else _FINE_NUMBER)


def _plain(number: Column, mapping: ColumnMapping) -> Column:
    """A number with a decimal point and nothing between thousands; null where what parts them does not part threes."""
    between = mapping.thousands or ("." if mapping.decimal_comma else "")
    if not between:
        return number
    mark = "," if mapping.decimal_comma else "."
    parting = f"[{_SPACES}]" if between == " " else re.escape(between)
    well_formed = number.rlike(rf"^[+-]?(\d{{1,3}}({parting}\d{{3}})+|\d+)({re.escape(mark)}\d+)?$")
    return F.when(well_formed, F.replace(F.regexp_replace(number, parting, ""), F.lit(mark), F.lit(".")))


def _time(given: Column, mapping: ColumnMapping, raw: DataFrame, kind: T.DataType, times: TimeFormats) -> Column | None:
    if mapping.unit is not None:
        per_second = 1000 if mapping.unit == "ms" else 1
        number = given.cast("string").try_cast("bigint")
        in_range = F.when(number.between(-_LATEST_SECOND * per_second, _LATEST_SECOND * per_second), number)
        instant = F.timestamp_millis(in_range) if mapping.unit == "ms" else F.timestamp_seconds(in_range)
        if isinstance(kind, T.DateType):
            return F.to_date(F.from_utc_timestamp(instant, times.business_zone))
        return instant
    if mapping.column is not None and not isinstance(raw.schema[mapping.column].dataType, T.StringType):
        return None
    if isinstance(kind, T.DateType):
        return F.try_to_timestamp(given, F.lit(mapping.format or times.date)).cast("date")
    return _instant(given, mapping.format or times.timestamp, times.zone)


def _instant(text: Column, pattern: str, zone: str) -> Column:
    """The instant a text means; a text that names no zone means the source's."""
    read = F.try_to_timestamp(text, F.lit(pattern))  # the session's zone is UTC
    letters = set(re.sub("'[^']*'", "", pattern)) & set("XxZVzO")
    local = read if zone == "UTC" else F.to_utc_timestamp(read, zone)
    if not letters:
        return local
    if letters & set("VzO"):
        return read
    return F.when(text.rlike(r"(Z|[+-]\d{2}:?\d{2})$"), read).otherwise(local)
