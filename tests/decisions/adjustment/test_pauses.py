"""What is paused, and what lets it go."""

from __future__ import annotations

import datetime
from functools import partial
from typing import Any

import pytest

from promo_spark.contracts.policy import CLOSED, PAUSED
from promo_spark.decisions.policy import AS_SET, InForce
from tests.decisions.adjustment.effect_rows import DATE, effect, entries, gain, value

COUPON = "mechanic:coupon"


def negative(share: float | None, n: int = 100, scope: str = COUPON) -> dict[str, Any]:
    return {"kpi": "negative_share", "slice": scope, "value": share, "n": n}


def test_what_loses_margin_for_sure_is_paused() -> None:
    """L05 (pauses): ten errors below 0 is sure at every look, two are not; explored users still draw it."""
    for estimate, wanted in ((-1.0, PAUSED), (-0.2, None), (1.0, None)):
        found = entries([effect("explore", COUPON, "margin", estimate)])
        assert value(found, "paused", COUPON) == wanted, estimate
    told = entries([effect("explore", COUPON, "margin", -1.0)])["paused", COUPON]
    assert "explore margin of mechanic:coupon -1.000" in told.evidence and "1 looked at" in told.evidence


def test_what_loses_where_it_is_given_is_paused_until_explored_users_say_otherwise() -> None:
    """L05 (pauses): it goes to users who lose by it; others, who only draw it by chance, say nothing, or not for sure.

    Once it is paused nobody is given it, so that only those who draw it can tell.
    """
    given = effect("withheld", COUPON, "margin", -1.0)
    for others in ([], [effect("explore", COUPON, "margin", 0.2)]):
        told = entries([given, *others])["paused", COUPON]
        assert told.value == PAUSED and "withheld margin of mechanic:coupon -1.000" in told.evidence
    now = InForce("v1", {("paused", COUPON): float(PAUSED)})
    gone = effect("withheld", COUPON, "margin", None)
    assert value(entries([gone], in_force=now), "paused", COUPON) == PAUSED
    assert value(entries([gone, effect("explore", COUPON, "margin", 0.2)], in_force=now), "paused", COUPON) is None


def test_more_that_is_looked_at_has_to_be_surer() -> None:
    """4 errors below 0: sure if it is the only one, not if it is one of 20."""
    one = effect("explore", COUPON, "margin", -0.37)
    others = [effect("explore", f"scenario:s{n}", "margin", 0.0) for n in range(19)]
    assert value(entries([one]), "paused", COUPON) == PAUSED
    assert value(entries([one, *others]), "paused", COUPON) is None


@pytest.mark.parametrize(
    ("estimate", "wanted"),
    [(-0.1, PAUSED), (None, PAUSED), (0.1, None)],  # brings nothing yet; nothing is known; brings something
)
def test_a_pause_ends_once_explored_users_bring_something(estimate: float | None, wanted: int | None) -> None:
    now = InForce("v1", {("paused", COUPON): float(PAUSED)})
    assert value(entries([effect("explore", COUPON, "margin", estimate)], in_force=now), "paused", COUPON) == wanted


def test_bad_feedback_closes_whatever_it_brings() -> None:
    """L06, K14 (a stop signal): half of the scores are bad: closed, though its return is positive for sure."""
    rows = [*gain("explore", COUPON, seen=5.0, told=2.0), effect("explore", COUPON, "roi", 2.0)]
    found = entries(rows, [negative(0.5)])
    assert value(found, "paused", COUPON) == CLOSED
    assert found["paused", COUPON].evidence == f"50% of 100 scores are 2 or less, measurement.kpi_daily {DATE}"
    assert value(entries(rows, [negative(0.39)]), "paused", COUPON) is None
    assert value(entries(rows, [negative(0.9, n=29)]), "paused", COUPON) is None  # adjust.least_scores is 30
    assert value(entries(rows, [negative(None)]), "paused", COUPON) is None


def test_what_is_closed_is_tried_again_after_a_while() -> None:
    """Closed for 28 days: explored users may draw it; for 27: not yet, though nobody scores it any more."""
    for days, wanted in ((28, PAUSED), (27, CLOSED)):
        dates = {DATE - datetime.timedelta(n) for n in range(days)}
        found = entries([], in_force=partial(_closed_on, dates))
        assert value(found, "paused", COUPON) == wanted, days


def _closed_on(dates: set[datetime.date], day: datetime.date) -> InForce:
    return InForce("v1", {("paused", COUPON): float(CLOSED)}) if day in dates else AS_SET
