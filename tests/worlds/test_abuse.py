"""Rings live on welcome coupons and on what is offered; customers do the same whether there are rings or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from promo_spark.worlds import abuse, outreach, response, truths, welcomes
from promo_spark.worlds.assignments import assigned
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.offers import Offers, joined
from promo_spark.worlds.orders import FAKE, PURCHASE, RETURN
from promo_spark.worlds.playing import played
from promo_spark.worlds.population import ALONE, RING, RING_DAYS, RING_SIZE, Population, population
from promo_spark.worlds.records import order_lines
from promo_spark.worlds.shopping import History, history
from promo_spark.worlds.simulation import Day, simulated_day
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.true_offers import true_offers

Worlds = Callable[..., WorldSpec]


@pytest.fixture(scope="module")
def spec(world: Worlds) -> WorldSpec:
    return world(
        "users=1500", "days=90", "welcome_saving=0.2", "fraud_share=0.06", "campaign_every_days=14", "contact_share=0.5"
    )


@pytest.fixture(scope="module")
def users(spec: WorldSpec) -> Population:
    return population(spec, 0)


@pytest.fixture(scope="module")
def past(spec: WorldSpec) -> History:
    return history(spec, 0)


def every_offer(spec: WorldSpec, users: Population, day: int) -> Offers:
    """Every mechanic to everybody."""
    shop = catalogue(spec)
    return joined([truths.usual_offers(users, shop, m, 0.2, day) for m in range(len(response.NAMES))])


def test_rings_open_accounts_within_days_and_redeem_their_coupons_in_one_night(
    spec: WorldSpec, users: Population, past: History
) -> None:
    """J04: each account's first order takes its welcome coupon, with the product and the night of its ring."""
    orders, lines, shop = past.orders, past.lines, catalogue(spec)
    amount, least = welcomes.terms(spec)
    carried = np.flatnonzero(lines.campaign >= len(shop.campaigns))
    rings = 0
    for ring in np.unique(users.ring[users.ring >= 0]):
        accounts = np.flatnonzero(users.ring == ring)
        opened = users.joined[accounts]
        assert np.ptp(opened) < RING_DAYS and (users.consent[accounts] == 1).all()
        if opened.min() + RING_DAYS >= spec.days:
            continue
        rings += 1
        rows = carried[np.isin(orders.user[lines.order[carried]], accounts)]
        assert sorted(orders.user[lines.order[rows]]) == accounts.tolist()
        assert len(set(orders.day[lines.order[rows]])) == 1 == len(set(lines.product[rows]))
        assert (orders.second[lines.order[rows]] >= 22 * 3600).all() and (lines.coupon[rows] == amount).all()
        paid = lines.listed[rows] - lines.reduced[rows]
        one_less = paid - paid // lines.quantity[rows]
        assert (paid >= least).all() and (one_less < least).all()
        assert past.state.welcome_used[accounts].all()
    assert rings >= 3


def test_rings_take_every_coupon_of_a_campaign_and_are_quiet_else(
    spec: WorldSpec, users: Population, past: History
) -> None:
    """J04: their orders of the history are the coupons that reached them, one each, and nothing else."""
    quiet, orders = users.only_offers, past.orders
    contacted = assigned(spec, users, 0).contacted & quiet[:, None]
    nights = abuse.ring_nights(spec, users)
    assert contacted.sum() > 5
    expected = contacted.sum(axis=1) + (nights < spec.days)
    assert np.bincount(orders.user[quiet[orders.user]], minlength=len(users)).tolist() == (expected * quiet).tolist()
    assert (orders.kind[quiet[orders.user]] == FAKE).all()
    told = outreach.redemptions(spec, past).to_pandas().groupby("user_id").size()
    assert [told.get(f"U{u:08d}", 0) for u in np.flatnonzero(quiet)] == expected[quiet].tolist()
    seen = outreach.exposures(spec, 0).to_pandas().set_index("user_id").opened_at.notna()
    assert seen[[f"U{u:08d}" for u in np.flatnonzero(quiet & (expected > 0))]].all()


def delivered(
    spec: WorldSpec, past: History, users: np.ndarray, day: int | None = None, ids: pa.Array = None
) -> pd.DataFrame:
    """These users' lines as delivered; the orders' ids count all orders of the block."""
    rows = order_lines(dataclasses.replace(spec, dirt=()), past, 0, day=day, coupon_ids=ids).to_pandas()
    mine = rows[rows.user_id.isin([f"U{u:08d}" for u in users])].drop(columns="order_id")
    told: pd.DataFrame = mine.sort_values(["user_id", "ts", "line_no"], kind="stable").reset_index(drop=True)
    return told


def test_customers_do_the_same_with_rings_and_without(spec: WorldSpec, users: Population, past: History) -> None:
    """Every line of every honest user is the same, in the history and on simulated days, offers included."""
    clean = dataclasses.replace(spec, fraud_share=0.0)
    other, honest = history(clean, 0), np.flatnonzero(users.fraud == 0)
    mine = delivered(spec, past, honest)
    assert len(mine) > 10_000 and mine.equals(delivered(clean, other, honest))
    states = past.state, other.state
    for day in range(spec.days, spec.days + 3):
        days = [
            simulated_day(s, 0, day, state, every_offer(s, population(s, 0), day))
            for s, state in zip((spec, clean), states, strict=True)
        ]
        with_rings, without = (
            delivered(s, done.past, honest, day, done.offers.ids) for s, done in zip((spec, clean), days, strict=True)
        )
        assert len(with_rings) > 100 and with_rings.equals(without)
        states = days[0].past.state, days[1].past.state
        for name in ("due", "habit", "strain", "welcome_used"):
            assert (getattr(states[0], name)[honest] == getattr(states[1], name)[honest]).all(), name


def test_rings_are_the_same_whatever_blocks_users_are_drawn_in(spec: WorldSpec) -> None:
    """Rings that lie across two blocks act as one: nights, products, amounts."""
    alone = dataclasses.replace(spec, contact_share=0.0)

    def ring_lines(spec: WorldSpec) -> set[tuple[int, ...]]:
        found = set()
        for block in range(spec.user_blocks):
            past = history(spec, block)
            lines, orders = past.lines, past.orders
            rows = np.flatnonzero(past.users.only_offers[orders.user[lines.order]])
            of_order = lines.order[rows]
            columns = (past.users.numbers[orders.user[of_order]], orders.day[of_order], orders.second[of_order])
            found |= set(zip(*columns, lines.product[rows], lines.quantity[rows], lines.coupon[rows], strict=True))
        return found

    whole = ring_lines(alone)
    assert len(whole) >= 3 * RING_SIZE and whole == ring_lines(dataclasses.replace(alone, users_per_block=100))


def without(done: Day, kind: int) -> set[int]:
    return set(done.past.orders.user[done.past.orders.kind != kind].tolist())


def test_on_a_simulated_day_rings_redeem_every_offer_by_the_smallest_order(
    spec: WorldSpec, users: Population, past: History
) -> None:
    """J04: an order for each offer of the day, and none on days without new offers."""
    given = every_offer(spec, users, spec.days)
    done = simulated_day(spec, 0, spec.days, past.state, given)
    there = users.only_offers & (users.joined <= spec.days)
    shop, orders = catalogue(spec), done.past.orders
    used = done.uses.offer[there[done.offers.user[done.uses.offer]]]
    possible = np.bincount(given.offer, ~(shop.on_sale(given.product, spec.days)), len(given)) == 0
    possible &= np.bincount(given.offer, shop.stock_out[given.product, spec.days], len(given)) == 0
    expected = np.flatnonzero(there[given.user] & possible)
    # but an offer off what the shelf has reduced further already gives nothing
    felt = ~response.AT_THE_TILL[given.mechanic[expected]] | ~response.ON_PRODUCTS[given.mechanic[expected]]
    assert set(expected[felt]) <= set(used.tolist()) and len(expected[felt]) > 20
    assert np.bincount(orders.user[there[orders.user]], minlength=len(users))[there].sum() >= len(expected)
    on_baskets = np.isin(given.mechanic, (response.COUPON, response.THRESHOLD))
    lines = done.past.lines
    paid = np.bincount(lines.order, lines.listed - lines.reduced, len(orders))
    for offer in expected[on_baskets[expected]]:
        of_order = np.flatnonzero(lines.campaign == offer)
        spent = paid[lines.order[of_order]][0]
        assert spent >= given.min_spend[offer] > spent - spent / lines.quantity[of_order][0]
        assert lines.coupon[of_order].sum() == given.amount[offer]
    later = simulated_day(spec, 0, spec.days + 1, done.past.state, given)  # the offers hold, and are not new
    waiting = users.only_offers & (abuse.ring_nights(spec, users) == spec.days + 1)
    active = set(later.past.orders.user[users.only_offers[later.past.orders.user]].tolist())
    assert active == set(np.flatnonzero(waiting).tolist())


def test_rings_that_open_later_redeem_their_welcome_on_their_night(spec: WorldSpec, users: Population) -> None:
    """On simulated days too; and each coupon once."""
    state, nights = history(spec, 0).state, abuse.ring_nights(spec, users)
    last = min(spec.days + 40, spec.all_days - 1)
    seen = np.zeros(len(users), np.int64)
    for day in range(spec.days, last):
        done = simulated_day(spec, 0, day, state)
        state = done.past.state
        rings = done.offers.user[done.uses.offer]
        rings = rings[users.only_offers[rings]]
        assert (nights[rings] == day).all()
        seen[rings] += 1
    expected = users.only_offers & (nights >= spec.days) & (nights < last)
    assert expected.sum() >= RING_SIZE and seen.tolist() == expected.astype(int).tolist()


def test_lone_accounts_order_and_return_on_simulated_days(spec: WorldSpec, users: Population, past: History) -> None:
    """J04: as often as in the history; all that is faked on a day is back on the next, at the price that was paid."""
    days = 30
    faked: list[tuple[int, ...]] = []
    returned: list[tuple[int, ...]] = []
    for day in range(spec.days, spec.days + days):
        done = simulated_day(spec, 0, day, past.state).past
        orders, lines = done.orders, done.lines
        assert (orders.kind[users.fraud[orders.user] == 0] == PURCHASE).all()
        for kind, rows in ((FAKE, faked), (RETURN, returned)):
            mine = np.flatnonzero((orders.kind[lines.order] == kind) & (users.fraud[orders.user[lines.order]] == ALONE))
            sign = 1 if kind == FAKE else -1
            rows += [
                (day - (kind == RETURN), *row)
                for row in zip(
                    orders.user[lines.order[mine]], lines.product[mine], sign * lines.listed[mine], strict=True
                )
            ]
    assert returned == [row for row in faked if row[0] < spec.days + days - 1]
    kinds = past.orders.kind[users.fraud[past.orders.user] == ALONE]
    assert len(faked) / days == pytest.approx((kinds == FAKE).sum() / spec.days, rel=0.25)


def test_the_truth_of_offers_to_rings_is_what_they_do(spec: WorldSpec, users: Population, past: History) -> None:
    """Told and played agree to the cent for every mechanic: an account of a ring leaves nothing to chance."""
    shop, rings = catalogue(spec), users.only_offers
    plain = played(spec, 0, spec.days, past.state)
    for mechanic in range(len(response.NAMES)):
        offers = truths.usual_offers(users, shop, mechanic, 0.2, spec.days)
        told = true_offers(spec, 0, spec.days, past.state, offers)
        week = played(spec, 0, spec.days, past.state, offers)
        pairs = [
            (told.visits - told.visits_without, week.visits - plain.visits),
            (told.units - told.units_without, week.units),
            (told.uses, week.uses),
            (told.given, week.given),
            (told.margin, week.margin - plain.margin),
        ]
        for number, (said, done) in enumerate(pairs):
            assert said[rings] == pytest.approx(done[rings], abs=1e-6), (response.NAMES[mechanic], number)
        assert told.uses[rings].sum() > 0


def test_without_welcome_coupons_rings_are_in_the_history_only(world: Worlds) -> None:
    """The world that benchmarks of policies speak of: nobody lives on offers there."""
    spec = world("users=600", "days=60", "fraud_share=0.1")
    users, past = population(spec, 0), history(spec, 0)
    assert (users.fraud == RING).any() and not users.only_offers.any()
    assert (past.orders.kind == FAKE).any() and not past.state.welcome_used.any()
    done = simulated_day(spec, 0, spec.days, past.state, every_offer(spec, users, spec.days))
    assert without(done, PURCHASE) == set()
