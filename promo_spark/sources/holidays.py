"""Public holidays and shopping festivals of any year.

Public holidays come from the library `holidays`, which computes moving ones (Spring Festival, Easter,
Thanksgiving) and knows the days off that governments announced. Shopping festivals are nobody's law: they
stand in the table below, by country, as a rule that gives the day in any year.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable

import holidays

from promo_spark.contracts.silver import Holidays
from promo_spark.errors import SettingsError

PUBLIC, SHOPPING = "public", "shopping"
SOURCE_FILE = "python-holidays"

_NAMES = {"Chinese New Year (Spring Festival)": "Spring Festival", "Chinese New Year": "Spring Festival"}
_SUBSTITUTE = re.compile(r"^Day off \(substituted from .*\)$")


def _fixed(month: int, day: int) -> Callable[[int], datetime.date]:
    return lambda year: datetime.date(year, month, day)


def _nth(month: int, weekday: int, nth: int, days_later: int = 0) -> Callable[[int], datetime.date]:
    """The nth weekday (Monday is 0) of a month, and so many days later.

    >>> _nth(11, 3, 4, days_later=1)(2024).isoformat()  # Black Friday
    '2024-11-29'
    """

    def day(year: int) -> datetime.date:
        first = datetime.date(year, month, 1)
        to_first = (weekday - first.weekday()) % 7
        return first + datetime.timedelta(days=to_first + 7 * (nth - 1) + days_later)

    return day


_BLACK_FRIDAY = {
    "Black Friday": _nth(11, 3, 4, days_later=1),  # the day after the fourth Thursday of November
    "Cyber Monday": _nth(11, 3, 4, days_later=4),
}
_VALENTINE = {"Valentine's Day": _fixed(2, 14)}
_DOUBLE_DAYS = {"Double 11": _fixed(11, 11), "Double 12": _fixed(12, 12)}
_FESTIVALS: dict[str, dict[str, Callable[[int], datetime.date]]] = {
    "CN": {**_VALENTINE, "Women's Day": _fixed(3, 8), "6.18": _fixed(6, 18), **_DOUBLE_DAYS},
    "US": {**_VALENTINE, "Mother's Day": _nth(5, 6, 2), "Halloween": _fixed(10, 31), **_BLACK_FRIDAY},
    **{country: {**_VALENTINE, **_DOUBLE_DAYS, **_BLACK_FRIDAY} for country in ("ID", "MY", "PH", "SG", "TH", "VN")},
}
_ELSEWHERE = {**_VALENTINE, **_BLACK_FRIDAY}


def holiday_rows(countries: Iterable[str], years: Iterable[int]) -> list[dict[str, object]]:
    """One row per country, day and holiday of silver.holidays, in order.

    Raises SettingsError for a country that the library does not know.
    """
    span = list(years)
    entries: set[tuple[str, datetime.date, str, str]] = set()
    for country in countries:
        try:
            public = holidays.country_holidays(country, years=span, language="en_US")
        except NotImplementedError:
            raise SettingsError(
                f"business.holiday_countries: {country!r} has no known holidays; "
                "write two-letter ISO 3166 codes, such as CN or US"
            ) from None
        for day in public:
            entries |= {(country, day, _name(name), PUBLIC) for name in public.get_list(day)}
        for name, rule in _FESTIVALS.get(country, _ELSEWHERE).items():
            entries |= {(country, rule(year), name, SHOPPING) for year in span}
    columns = (Holidays.country, Holidays.day, Holidays.holiday, Holidays.kind)
    return [dict(zip(columns, row, strict=True)) for row in _one_kind_per_name(entries)]


def _one_kind_per_name(
    entries: Iterable[tuple[str, datetime.date, str, str]],
) -> list[tuple[str, datetime.date, str, str]]:
    """Where a shopping festival is a public holiday too, it is a day off first."""
    kinds: dict[tuple[str, datetime.date, str], str] = {}
    for country, day, name, kind in sorted(entries):  # "public" sorts before "shopping"
        kinds.setdefault((country, day, name), kind)
    return [(*key, kind) for key, kind in kinds.items()]


def _name(name: str) -> str:
    return "Day off" if _SUBSTITUTE.match(name) else _NAMES.get(name, name)
