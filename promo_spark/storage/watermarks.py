"""Watermarks: how far a table of a database was read, by the column that rises with what is new or changed."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, replace
from decimal import Decimal

from pyspark.sql import types as T

from promo_spark.errors import SettingsError, SourceError

INSTANT, CLOCK_TIME, DAY, NUMBER = "a timestamp with a zone", "a timestamp", "a date", "a number"
TIME = "yyyy-MM-dd HH:mm:ss.SSSSSS"  # of times, as Spark writes patterns
NUMBERS_IN_A_RANGE = 10_000  # a range of numbers is read as a whole, as a day is
_FORMAT = "%Y-%m-%d %H:%M:%S.%f"


@dataclass(frozen=True)
class Watermark:
    """A value of the watermark's column as text, instants in UTC; and what kind of value it is."""

    text: str
    kind: str

    def before(self, name: str, overlap: str) -> Watermark:
        """From where to read again: the watermark less the overlap, from the start of that day or range of numbers.

        Raises SettingsError for an overlap of another kind.

        >>> Watermark("2024-06-02 10:00:00.000000", INSTANT).before("orders", "11 hours").text
        '2024-06-01 00:00:00.000000'
        >>> Watermark("2024-06-02", DAY).before("orders", "1 day").text
        '2024-06-01'
        >>> Watermark("36210", NUMBER).before("orders", "500").text
        '30000'
        """
        if self.kind == NUMBER:
            if overlap and not overlap.isdecimal():
                raise SettingsError(_other_kind(name, overlap, "is a number: write a number, such as 1000"))
            number = int(Decimal(self.text) - int(overlap or 0))
            return replace(self, text=str(number // NUMBERS_IN_A_RANGE * NUMBERS_IN_A_RANGE))
        if overlap.isdecimal():
            raise SettingsError(_other_kind(name, overlap, "is a time: write a duration, such as 1 day or 6 hours"))
        day = (datetime.datetime.fromisoformat(self.text) - _duration(overlap)).date()
        return replace(self, text=day.isoformat() if self.kind == DAY else f"{day} 00:00:00.000000")

    def lower(self, other: Watermark) -> Watermark:
        """The lower of two of the same kind.

        >>> Watermark("99", NUMBER).lower(Watermark("100", NUMBER)).text
        '99'
        """
        if self.kind == NUMBER:
            return min(self, other, key=lambda watermark: Decimal(watermark.text))
        return min(self, other, key=lambda watermark: watermark.text)

    def literal(self, database: str) -> str:
        """The value as the database writes it. Nothing but a number, a day or a time comes through.

        >>> Watermark("2024-06-01 00:00:00.000000", INSTANT).literal("postgresql")
        "TIMESTAMP WITH TIME ZONE '2024-06-01 00:00:00.000000+00'"
        """
        if self.kind == NUMBER:
            return str(Decimal(self.text))
        if self.kind == DAY:
            return f"DATE '{datetime.date.fromisoformat(self.text)}'"
        time = datetime.datetime.strptime(self.text, _FORMAT).strftime(_FORMAT)
        with_zone = self.kind == INSTANT and database == "postgresql"  # MySQL's connections are in UTC
        return f"TIMESTAMP WITH TIME ZONE '{time}+00'" if with_zone else f"TIMESTAMP '{time}'"


def kind_of(name: str, column: str, data_type: T.DataType) -> str:
    """What kind of value a column holds. Raises SourceError for one that says nothing of what is new."""
    kinds: dict[type[T.DataType], str] = {
        T.TimestampType: INSTANT,
        T.TimestampNTZType: CLOCK_TIME,
        T.DateType: DAY,
    }
    if isinstance(data_type, (T.IntegralType, T.DecimalType)):
        return NUMBER
    if type(data_type) not in kinds:
        raise SourceError(
            f"source {name}: the watermark_column {column} is {data_type.simpleString()}; choose a timestamp, a date "
            "or a whole number that rises with every row that is new or changed"
        )
    return kinds[type(data_type)]


def _duration(overlap: str) -> datetime.timedelta:
    """
    >>> _duration("6 hours"), _duration("1 day"), _duration("")
    (datetime.timedelta(seconds=21600), datetime.timedelta(days=1), datetime.timedelta(0))
    """
    found = re.fullmatch(r"(\d+) (minute|hour|day)s?", overlap)
    return datetime.timedelta(**{f"{found.group(2)}s": int(found.group(1))}) if found else datetime.timedelta(0)


def _other_kind(name: str, overlap: str, should: str) -> str:
    return f"ingest.sources.{name}.overlap is {overlap}, but the watermark_column {should}"
