"""The allocation by prices: within all limits, close to its bound, and the bound is one."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from promo_spark.decisions.allocation import prices
from promo_spark.decisions.allocation.best_sets import best_sets
from promo_spark.decisions.allocation.dual_bound import Ask, DualBound, lowest_bound
from promo_spark.decisions.allocation.options import Ints
from promo_spark.decisions.allocation.prices import Allocation, allocated_by_prices, solved
from promo_spark.decisions.allocation.user_options import UserOptions
from tests.decisions.allocation.instances import best_value, broken, instance, with_stock


def test_two_hundred_allocations_keep_their_limits_and_none_is_worth_more_than_the_bound() -> None:
    """I17: within one item's value of the best by brute force for each limit. I24, I29: no limit, no cap is passed."""
    for seed in range(200):
        users, candidates, room = 1 + seed % 12, 1 + seed % 7, 1 + seed % 4
        of, most = instance(seed, users=users, candidates=candidates, room=room, tight=(0.02, 0.1, 0.5)[seed % 3])
        if seed % 4 == 1:  # as many limits more as there are products, up to 21
            of, most = with_stock(seed, of, most, tight=0.3)
        bound, chosen = solved(of, most)
        best, value = best_value(of, most), int(of.value[chosen].sum())
        assert not broken(of, most, chosen), seed
        assert value <= best <= bound.bound + 1, seed
        assert best - value <= len(most) * of.value.max(), seed


def test_nothing_is_given_without_a_budget_and_more_of_it_never_brings_less() -> None:
    """I17: zero budget → none; a higher budget never lowers the bound, nor the value by more than the gap."""
    of, most = instance(3, users=300, candidates=6, room=2, tight=0.05)
    found = [solved(of, np.floor(most * factor).astype(np.int64)) for factor in (0.0, 0.5, 1.0, 2.0, 50.0)]
    bounds, values = [bound.bound for bound, _ in found], [int(of.value[chosen].sum()) for _, chosen in found]
    assert values[0] == 0 and not found[0][1].any()
    for (low, high), (before, after) in zip(itertools.pairwise(bounds), itertools.pairwise(values), strict=True):
        assert high >= low * (1 - 1e-5) and after >= before - (high - after) - 1
    assert found[-1][0].prices == pytest.approx(0.0) and values[-1] == round(bounds[-1])  # all that is wanted fits


@pytest.mark.parametrize(("users", "gap"), [(2000, 0.005), (10_000, 0.001)])
def test_large_allocations_come_close_to_their_bound(users: int, gap: float) -> None:
    of, most = instance(7, users=users, candidates=10, room=2, tight=0.02)
    bound, chosen = solved(of, most)
    assert (of.used(chosen) <= most).all() and 0 <= 1 - int(of.value[chosen].sum()) / bound.bound <= gap


@pytest.mark.parametrize("users", [4000, 12_000])
def test_a_limit_for_the_stock_of_every_product_leaves_little_to_be_had(users: int) -> None:
    """64 limits at once; half of the products' stock is wanted."""
    of, most = instance(7, users=users, candidates=20, room=2, tight=0.02)
    of, most = with_stock(7, of, most, tight=0.015)
    bound, chosen = solved(of, most)
    assert len(most) == 64 and (bound.prices[4:] > 0).sum() > 20
    assert (of.used(chosen) <= most).all() and 0 <= 1 - int(of.value[chosen].sum()) / bound.bound <= 0.01


@pytest.mark.parametrize("room", [1, 2, 3])
def test_each_users_set_is_the_best_one(room: int) -> None:
    """By trying every set; with room for three the set that bounds is worth no less than it."""
    of, _ = instance(11, users=60, candidates=6, room=room, tight=1.0)
    net = np.random.default_rng(1).normal(0.0, 1.0, len(of))
    sets = best_sets(of, net)
    for user in range(of.users):
        own = np.flatnonzero(of.owner == user)
        best = 0.0
        for size in range(1, int(of.room[user]) + 1):
            for some in itertools.combinations(own.tolist(), size):
                if not any(of.conflict(np.array([a]), np.array([b]))[0] for a, b in itertools.combinations(some, 2)):
                    best = max(best, float(net[list(some)].sum()))
        worth = float(net[own[sets.chosen[own]]].sum())
        assert worth == pytest.approx(best) if room < 3 else worth <= best + 1e-9
        assert float(net[own[sets.bounding[own]]].sum()) >= best - 1e-9


def user_options(spark: SparkSession, users: int, parts: int) -> DataFrame:
    draw = np.random.default_rng(5)
    rows: list[dict[str, Any]] = []
    for user in range(users):
        options = []
        for _ in range(8):
            cost, mechanic = int(draw.integers(1, 400)), str(draw.choice(["discount", "coupon", "bundle"]))
            topics = [f"product:{draw.integers(0, 12)}", f"category:{draw.integers(0, 5)}"]
            uses = [("daily", cost), (f"mechanic:{mechanic}", cost)]
            digest = f"{draw.integers(0, 2**60):016x}"
            options.append((digest, int(draw.integers(-200_000, 3_000_000)), topics, uses))
        rows.append({"user_id": f"u{user}", "room": int(draw.integers(0, 3)), "options": options})
    rows = [rows[place] for place in draw.permutation(users)] if parts > 1 else rows
    return UserOptions.frame(spark, rows).repartition(parts).localCheckpoint()


def test_more_users_than_the_driver_holds_are_given_the_same_whatever_the_partitions(spark: SparkSession) -> None:
    """Prices by a sample, passes over all, the rest on the driver: near the bound, and the same for any partitions."""
    limits = {"daily": 60_000, "mechanic:coupon": 18_000, "mechanic:discount": 21_000}

    def allocated(parts: int, sample_users: int) -> tuple[Allocation, list[tuple[Any, ...]]]:
        options = user_options(spark, 900, parts)
        found = allocated_by_prices(options, limits, sample_users=sample_users, frontier_of="daily")
        return found, sorted(tuple(row) for row in found.offers.collect())

    whole, _ = allocated(2, 10_000)
    in_passes, offers = allocated(1, 200)
    again, same = allocated(5, 200)
    assert offers == same and in_passes.limits == again.limits and in_passes.bound_micro == again.bound_micro
    for found in (whole, in_passes):
        assert all(limit.used <= limit.most for limit in found.limits)
        assert 0 <= found.bound_micro - found.value_micro <= 0.01 * found.bound_micro  # of fewer than 2,000 users
    assert whole.bound_micro == pytest.approx(in_passes.bound_micro, rel=5e-3)
    # no more than the room, no topic twice, and ranks count from 1
    values = {(r.user_id, o.promotion_id): o for r in user_options(spark, 900, 1).collect() for o in r.options}
    by_user: dict[str, list[tuple[int, Any]]] = {}
    for user, promotion_id, rank in offers:
        by_user.setdefault(user, []).append((rank, values[user, promotion_id]))
    for own in by_user.values():
        assert sorted(rank for rank, _ in own) == list(range(1, len(own) + 1)) and len(own) <= 2
        topics = [topic for _, option in own for topic in option.topics]
        assert len(topics) == len(set(topics))
    assert sum(option.value_micro for own in by_user.values() for _, option in own) == in_passes.value_micro
    points = in_passes.frontier("daily")
    assert [point.most for point in points] == sorted(point.most for point in points)
    slopes = [(b.bound_micro - a.bound_micro) / (b.most - a.most) for a, b in itertools.pairwise(points)]
    assert all(steep >= flat - 1e-6 >= -1e-6 for steep, flat in itertools.pairwise(slopes))


def test_nobody_to_give_to_and_nothing_to_give(spark: SparkSession) -> None:
    none = allocated_by_prices(UserOptions.frame(spark), {"daily": 10}, sample_users=10, frontier_of="daily")
    assert none.offers.count() == 0 and none.value_micro == none.bound_micro == 0
    harmful = [{"user_id": "a", "room": 1, "options": [("x", -5, ["product:1"], [("daily", 1)])]}]
    nothing = allocated_by_prices(
        UserOptions.frame(spark, harmful), {"daily": 10}, sample_users=10, frontier_of="daily"
    )
    assert nothing.offers.count() == 0
    dear = [{"user_id": "a", "room": 1, "options": [("x", 5_000_000, ["product:1"], [("daily", 11)])]}]
    beyond = allocated_by_prices(UserOptions.frame(spark, dear), {"daily": 10}, sample_users=10, frontier_of="daily")
    assert beyond.offers.count() == 0 and beyond.bound_micro == 0  # what alone passes a limit is worth nothing


def test_where_prices_are_far_too_low_whoever_takes_of_a_limit_is_left_to_the_driver(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I24: with prices of zero 150 users would take more than there is of both limits; still none is passed."""
    options = user_options(spark, 150, 2)
    asked = lowest_bound

    def far_too_low(ask: Ask, most: Ints, **given: Any) -> DualBound:
        found = asked(ask, most, **given)
        return replace(found, prices=np.zeros(len(most)), bound=1.0)  # so low: next to no price for what has none

    monkeypatch.setattr(prices, "lowest_bound", far_too_low)
    limits = {"daily": 3000, "mechanic:discount": 400}
    offers = allocated_by_prices(options, limits, sample_users=20, frontier_of="daily")
    uses = {(r.user_id, o.promotion_id): o.uses for r in options.collect() for o in r.options}
    used = Counter[str]()
    for user, promotion_id, _ in offers.offers.collect():
        used.update({use.constraint: use.amount for use in uses[user, promotion_id]})
    assert {one.name: used[one.name] for one in offers.limits} == {one.name: one.used for one in offers.limits}
    assert all(0 < one.used <= one.most for one in offers.limits)
