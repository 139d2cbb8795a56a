"""What a world shows is what was planted in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from promo_spark.worlds import truths
from promo_spark.worlds.assignments import approached
from promo_spark.worlds.catalogue import DEPARTMENTS, Catalogue, catalogue
from promo_spark.worlds.dirt import CLEAN, dirt_of_lines
from promo_spark.worlds.orders import units_bought
from promo_spark.worlds.population import population, segment_tastes
from promo_spark.worlds.records import line_numbers
from promo_spark.worlds.shopping import History, history
from promo_spark.worlds.simulation import simulated_day
from promo_spark.worlds.spec import DIRT, RESPONSES, WorldSpec, spec_from_json

Worlds = Callable[..., WorldSpec]


@pytest.fixture(scope="module")
def spec(world: Worlds) -> WorldSpec:
    return world("fraud_share=0.02", "stock_out_share=0.03")


@pytest.fixture(scope="module")
def past(spec: WorldSpec) -> History:
    return history(spec, 0)


def test_a_spec_survives_being_written_down(spec: WorldSpec, world: Worlds) -> None:
    assert spec_from_json(spec.to_json()) == spec
    assert world("seed=1").digest != world("seed=2").digest


@pytest.mark.parametrize("multiple", [0.3, 1.0, 1.9, 2.0, 2.7, 6.2])
def test_expected_units_go_with_the_demand_multiple(multiple: float) -> None:
    """Usual demand 1 wants 2 items: expected 1.2 · multiple / 2 pieces each, whether by more buyers or more pieces."""
    u = (np.arange(10_000) + 0.5) / 10_000
    single, double = (units_bought(np.full(10_000, multiple), u, np.full(10_000, s)) for s in (0.9, 0.1))
    assert (0.8 * single + 0.2 * double).mean() == pytest.approx(1.2 * multiple / 2, abs=2e-4)


def test_a_lower_price_never_makes_the_same_shopper_buy_less() -> None:
    u, second = np.random.default_rng(0).random((2, 1000))
    units = [units_bought(np.full(1000, m), u, second) for m in (0.5, 1.0, 2.5, 4.0)]
    assert all((more >= less).all() for less, more in itertools.pairwise(units))


def test_demand_goes_with_price_to_the_power_of_the_elasticity(spec: WorldSpec) -> None:
    shop = catalogue(spec)
    product, sensitivity = np.arange(100), np.linspace(0.3, 1.7, 100)
    usual = shop.demand(product, 10, sensitivity)
    halved = shop.demand(product, 10, sensitivity, log_price=np.log(0.5))
    elasticity = shop.elasticity[product] * sensitivity
    sold = usual > 0
    assert halved[sold] == pytest.approx((usual * 2**elasticity)[sold], rel=1e-5)
    expected = truths.units_at_price(usual, np.ones(100), np.full(100, 0.5), elasticity.astype(np.float64))
    assert expected[sold] == pytest.approx(halved[sold], rel=1e-5)


def test_products_differ_within_a_category_and_users_within_a_segment(spec: WorldSpec) -> None:
    shop, users = catalogue(spec), population(spec, 0)
    told = {(row["category"], row["segment"]): row["elasticity"] for row in truths.elasticities(spec)}
    for number, segment in enumerate(spec.segments):
        own = users.sensitivity[users.segment == number]
        # five levels with a mean of 1; of some hundred users the mean scatters by 0.25 / √n
        assert own.mean() / segment.price_sensitivity == pytest.approx(1, abs=1 / np.sqrt(len(own)))
        assert own.std() / own.mean() == pytest.approx(0.25, abs=0.06)
        one = shop.category == 0
        of_category = (shop.popularity * shop.elasticity)[one].sum() / shop.popularity[one].sum()
        assert told[shop.category_names[0], segment.name] == pytest.approx(of_category * segment.price_sensitivity)
    within = [np.log(shop.elasticity[shop.category == c]).std() for c in range(len(shop.category_names))]
    assert np.mean(within) == pytest.approx(0.25, abs=0.08)


def test_nothing_is_sold_that_is_not_there_nor_to_who_is_not_there(spec: WorldSpec, past: History) -> None:
    shop, orders, lines, users = catalogue(spec), past.orders, past.lines, past.users
    honest = orders.kind[lines.order] == 0
    day, product = orders.day[lines.order][honest], lines.product[honest]
    assert shop.on_sale(product, day).all()
    assert not shop.stock_out[product, day].any()
    bought = orders.kind == 0
    assert (users.joined[orders.user[bought]] <= orders.day[bought]).all()
    assert (users.churned[orders.user[bought]] > orders.day[bought]).all()
    assert shop.stock_out[past.lost.product, past.lost.day].all()
    assert shop.stock_out[:, : spec.days].mean() == pytest.approx(0.03, rel=0.15)
    share_lost = past.lost.units.sum() / (past.lost.units.sum() + lines.quantity[honest].sum())
    assert share_lost == pytest.approx(0.03, abs=0.01)


def test_money_of_a_line_adds_up(spec: WorldSpec, past: History) -> None:
    """List price × pieces, less the promotion of the week, less the coupon: never below nothing."""
    shop, lines = catalogue(spec), past.lines
    week = past.orders.day[lines.order] // 7
    sold = past.orders.kind[lines.order] == 0
    assert (lines.listed == shop.list_price[lines.product, week] * lines.quantity)[sold].all()
    assert (lines.listed - lines.reduced - lines.coupon >= 0)[lines.quantity > 0].all()
    assert (lines.coupon > 0).sum() > 50 and (lines.coupon[lines.campaign < 0] <= 0).all()
    returned = past.orders.kind[lines.order] == 1
    assert (lines.quantity[returned] < 0).all() and (lines.quantity[~returned] > 0).all()
    assert (np.diff(lines.order) >= 0).all() and (line_numbers(past)[np.diff(lines.order, prepend=-1) > 0] == 1).all()


def test_segments_differ_as_planted_but_not_trivially(world: Worlds) -> None:
    spec = world("newcomer_share=0.0", "yearly_growth=0.0")
    past = history(spec, 0)
    orders, users = past.orders, past.users
    stays = users.churned >= spec.days
    per_user = np.bincount(orders.user[orders.kind == 0], minlength=len(users)) / (spec.days / 7)
    visits = [per_user[stays & (users.segment == s)].mean() for s in range(len(spec.segments))]
    planted = [s.visits_per_week for s in spec.segments]
    assert np.argsort(visits).tolist() == np.argsort(planted).tolist()
    tastes = users.tastes[:, None, :] - segment_tastes(spec)
    nearest = np.linalg.norm(tastes, axis=2).argmin(axis=1)
    assert 0.5 < (nearest == users.segment).mean() < 0.98  # taste tells much, not all


def test_planted_bundles_are_found_with_the_lift_that_is_told(world: Worlds) -> None:
    spec = world("days=365", "return_share=0.0", "stock_out_share=0.0", "fraud_share=0.0")
    shop, past = catalogue(spec), history(spec, 0)
    name = {n: i for i, n in enumerate(shop.subcategory_names)}
    subcategory, order = shop.subcategory[past.lines.product], past.lines.order
    for rule in truths.rules(spec):
        left = np.unique(order[subcategory == name[rule["antecedent"]]])
        right = np.unique(order[subcategory == name[rule["consequent"]]])
        confidence = len(np.intersect1d(left, right)) / len(left)
        # of n baskets the share scatters by at most √(1/4 / n)
        assert confidence == pytest.approx(rule["confidence"], abs=0.01 + 1.5 / np.sqrt(len(left)))
        assert rule["lift"] > 1.5


def test_true_chances_of_next_purchases_are_calibrated(world: Worlds) -> None:
    """Of staples that are bought with a chance of p, a share p is bought; bundles, which come on top, left out."""
    spec = world("rules=0", "stock_out_share=0.0")
    past = history(spec, 0)
    told = truths.next_purchases(spec, past, 0).to_pandas()
    state = past.state
    bought = set()
    for day in range(spec.days, spec.days + truths.NEXT_DAYS):
        done = simulated_day(spec, 0, day, state).past
        state = done.state
        user = done.orders.user[done.lines.order]
        bought |= set(zip((f"U{u:08d}" for u in user), (f"P{p:06d}" for p in done.lines.product), strict=True))
    happened = np.array([pair in bought for pair in zip(told.user_id, told.product_id, strict=True)])
    for low in (0.0, 0.3, 0.6, 0.9):
        chosen = (told.chance > low) & (told.chance <= low + 0.3)
        assert happened[chosen].mean() == pytest.approx(told.chance[chosen].mean(), abs=0.05)


def test_users_of_a_block_do_not_depend_on_how_many_others_there_are(world: Worlds) -> None:
    few, many = world("users=300", "users_per_block=100"), world("users=300", "users_per_block=100", "topics=24")
    first, again = history(few, 2), history(many, 2)
    assert all((getattr(first.lines, n) == getattr(again.lines, n)).all() for n in ("order", "product", "quantity"))
    assert population(few, 2).first == 200 and len(population(few, 2)) == 100
    assert not np.array_equal(population(few, 1).visit_rate, population(few, 2).visit_rate)


def test_rings_order_the_same_products_in_the_same_nights(world: Worlds) -> None:
    spec = world("fraud_share=0.1", "return_share=0.0")
    past = history(spec, 0)
    users, orders, lines = past.users, past.orders, past.lines
    assert (users.fraud > 0).mean() == pytest.approx(0.1, abs=0.02)
    faked = np.flatnonzero(orders.kind[lines.order] == 2)
    who = orders.user[lines.order[faked]]
    ring = users.ring[who[users.ring[who] >= 0][0]]
    products = {u: set(lines.product[faked[who == u]]) for u in np.flatnonzero(users.ring == ring) if (who == u).any()}
    assert len(products) >= 2 and len(set.union(*products.values())) <= 3
    assert (orders.second[orders.kind == 2] < 4 * 3600 + 1).all()


def test_dirt_falls_at_its_rate_on_paid_purchases_only(world: Worlds) -> None:
    spec = world("dirt.zero_quantity=0.02", "dirt.late_row=0.05")
    past = history(spec, 0)
    kind = dirt_of_lines(spec, past.orders, past.lines, 0)
    assert set(kind) == {CLEAN, DIRT.index("zero_quantity"), DIRT.index("late_row")}
    assert (past.lines.quantity[kind != CLEAN] > 0).all()
    # 0.02 and 0.05 of the lines but for the few returns; n is in the hundred thousands
    assert (kind == DIRT.index("zero_quantity")).mean() == pytest.approx(0.02, rel=0.1)
    assert (kind == DIRT.index("late_row")).mean() == pytest.approx(0.05, rel=0.1)


def test_offers_change_visits_by_the_sign_of_the_users_response(spec: WorldSpec) -> None:
    told, users = truths.offers(spec, 0).to_pandas(), population(spec, 0)
    response = np.tile(np.array(RESPONSES)[users.answers.response], len(told) // len(users))
    change = (told.visits - told.visits_without).to_numpy()
    here = told.visits_without.to_numpy() > 1e-6
    assert (change[here & (response == "persuadable")] > 0).all()
    assert (change[here & (response == "sleeping_dog")] < 0).all()
    assert np.abs(change[response == "lost_cause"]).max() < 1e-4  # leaving sooner by tiredness aside
    assert change[here & (response == "sure_thing")].mean() < change[here & (response == "persuadable")].mean() / 3


def test_the_mailer_brings_visits(world: Worlds) -> None:
    """With a halo of 0.5, weeks with a share x of sales in the mailer have exp(0.5 · x) times the visits."""
    with_halo, without = (catalogue(world(f"mailer_halo={halo}")) for halo in (0.5, 0.0))
    share = with_halo.popularity @ with_halo.in_mailer
    assert share.min() >= 0 and 0.02 < share.mean() < 0.15
    factor = (with_halo.visits / without.visits)[0]
    assert factor == pytest.approx(np.exp(0.5 * share)[np.arange(len(factor)) // 7], rel=1e-5)


def test_promotions_that_demand_leads_are_more_where_it_is_high(world: Worlds) -> None:
    by_chance, led = (catalogue(world(f"promotion_policy={policy}", "days=365")) for policy in ("random", "demand_led"))

    def together(shop: Catalogue) -> float:
        season = shop.season[shop.category][:, np.arange(shop.depth.shape[1]) * 7]
        return float(np.corrcoef(season.ravel(), (shop.depth > 0).ravel())[0, 1])

    assert abs(together(by_chance)) < 0.02 and together(led) > 0.1
    assert (led.depth > 0).mean() == pytest.approx((by_chance.depth > 0).mean(), abs=0.01)


def test_from_the_day_of_the_drift_on_its_factors_hold(world: Worlds) -> None:
    changes = ("drift_day=100", "drift_response=0.2", "drift_elasticity=1.5", "drift_visits=0.8")
    drifted, steady = world(*changes), world()
    shop, before = catalogue(drifted), catalogue(steady)
    assert (shop.visits / before.visits)[0, [0, 99, 100, 150]] == pytest.approx([1, 1, 0.8, 0.8])
    product, sensitivity = np.arange(20), np.ones(20)
    for day, factor in ((99, 1.0), (100, 1.5)):
        lower = np.log(
            np.maximum(shop.demand(product, day, sensitivity, -0.1), 1e-9)
            / np.maximum(shop.demand(product, day, sensitivity), 1e-9)
        )
        sold = shop.on_sale(product, day)
        assert lower[sold] == pytest.approx(0.1 * factor * shop.elasticity[product][sold], rel=1e-4)
    pulls = [approached(spec, 0).pull for spec in (steady, drifted)]
    assert (pulls[0][:, :99] == pulls[1][:, :99]).all()
    late = np.abs(pulls[0][:, 140:]).sum()
    assert np.abs(pulls[1][:, 140:]).sum() < 0.4 * late  # a fifth, and what is left of earlier habits


def test_fresh_products_do_not_keep(spec: WorldSpec) -> None:
    shop = catalogue(spec)
    fresh = np.isin(np.array(DEPARTMENTS)[shop.department], ["PRODUCE", "DAIRY", "MEAT", "BAKERY"])
    assert (shop.shelf_life[fresh] >= 2).all() and (shop.shelf_life[fresh] <= 21).all()
    assert (shop.shelf_life[~fresh] == 0).all() and fresh.any()


def test_the_true_elasticities_are_those_that_explain_what_was_bought(world: Worlds) -> None:
    """Of all multiples of the true elasticities, 1 makes the weekly units per segment most likely (Poisson)."""
    spec = world("products=120", "days=364", "promotion_share=0.2", "rules=0")
    shop, weeks, segments = catalogue(spec), 52, len(spec.segments)
    counts = truths.demand_counts(spec, history(spec, 0), 0)
    product, segment, day, wanted = (counts.column(c).to_numpy() for c in ("product", "segment", "day", "wanted"))
    units = np.zeros((spec.products, weeks, segments))
    np.add.at(units, (product, day // 7, segment), wanted)
    season = np.exp(shop.season[:, :364].astype(float)).reshape(-1, weeks, 7).mean(axis=2)[shop.category]
    usual = np.exp(shop.lift[:, :weeks].astype(float)) * season
    visits = shop.visits[:, :364].reshape(segments, weeks, 7).mean(axis=2)
    stays = (shop.launched <= 0) & (shop.dies >= spec.all_days) & ~shop.intermittent
    log_price = shop.log_price[:, :weeks].astype(float)
    for s in range(segments):
        elasticity = shop.elasticity[:, None] * spec.segments[s].price_sensitivity

        def fit(multiple: float, s: int = s, elasticity: np.ndarray = elasticity) -> float:
            log_factor = -multiple * elasticity * log_price
            expected = (usual * visits[s] * np.exp(log_factor)).sum(axis=1)  # a product's own level is free
            likely = (units[:, :, s] * log_factor).sum(axis=1) - units[:, :, s].sum(axis=1) * np.log(expected)
            return float(likely[stays].sum())

        multiples = np.arange(0, 2.5, 0.02)
        assert multiples[np.argmax([fit(m) for m in multiples])] == pytest.approx(1, abs=0.25), spec.segments[s].name
