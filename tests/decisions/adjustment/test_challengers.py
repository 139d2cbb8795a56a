"""The gate of challengers: who takes the place of today's values, and what is said of the others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from promo_spark.decisions.adjustment.challengers import with_challengers
from promo_spark.decisions.policy import AS_SET, Entry, InForce
from tests.decisions.adjustment.effect_rows import DATE, SETTINGS, effect

FEWER: Any = {"value_factor": {"mechanic:coupon": 0.5}, "paused": {"mechanic:gift": 1.0}}
OTHER: Any = {"cost_factor": {"mechanic:coupon": 2.0}}


def row(name: str, estimate: float | None, low: float | None, **more: Any) -> dict[str, Any]:
    return effect("dr_policy", f"policy:{name}", "margin", estimate, n_control=5_000, **{"cs_low": low, **more})


def decided(
    *rows: dict[str, Any], current: InForce = AS_SET, own: list[Entry] | None = None, **challengers: Any
) -> tuple[dict[tuple[str, str], float | None], list[str], list[Entry]]:
    by = SETTINGS.adjust.model_copy(update={"challengers": challengers or {"fewer": FEWER}})
    entries, said = with_challengers(own or [], rows, current, DATE, by)
    return {(entry.parameter, entry.scope): entry.value for entry in entries}, said, entries


def test_it_takes_over_once_it_is_sure_to_bring_more() -> None:
    """L07: by its confidence sequence, with its evidence; what is said by the date's own rules gives way."""
    own = [Entry("value_factor", "mechanic:coupon", 0.9, "", ""), Entry("value_factor", "mechanic:flash", 0.8, "", "")]
    values, said, entries = decided(row("fewer", 0.7, 0.1), own=own)
    coupon, flash = ("value_factor", "mechanic:coupon"), ("value_factor", "mechanic:flash")
    gift = ("paused", "mechanic:gift")
    assert values == {coupon: 0.5, flash: 0.8, gift: 1.0}
    evidence = next(entry.evidence for entry in entries if entry.value == 0.5)
    assert f"fewer's is 0.700 ± 0.100, at least 0.100 at every look, measurement.effects {DATE}" in evidence
    assert len(said) == 1 and said[0].startswith("challenger fewer takes over: at 5,000 explored decisions")
    # from the next date on it is what is in force: it stays, whatever its row says, and nothing is said of it
    values, said, entries = decided(
        row("fewer", 0.0, 0.0), current=InForce("v2", {coupon: 0.5, flash: 0.8, gift: 1.0}), own=own
    )
    assert values == {coupon: 0.5, flash: 0.8, gift: 1.0} and not said
    assert {entry.evidence for entry in entries} == {"as in v2", ""}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            [row("fewer", 0.7, -0.2)],
            r"stays out: at 5,000 explored decisions a difference of ±0\.900 each can be told; ",
        ),
        ([row("fewer", 0.0, 0.0)], r"fewer's is 0\.000 ± 0\.100"),
        ([row("fewer", None, None, reason="in 9 of 50 …")], r"challenger fewer stays out: in 9 of 50 …"),
        ([], r"has no row of it, as nobody was explored yet"),
        ([row("fewer", 0.7, 0.1, date=DATE.replace(day=1))], r"has no row of it"),
    ],
)
def test_else_it_stays_out_and_one_line_says_why(found: list[dict[str, Any]], said: str) -> None:
    values, lines, _ = decided(*found)
    assert values == {} and len(lines) == 1
    assert re.search(said, lines[0]), lines


def test_of_two_one_takes_over_at_a_time() -> None:
    values, said, _ = decided(row("fewer", 0.7, 0.1), row("other", 0.6, 0.2), fewer=FEWER, other=OTHER)
    assert values == {("cost_factor", "mechanic:coupon"): 2.0}
    assert said[0].startswith("challenger other takes over") and "fewer brings more for sure, and waits" in said[1]


def test_what_is_closed_for_bad_feedback_stays_closed() -> None:
    """2, nobody gets it, is more than 1, which the challenger names."""
    own = [Entry("paused", "mechanic:gift", 2.0, "scores", "")]
    values, _, _ = decided(row("fewer", 0.7, 0.1), own=own)
    assert values["paused", "mechanic:gift"] == 2.0
