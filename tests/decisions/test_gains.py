"""What an offer brings: extra visits and pieces, less what is given, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from promo_spark.decisions.gains import Curves, Offered, Pieces, gains
from promo_spark.decisions.mechanics import NAMES

ONE = np.ones(1)
NONE = Pieces(0 * ONE, 0 * ONE, 0 * ONE, 0 * ONE, ONE)
TEA = Pieces(0.4 * ONE, 3 * ONE, 7 * ONE, 2 * ONE, 1.2 * ONE)
JAM = Pieces(0.2 * ONE, 2 * ONE, 8 * ONE, 2 * ONE, 1.2 * ONE)
LINE = np.array([0.0, 1.0])
LINES = Curves(LINE, LINE, LINE, LINE, np.array([0.0]), np.array([1.0]))  # S and R are what they are of


def offered(mechanic: str, **changes: Any) -> Offered:
    """A user who comes twice in the days and leaves 5 an order; 20 % off."""
    of = Offered(
        mechanic=np.array([NAMES.index(mechanic)]),
        saving=0.2 * ONE,
        off=2 * ONE,
        least=0 * ONE,
        worth=10 * ONE,
        first=TEA,
        second=NONE,
        chance=0.3 * ONE,
        visits=2 * ONE,
        effect=0 * ONE,
        error=ONE,
        mention=0 * ONE,
        readiness=0.5 * ONE,
        margin=5 * ONE,
        basket=20 * ONE,
        spread=0.6 * ONE,
        funded=0 * ONE,
    )
    arrays: dict[str, Any] = {n: value * ONE if isinstance(value, float) else value for n, value in changes.items()}
    return replace(of, **arrays)


def test_what_would_be_bought_anyway_is_no_gain_and_is_given_to() -> None:
    """Nobody comes more often, and a product without elasticity sells no more: all that is left is the cost."""
    told = gains(offered("discount", first=replace(TEA, elasticity=0 * ONE)), LINES)
    assert (told.visits[0], told.given[0]) == (0.0, pytest.approx(0.4 * 2))  # 0.4 pieces at 2 off
    assert told.value[0] == pytest.approx(-0.8)
    assert told.uses[0] == pytest.approx(0.3)  # as without the offer


def test_visits_follow_the_users_own_effect_and_some_are_driven_away() -> None:
    """exp(effect × 0.2 × share), where 0.4 × 10 of 2 × 20 is a share of 0.1."""
    for effect in (5.0, -5.0):
        told = gains(offered("discount", effect=effect), LINES)
        assert told.visits[0] == pytest.approx(2 * np.expm1(effect * 0.2 * 0.1))
    flat = gains(offered("discount", effect=5.0, first=replace(TEA, elasticity=0 * ONE)), LINES)
    more = 2 * np.expm1(0.1)
    assert flat.value[0] == pytest.approx(
        5 * more - 0.4 * np.exp(0.1) * 2
    )  # extra visits less what all pieces are given


def test_a_lower_price_sells_more_and_less_so_where_most_visits_hold_it_anyway() -> None:
    rare = gains(offered("discount", first=replace(TEA, usual=1e-6 * ONE)), LINES)
    usual = gains(offered("discount"), LINES)
    # price 0.8 of what it was, elasticity 2: 0.8 ** -2 = 1.5625 times as many
    assert rare.given[0] / (1e-6 * 2) == pytest.approx(1.5625, rel=1e-4)
    assert 1.0 < usual.given[0] / (0.4 * 2) < 1.5625


def test_revenue_is_what_customers_pay_more_and_its_cost_is_freed() -> None:
    """0.4 pieces at 10 become n at 8; 0.2 × 0.02 = 0.004 of an order's effect is left out: nobody comes more often."""
    told = gains(offered("discount"), LINES)
    sold = told.given[0] / 2  # pieces, at 2 off each
    assert sold > 0.4 and told.visits[0] == 0
    assert told.revenue[0] == pytest.approx(sold * 8 - 0.4 * 10)
    assert told.freed[0] == pytest.approx((sold - 0.4) * 7)
    assert told.value[0] == pytest.approx(told.revenue[0] - told.freed[0])
    # whoever comes more often pays for whole baskets: their mean is above the median, 20
    keen = gains(offered("coupon", least=1e9, off=4.0, worth=0.0, first=NONE, effect=5.0), LINES)
    assert keen.revenue[0] == pytest.approx(keen.visits[0] * 20 * np.exp(0.6**2 / 2)) and keen.freed[0] == 0


def test_a_message_brings_a_product_to_mind_or_puts_off() -> None:
    plain = gains(offered("discount"), LINES)
    assert gains(offered("discount", mention=3.0), LINES).given[0] > plain.given[0]
    assert gains(offered("discount", mention=-3.0), LINES).given[0] < plain.given[0]


def test_a_coupon_is_given_once_to_those_who_use_it() -> None:
    """Half of the baskets reach the median; of 2 visits 1 does so, e^-1 of the time none; 0.8 read it, 0.5 use it."""
    told = gains(offered("coupon", least=20.0, off=4.0, worth=0.0, first=NONE), LINES)
    uses = (1 - np.exp(-1.0)) * 0.8 * 0.5
    assert told.uses[0] == pytest.approx(uses) and told.given[0] == pytest.approx(4 * uses)
    assert told.value[0] == pytest.approx(-4 * uses)  # nobody comes more often for it
    out_of_reach = gains(offered("coupon", least=2000.0, off=4.0, worth=0.0, first=NONE), LINES)
    assert out_of_reach.given[0] == pytest.approx(0, abs=1e-6)


def test_a_bundle_is_given_only_where_both_are_bought() -> None:
    told = gains(offered("bundle", second=JAM, worth=20.0, off=4.0), LINES)
    alone = gains(offered("discount", worth=20.0, off=4.0), LINES)
    assert 0 < told.uses[0] < alone.uses[0] and told.given[0] < alone.given[0]
    assert gains(offered("bundle", second=replace(JAM, usual=0 * ONE)), LINES).given[0] == pytest.approx(0)


def test_all_pieces_that_an_offer_sells_are_told_those_without_it_too() -> None:
    """What is given is off each piece; of a bundle each product's own; a gift is one piece, if it is given."""
    discount = gains(offered("discount"), LINES)
    assert discount.first_pieces[0] == pytest.approx(discount.given[0] / 2) and discount.first_pieces[0] > 0.4
    still = gains(offered("discount", first=replace(TEA, elasticity=0 * ONE)), LINES)
    assert (still.first_pieces[0], still.second_pieces[0]) == (pytest.approx(0.4), 0.0)
    # whoever does not ask for the money back buys all the same
    unread = gains(offered("rebate", readiness=0.0, first=replace(TEA, elasticity=0 * ONE)), LINES)
    assert (unread.given[0], unread.first_pieces[0]) == (0.0, pytest.approx(0.4))
    bundle = gains(offered("bundle", second=JAM, worth=20.0, off=4.0), LINES)
    together = bundle.given[0] / 4
    assert bundle.first_pieces[0] > 0.4 > bundle.second_pieces[0] > 0.2 > together > 0
    gift = gains(offered("gift", least=20.0, off=1.0, worth=0.0), LINES)  # as of a coupon, but nobody has to ask for it
    assert gift.first_pieces[0] == gift.uses[0] == pytest.approx(1 - np.exp(-1.0))


def test_the_error_grows_with_that_of_the_effect() -> None:
    sure, unsure = (gains(offered("discount", effect=5.0, error=error), LINES).error[0] for error in (0.0, 2.0))
    # one unit of the effect moves 2 × exp(0.1) visits by 0.02 of themselves, at 5 each
    assert unsure**2 - sure**2 == pytest.approx((2.0 * 5 * 2 * np.exp(0.1) * 0.02) ** 2)


def test_what_is_sold_in_thousands_at_once_is_bought_as_often_as_what_is_sold_by_the_piece() -> None:
    """Fuel in millilitres: units, their price and what a line holds are a thousand times as many, or a thousandth."""
    litre = Pieces(ONE, ONE, ONE, 2 * ONE, 4 * ONE)
    millilitre = Pieces(1e3 * ONE, ONE / 1e3, ONE / 1e3, 2 * ONE, 4e3 * ONE)
    one = gains(offered("discount", first=litre, worth=2.0, off=0.4), LINES)
    other = gains(offered("discount", first=millilitre, worth=2e-3, off=0.4e-3), LINES)
    for name in ("visits", "uses", "given", "value", "revenue", "freed"):
        assert getattr(one, name)[0] == pytest.approx(getattr(other, name)[0])
