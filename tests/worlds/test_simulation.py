"""A simulated day: offers change what they change, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.offers import NO_OFFERS, Offers, offers_from
from promo_spark.worlds.outreach import exposures_of_day, redemptions_of_day
from promo_spark.worlds.population import population
from promo_spark.worlds.records import order_lines
from promo_spark.worlds.response import GIFT, NAMES, POINTS_SPENT
from promo_spark.worlds.shopping import History, State, history
from promo_spark.worlds.simulation import Day, simulated_day
from promo_spark.worlds.spec import RESPONSES, WorldSpec


@pytest.fixture(scope="module")
def spec(world: Callable[..., WorldSpec]) -> WorldSpec:
    return world("days=60", "horizon_days=40", "newcomer_share=0.0")


@pytest.fixture(scope="module")
def state(spec: WorldSpec) -> State:
    return history(spec, 0).state


def offers(spec: WorldSpec, rows: list[dict[str, Any]], users: int) -> Offers:
    """Offers as the job hands them over, a list per user; valid from the first day after the history."""
    of_user: list[list[dict[str, Any]]] = [[] for _ in range(users)]
    for number, row in enumerate(rows):
        whole = {
            "promotion_id": f"o{number}",
            "mechanic": "discount",
            "product_ids": [],
            "discount_rate": None,
            "coupon_amount": None,
            "min_spend": None,
            "campaign_id": "PROMOTIONS",
            "valid_from": spec.date(spec.days),
            "spent": False,
        } | {k: v for k, v in row.items() if k != "user"}
        of_user[row["user"]].append(whole)
    kind = pa.list_(
        pa.struct(
            [
                ("promotion_id", pa.string()),
                ("mechanic", pa.string()),
                ("product_ids", pa.list_(pa.string())),
                ("discount_rate", pa.float64()),
                ("coupon_amount", pa.float64()),
                ("min_spend", pa.float64()),
                ("campaign_id", pa.string()),
                ("valid_from", pa.date32()),
                ("spent", pa.bool_()),
            ]
        )
    )
    return offers_from(spec, pa.table({"offers": pa.array([rows or None for rows in of_user], kind)}))


def by_user(past: History) -> dict[int, list[tuple[int, ...]]]:
    """Each user's lines as (product, quantity, listed, reduced, coupon)."""
    found: dict[int, list[tuple[int, ...]]] = {}
    lines = past.lines
    for row in zip(
        past.orders.user[lines.order],
        lines.product,
        lines.quantity,
        lines.listed,
        lines.reduced,
        lines.coupon,
        strict=True,
    ):
        found.setdefault(int(row[0]), []).append(tuple(int(v) for v in row[1:]))
    return found


def days_with_visit(spec: WorldSpec, state: State, given: Offers, days: int) -> np.ndarray:
    """User × day: whether the user came, day by day from the same state."""
    came = np.zeros((len(state.habit), days), bool)
    for day in range(days):
        past = simulated_day(spec, 0, spec.days + day, state, given).past
        came[past.orders.user, day] = True
    return came


def test_a_day_is_the_same_again_and_another_day_is_not(spec: WorldSpec, state: State) -> None:
    first = simulated_day(spec, 0, spec.days, state).past
    again = simulated_day(spec, 0, spec.days, state, NO_OFFERS).past
    assert by_user(first) == by_user(again) and (first.state.due == again.state.due).all()
    assert by_user(first) != by_user(simulated_day(spec, 0, spec.days + 1, state).past)


def test_users_whose_offers_do_not_differ_act_the_same_under_two_policies(spec: WorldSpec, state: State) -> None:
    users = population(spec, 0)
    chosen = range(0, len(users), 3)
    given = offers(
        spec,
        [{"user": u, "mechanic": "coupon", "coupon_amount": 5.0, "min_spend": 15.0} for u in chosen]
        + [{"user": u, "product_ids": ["P000007"], "discount_rate": 0.3} for u in chosen],
        len(users),
    )
    without = simulated_day(spec, 0, spec.days, state).past
    with_offers = simulated_day(spec, 0, spec.days, state, given).past
    before, after = by_user(without), by_user(with_offers)
    others = set(range(len(users))) - set(chosen)
    assert {u: v for u, v in before.items() if u in others} == {u: v for u, v in after.items() if u in others}
    for name in State.__dataclass_fields__:
        before_others, after_others = (getattr(past.state, name)[sorted(others)] for past in (without, with_offers))
        assert (before_others == after_others).all(), name
    assert before != after
    # as delivered, dirt included; the orders' ids count all orders of the day
    dirty = dataclasses.replace(spec, dirt=(("missing_user", 0.2), ("negative_amount", 0.2)))
    rows = [
        order_lines(dirty, past, 0, day=spec.days, coupon_ids=given.ids).to_pandas() for past in (without, with_offers)
    ]
    names = {f"U{u:08d}" for u in others}
    told = [r[r.user_id.isin(names)].drop(columns="order_id").reset_index(drop=True) for r in rows]
    assert len(told[0]) > 100 and told[0].equals(told[1])


def test_coupons_draw_the_persuadable_and_put_off_sleeping_dogs(spec: WorldSpec, state: State) -> None:
    users = population(spec, 0)
    given = offers(
        spec,
        [{"user": u, "mechanic": "coupon", "coupon_amount": 6.0, "min_spend": 20.0} for u in range(len(users))],
        len(users),
    )
    without, offered = days_with_visit(spec, state, NO_OFFERS, 6), days_with_visit(spec, state, given, 6)

    def of(response: str) -> tuple[np.ndarray, np.ndarray]:
        rows = users.answers.response == RESPONSES.index(response)
        return without[rows], offered[rows]

    before, after = of("persuadable")
    # 0.3 of the basket: the curve is at 0.26; exp(3 · 0.26) = 2.2 times the rate for the 80 % who open the message
    assert after.sum() > 1.3 * before.sum()
    before, after = of("sleeping_dog")
    assert after.sum() < 0.8 * before.sum()  # exp(−2.5 · 0.26) = 0.52 times the rate
    before, after = of("lost_cause")
    assert (before == after).all()


def test_a_coupon_comes_off_to_the_cent_where_it_is_chosen_and_enough_was_spent(spec: WorldSpec, state: State) -> None:
    users = population(spec, 0)
    given = offers(
        spec,
        [{"user": u, "mechanic": "coupon", "coupon_amount": 3.33, "min_spend": 25.0} for u in range(len(users))],
        len(users),
    )
    done = simulated_day(spec, 0, spec.days, state, given)
    lines, orders = done.past.lines, len(done.past.orders)
    spent = np.bincount(lines.order, lines.listed - lines.reduced, orders)
    taken_off = np.bincount(lines.order, lines.coupon, orders)
    assert set(taken_off[spent >= 2500]) == {0, 333} and (taken_off[spent < 2500] == 0).all()
    assert (lines.coupon >= 0).all()
    used = np.unique(lines.campaign[lines.campaign >= 0])
    assert (given.user[used] == np.unique(done.past.orders.user[lines.order[lines.campaign >= 0]])).all()
    assert done.uses.offer.tolist() == used.tolist() and set(done.uses.given) == {333.0}
    assert done.opened[used].all()  # a message that nobody read is not redeemed
    reached = done.past.orders.user[spent >= 2500]
    rate = [np.isin(reached[users.answers.response[reached] == r], given.user[used]).mean() for r in range(4)]
    assert rate[0] > 0.3 and rate[1] > 0.3 and rate[2] < 0.3 and rate[3] < 0.3  # persuadable, sure, lost, annoyed
    told = redemptions_of_day(spec, done.past, given, done.uses, spec.days)
    assert sorted(told.column("coupon_id").to_pylist()) == sorted(given.ids.take(pa.array(used)).to_pylist())


def played(spec: WorldSpec, state: State, rows: list[dict[str, Any]]) -> tuple[Day, Offers]:
    users = len(population(spec, 0))
    named = [{"user": u, "promotion_id": f"{n}-{u}", **row} for u in range(users) for n, row in enumerate(rows)]
    given = offers(spec, named, users)
    return simulated_day(spec, 0, spec.days, state, given), given


def test_an_offer_of_what_a_user_never_buys_draws_nobody(spec: WorldSpec, state: State) -> None:
    """The dearest offer off the least liked product: pull at most a hundredth of that off the one liked most."""
    users, shop = population(spec, 0), catalogue(spec)
    liked = users.tastes @ shop.topic_weights
    pulls = []
    for product in (liked.argmin(axis=1), liked.argmax(axis=1)):
        rows = [{"user": u, "product_ids": [f"P{p:06d}"], "discount_rate": 0.3} for u, p in enumerate(product)]
        pulls.append(simulated_day(spec, 0, spec.days, state, offers(spec, rows, len(users))).pull)
    persuadable = users.answers.response == 0
    assert np.abs(pulls[0][persuadable]).mean() < 0.01 * pulls[1][persuadable].mean()
    assert pulls[1][persuadable].mean() > 0.1


def test_attention_grows_with_the_saving(spec: WorldSpec, state: State) -> None:
    product, _ = popular_pair(spec)
    pieces = []
    for rate in (0.01, 0.1, 0.3):
        offer = {"product_ids": [f"P{product:06d}"], "discount_rate": rate}
        days = [simulated_day(spec, 0, spec.days + d, state, played(spec, state, [offer])[1]) for d in range(5)]
        pieces.append(sum(int(d.past.lines.quantity[d.past.lines.product == product].sum()) for d in days))
    assert pieces[0] < pieces[1] < pieces[2]
    plain = [simulated_day(spec, 0, spec.days + d, state).past.lines for d in range(5)]
    without = sum(int(lines.quantity[lines.product == product].sum()) for lines in plain)
    assert pieces[0] < 1.3 * without  # a saving of 1 % is hardly noticed


def test_two_offers_draw_less_than_the_sum_of_both(spec: WorldSpec, state: State) -> None:
    coupon = {"mechanic": "coupon", "coupon_amount": 6.0, "min_spend": 20.0}
    threshold = {"mechanic": "threshold", "coupon_amount": 4.0, "min_spend": 20.0}
    none = {"mechanic": "discount", "discount_rate": 0.0}
    one, other, both = (
        played(spec, state, rows)[0].pull for rows in ([coupon, none], [none, threshold], [coupon, threshold])
    )
    drawn = (one > 0.05) & (other > 0.05)
    assert drawn.sum() > 100
    assert (both[drawn] < (one + other)[drawn]).all() and (both[drawn] > np.maximum(one, other)[drawn]).all()


def test_offers_tire_and_leave_a_habit_and_annoyance_behind(spec: WorldSpec, state: State) -> None:
    users = population(spec, 0)
    rows = [{"user": u, "mechanic": "coupon", "coupon_amount": 6.0, "min_spend": 20.0} for u in range(len(users))]
    given = offers(spec, rows, len(users))
    fresh = simulated_day(spec, 0, spec.days, state, given)
    tired = simulated_day(spec, 0, spec.days, state, given, recent=np.full(len(users), 10.0))
    drawn, annoyed = fresh.pull > 0, fresh.pull < 0
    assert tired.pull[drawn] == pytest.approx(fresh.pull[drawn] * np.exp(-0.4))  # 0.04 for each of ten offers
    assert (tired.pull[annoyed] == fresh.pull[annoyed]).all()
    without = simulated_day(spec, 0, spec.days, state).past.state
    habit, strain = fresh.past.state.habit - without.habit, fresh.past.state.strain - without.strain
    assert habit[drawn] == pytest.approx(0.05 * fresh.pull[drawn]) and (habit[annoyed] < 0).all()
    here = without.strain < 1
    assert (strain[here & drawn] < 0).all() and (strain[here & annoyed] > 0).all()  # who is annoyed leaves sooner


def test_who_has_left_for_good_does_not_come_back(spec: WorldSpec, state: State) -> None:
    users = population(spec, 0)
    gone = dataclasses.replace(state, strain=np.full(len(users), 1e9))
    offer = {"mechanic": "coupon", "coupon_amount": 9.0, "min_spend": 10.0}
    rows = [{"user": u, **offer} for u in range(len(users))]
    done = simulated_day(spec, 0, spec.days, gone, offers(spec, rows, len(users)))
    assert not len(done.past.orders) and (done.past.state.strain >= 1e9).all()


def test_a_threshold_takes_off_every_order_that_reaches_it(spec: WorldSpec, state: State) -> None:
    offer = {"mechanic": "threshold", "coupon_amount": 5.0, "min_spend": 25.0}
    done, _ = played(spec, state, [offer])
    lines, orders = done.past.lines, len(done.past.orders)
    spent = np.bincount(lines.order, lines.listed - lines.reduced, orders)
    assert (np.bincount(lines.order, lines.coupon, orders) == np.where(spent >= 2500, 500, 0)).all()


def test_a_gift_is_a_line_that_costs_nothing(spec: WorldSpec, state: State) -> None:
    product, _ = popular_pair(spec)
    shop = catalogue(spec)
    offer = {"mechanic": "gift", "product_ids": [f"P{product:06d}"], "min_spend": 25.0}
    done, given = played(spec, state, [offer])
    lines, orders = done.past.lines, len(done.past.orders)
    gifts = lines.campaign >= 0
    spent = np.bincount(lines.order[~gifts], (lines.listed - lines.reduced)[~gifts], orders)
    assert (given.mechanic[lines.campaign[gifts]] == GIFT).all() and (lines.product[gifts] == product).all()
    assert (lines.listed - lines.reduced - lines.coupon)[gifts].tolist() == [0] * int(gifts.sum())
    assert not shop.stock_out[product, spec.days]
    assert sorted(lines.order[gifts]) == np.flatnonzero(spent >= 2500).tolist()
    assert (done.uses.given == shop.cost[product]).all()
    again = dataclasses.replace(given, spent=np.ones(len(given), bool))
    assert not len(simulated_day(spec, 0, spec.days, state, again).uses.offer)  # once


@pytest.mark.parametrize("mechanic", ["points", "rebate"])
def test_what_is_given_afterwards_leaves_the_receipt_alone(spec: WorldSpec, state: State, mechanic: str) -> None:
    product, _ = popular_pair(spec)
    offer = {"mechanic": mechanic, "product_ids": [f"P{product:06d}"], "discount_rate": 0.2}
    done, given = played(spec, state, [offer])
    lines, shop = done.past.lines, catalogue(spec)
    shelf = np.rint(shop.list_price[lines.product, spec.days // 7] * shop.depth[lines.product, spec.days // 7])
    assert (lines.reduced == shelf * lines.quantity).all() and (lines.coupon == 0).all()
    paid = np.bincount(done.past.orders.user[lines.order], (lines.listed - lines.reduced) * (lines.product == product))
    share = 0.2 * (POINTS_SPENT if mechanic == "points" else 1.0)
    assert done.uses.given == pytest.approx(share * paid[given.user[done.uses.offer]])
    buyers = np.unique(done.past.orders.user[lines.order[lines.product == product]])
    claimed = given.user[done.uses.offer]
    assert np.isin(claimed, buyers).all() and len(claimed) > 5
    assert (len(claimed) == len(buyers)) == (mechanic == "points")  # a rebate has to be claimed


def test_messages_of_the_day_are_told_once_each(spec: WorldSpec, state: State) -> None:
    offer = {"mechanic": "coupon", "coupon_amount": 5.0, "min_spend": 20.0}
    done, given = played(spec, state, [offer])
    rows = exposures_of_day(spec, done.past.users, given, done.opened, spec.days).to_pandas()
    assert rows.promotion_id.tolist() == given.ids.to_pylist()
    assert (rows.opened_at.notna() == done.opened).all() and (rows.sent_at[rows.opened_at.notna()].notna()).all()
    assert (rows.sent_at.isna() == rows.suppressed.notna()).all() and 0 < rows.suppressed.notna().mean() < 0.02
    later = exposures_of_day(spec, done.past.users, given, done.opened, spec.days + 1)
    assert later.num_rows == 0  # they were sent on their first day


def popular_pair(spec: WorldSpec) -> tuple[int, int]:
    shop = catalogue(spec)
    there = np.flatnonzero((shop.launched <= 0) & (shop.dies >= spec.all_days) & ~shop.intermittent)
    first, second = there[np.argsort(shop.popularity[there])[-2:]]
    return int(first), int(second)


def test_a_personal_price_is_never_dearer_than_the_shelf(spec: WorldSpec, state: State) -> None:
    users, shop = population(spec, 0), catalogue(spec)
    product, _ = popular_pair(spec)
    given = offers(
        spec,
        [{"user": u, "product_ids": [f"P{product:06d}"], "discount_rate": 0.25} for u in range(len(users))],
        len(users),
    )
    sold = 0
    for day in range(spec.days, spec.days + 10):
        past = simulated_day(spec, 0, day, state, given).past
        rows = past.lines.product == product
        depth = max(0.25, float(shop.depth[product, day // 7]))
        listed, reduced = past.lines.listed[rows], past.lines.reduced[rows]
        assert np.abs(reduced - listed * depth).max(initial=0) <= past.lines.quantity[rows].max(initial=1)
        sold += int(rows.sum())
    plain = sum(
        int((simulated_day(spec, 0, day, state).past.lines.product == product).sum())
        for day in range(spec.days, spec.days + 10)
    )
    assert sold > 1.5 * plain > 0


def test_a_bundle_is_reduced_only_as_a_whole(spec: WorldSpec, state: State) -> None:
    users, shop = population(spec, 0), catalogue(spec)
    pair = popular_pair(spec)
    given = offers(
        spec,
        [
            {"user": u, "mechanic": "bundle", "product_ids": [f"P{p:06d}" for p in pair], "discount_rate": 0.2}
            for u in range(len(users))
        ],
        len(users),
    )
    past = simulated_day(spec, 0, spec.days, state, given).past
    held = {u: {row[0] for row in rows} & set(pair) for u, rows in by_user(past).items()}
    assert {len(h) for h in held.values()} == {0, 1, 2}
    for user, rows in by_user(past).items():
        for product, _, listed, reduced, _ in rows:
            if product in pair:
                shelf = round(listed * float(shop.depth[product, spec.days // 7]))
                wanted = max(shelf, round(listed * 0.2)) if len(held[user]) == 2 else shelf
                assert abs(reduced - wanted) <= 12  # a cent per piece at most


def test_future_days_go_on_where_the_history_ends(spec: WorldSpec, state: State) -> None:
    """Orders per day of the four weeks after the end lie within a fifth of the four weeks before it."""
    past = history(spec, 0)
    last = (past.orders.kind == 0) & (past.orders.day >= spec.days - 28)
    counts = []
    for day in range(28):
        done = simulated_day(spec, 0, spec.days + day, state).past
        state = done.state
        counts.append(len(done.orders))
    assert sum(counts) == pytest.approx(last.sum(), rel=0.2)


def test_what_is_left_on_the_shelf_draws_nothing_into_the_basket(world: Callable[..., WorldSpec]) -> None:
    """Orders with no antecedent of a planted bundle hold its consequent as often as in the history."""
    nothing_else = [f"{n}_share=0.0" for n in ("newcomer", "return", "fraud", "contact")]
    spec = world("days=60", "rules=12", *nothing_else)
    past, shop = history(spec, 0), catalogue(spec)

    def without(done: History) -> np.ndarray:
        """Orders with the consequent, and all orders, where there is no antecedent; summed over the bundles."""
        found, bought = np.zeros(2), shop.subcategory[done.lines.product]
        for antecedent, consequent in zip(*shop.rules[:2], strict=True):
            left = np.setdiff1d(done.lines.order, done.lines.order[bought == antecedent])
            found += np.isin(left, done.lines.order[bought == consequent]).sum(), len(left)
        return found

    then, state = np.zeros(2), past.state
    for day in range(20):
        done = simulated_day(spec, 0, spec.days + day, state).past
        state = done.state
        then += without(done)
    before = without(past)
    assert then[0] / then[1] == pytest.approx(before[0] / before[1], rel=0.1)


def test_offers_are_read_from_lists_of_structs(spec: WorldSpec) -> None:
    read = offers(
        spec,
        [
            {"user": 1, "mechanic": "bundle", "product_ids": ["P000003", "P000001"], "discount_rate": 0.15},
            {"user": 3, "mechanic": "coupon", "coupon_amount": 2.5, "min_spend": 10.0},
        ],
        4,
    )
    assert read.user.tolist() == [1, 3]
    assert [NAMES[m] for m in read.mechanic] == ["bundle", "coupon"]
    assert read.saving.tolist() == [0.15, 0.25]  # 2.50 off 10.00
    assert (read.amount.tolist(), read.min_spend.tolist()) == ([0, 250], [0, 1000])
    assert list(zip(read.offer.tolist(), read.product.tolist(), strict=True)) == [(0, 3), (0, 1)]
