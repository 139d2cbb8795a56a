"""Columns of a source that are new, or have another type than before."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import pytest
from pyspark.sql import Row

from promo_spark.settings import load
from promo_spark.sources.gate.source_columns import Columns, new_columns, seen, verdicts

LIMITS = load().ingest.gate
MONDAY, TUESDAY = datetime.date(2024, 6, 10), datetime.date(2024, 6, 11)


def known(**types: str) -> Mapping[str, Row]:
    return {c: Row(type=t, first_seen=MONDAY, last_seen=MONDAY) for c, t in types.items()}


def test_a_column_is_new_when_no_load_had_it_and_no_mapping_uses_it() -> None:
    found = Columns({"sku": "string", "colour": "string", "paid": "double"}, frozenset({"sku", "paid"}))
    assert new_columns(found, known(sku="string")) == ["colour"]  # paid is new too, and mapped: somebody knows of it
    assert new_columns(found, {}) == []  # the first load: nothing was there before
    assert new_columns(found, known(sku="string", colour="string")) == []


@pytest.mark.parametrize(
    ("was", "now", "passed"),
    [
        ("double", "string", False),
        ("decimal(10,2)", "double", False),
        ("timestamp", "date", False),
        ("int", "bigint", True),
        ("decimal(10,2)", "decimal(12,2)", True),
        ("float", "double", True),  # wider: all fit
        ("text", "double", True),
        ("string", "string", True),  # lines of text have no types
    ],
)
@pytest.mark.usefixtures("spark")  # which reads the text of a type
def test_a_mapped_column_of_another_type_breaks_the_gate_unless_it_only_widened(
    was: str, now: str, passed: bool
) -> None:
    _, changed = verdicts(Columns({"paid": now, "note": now}, frozenset({"paid"})), known(paid=was, note=was), LIMITS)
    assert (changed.passed, changed.failed, changed.rows) == (passed, int(not passed), 1)  # the note is not mapped
    if not passed:
        assert f"paid was {was} and is {now}" in changed.finding and "note" not in changed.finding
        accepted = LIMITS.model_copy(update={"max_changed_types": 1})
        assert verdicts(Columns({"paid": now}, frozenset({"paid"})), known(paid=was), accepted)[1].passed


def test_the_first_and_the_last_day_of_a_column_are_kept() -> None:
    found = Columns({"sku": "text", "colour": "text"}, frozenset({"sku"}))
    [sku, colour] = seen("shop", found, known(sku="text"), TUESDAY, "run-1")
    assert (sku["first_seen"], sku["last_seen"], sku["mapped"]) == (MONDAY, TUESDAY, True)
    assert (colour["first_seen"], colour["last_seen"], colour["mapped"]) == (TUESDAY, TUESDAY, False)
    [earlier] = seen("shop", Columns({"sku": "text"}, frozenset()), known(sku="text"), datetime.date(2024, 6, 1), "r")
    assert (earlier["first_seen"].day, earlier["last_seen"]) == (1, MONDAY)  # a load for a day of the past
