"""Holidays and shopping festivals of any year. No Spark is started here."""

from __future__ import annotations

import datetime

import pytest

from promo_spark.errors import SettingsError
from promo_spark.sources.holidays import holiday_rows


def named(country: str, year: int) -> dict[str, list[tuple[str, str]]]:
    """Name → its days and kinds."""
    found: dict[str, list[tuple[str, str]]] = {}
    for row in holiday_rows([country], [year]):
        found.setdefault(str(row["holiday"]), []).append((str(row["day"]), str(row["kind"])))
    return found


@pytest.mark.parametrize(("year", "first_day"), [(2024, "2024-02-10"), (2025, "2025-01-29"), (2026, "2026-02-17")])
def test_spring_festival_moves_with_the_moon(year: int, first_day: str) -> None:
    """A06 (season factors): the first day of the Chinese year."""
    assert named("CN", year)["Spring Festival"][0] == (first_day, "public")


def test_chinas_national_day_and_festivals() -> None:
    of_2025 = named("CN", 2025)
    assert [day for day, _ in of_2025["National Day"]] == ["2025-10-01", "2025-10-02", "2025-10-03"]
    assert of_2025["Double 11"] == [("2025-11-11", "shopping")]
    assert of_2025["Double 12"] == [("2025-12-12", "shopping")]
    assert of_2025["6.18"] == [("2025-06-18", "shopping")]
    # The Spring Festival's bridge days have one name, not one per year.
    assert ("2025-02-03", "public") in of_2025["Day off"]


@pytest.mark.parametrize("year", [2017, 2023, 2025, 2031])
def test_thanksgiving_is_the_fourth_thursday_and_black_friday_the_day_after(year: int) -> None:
    thursdays = [d for n in range(1, 31) if (d := datetime.date(year, 11, n)).weekday() == 3]
    found = named("US", year)
    assert found["Thanksgiving Day"] == [(str(thursdays[3]), "public")]
    assert found["Black Friday"] == [(str(thursdays[3] + datetime.timedelta(days=1)), "shopping")]
    assert found["Cyber Monday"] == [(str(thursdays[3] + datetime.timedelta(days=4)), "shopping")]


def test_every_row_has_its_own_key_and_countries_do_not_mix() -> None:
    rows = holiday_rows(["CN", "DE", "SG"], range(2015, 2027))
    keys = [(row["country"], row["day"], row["holiday"]) for row in rows]
    assert len(keys) == len(set(keys))
    assert {row["country"] for row in rows if row["holiday"] == "Double 11"} == {"CN", "SG"}
    assert {row["country"] for row in rows if row["holiday"] == "Easter Monday"} == {"DE"}


def test_a_country_without_holidays_is_named() -> None:
    with pytest.raises(SettingsError, match=r"business\.holiday_countries: 'XX' has no known holidays"):
        holiday_rows(["XX"], [2025])
