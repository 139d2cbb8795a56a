"""The allocation gives what a greedy pass gives that goes through all candidates one by one."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from promo_spark.decisions.allocation.greedy import RATIO_STEP, allocate, greedy_pass, overrun, user_choices
from promo_spark.decisions.allocation.limits import DAILY, limits_in_minor_units
from promo_spark.decisions.valuation import ValuedCandidate
from promo_spark.settings import Settings


@dataclass(frozen=True)
class Candidate:
    user_id: str
    mechanic: str
    cost: int  # cents
    margin: int  # cents
    products: tuple[str, ...] = ()
    promotion_id: str = field(default="")
    whole_shop: bool = False  # a coupon that stands alone
    held: int = 0  # offers of earlier dates that the user still holds

    @property
    def order(self) -> tuple[int, int, str]:
        return -math.floor(math.log(self.margin / self.cost) / math.log(RATIO_STEP)), -self.margin, self.promotion_id


def expected_allocation(
    candidates: Sequence[Candidate], limits: Mapping[str, int], max_offers: int
) -> tuple[list[tuple[str, int, str]], set[str]]:
    """What the better of two passes gives: each user's best offers only, or, where budgets bind, all candidates."""
    best = [o for own in by_user(candidates).values() for o in best_of_user(own, max_offers)]
    largest = one_pass(best, limits, max_offers)
    if not largest[1]:
        return largest
    efficient = one_pass(candidates, limits, max_offers)
    margins = {c.promotion_id: c.margin for c in candidates}
    return max(largest, efficient, key=lambda result: sum(margins[p] for _, _, p in result[0]))


def by_user(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    return {u: [c for c in candidates if c.user_id == u] for u in {c.user_id for c in candidates}}


def best_of_user(own: Sequence[Candidate], max_offers: int) -> list[Candidate]:
    """The largest margins of the user's items, or the one coupon that brings more than these."""
    best: list[Candidate] = []
    by_margin = sorted(own, key=lambda c: (-c.margin, c.promotion_id))
    for c in [c for c in by_margin if not c.whole_shop]:
        if len(best) + c.held < max_offers and not {p for o in best for p in o.products} & set(c.products):
            best.append(c)
    coupon = [c for c in by_margin if c.whole_shop and c.held < max_offers][:1]
    return coupon if sum(c.margin for c in coupon) > sum(c.margin for c in best) else best


def one_pass(
    candidates: Sequence[Candidate], limits: Mapping[str, int], max_offers: int
) -> tuple[list[tuple[str, int, str]], set[str]]:
    """User, rank and promotion of every offer, and which limits closed, in the plainest way that follows the rule."""
    spent: Counter[str] = Counter()
    open_ = set(limits)
    given_: dict[str, list[Candidate]] = {}
    offers = []
    for c in sorted(candidates, key=lambda c: c.order):
        own = given_.setdefault(c.user_id, [])
        topics = {p for o in own for p in o.products}
        bound = [b for b in (DAILY, f"mechanic:{c.mechanic}") if b in limits]
        alone = any(o.whole_shop for o in own) or (c.whole_shop and own)
        if any(b not in open_ for b in bound) or len(own) + c.held >= max_offers or topics & set(c.products) or alone:
            continue
        full = [b for b in bound if spent[b] + c.cost > limits[b]]
        open_ -= set(full)
        if not full:
            spent.update(dict.fromkeys(bound, c.cost))
            own.append(c)
            offers.append((c.user_id, len(own), c.promotion_id))
    return sorted(offers), set(limits) - open_


def named(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates with digests for ids, as the job makes them."""
    return [replace(c, promotion_id=hashlib.sha256(f"{i}".encode()).hexdigest()[:32]) for i, c in enumerate(candidates)]


def frame(spark: SparkSession, candidates: Sequence[Candidate]) -> DataFrame:
    return ValuedCandidate.frame(
        spark,
        [
            {
                "user_id": c.user_id,
                "promotion_id": c.promotion_id,
                "mechanic": c.mechanic,
                "cost_minor": c.cost,
                "cost_micro": c.cost * 10_000,
                "margin_micro": c.margin * 10_000,
                "product_ids": list(c.products),
                "held_offers": c.held,
            }
            for c in candidates
        ],
    )


def test_it_gives_what_one_pass_gives_whatever_the_partitions(spark: SparkSession) -> None:
    """I17: greedy by margin per cost under several budgets and the cap; zero budget → none. I29.

    A coupon for the whole shop is a user's only offer, and offers that a user holds count against the cap.
    """
    draw = np.random.default_rng(5)
    # Few costs and margins, so that many ratios tie; users want the same products twice.
    candidates = named(
        [
            Candidate(
                f"u{draw.integers(0, 40)}",
                ["discount", "coupon", "bundle"][draw.integers(0, 3)],
                int(draw.integers(1, 5)),
                int(draw.integers(1, 9)),
                (f"p{draw.integers(0, 6)}",),
            )
            for _ in range(300)
        ]
    )
    candidates = [
        replace(
            c,
            held=int(c.user_id[1:]) % 4,  # so that a user has room for 2, 1, 0 or 0
            whole_shop=c.mechanic == "coupon" and c.cost > 2,
            products=() if c.mechanic == "coupon" and c.cost > 2 else c.products,
        )
        for c in candidates
    ]
    tight = {DAILY: 40, "mechanic:discount": 12, "mechanic:coupon": 18}  # bundles are bound by the day alone
    for limits, parts in [(tight, 1), (tight, 7), ({DAILY: 10_000}, 3), ({DAILY: 0}, 2)]:
        choices = user_choices(frame(spark, candidates).repartition(parts), digits=2).cache()
        result = allocate(choices, limits=limits, max_offers=2)
        rows = result.offers.collect()
        given_ = sorted((r.user_id, r.rank, r.promotion_id) for r in rows)
        assert (given_, set(result.break_items)) == expected_allocation(candidates, limits, 2)
        for constraint, limit in limits.items():
            used = sum(r.cost_minor for r in rows if constraint in (DAILY, f"mechanic:{r.mechanic}"))
            assert used <= limit
        assert bool(rows) == (limits[DAILY] > 0)
        for constraint, item in result.break_items.items():  # a limit's price is the ratio of its break item
            [closer] = [c for c in candidates if c.promotion_id == item.promotion_id]
            assert abs(item.ratio - closer.margin / closer.cost) < 1e-6
            assert constraint in (DAILY, f"mechanic:{closer.mechanic}")
    assert len(expected_allocation(candidates, tight, 2)[1]) >= 2  # several limits do close


def test_limits_are_whole_cents_by_constraint(settings: Settings) -> None:
    strategy = settings.promote.model_copy(update={"daily_budget": 0.299, "mechanic_budgets": {"coupon": 0.1}})
    assert limits_in_minor_units(strategy, 2) == {"daily": 29, "mechanic:coupon": 10}  # what is below a cent is cut off


def test_in_random_order_only_the_ids_count(spark: SparkSession) -> None:
    candidates = named([Candidate(f"u{i}", "discount", 1, 1 + i) for i in range(20)])
    choices = user_choices(frame(spark, candidates), digits=2, by_ratio=False).cache()
    shuffled = greedy_pass(choices, limits={DAILY: 5}, max_offers=1)
    first = sorted(c.promotion_id for c in candidates)[:5]
    assert sorted(r.promotion_id for r in shuffled.offers.collect()) == first


costs = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["discount", "coupon"]), st.integers(1, 20)), max_size=12)


@given(costs, st.integers(0, 60), st.integers(0, 60))
def test_the_first_overrun_is_where_a_running_sum_passes_its_limit(
    rows: list[tuple[int, str, int]], daily: int, coupon: int
) -> None:
    limits = {DAILY: daily, "mechanic:coupon": coupon}
    found = overrun(rows, {}, limits)

    def spent(to: int, constraint: str) -> int:
        return sum(c for key, m, c in rows if key <= to and constraint in (DAILY, f"mechanic:{m}"))

    over = [(key, [b for b in limits if spent(key, b) > limits[b]]) for key in sorted({r[0] for r in rows})]
    first = next(((key, which) for key, which in over if which), None)
    assert (found and (found[0], found[2])) == first
    if found:
        assert all(found[1].get(b, 0) == spent(found[0] - 1, b) for b in limits)


candidate_lists = st.lists(
    st.builds(
        Candidate,
        st.sampled_from([f"u{i}" for i in range(6)]),
        st.sampled_from(["discount", "coupon"]),
        st.integers(1, 40),
        st.integers(1, 60),
    ),
    max_size=24,
)


@given(candidate_lists, st.integers(0, 300))
@examples(max_examples=200)
def test_greedy_is_within_one_offer_and_five_percent_of_the_optimum(drawn: list[Candidate], budget: int) -> None:
    """I17: against the exact optimum (dynamic programming over cents) on 6 users with 4 promotions each."""
    candidates = named(drawn)
    best = [0] * (budget + 1)
    for c in candidates:
        for left in range(budget, c.cost - 1, -1):
            best[left] = max(best[left], best[left - c.cost] + c.margin)
    given_ = {g[2] for g in expected_allocation(candidates, {DAILY: budget}, len(candidates))[0]}
    total = sum(c.margin for c in candidates if c.promotion_id in given_)
    unfit = [c for c in sorted(candidates, key=lambda c: c.order) if c.promotion_id not in given_]
    assert total <= best[budget] <= RATIO_STEP * (total + (unfit[0].margin if unfit else 0)) + 1e-9


@given(candidate_lists, st.integers(1, 3))
@examples(max_examples=200)
def test_where_no_budget_binds_each_user_gets_the_best_there_is(drawn: list[Candidate], cap: int) -> None:
    """I17: the optimum under the cap is each user's largest margins."""
    candidates = named(drawn)
    given_ = {g[2] for g in expected_allocation(candidates, {DAILY: 10_000}, cap)[0]}
    best = sum(sum(sorted((c.margin for c in own), reverse=True)[:cap]) for own in by_user(candidates).values())
    assert sum(c.margin for c in candidates if c.promotion_id in given_) == best


@given(candidate_lists, st.integers(0, 200), st.integers(0, 50))
@examples(max_examples=200)
def test_a_larger_daily_budget_never_lowers_the_margin(drawn: list[Candidate], budget: int, more: int) -> None:
    """I17: a higher budget never lowers the total, also under a cap and a mechanic's budget."""
    candidates = named(drawn)
    little, _ = expected_allocation(candidates, {DAILY: budget, "mechanic:coupon": 40}, 2)
    much, _ = expected_allocation(candidates, {DAILY: budget + more, "mechanic:coupon": 40}, 2)
    margins = {c.promotion_id: c.margin for c in candidates}
    assert sum(margins[p] for _, _, p in little) <= sum(margins[p] for _, _, p in much)
