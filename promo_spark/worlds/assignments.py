"""Who was put in which arm of which campaign of the history, and what the campaigns did to the users.

A randomised campaign draws among all who have an account and consent on its first day, whatever only the world knows
of them (some have left for good without a word): each gets no message, or the campaign's coupon at one of ARM_DEPTHS,
with known probabilities. A targeted campaign prefers those who shop much, and nobody knows with what probability.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from promo_spark.worlds import response, welcomes
from promo_spark.worlds.catalogue import ARM_DEPTHS, catalogue
from promo_spark.worlds.population import Population, honest_population, population
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints, stream

LEFT = 1e9  # strain of who has left for good
CONTROL = "control"


@dataclass(frozen=True)
class Assigned:
    """What a block's users were assigned; user × campaign."""

    eligible: Bools
    depth: Floats  # 0: not contacted
    opened: Bools
    welcomed: Ints  # by user: first day of the welcome coupon; welcomes.NEVER: got none

    @property
    def contacted(self) -> Bools:
        return self.depth > 0


@dataclass(frozen=True)
class Approached:
    """A block's users in the history, and what coupons did to them. `users.churned` is how it turned out.

    Rings are among them as the customers that they are not: see `population.with_rings`.
    """

    users: Population
    assigned: Assigned
    pull: Floats  # user × day: of the campaigns and the habit that they left
    habit: Floats  # that is left when the history ends
    strain: Floats  # that the campaigns added to the hazard of leaving; LEFT: has left


def assigned(spec: WorldSpec, users: Population, block: int) -> Assigned:
    """The arms of the block's users."""
    campaigns = catalogue(spec).campaigns
    draw = stream(spec.seed, "contacts", block)
    eligible = (users.joined[:, None] <= campaigns.start) & (users.consent[:, None] == 1)
    preferred = spec.contact_share * 1.6 * users.visit_rate / (users.visit_rate + 0.15)
    shopping = users.churned[:, None] > campaigns.start  # what a shop sees of who comes no more
    chance = np.where(campaigns.randomised, spec.contact_share, preferred[:, None] * shopping)
    drawn = draw.random(chance.shape)
    place = np.floor(drawn / max(spec.contact_share, 1e-12) * len(ARM_DEPTHS)).astype(np.int64)
    of_arm = np.array(ARM_DEPTHS)[np.clip(place, 0, len(ARM_DEPTHS) - 1)]
    depth = np.where(campaigns.randomised, of_arm, campaigns.depth)
    return Assigned(
        eligible=eligible,
        depth=np.where(eligible & (drawn < chance), depth, 0.0),
        opened=(draw.random(chance.shape) < response.SEEN) | users.only_offers[:, None],
        welcomed=welcomes.first_days(spec, users),
    )


def arms(spec: WorldSpec) -> tuple[list[str], list[float]]:
    """The arms of a randomised campaign, control first, and the probability of each."""
    names = [CONTROL, *(f"coupon_{depth:.2f}" for depth in ARM_DEPTHS)]
    return names, [1 - spec.contact_share] + [spec.contact_share / len(ARM_DEPTHS)] * len(ARM_DEPTHS)


def approached(spec: WorldSpec, block: int) -> Approached:
    """The users of a block under the campaigns and welcome coupons of the history, day by day."""
    users = honest_population(spec, block)
    arm = assigned(spec, users, block)
    offers = recent_contacts(spec, arm)
    pulls, n = coupon_pulls(spec, users, arm), len(users)
    habit, strain, churned = np.zeros(n), np.zeros(n), users.churned.astype(np.int64)
    of_days, here = np.zeros((n, spec.days)), np.ones(n, bool)
    for day in range(spec.days):
        of_day = pull_of_day(spec, arm, pulls, day)
        gone = (users.joined <= day) & ~users.stays(day, strain)
        churned[gone & here] = day
        here &= ~gone
        of_days[:, day] = of_day + habit
        habit = response.habit_after(habit, of_day)
        strain = np.where(here, strain + response.strain(users.hazard, of_day, offers[:, day]), LEFT)
    churned[here] = np.minimum(users.churned_with(strain), spec.all_days)[here]
    return Approached(replace(users, churned=churned.astype(np.int32)), arm, of_days, habit, strain)


def campaign_pulls(spec: WorldSpec, users: Population, arm: Assigned) -> Floats:
    """User × campaign: what the coupon of a department does to the user's visits."""
    shop = catalogue(spec)
    campaigns, coupon = shop.campaigns, users.answers.pull[:, response.COUPON].astype(np.float64)
    share = users.department_shares(shop)[:, campaigns.department]
    drift = np.where([spec.has_drifted(int(day)) for day in campaigns.start], spec.drift_response, 1.0)
    relevant = response.relevance(spec.response_form, share)
    pull = coupon[:, None] * drift * response.curve(spec.response_form, arm.depth) * relevant
    lately = [_contacts_between(spec, arm, int(day)) for day in campaigns.start]
    before = np.column_stack(lately or [np.zeros((len(users), 0))])
    return np.where(arm.opened, response.tired(pull, before), 0.0)


def coupon_pulls(spec: WorldSpec, users: Population, arm: Assigned) -> Floats:
    """User × coupon: what each campaign's does to the user's visits; the last column is the welcome coupon's."""
    return np.column_stack([campaign_pulls(spec, users, arm), welcomes.welcome_pulls(spec, users)])


def pull_of_day(spec: WorldSpec, arm: Assigned, pulls: Floats, day: int) -> Floats:
    """Each user's pull of the coupons that hold on the day. `pulls`: user × coupon, see coupon_pulls."""
    campaigns, users = catalogue(spec).campaigns, len(pulls)
    running = np.flatnonzero((campaigns.start <= day) & (day < campaigns.end))
    welcome = np.where(welcomes.holds(arm.welcomed, day), pulls[:, -1], 0.0)
    of_day = np.column_stack([pulls[:, running], welcome])
    return response.together(np.repeat(np.arange(users), len(running) + 1), of_day.ravel(), users)


def contacts_before(spec: WorldSpec, block: int, day: int) -> Floats:
    """How many campaigns of the history, and welcomes, reached each user in the 28 days before a day."""
    return _contacts_between(spec, assigned(spec, population(spec, block), block), day)


def recent_contacts(spec: WorldSpec, arm: Assigned) -> Floats:
    """User × day: contacts in the days before."""
    return np.column_stack([_contacts_between(spec, arm, day) for day in range(spec.days)])


def _contacts_between(spec: WorldSpec, arm: Assigned, day: int) -> Floats:
    start = catalogue(spec).campaigns.start
    lately = (start < day) & (start >= day - response.FATIGUE_DAYS)
    welcomed = (arm.welcomed < day) & (arm.welcomed >= day - response.FATIGUE_DAYS)
    number: Floats = arm.contacted[:, lately].sum(axis=1).astype(np.float64) + welcomed
    return number
