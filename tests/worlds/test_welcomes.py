"""Welcome coupons go to every new account with consent, and are answered as any coupon is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from promo_spark.worlds import outreach, welcomes
from promo_spark.worlds.assignments import approached
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.orders import PURCHASE
from promo_spark.worlds.population import Population, population
from promo_spark.worlds.records import order_lines
from promo_spark.worlds.shopping import History, history
from promo_spark.worlds.simulation import simulated_day
from promo_spark.worlds.spec import RESPONSES, WorldSpec

Worlds = Callable[..., WorldSpec]


@pytest.fixture(scope="module")
def spec(world: Worlds) -> WorldSpec:
    return world("days=90", "newcomer_share=0.6", "welcome_saving=0.2", "fraud_share=0.0", "return_share=0.0")


@pytest.fixture(scope="module")
def users(spec: WorldSpec) -> Population:
    return population(spec, 0)


@pytest.fixture(scope="module")
def past(spec: WorldSpec) -> History:
    return history(spec, 0)


def test_every_new_account_with_consent_is_sent_one(spec: WorldSpec, users: Population) -> None:
    """One contact and one message each, on the day of registration and after it; none to others; no row of an arm."""
    new = np.flatnonzero((users.joined >= 0) & (users.joined < spec.days) & (users.consent == 1))
    contacts = outreach.contacts(spec, 0).to_pandas()
    welcomed = contacts[contacts.campaign_id.str.startswith("WELCOME-")]
    assert welcomed.user_id.tolist() == [f"U{u:08d}" for u in new]
    days = [spec.date(int(day)).isoformat() for day in users.joined[new]]
    assert welcomed.contacted_on.tolist() == days and (welcomed.campaign_id == "WELCOME-" + welcomed.contacted_on).all()
    messages = outreach.exposures(spec, 0).to_pandas()
    messages = messages[messages.promotion_id.str.startswith("WELCOME-")]
    assert messages.user_id.tolist() == welcomed.user_id.tolist()
    sent = messages.sent_at.dropna()
    assert (sent.str[11:] > "12:00:00").all() and (sent.str[:10] == messages.promotion_id[sent.index].str[8:]).all()
    assert messages.opened_at.notna().mean() == pytest.approx(0.8, abs=0.06)
    campaigns = outreach.campaigns(spec).to_pandas().set_index("campaign_id")
    of_welcomes = campaigns.loc[welcomed.campaign_id.unique()]
    assert set(of_welcomes.kind) == {"welcome"}
    assert not outreach.assignments(spec, 0).to_pandas().campaign_id.str.startswith("WELCOME-").any()


def test_a_coupon_comes_off_one_order_that_reaches_its_minimum_spend(
    spec: WorldSpec, users: Population, past: History
) -> None:
    lines, orders = past.lines, past.orders
    amount, least = welcomes.terms(spec)
    carried = lines.campaign >= len(catalogue(spec).campaigns)
    redeeming = np.unique(lines.order[carried])
    who, day = orders.user[redeeming], orders.day[redeeming]
    assert len(who) == len(set(who)) > 50 and (orders.kind[redeeming] == PURCHASE).all()
    assert ((day >= users.joined[who]) & (day < users.joined[who] + welcomes.VALID_DAYS)).all()
    assert (np.bincount(lines.order[carried], lines.coupon[carried], len(orders))[redeeming] == amount).all()
    spent = np.bincount(lines.order[carried], (lines.listed - lines.reduced)[carried], len(orders))[redeeming]
    assert (spent >= least).all()
    assert (past.state.welcome_used == np.isin(np.arange(len(users)), who)).all()
    told = outreach.redemptions(spec, past).to_pandas()
    told = told[told.coupon_id.str.startswith("WELCOME-")]
    assert sorted(told.user_id) == [f"U{u:08d}" for u in sorted(who)]
    delivered = order_lines(spec, past, 0).to_pandas()
    named = delivered[delivered.coupon_id.fillna("").str.startswith("WELCOME-")]
    assert set(named.coupon_id) <= set(told.coupon_id) and (named.discount_coupon_match > 0).any()


def test_it_draws_the_persuadable_and_puts_off_sleeping_dogs(world: Worlds) -> None:
    """By the same response as campaigns: the pull has the user's sign, and is there while the coupon holds."""
    off, on = (
        world("days=60", "users=3000", "newcomer_share=0.9", f"welcome_saving={saving}", "contact_share=0.0")
        for saving in (0.0, 0.3)
    )
    users = population(on, 0)
    first = welcomes.first_days(on, users)
    pull = approached(on, 0).pull
    assert not approached(off, 0).pull.any()
    inside = welcomes.holds(first[:, None], np.arange(on.days)) & (first < on.days)[:, None]
    kind = users.answers.response[:, None]
    for name, sign in (("persuadable", 1), ("lost_cause", 0), ("sleeping_dog", -1)):
        cells = pull[inside & (kind == RESPONSES.index(name))]
        assert set(np.sign(cells)) <= {0.0, float(sign)}
        assert sign == 0 or (np.sign(cells) == sign).mean() == pytest.approx(0.8, abs=0.1)  # who opened the message
    before = np.arange(on.days) < first[:, None]
    assert not pull[before].any()  # nothing before it is sent
    redeemed = history(on, 0).state.welcome_used
    got = first < on.days - welcomes.VALID_DAYS
    rates = [redeemed[got & (users.answers.response == r)].mean() for r in range(4)]
    assert rates[0] > 0.3 and rates[1] > 0.2 and rates[2] < 0.2 and rates[3] < 0.1


def test_on_simulated_days_newcomers_hold_it_and_redeem_it_once(spec: WorldSpec, past: History) -> None:
    state, used = past.state, []
    for day in range(spec.days, spec.days + 20):
        before = state.welcome_used
        done = simulated_day(spec, 0, day, state)
        state = done.past.state
        new = outreach.welcome_contacts(spec, 0, day).to_pandas()
        messages = outreach.exposures_of_day(spec, done.past.users, done.offers, done.opened, day).to_pandas()
        assert messages.user_id.tolist() == new.user_id.tolist()
        assert new.campaign_id.tolist() == [f"WELCOME-{spec.date(day).isoformat()}"] * len(new)
        told = outreach.redemptions_of_day(spec, done.past, done.offers, done.uses, day)
        assert told.num_rows == (state.welcome_used & ~before).sum() == len(done.uses.offer)
        used += told.column("user_id").to_pylist()
    assert len(used) == len(set(used)) > 10
    campaign = outreach.welcome_campaign(spec, spec.days)
    assert campaign["kind"] == "welcome" and campaign["start_date"] == spec.date(spec.days).isoformat()
