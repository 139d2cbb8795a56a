"""Depths, budgets and the explored share: bounded steps."""

from __future__ import annotations

import datetime

import pytest

from promo_spark.decisions.policy import InForce
from tests.decisions.adjustment.effect_rows import DATE, SETTINGS, effect, entries, gain, value

SCENARIO = "win_back"
SCOPE = f"scenario:{SCENARIO}"
LEAST, GREATEST = SETTINGS.promote.depth[SCENARIO]
BUDGET = SETTINGS.promote.daily_budget


@pytest.mark.parametrize(
    ("roi", "margin", "now", "wanted"),
    [
        ((-1.0, 0.1), (-1.0, 0.1), None, 0.85),  # both below 0 for sure: a step down
        ((-1.0, 0.1), (-0.1, 0.1), None, None),  # margin may be above 0: it stays
        ((0.1, 0.1), (0.1, 0.1), 0.5, 0.5),  # nobody can tell: it stays
        ((0.6, 0.1), (1.0, 0.1), 0.5, 0.575),  # above the target of 0.5 for sure: a step of 15 % up
        ((0.4, 0.1), (1.0, 0.1), 0.5, 0.5),  # it rises, but below the target: it stays
        ((0.6, 0.1), (1.0, 0.1), None, None),  # never deeper than the settings
        ((None, 0.1), (None, 0.1), 0.5, 0.5),  # too few users: it stays
    ],
)
def test_depths_move_by_the_rule(
    roi: tuple[float | None, float], margin: tuple[float | None, float], now: float | None, wanted: float | None
) -> None:
    """L02: the truth table of intervals, as shares of the settings' greatest depth."""
    rows = [effect("explore", SCOPE, "roi", *roi), effect("explore", SCOPE, "margin", *margin)]
    before = InForce("v1", {} if now is None else {("depth_most", SCOPE): GREATEST * now})
    told = value(entries(rows, in_force=before), "depth_most", SCOPE)
    assert told == (None if wanted is None else pytest.approx(GREATEST * wanted, abs=1e-4))


def test_depths_stay_within_their_bounds_and_move_once_a_week() -> None:
    """L02 (bounds): a hundred bad weeks lead to the least depth; on other days of the week nothing moves."""
    rows = [effect("explore", SCOPE, "roi", -1.0), effect("explore", SCOPE, "margin", -1.0)]
    depth = GREATEST
    for _ in range(100):
        found = entries(rows, in_force=InForce("v1", {("depth_most", SCOPE): depth}))
        depth = value(found, "depth_most", SCOPE) or 0.0
    assert depth == pytest.approx(LEAST)
    monday = DATE + datetime.timedelta(1)
    rows = [row | {"date": monday} for row in rows]
    assert value(entries(rows, date=monday), "depth_most", SCOPE) is None


@pytest.mark.parametrize(
    ("given", "margin", "now", "wanted"),
    [
        (1.04, 1.0, 1.0, None),  # within 5 % of the budget
        (1.08, 1.0, 1.0, 1 / 1.08),  # too much: less in proportion
        (2.00, 1.0, 1.0, 1 / 1.1),  # much too much: a tenth a day
        (0.50, 1.0, 0.8, 0.88),  # too little: a tenth back
        (0.50, -1.0, 0.8, 0.8 / 1.1),  # all offers lose margin for sure
        (0.50, 1.0, 0.95, None),  # back at the settings
    ],
)
def test_budgets_are_paced(given: float, margin: float, now: float, wanted: float | None) -> None:
    """L01 (budgets): `given` a day over the settings' budget, of 1,000 users in a week."""
    per_user = given * BUDGET * 7 / 1000
    rows = [effect("holdout", "all", "given", per_user, 1e-6), effect("holdout", "all", "margin", margin)]
    before = InForce("v1", {("budget_factor", "all"): now} if now < 1 else {})
    found = entries(rows, in_force=before)
    assert value(found, "budget_factor", "all") == (None if wanted is None else pytest.approx(wanted, abs=1e-3))


def test_more_are_explored_while_little_is_sure_within_bounds() -> None:
    """L03 (exploration): errors of 100 % and of 5 % of what was told; 2 to 10 % of users at a time, a seventh a day."""
    daily = SETTINGS.promote.explore_share
    for error, factor in ((1.0, 1.1), (0.05, 1 / 1.1), (0.4, 1.0)):
        found = entries(gain("explore", "all", seen=2.0, told=2.0, se=2 * error))
        assert (value(found, "explore_share", "all") or daily) == pytest.approx(daily * factor, abs=1e-5)
    for error, bound in ((1.0, 0.10), (0.05, 0.02)):
        share = daily
        for _ in range(40):
            now = InForce("v1", {("explore_share", "all"): share})
            share = (
                value(entries(gain("explore", "all", 2.0, 2.0, 2 * error), in_force=now), "explore_share", "all") or 0
            )
        assert share == pytest.approx(bound / SETTINGS.promote.valid_days, abs=1e-4)
