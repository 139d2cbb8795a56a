"""What the best retailer could know of offers: each user's hidden response by Bayes, from all that was delivered.

The ceiling of what any method can reach. It is handed the world's parameters, the users' segments, their staples and
how long these last; it infers from orders, messages and redemptions how each user answers to offers, how often the user
comes and what for, whether the user has left for good, and when staples may be due. Its mean over what may be is what
the offers are worth to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from promo_spark.worlds import response
from promo_spark.worlds.assignments import (
    Assigned,
    assigned,
    contacts_before,
    coupon_pulls,
    pull_of_day,
    recent_contacts,
)
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.due_days import due_days
from promo_spark.worlds.expectations import buys_something
from promo_spark.worlds.inferred_users import inferred_users
from promo_spark.worlds.offers import Offers, pull_of_offers
from promo_spark.worlds.population import RATE_SHAPE, Population, population, pulls_by_segment
from promo_spark.worlds.shopping import History, State
from promo_spark.worlds.spec import RESPONSES, WorldSpec
from promo_spark.worlds.streams import Bools, Floats
from promo_spark.worlds.true_offers import TrueOffer, true_offers

_TAILS = 5  # sizes that are tried of a heavy-tailed user's factor on all pulls
_STAYS = 1e12  # patience of who is taken to be there
_RATES = np.exp(np.linspace(np.log(0.08), np.log(4.0), 33))  # of visits over the segment's mean, that are tried


@dataclass(frozen=True)
class LaterWeek:
    """What the shop saw after the history: days under at most one offer a user."""

    offers: Offers
    opened: Bools
    days: Sequence[History]


@dataclass(frozen=True)
class Belief:
    """One way in which a block's users may answer: how likely for each user, and how likely that the user is there."""

    users: Population
    habit: Floats
    weight: Floats
    here: Floats


def believed_offers(
    spec: WorldSpec,
    block: int,
    day: int,
    past: History,
    offers: Offers,
    valid_days: int = 7,
    later: LaterWeek | None = None,
) -> TrueOffer:
    """Each offer's expectation under the beliefs. The history is as `shopping.history` has it.

    `later`: what was seen between its end and the day.
    """
    sums: dict[str, Floats] = {name: np.zeros(len(offers)) for name in TrueOffer.__dataclass_fields__}
    recent = None if later is None else np.bincount(later.offers.user, minlength=len(past.users)).astype(np.float64)
    seen = _seen(past, later)
    shop = catalogue(spec)
    tried = beliefs(spec, block, past, later)
    due = due_days(shop, tried[0].users, ordered_days(seen, day), staples_bought(seen, day))
    for belief in tried:
        n = len(belief.weight)
        state = State(due, belief.habit, np.zeros(n), np.zeros(n, bool))
        told = true_offers(spec, block, day, state, offers, valid_days, users=belief.users, recent=recent)
        weight = (belief.weight * belief.here)[offers.user]
        for name, total in sums.items():
            total += weight * getattr(told, name)
    return TrueOffer(**sums)


def _seen(past: History, later: LaterWeek | None) -> list[History]:
    return [past, *(later.days if later is not None else [])]


def beliefs(spec: WorldSpec, block: int, past: History, later: LaterWeek | None = None) -> list[Belief]:
    """All ways to answer that are tried; a user's weights sum to 1."""
    seen = _seen(past, later)
    users = inferred_users(spec, catalogue(spec), seen)
    arm, ordered = assigned(spec, population(spec, block), block), ordered_days(seen, spec.days + len(seen) - 1)
    redeemed, qualified = _redemptions(spec, past)
    made, logs = [], []
    for number in range(len(RESPONSES)):
        prior = np.array([s.responses[number] for s in spec.segments])[users.segment]
        tails = _tails() if spec.response_form == "heavy_tailed" and number in (0, 3) else [1.0]
        for whole in tails:
            might_be = _answering(spec, users, number, whole)
            might_be, habit, log, here = _likelihood(
                spec, might_be, arm, ordered, _later_pulls(spec, block, might_be, later)
            )
            log += _of_redemptions(might_be, arm, redeemed, qualified)
            with np.errstate(divide="ignore"):
                logs.append(log + np.log(prior / len(tails)))
            made.append((might_be, habit, here))
    weights = np.exp(np.array(logs) - np.max(logs, axis=0))
    weights /= weights.sum(axis=0)
    return [
        Belief(replace(might_be, patience=np.full(len(users), _STAYS)), habit, weight, here)
        for (might_be, habit, here), weight in zip(made, weights, strict=True)
    ]


def _tails() -> list[float]:
    normal = NormalDist()
    return [float(np.exp(response.TAIL_MEAN + normal.inv_cdf((i + 0.5) / _TAILS))) for i in range(_TAILS)]


def _answering(spec: WorldSpec, users: Population, number: int, whole: float) -> Population:
    """The users, were all of this response."""
    kind = np.full(len(users), number)
    segment = users.segment.astype(np.int64)
    answers = response.usual_answers(spec.response_form, kind, segment, pulls_by_segment(spec), whole)
    return replace(users, answers=answers)


def ordered_days(seen: Sequence[History], days: int) -> Bools:
    """User × day: something was bought."""
    ordered = np.zeros((len(seen[0].users), days), bool)
    for part in seen:
        bought = part.orders.kind == 0
        ordered[part.orders.user[bought], part.orders.day[bought]] = True
    return ordered


def staples_bought(seen: Sequence[History], days: int) -> npt.NDArray[np.int64]:
    """User × staple × day: pieces of it."""
    staples = seen[0].users.staples
    pieces = np.zeros((*staples.shape, days), np.int64)
    for part in seen:
        lines, orders = part.lines, part.orders
        user, day = orders.user[lines.order], orders.day[lines.order]
        own = (staples[user] == lines.product[:, None]) & (orders.kind[lines.order] == 0)[:, None]
        line, which = np.nonzero(own)
        np.add.at(pieces, (user[line], which, day[line]), lines.quantity[line])
    return pieces


def _redemptions(spec: WorldSpec, past: History) -> tuple[Bools, Bools]:
    """User × campaign: its coupon was redeemed; something that it is good for was bought while it ran."""
    shop, lines, orders = catalogue(spec), past.lines, past.orders
    campaigns = shop.campaigns
    redeemed, qualified = np.zeros((2, len(past.users), len(campaigns)), bool)
    user, day = orders.user[lines.order], orders.day[lines.order]
    used = (lines.campaign >= 0) & (lines.campaign < len(campaigns))  # of welcome coupons nothing is inferred
    redeemed[user[used], lines.campaign[used]] = True
    honest, department = orders.kind[lines.order] == 0, shop.department[lines.product]
    for number in range(len(campaigns)):
        fits = honest & (department == campaigns.department[number])
        fits &= (day >= campaigns.start[number]) & (day < campaigns.end[number])
        qualified[user[fits], number] = True
    return redeemed, qualified


def _of_redemptions(users: Population, arm: Assigned, redeemed: Bools, qualified: Bools) -> Floats:
    """Log of how likely the choices to redeem are. Where nothing was bought that a coupon is for, none was made."""
    chance = response.redeem_chance(users.answers.redeem[:, None].astype(np.float64), arm.depth)
    chance = np.clip(chance, 1e-9, 1 - 1e-9)
    asked = arm.contacted & arm.opened
    log = np.where(asked & redeemed, np.log(chance), 0.0)
    log += np.where(asked & qualified & ~redeemed, np.log1p(-chance), 0.0)
    total: Floats = log.sum(axis=1)
    return total


def _later_pulls(
    spec: WorldSpec, block: int, users: Population, later: LaterWeek | None
) -> list[tuple[Floats, Floats]]:
    """Per day after the history: the pull on each user, and the offers of the 28 days before."""
    if later is None:
        return []
    offers, of_days = later.offers, []
    of_offers = pull_of_offers(spec, catalogue(spec), users, offers, spec.days) * later.opened
    for day in range(len(later.days)):
        tiring = contacts_before(spec, block, spec.days + day) + (
            np.bincount(offers.user, minlength=len(users)) if day else 0.0
        )
        pull = response.together(offers.user, response.tired(of_offers, tiring[offers.user]), len(users))
        of_days.append((pull, tiring))
    return of_days


def _likelihood(
    spec: WorldSpec, users: Population, arm: Assigned, ordered: Bools, later: list[tuple[Floats, Floats]]
) -> tuple[Population, Floats, Floats, Floats]:
    """Were these the users: the users with the mean of how often they may come, the habit left at the end, the log of
    how likely their orders are, and the chance that they are still there. Who ordered was there; after the last order a
    user may have left on any day."""
    shop, n, days = catalogue(spec), len(users), ordered.shape[1]
    pulls, tiring = coupon_pulls(spec, users, arm), recent_contacts(spec, arm)
    of_days = [(pull_of_day(spec, arm, pulls, day), tiring[:, day]) for day in range(spec.days)] + later
    last = np.where(ordered.any(axis=1), days - 1 - ordered[:, ::-1].argmax(axis=1), -1)
    mean = np.array([s.visits_per_week for s in spec.segments])[users.segment] / 7
    rates = mean * _RATES[:, None]  # rate × user
    buys = np.array([buys_something(shop, replace(users, visit_rate=rate), spec.days) for rate in rates])
    habit, log = np.zeros(n), np.zeros(rates.shape)
    there, gone = np.ones(rates.shape), np.zeros(rates.shape)  # since the last order: on every day; had left
    for day, (pull, recent) in enumerate(of_days):
        rate = rates * (shop.visits[users.segment, day] * (users.joined <= day))
        visit = buys * response.visit_chance(spec.response_form, rate, pull + habit)
        visit = np.clip(visit, 1e-12, 1 - 1e-12)
        leaves = users.hazard + response.strain(users.hazard, pull, recent)
        leaves = np.where(day + 1 > np.maximum(users.joined, 0) + 1, -np.expm1(-leaves), 0.0)
        known = day <= last
        log += np.where(known, np.log1p(-leaves) + np.where(ordered[:, day], np.log(visit), np.log1p(-visit)), 0.0)
        gone = np.where(known, 0.0, gone + there * leaves)
        there = np.where(known, 1.0, there * (1 - leaves) * (1 - visit))
        habit = response.habit_after(habit, pull)
    log += np.log(there + gone) + RATE_SHAPE * (np.log(_RATES) - _RATES)[:, None]  # the gamma's density on logs
    likeliest = log.max(axis=0)
    weight = np.exp(log - likeliest)
    total = weight.sum(axis=0)
    usual = ((weight * rates).sum(axis=0) / total).astype(np.float32)
    here = (weight * there / (there + gone)).sum(axis=0) / total
    return replace(users, visit_rate=usual), habit, likeliest + np.log(total), here
