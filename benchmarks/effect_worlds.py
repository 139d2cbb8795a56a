"""The worlds that effects are judged on: a history, a week of random offers, and what offers after it do to visits.

Only visits are told: what baskets hold, which is the slow part of the policies' worlds (policy_worlds.py), is not
needed. History, random week and candidates are the same as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from delivered import DeliveredBlock, delivered
from policy_worlds import WEEK, World, candidates, explored_week, terms_of

from promo_spark.worlds import response
from promo_spark.worlds.catalogue import ARM_DEPTHS, catalogue
from promo_spark.worlds.due_days import due_days
from promo_spark.worlds.offers import Offers, pull_of_offers
from promo_spark.worlds.population import Population
from promo_spark.worlds.posterior import LaterWeek, beliefs, ordered_days, staples_bought
from promo_spark.worlds.shopping import History, State, history
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Floats, Ints, stream
from promo_spark.worlds.usual_days import UsualDays

COUPONS = len(ARM_DEPTHS)  # the first arms: a campaign's coupon at each depth, for a department


@dataclass(frozen=True, eq=False)
class EffectWorld:
    """Users × arms: coupons as the campaigns have them, then the candidates of the policies' worlds.

    `world.table` says what each arm offers, as in policy_worlds; `department` is that of the user's coupons. Effects
    are extra visits of a week.
    """

    world: World
    department: Ints
    truth: Floats
    believed: Floats


def effect_world(spec: WorldSpec) -> EffectWorld:
    day, departments, tables, truths, believed, seen = spec.days + WEEK, [], [], [], [], []
    for number in range(spec.user_blocks):
        past = history(spec, number)
        held, days, explored = explored_week(spec, number, past)
        parts, state, n = [past, *(done.past for done in days)], days[-1].past.state, len(past.users)
        recent = np.bincount(held.user, minlength=n).astype(np.float64)
        offers = candidates(spec, number, day, "candidates", parts)
        department = _departments(spec, number, n)
        later = LaterWeek(held, days[0].opened, [done.past for done in days])
        true = UsualDays(spec, number, day, state, WEEK, recent=recent)
        truths.append(_extra_visits(true, _pulls(spec, true.users, offers, department, day)))
        believed.append(_believed(spec, number, day, past, later, offers, department, recent))
        departments.append(department)
        tables.append(_table(offers, n))
        seen.append(DeliveredBlock(number, past, [done.past for done in days], explored))
    table = {name: np.concatenate([part[name] for part in tables]) for name in tables[0]}
    world = World(spec, day, [], delivered(spec, day, seen), table)
    return EffectWorld(world, np.concatenate(departments), np.concatenate(truths), np.concatenate(believed))


def _departments(spec: WorldSpec, block: int, users: int) -> Ints:
    """By user: a department that a randomised campaign was for."""
    campaigns = catalogue(spec).campaigns
    of_campaigns = np.unique(campaigns.department[campaigns.randomised])
    return np.asarray(stream(spec.seed, "effect departments", block).choice(of_campaigns, users), np.int64)


def _pulls(spec: WorldSpec, users: Population, offers: Offers, department: Ints, day: int) -> Floats:
    """User × arm: the pull of the message on who opens it, were the users these."""
    shop, n = catalogue(spec), len(users)
    share = users.department_shares(shop)[np.arange(n), department]
    own = users.answers.pull[:, response.COUPON].astype(np.float64) * response.relevance(spec.response_form, share)
    own *= spec.drift_response if spec.has_drifted(day) else 1.0
    coupons = own[:, None] * response.curve(spec.response_form, np.array(ARM_DEPTHS))
    return np.column_stack([coupons, pull_of_offers(spec, shop, users, offers, day).reshape(-1, n).T])


def _extra_visits(usual: UsualDays, pulls: Floats) -> Floats:
    """User × arm: expected visits of the week beyond those without the offer, as true_offers has them."""
    user, plain = np.arange(len(pulls)), usual.plain.sum(axis=1)
    unread = usual.visits(user, np.zeros(len(pulls)), WEEK).sum(axis=1)
    read = np.column_stack([usual.visits(user, pull, WEEK).sum(axis=1) for pull in pulls.T])
    extra: Floats = response.SEEN * read + ((1 - response.SEEN) * unread - plain)[:, None]
    return extra


def _believed(
    spec: WorldSpec,
    block: int,
    day: int,
    past: History,
    later: LaterWeek,
    offers: Offers,
    department: Ints,
    recent: Floats,
) -> Floats:
    """The same by what the best retailer could know: the mean over how each user may answer (worlds/posterior.py)."""
    tried, seen = beliefs(spec, block, past, later), [past, *later.days]
    due = due_days(catalogue(spec), tried[0].users, ordered_days(seen, day), staples_bought(seen, day))
    total = np.zeros((len(recent), COUPONS + len(offers) // len(recent)))
    for belief in tried:
        n = len(recent)
        state = State(due, belief.habit, np.zeros(n), np.zeros(n, bool))
        usual = UsualDays(spec, block, day, state, WEEK, belief.users, recent)
        extra = _extra_visits(usual, _pulls(spec, belief.users, offers, department, day))
        total += (belief.weight * belief.here)[:, None] * extra
    return total


def _table(offers: Offers, users: int) -> dict[str, Floats]:
    """User × arm: what is offered, as the table of policy_worlds has it."""
    coupon: dict[str, float | Sequence[float]] = {"mechanic": response.COUPON, "saving": ARM_DEPTHS}
    coupon |= {"amount": 0.0, "min_spend": 0.0, "product": -1.0, "second": -1.0}
    return {
        name: np.column_stack(
            [np.broadcast_to(np.asarray(coupon[name], np.float64), (users, COUPONS)), values.reshape(-1, users).T]
        )
        for name, values in terms_of(offers).items()
    }
