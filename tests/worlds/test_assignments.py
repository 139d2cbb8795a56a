"""Campaigns of the history: chance alone separates the arms of a randomised one, and what is told of them is true."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from promo_spark.worlds import outreach
from promo_spark.worlds.assignments import approached, assigned
from promo_spark.worlds.catalogue import ARM_DEPTHS, catalogue
from promo_spark.worlds.population import population
from promo_spark.worlds.shopping import History, history
from promo_spark.worlds.spec import WorldSpec

Worlds = Callable[..., WorldSpec]


@pytest.fixture(scope="module")
def spec(world: Worlds) -> WorldSpec:
    return world("users=6000", "users_per_block=6000", "days=120", "contact_share=0.3")


@pytest.fixture(scope="module")
def past(spec: WorldSpec) -> History:
    return history(spec, 0)


def test_a_randomised_campaign_draws_among_all_with_consent_whoever_has_left(spec: WorldSpec) -> None:
    users, campaigns = population(spec, 0), catalogue(spec).campaigns
    arm = assigned(spec, users, 0)
    for number in np.flatnonzero(campaigns.randomised):
        start = campaigns.start[number]
        may = (users.consent == 1) & (users.joined <= start)
        assert (arm.eligible[:, number] == may).all()
        left = may & (users.churned <= start)
        for who in (left, may & ~left):
            # 0.3 ± 3 standard errors
            error = np.sqrt(0.3 * 0.7 / who.sum())
            assert arm.contacted[who, number].mean() == pytest.approx(0.3, abs=3 * error)
        depths, counts = np.unique(arm.depth[arm.contacted[:, number], number], return_counts=True)
        assert depths.tolist() == list(ARM_DEPTHS)
        assert counts / counts.sum() == pytest.approx([1 / 3] * 3, abs=3 * np.sqrt(2 / 9 / counts.sum()))
    targeted = ~campaigns.randomised
    reached = arm.contacted[:, targeted].any(axis=1)
    assert users.visit_rate[reached].mean() > 1.1 * users.visit_rate[~reached].mean()
    assert not arm.contacted[users.consent != 1].any()


def test_assignments_tell_arms_and_their_probabilities_controls_included(spec: WorldSpec) -> None:
    rows = outreach.assignments(spec, 0).to_pandas()
    users, campaigns = population(spec, 0), catalogue(spec).campaigns
    arm = assigned(spec, users, 0)
    randomised = {f"C{n:04d}" for n in np.flatnonzero(campaigns.randomised)}
    assert set(rows.campaign_id) == randomised  # nobody knows the probabilities of the others
    assert len(rows) == arm.eligible[:, campaigns.randomised].sum()
    assert not rows.duplicated(["campaign_id", "user_id"]).any()
    told = rows.groupby("arm").agg(depth=("depth", "unique"), chance=("propensity", "unique"))
    assert {name: (row.depth.tolist(), row.chance.round(9).tolist()) for name, row in told.iterrows()} == {
        "control": ([0.0], [0.7]),
        "coupon_0.10": ([0.1], [0.1]),
        "coupon_0.20": ([0.2], [0.1]),
        "coupon_0.30": ([0.3], [0.1]),
    }
    assert (rows.mechanic.isna() == (rows.arm == "control")).all()
    contacts = outreach.contacts(spec, 0).to_pandas()
    treated = rows[rows.arm != "control"]
    random_contacts = contacts[contacts.campaign_id.isin(randomised)]
    assert set(zip(treated.campaign_id, treated.user_id, strict=True)) == set(
        zip(random_contacts.campaign_id, random_contacts.user_id, strict=True)
    )
    exposed = outreach.exposures(spec, 0).to_pandas()
    assert len(exposed) == len(contacts) and exposed.opened_at.notna().mean() == pytest.approx(0.8, abs=0.02)


def test_arms_differ_by_the_offer_alone(world: Worlds) -> None:
    """The plain difference of visits between arms is the true effect: the same world without that contact tells it."""
    spec = world("users=20000", "users_per_block=20000", "days=60", "campaign_every_days=28", "newcomer_share=0.0")
    campaigns, users = catalogue(spec).campaigns, population(spec, 0)
    assert campaigns.randomised[0]
    arm, window = assigned(spec, users, 0), slice(campaigns.start[0], campaigns.end[0])
    told = approached(spec, 0)
    rate = users.visit_rate[:, None] * catalogue(spec).visits[users.segment, : spec.days]
    rate *= told.users.active(np.arange(spec.days))
    expected = -np.expm1(-rate * np.exp(told.pull))[:, window].sum(axis=1)
    without = -np.expm1(-rate)[:, window].sum(axis=1)
    treated = arm.contacted[:, 0]
    control = arm.eligible[:, 0] & ~treated
    truth = (expected - without)[treated].mean()
    past = history(spec, 0)
    inside = (past.orders.kind == 0) & (past.orders.day >= window.start) & (past.orders.day < window.stop)
    visits = np.bincount(past.orders.user[inside], minlength=len(users))
    difference = visits[treated].mean() - visits[control].mean()
    error = np.sqrt(visits[treated].var() / treated.sum() + visits[control].var() / control.sum())
    # an order needs something bought: some visits end without one, fewer than one in ten
    assert truth > 4 * error
    assert difference == pytest.approx(truth, abs=3 * error + 0.1 * truth)


def test_redemption_is_a_choice_that_tells_little_of_who_is_persuaded(spec: WorldSpec, past: History) -> None:
    users = past.users
    arm, lines = assigned(spec, population(spec, 0), 0), past.lines
    coupons = lines.campaign >= 0
    redeemed = np.zeros_like(arm.depth, bool)
    redeemed[past.orders.user[lines.order[coupons]], lines.campaign[coupons]] = True
    assert not (redeemed & ~arm.opened).any() and not (redeemed & ~arm.contacted).any()
    rates = [redeemed[users.answers.response == r][arm.contacted[users.answers.response == r]].mean() for r in range(4)]
    persuadable, sure, lost, annoyed = rates
    assert 0.8 < sure / persuadable < 1.5  # who would buy anyway redeems as much
    assert lost < persuadable / 2 and annoyed < persuadable / 2
    randomised = catalogue(spec).campaigns.randomised
    by_depth = [redeemed[:, randomised][arm.depth[:, randomised] == d].mean() for d in ARM_DEPTHS]
    assert by_depth[0] < by_depth[1] < by_depth[2]


def test_who_is_annoyed_leaves_sooner_and_who_is_pleased_later(world: Worlds) -> None:
    often = ("campaign_every_days=7", "campaign_days=7", "contact_share=1.0", "days=180", "newcomer_share=0.0")
    with_offers, without = approached(world(*often), 0).users, population(world(*often), 0)
    pleased = (without.answers.response == 0) & (without.consent == 1)
    annoyed = (without.answers.response == 3) & (without.consent == 1)
    assert (with_offers.churned[annoyed] <= without.churned[annoyed]).all()
    assert with_offers.churned[annoyed].mean() < without.churned[annoyed].mean()
    untouched = without.consent != 1
    assert (with_offers.churned[untouched] == without.churned[untouched]).all()
    assert with_offers.churned[pleased].mean() > without.churned[pleased].mean()
