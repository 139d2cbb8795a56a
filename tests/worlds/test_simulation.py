"""A simulated day: offers change what they change, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.population import population
from promo_spark.worlds.records import order_lines
from promo_spark.worlds.shopping import History, history
from promo_spark.worlds.simulation import NO_OFFERS, Offers, offers_from, simulated_day
from promo_spark.worlds.spec import MECHANICS, RESPONSES, WorldSpec
from promo_spark.worlds.streams import Floats32


@pytest.fixture(scope="module")
def spec(world: Callable[..., WorldSpec]) -> WorldSpec:
    return world("days=60", "horizon_days=40", "newcomer_share=0.0")


@pytest.fixture(scope="module")
def due(spec: WorldSpec) -> Floats32:
    return history(spec, 0).due


def offers(rows: list[dict[str, Any]], users: int) -> Offers:
    """Offers as the job hands them over, a list per user."""
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
            ]
        )
    )
    return offers_from(pa.table({"offers": pa.array([rows or None for rows in of_user], kind)}))


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


def days_with_visit(spec: WorldSpec, due: Floats32, given: Offers, days: int) -> np.ndarray:
    """User × day: whether the user came, day by day from the same state."""
    came = np.zeros((len(due), days), bool)
    for day in range(days):
        past, _ = simulated_day(spec, 0, spec.days + day, due, given)
        came[past.orders.user, day] = True
    return came


def test_a_day_is_the_same_again_and_another_day_is_not(spec: WorldSpec, due: Floats32) -> None:
    first, after = simulated_day(spec, 0, spec.days, due)
    again, after_again = simulated_day(spec, 0, spec.days, due, NO_OFFERS)
    assert by_user(first) == by_user(again) and (after == after_again).all()
    assert by_user(first) != by_user(simulated_day(spec, 0, spec.days + 1, due)[0])


def test_users_whose_offers_do_not_differ_act_the_same_under_two_policies(spec: WorldSpec, due: Floats32) -> None:
    users = population(spec, 0)
    chosen = range(0, len(users), 3)
    given = offers(
        [{"user": u, "mechanic": "coupon", "coupon_amount": 5.0, "min_spend": 15.0} for u in chosen]
        + [{"user": u, "product_ids": ["P000007"], "discount_rate": 0.3} for u in chosen],
        len(users),
    )
    without, due_without = simulated_day(spec, 0, spec.days, due)
    with_offers, due_with = simulated_day(spec, 0, spec.days, due, given)
    before, after = by_user(without), by_user(with_offers)
    others = set(range(len(users))) - set(chosen)
    assert {u: v for u, v in before.items() if u in others} == {u: v for u, v in after.items() if u in others}
    assert (due_without[sorted(others)] == due_with[sorted(others)]).all()
    assert before != after
    # as delivered, dirt included; the orders' ids count all orders of the day
    dirty = dataclasses.replace(spec, dirt=(("missing_user", 0.2), ("negative_amount", 0.2)))
    rows = [
        order_lines(dirty, past, 0, day=spec.days, coupon_ids=given.ids).to_pandas() for past in (without, with_offers)
    ]
    names = {f"U{u:08d}" for u in others}
    told = [r[r.user_id.isin(names)].drop(columns="order_id").reset_index(drop=True) for r in rows]
    assert len(told[0]) > 100 and told[0].equals(told[1])


def test_coupons_draw_the_persuadable_and_put_off_sleeping_dogs(spec: WorldSpec, due: Floats32) -> None:
    users = population(spec, 0)
    given = offers(
        [{"user": u, "mechanic": "coupon", "coupon_amount": 6.0, "min_spend": 20.0} for u in range(len(users))],
        len(users),
    )
    without, offered = days_with_visit(spec, due, NO_OFFERS, 6), days_with_visit(spec, due, given, 6)

    def of(response: str) -> tuple[np.ndarray, np.ndarray]:
        rows = users.response == RESPONSES.index(response)
        return without[rows], offered[rows]

    before, after = of("persuadable")
    assert after.sum() > 1.3 * before.sum()  # exp(3 · 0.3) = 2.5 times the rate, less where a visit is near certain
    before, after = of("sleeping_dog")
    assert after.sum() < 0.8 * before.sum()  # exp(−2.5 · 0.3) = 0.47 times the rate
    before, after = of("lost_cause")
    assert (before == after).all()


def test_a_coupon_comes_off_to_the_cent_where_enough_was_spent(spec: WorldSpec, due: Floats32) -> None:
    users = population(spec, 0)
    given = offers(
        [{"user": u, "mechanic": "coupon", "coupon_amount": 3.33, "min_spend": 25.0} for u in range(len(users))],
        len(users),
    )
    past, _ = simulated_day(spec, 0, spec.days, due, given)
    lines, orders = past.lines, len(past.orders)
    spent = np.bincount(lines.order, lines.listed - lines.reduced, orders)
    taken_off = np.bincount(lines.order, lines.coupon, orders)
    assert (taken_off[spent >= 2500] == 333).all() and (taken_off[spent < 2500] == 0).all()
    assert 0 < (spent >= 2500).sum() < orders
    assert (lines.coupon >= 0).all()
    user = past.orders.user[lines.order[lines.campaign >= 0]]
    assert (given.user[lines.campaign[lines.campaign >= 0]] == user).all()


def popular_pair(spec: WorldSpec) -> tuple[int, int]:
    shop = catalogue(spec)
    there = np.flatnonzero((shop.launched <= 0) & (shop.dies >= spec.all_days) & ~shop.intermittent)
    first, second = there[np.argsort(shop.popularity[there])[-2:]]
    return int(first), int(second)


def test_a_personal_price_is_never_dearer_than_the_shelf(spec: WorldSpec, due: Floats32) -> None:
    users, shop = population(spec, 0), catalogue(spec)
    product, _ = popular_pair(spec)
    given = offers(
        [{"user": u, "product_ids": [f"P{product:06d}"], "discount_rate": 0.25} for u in range(len(users))], len(users)
    )
    sold = 0
    for day in range(spec.days, spec.days + 10):
        past, _ = simulated_day(spec, 0, day, due, given)
        rows = past.lines.product == product
        depth = max(0.25, float(shop.depth[product, day // 7]))
        listed, reduced = past.lines.listed[rows], past.lines.reduced[rows]
        assert np.abs(reduced - listed * depth).max(initial=0) <= past.lines.quantity[rows].max(initial=1)
        sold += int(rows.sum())
    plain = sum(
        int((simulated_day(spec, 0, day, due)[0].lines.product == product).sum())
        for day in range(spec.days, spec.days + 10)
    )
    assert sold > 1.5 * plain > 0


def test_a_bundle_is_reduced_only_as_a_whole(spec: WorldSpec, due: Floats32) -> None:
    users, shop = population(spec, 0), catalogue(spec)
    pair = popular_pair(spec)
    given = offers(
        [
            {"user": u, "mechanic": "bundle", "product_ids": [f"P{p:06d}" for p in pair], "discount_rate": 0.2}
            for u in range(len(users))
        ],
        len(users),
    )
    past, _ = simulated_day(spec, 0, spec.days, due, given)
    held = {u: {row[0] for row in rows} & set(pair) for u, rows in by_user(past).items()}
    assert {len(h) for h in held.values()} == {0, 1, 2}
    for user, rows in by_user(past).items():
        for product, _, listed, reduced, _ in rows:
            if product in pair:
                shelf = round(listed * float(shop.depth[product, spec.days // 7]))
                wanted = max(shelf, round(listed * 0.2)) if len(held[user]) == 2 else shelf
                assert abs(reduced - wanted) <= 12  # a cent per piece at most


def test_future_days_go_on_where_the_history_ends(spec: WorldSpec, due: Floats32) -> None:
    """Orders per day of the four weeks after the end lie within a fifth of the four weeks before it."""
    past = history(spec, 0)
    last = (past.orders.kind == 0) & (past.orders.day >= spec.days - 28)
    state, counts = due, []
    for day in range(28):
        done, state = simulated_day(spec, 0, spec.days + day, state)
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

    then, state = np.zeros(2), past.due
    for day in range(20):
        done, state = simulated_day(spec, 0, spec.days + day, state)
        then += without(done)
    before = without(past)
    assert then[0] / then[1] == pytest.approx(before[0] / before[1], rel=0.1)


def test_offers_are_read_from_lists_of_structs() -> None:
    read = offers(
        [
            {"user": 1, "mechanic": "bundle", "product_ids": ["P000003", "P000001"], "discount_rate": 0.15},
            {"user": 3, "mechanic": "coupon", "coupon_amount": 2.5, "min_spend": 10.0},
        ],
        4,
    )
    assert read.user.tolist() == [1, 3]
    assert read.mechanic.tolist() == [MECHANICS.index("bundle"), MECHANICS.index("coupon")]
    assert read.depth.tolist() == [0.15, 0.25]  # 2.50 off 10.00
    assert (read.amount.tolist(), read.min_spend.tolist()) == ([0, 250], [0, 1000])
    assert list(zip(read.offer.tolist(), read.product.tolist(), strict=True)) == [(0, 3), (0, 1)]
