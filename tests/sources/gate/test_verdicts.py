"""The gate: which deliveries are refused as a whole, and what is said of them."""

from __future__ import annotations

import datetime

import pytest

from promo_spark.errors import SettingsError
from promo_spark.settings import load
from promo_spark.settings.ingest import GateSettings
from promo_spark.sources.gate import verdicts as gate
from promo_spark.sources.gate.verdicts import Delivered, Verdict

DATE = datetime.date(2024, 6, 15)  # a Saturday


def limits(*overrides: str) -> GateSettings:
    return load(None, [f"ingest.gate.{o}" for o in overrides]).ingest.gate


def broken(delivered: Delivered, usual: list[int], of: GateSettings) -> list[str]:
    return [v.rule for v in gate.verdicts(delivered, usual, of, DATE) if not v.passed]


def days(first: str, last: str, without: tuple[str, ...] = (), closed: int | None = None) -> list[datetime.date]:
    """Every day of the span but those named and those of the closed weekday (Monday is 0)."""
    start, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    span = [start + datetime.timedelta(n) for n in range((end - start).days + 1)]
    return [d for d in span if d.isoformat() not in without and d.weekday() != closed]


def test_new_files_are_judged_by_what_they_bring() -> None:
    """Not by files read again with them, by rows that are there already, or by days that were missing before."""
    usual = [10_000] * 7
    assert broken(Delivered(90_000, 0, 0, None, new_rows=9_000), usual, limits()) == []
    assert broken(Delivered(90_000, 0, 0, None, new_rows=2_999), usual, limits()) == ["min_share_of_usual"]
    assert broken(Delivered(2_000, 0, 1_100, None, repeated=1_000), [], limits()) == []  # 100 of 1,000
    assert broken(Delivered(2_000, 0, 1_201, None, repeated=1_000), [], limits()) == ["max_rejected_share"]
    held = days("2024-01-01", "2024-06-01", without=tuple(f"2024-03-{day:02}" for day in range(1, 21)))
    late = Delivered(10, 0, 0, [datetime.date(2024, 1, 5)], held_days=held)
    assert broken(late, [], limits()) == []
    far = Delivered(10, 0, 0, [datetime.date(2024, 6, 17)], held_days=held)  # 15 days after the last
    assert broken(far, [], limits()) == ["max_missing_days"]


def test_too_many_rejected_rows_refuse_a_delivery_but_not_of_few_rows() -> None:
    """B10 (rule): 201 of 1,000 are more than a fifth, 200 are not; blank rows do not count."""
    assert broken(Delivered(1100, 100, 201, None), [], limits()) == ["max_rejected_share"]  # 201 / (1100 - 100)
    assert broken(Delivered(1100, 100, 200, None), [], limits()) == []
    assert broken(Delivered(999, 0, 999, None), [], limits()) == []  # fewer than 1,000 rows: not judged
    [found] = [
        v for v in gate.verdicts(Delivered(999, 0, 999, None), [], limits(), DATE) if v.rule == "max_rejected_share"
    ]
    assert (found.value, found.threshold) == (1.0, None)  # what was found is told all the same


def test_a_delivery_far_from_the_usual_is_refused() -> None:
    usual = [9_000, 10_000, 11_000]  # the median is 10,000
    assert broken(Delivered(2_999, 0, 0, None), usual, limits()) == ["min_share_of_usual"]  # below 0.3 × 10,000
    assert broken(Delivered(3_000, 0, 0, None), usual, limits()) == []
    assert broken(Delivered(50_000, 0, 0, None), usual, limits()) == []  # 5.0 × 10,000
    assert broken(Delivered(50_001, 0, 0, None), usual, limits()) == ["max_share_of_usual"]
    assert broken(Delivered(5, 0, 0, None), usual[:2], limits()) == []  # two loads do not tell what is usual
    assert broken(Delivered(5, 0, 0, None), [20, 30, 40], limits()) == []  # of a handful, shares tell nothing
    # Only the last loads tell what is usual: 100,000 was, long ago.
    grown = [100_000] * 10 + [1_000] * 4
    assert broken(Delivered(1_000, 0, 0, None), grown, limits("usual_loads=4")) == []
    assert broken(Delivered(1_000, 0, 0, None), grown, limits("usual_loads=14")) == ["min_share_of_usual"]


def test_a_missing_day_is_one_whose_weekday_has_rows_as_a_rule() -> None:
    four_weeks = ("2024-05-20", "2024-06-16")  # Monday to Sunday
    assert gate.missing_days(days(*four_weeks)) == []
    assert gate.missing_days(days(*four_weeks, without=("2024-06-05", "2024-06-06"))) == [
        datetime.date(2024, 6, 5),
        datetime.date(2024, 6, 6),
    ]
    assert gate.missing_days(days(*four_weeks, closed=6)) == []  # closed on Sundays
    # Open on two of four Sundays is as a rule; the other two are missing.
    assert len(gate.missing_days(days(*four_weeks, without=("2024-05-26", "2024-06-02")))) == 2
    assert gate.missing_days([]) == []
    assert gate.missing_days([DATE, datetime.date(2022, 1, 3)]) == []  # two days in years are no rule of any kind


def test_missing_days_and_a_missing_yesterday_refuse_where_that_is_set() -> None:
    gap = Delivered(28, 0, 0, days("2024-05-20", "2024-06-13", without=("2024-06-05",)))
    assert broken(gap, [], limits()) == []  # one day of fourteen allowed
    assert broken(gap, [], limits("max_missing_days=0")) == ["max_missing_days"]
    assert broken(gap, [], limits("day_before_expected=true")) == ["day_before_expected"]  # the 14th is not there
    assert broken(Delivered(28, 0, 0, None), [], limits("day_before_expected=true")) == []  # a table without days


def test_one_source_may_have_limits_of_its_own() -> None:
    of_all = limits("sources.orders.max_rejected_share=0.9")
    assert gate.limits_of(of_all, "orders").max_rejected_share == 0.9
    assert gate.limits_of(of_all, "orders").usual_loads == of_all.usual_loads
    assert gate.limits_of(of_all, "events") == of_all
    with pytest.raises(SettingsError, match=r"ingest\.gate\.sources names orders; the sources are: events, products"):
        gate.refuse_unknown(of_all, ["events", "products"])


def test_a_refusal_names_source_rule_limit_reasons_and_the_setting_under_which_it_would_pass() -> None:
    delivered = Delivered(3_000, 0, 1_001, None)
    found: dict[str, list[Verdict]] = {
        "orders": [v for v in gate.verdicts(delivered, [20_000] * 3, limits(), DATE) if not v.passed]
    }
    told = gate.refusal(found, {"orders": "1,001 unknown_product: the product is not in the product list"})
    assert told.splitlines() == [
        "source orders is refused: 1,001 of 3,000 rows were rejected, 33.4%, more than 20.0% (1,001 unknown_product: "
        "the product is not in the product list). To load it without these rows: "
        "--set ingest.gate.sources.orders.max_rejected_share=0.334",
        "source orders is refused: 3,000 rows where 20,000 are usual (the median of 3 loads), 15% of it, less than "
        "30%. If it is right so: --set ingest.gate.sources.orders.min_share_of_usual=0.15",
        "Nothing was loaded, every table is as it was. Correct what was delivered and run again",
    ]
    # The settings it names are enough.
    accepting = limits("sources.orders.max_rejected_share=0.334", "sources.orders.min_share_of_usual=0.15")
    assert broken(delivered, [20_000] * 3, gate.limits_of(accepting, "orders")) == []
