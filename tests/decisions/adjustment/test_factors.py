"""Factors of what offers bring and give: seen over told, believed, in steps."""

from __future__ import annotations

import datetime

import pytest

from promo_spark.decisions.adjustment.factors import normal_draw
from promo_spark.decisions.policy import InForce
from tests.decisions.adjustment.effect_rows import DATE, effect, entries, gain, value

COUPON, GIFT = "mechanic:coupon", "mechanic:gift"


def test_nothing_measured_changes_nothing() -> None:
    """L01 (no evaluations): without a measurement, and with one that tells nothing, all stays as it is."""
    now = InForce("v1", {("value_factor", COUPON): 1.2, ("explore_share", "all"): 0.01})
    for rows in ([], [effect("holdout", "all", "margin", None), effect("explore", COUPON, "margin", None)]):
        found = entries(rows, in_force=now)
        assert {key: entry.value for key, entry in found.items()} == now.values
        assert not entries(rows)


def test_what_receipts_say_of_cost_is_stepped_to() -> None:
    """L01 (cost): 1.5 given per offer where 1 was told, of so many that it is sure: a tenth a day."""
    rows = [effect("counted", "all", "given", 1.5, 0.01, expected=1.0)]
    rows.append(effect("counted", COUPON, "given", 1.5, 0.01, expected=1.0))
    found = entries(rows)
    assert value(found, "cost_factor", COUPON) == 1.1
    told = found["cost_factor", COUPON]
    assert "given per offer 1.500 ± 0.010 beside 1.000 told" in told.evidence and str(DATE) in told.evidence
    assert "at most 10% a day" in told.reason


def test_a_few_offers_that_nobody_used_are_not_sure_to_give_nothing() -> None:
    """Six offers, none used: nothing differs. With ten more users of 1 ± 1: √(10 ÷ 16 ÷ 6) = 0.323 of what is told."""
    rows = [effect("counted", "all", "given", 1.0, 0.01, expected=1.0)]
    rows.append(effect("counted", COUPON, "given", 0.0, 0.0, expected=1.0, n_treated=6))
    told = entries(rows)["cost_factor", COUPON]
    assert "given per offer 0.000 ± 0.323 beside 1.000 told, n 6" in told.evidence
    believed = float(told.evidence.split()[1])
    assert 0.5 < believed < 0.9


def test_a_factor_that_was_in_force_is_multiplied_back() -> None:
    """1.5 told with a factor of 1.5 in it, and 1.5 given: the factor is right, and stays."""
    now = InForce("v1", {("cost_factor", f"mechanic:{name}"): 1.5 for name in ("coupon", "gift")})
    rows = [effect("counted", "all", "given", 1.5, 0.001, expected=1.5)]
    rows += [effect("counted", COUPON, "given", 1.5, 0.001, expected=1.5)]
    assert value(entries(rows, in_force=now), "cost_factor", COUPON) == pytest.approx(1.5, abs=0.01)


def test_few_offers_of_a_kind_change_little() -> None:
    """Seen twice what was told: ± 0.01 steps as far as a day may; ± 2 by 0.13 ÷ 4.13 of the way."""
    for error, most in ((0.01, 1.1), (2.0, 1.04)):
        rows = gain("explore", COUPON, seen=4.0, told=2.0, se=2 * error)
        factor = value(entries(rows), "value_factor", COUPON) or 1.0
        assert factor == 1.1 if error < 1 else factor <= most


def test_all_offers_together_tell_of_each_mechanic() -> None:
    """Held out users say that all bring half of what is told: mechanics of which nothing else is known follow."""
    found = entries(gain("holdout", "all", seen=1.0, told=2.0, se=0.02))
    assert value(found, "value_factor", GIFT) == pytest.approx(1 / 1.1, abs=1e-4)
    assert value(found, "value_factor", COUPON) == value(found, "value_factor", GIFT)


def test_older_windows_count_less() -> None:
    """This week as told, three weeks ago nothing at all: nearer to this week's than to the mean of 0.5."""
    then = DATE - datetime.timedelta(21)
    old = [
        row | {"date": then, "first_day": then - datetime.timedelta(7)} for row in gain("holdout", "all", 0.0, 2.0, 0.4)
    ]
    found = entries([*gain("holdout", "all", 2.0, 2.0, 0.4), *old], step=0.5, doubt=10.0)
    # variances 0.04 and, older by 21 of 28 days, 0.04 × 2^(21/14) = 0.113: a weight of 0.74 for this week
    assert value(found, "value_factor", GIFT) == pytest.approx(0.74, abs=0.01)


def test_windows_that_overlap_count_once() -> None:
    """Yesterday's row of the same week adds nothing."""
    yesterday = DATE - datetime.timedelta(1)
    rows = gain("holdout", "all", 1.0, 2.0)
    again = [row | {"date": yesterday} for row in rows]
    assert entries([*rows, *again])["value_factor", GIFT] == entries(rows)["value_factor", GIFT]


def test_a_factor_stays_within_its_bounds() -> None:
    """Nothing is brought at all: after many steps a quarter is left, never less."""
    now = InForce("v1", {("value_factor", COUPON): 0.26})
    rows = gain("explore", COUPON, seen=-3.0, told=2.0, se=0.01)
    assert value(entries(rows, in_force=now), "value_factor", COUPON) == 0.25


def test_a_draw_is_the_same_all_week_and_another_in_the_next() -> None:
    """L03 (draws): of a doubtful mechanic a value is drawn, for a week; of one that is sure hardly."""
    rows = gain("explore", COUPON, seen=2.0, told=2.0, se=1.0)
    monday, sunday = DATE + datetime.timedelta(1), DATE + datetime.timedelta(6)
    by_day = [
        value(entries([row | {"date": day} for row in rows], date=day, chance=1.0, step=0.5), "value_factor", COUPON)
        for day in (DATE, sunday, sunday + datetime.timedelta(1), monday)
    ]
    assert by_day[0] == by_day[1] == by_day[3] != by_day[2]
    sure = entries(gain("explore", COUPON, 2.0, 2.0, 0.001), chance=1.0, step=0.5)
    assert value(sure, "value_factor", COUPON) in (None, pytest.approx(1.0, abs=0.01))


def test_draws_are_standard_normal() -> None:
    """Of 2,000 weeks: the mean within 3 / √2000 of 0, the spread within 5 % of 1."""
    drawn = [normal_draw(f"week {n}") for n in range(2000)]
    mean = sum(drawn) / len(drawn)
    assert abs(mean) < 0.067
    assert (sum((one - mean) ** 2 for one in drawn) / len(drawn)) ** 0.5 == pytest.approx(1, rel=0.05)


def test_what_is_used_more_than_told_is_believed_to_bring_more() -> None:
    """Coupons give 1.5 of what was told, others what was told; of value nothing is measured: it follows cost."""
    rows = [effect("counted", "all", "given", 1.0, 0.01, expected=1.0)]
    rows += [
        effect("counted", f"mechanic:{m}", "given", g, 0.001, expected=1.0) for m, g in (("coupon", 1.5), ("gift", 1))
    ]
    found = entries(rows, step=0.5)
    assert value(found, "value_factor", COUPON) == value(found, "cost_factor", COUPON) == pytest.approx(1.5, abs=0.01)
    assert found["value_factor", COUPON].evidence.endswith("before that 1.500, as is believed of cost_factor")
    assert value(found, "value_factor", GIFT) is None
