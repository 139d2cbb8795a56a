"""How users answer to offers: one model for the history, for simulated days, and for the truth.

An offer has a saving: its amount as a share of the price or basket that it applies to. What it does to a user's
visits is the user's own pull for its mechanic × a curve of the saving × its relevance, a share of what the user
spends on what is offered. Pulls of several offers add to less than their sum; a user who got many lately answers less;
what drew a user leaves a habit behind, and what annoyed one makes leaving likelier. All of it follows from the offers
alone and not from chance, so that expectations can be told exactly.

`WorldSpec.response_form` chooses the shape: log_linear (a concave curve; the log of the rate of visits moves),
logistic (a threshold; the log odds of a visit move), tree (steps in saving and relevance, and other pulls in each
segment), heavy_tailed (as log_linear, and a few users have most of the pull).

The shapes follow what is published (van Heerde et al. 2004, Ailawadi et al. 2007); the sizes are this project's own
choice, see docs/worlds.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from promo_spark.settings.generate import ResponseForm
from promo_spark.worlds.spec import RESPONSES
from promo_spark.worlds.streams import Floats, Floats32, Ints


@dataclass(frozen=True)
class Mechanic:
    """How one kind of offer is given."""

    name: str
    on_products: bool  # takes off named products; else off a basket, from a minimum spend on
    felt_price: float  # share of the saving that shoppers take for a lower price of the product by itself
    chosen: bool  # the user has to do something for it, and may leave it
    once: bool  # one order at most; else every order while it is valid
    at_the_till: bool  # lowers what is paid; else it is given afterwards


MECHANICS: Final = (
    Mechanic("discount", on_products=True, felt_price=1.0, chosen=False, once=False, at_the_till=True),
    Mechanic("coupon", on_products=False, felt_price=0.0, chosen=True, once=True, at_the_till=True),
    Mechanic("bundle", on_products=True, felt_price=0.0, chosen=False, once=False, at_the_till=True),
    Mechanic("threshold", on_products=False, felt_price=0.0, chosen=False, once=False, at_the_till=True),
    Mechanic("gift", on_products=False, felt_price=0.0, chosen=False, once=True, at_the_till=True),
    Mechanic("points", on_products=True, felt_price=0.4, chosen=False, once=False, at_the_till=False),
    Mechanic("flash", on_products=True, felt_price=1.0, chosen=False, once=False, at_the_till=True),
    Mechanic("rebate", on_products=True, felt_price=0.6, chosen=True, once=False, at_the_till=False),
)
NAMES: Final = tuple(mechanic.name for mechanic in MECHANICS)
DISCOUNT, COUPON, BUNDLE, THRESHOLD, GIFT, POINTS, FLASH, REBATE = range(len(MECHANICS))
ON_PRODUCTS: Final = np.array([m.on_products for m in MECHANICS])
FELT_PRICE: Final = np.array([m.felt_price for m in MECHANICS])
CHOSEN: Final = np.array([m.chosen for m in MECHANICS])
ONCE: Final = np.array([m.once for m in MECHANICS])
AT_THE_TILL: Final = np.array([m.at_the_till for m in MECHANICS])
SEEN = 0.8  # share of messages that are opened
POINTS_SPENT = 0.8  # share of the points that are ever spent


@dataclass(frozen=True)
class Answer:
    """One kind of response; the numbers are means, users scatter around them."""

    pull: tuple[float, ...]  # per mechanic: log of the factor on visits per unit of the curve, at full relevance
    attention: float  # log of the factor on the chance that an offered product comes to mind, per unit of the curve
    stretch: float  # share by which a basket grows to reach a minimum spend
    early: float  # days per unit of saving by which a reduced staple is bought before it is due
    redeem: float  # chance to use what has to be redeemed, if the saving is large


_ANSWERS: Final = {  # discount, coupon, bundle, threshold, gift, points, flash, rebate
    "persuadable": Answer((3.6, 4.5, 2.4, 3.6, 2.6, 1.4, 4.2, 2.2), 4.0, 0.3, 40.0, 0.75),
    "sure_thing": Answer((0.08, 0.1, 0.05, 0.08, 0.05, 0.03, 0.1, 0.05), 0.7, 0.05, 5.0, 0.85),
    "lost_cause": Answer((0.0,) * 8, 0.0, 0.0, 0.0, 0.15),
    "sleeping_dog": Answer((-3.6, -4.0, -2.4, -2.8, -1.8, -0.8, -4.8, -2.0), -1.2, 0.0, 0.0, 0.1),
}

_SCATTER = 0.1  # of the log of users' own pulls around those of their kind
TAIL_MEAN = -0.5  # of the log of the factor on all pulls of a user, where tails are heavy: it has a mean of 1
_HALF_RELEVANT = 0.1  # share of the user's basket at which an offer has half of its full relevance
_LEARNED = 0.3  # saving at which the concave curve has made 63 % of its way
_CONCAVE = 0.2 / -np.expm1(-0.2 / _LEARNED)  # the curves agree at a saving of 0.2
_THRESHOLD, _WIDTH, _ABOVE = 0.15, 0.03, 0.24
_STEPS, _LEVELS = np.array([0.08, 0.18, 0.28]), np.array([0.0, 0.08, 0.2, 0.28])
_RELEVANCE_STEPS, _RELEVANCE_LEVELS = np.array([0.15, 0.45]), np.array([0.0, 0.35, 0.8])
_FATIGUE = 0.04  # share of the pull that each offer of the last 28 days takes
FATIGUE_DAYS = 28
_HABIT_KEPT, _HABIT_GAIN = 0.85, 0.05  # of a day's habit the next day; of the day's pull
_BOUND, _TIRED, _BORNE = 0.5, 0.03, 4  # on the hazard of leaving: by pull, by offers beyond those borne
_REDEEMING = 0.08  # saving at which 63 % of those who would redeem do
_MOOD, _MOVED = 3.4, 1.5  # of a survey's answer without any pull; by which pull moves it


@dataclass(frozen=True)
class Answers:
    """How each user of a block answers; one row per user."""

    response: Ints  # into RESPONSES
    pull: Floats32  # user × mechanic
    attention: Floats32
    stretch: Floats32
    early: Floats32
    redeem: Floats32


def drawn_answers(
    draw: np.random.Generator, form: ResponseForm, response: Ints, segment: Ints, by_segment: Floats
) -> Answers:
    """The answers of users with these responses. `by_segment`: factor on pulls in each segment, for a tree."""
    scatter = draw.lognormal(0, _SCATTER, (len(response), len(MECHANICS) + 3)).astype(np.float32)
    whole = np.exp(TAIL_MEAN + draw.standard_normal(len(response))).astype(np.float32)
    return _answers(form, response, segment, by_segment, scatter, whole)


def usual_answers(
    form: ResponseForm, response: Ints, segment: Ints, by_segment: Floats, whole: Floats | float = 1.0
) -> Answers:
    """What users with these responses answer on average. `whole`: factor on all pulls, where tails are heavy."""
    n, mean = len(response), np.exp(_SCATTER**2 / 2)
    scatter = np.full((n, len(MECHANICS) + 3), mean, np.float32)
    return _answers(form, response, segment, by_segment, scatter, np.broadcast_to(whole, n).astype(np.float32))


def _answers(
    form: ResponseForm, response: Ints, segment: Ints, by_segment: Floats, scatter: Floats32, whole: Floats32
) -> Answers:
    kinds = [_ANSWERS[name] for name in RESPONSES]
    pull = np.array([kind.pull for kind in kinds], np.float32)[response]
    if form == "tree":
        pull = pull * by_segment.astype(np.float32)[segment][:, None]
    else:
        pull = pull * scatter[:, : len(MECHANICS)]
    if form == "heavy_tailed":
        pull = pull * whole[:, None]
    own = {
        name: np.array([getattr(kind, name) for kind in kinds], np.float32)[response]
        for name in ("attention", "stretch", "early", "redeem")
    }
    for place, name in enumerate(("attention", "stretch", "early")):
        own[name] = own[name] * scatter[:, len(MECHANICS) + place]
    return Answers(response=response, pull=pull, **own)


def segment_pulls(draw: np.random.Generator, segments: int) -> Floats:
    """Factors on pulls by segment, for the tree form: some segments answer much less than others."""
    factors: Floats = draw.permutation(np.linspace(0.3, 1.9, segments)) if segments > 1 else np.ones(1)
    return factors


def curve(form: ResponseForm, saving: Floats) -> Floats:
    """What a saving does per unit of pull: 0 at 0, never falling.

    >>> curve("log_linear", np.array([0.0, 0.1, 0.2, 0.5])).round(3).tolist()
    [0.0, 0.117, 0.2, 0.333]
    >>> curve("logistic", np.array([0.0, 0.1, 0.2, 0.5])).round(3).tolist()
    [0.0, 0.037, 0.202, 0.24]
    >>> curve("tree", np.array([0.0, 0.1, 0.2, 0.5])).tolist()
    [0.0, 0.08, 0.2, 0.28]
    """
    if form == "logistic":
        low = 1 / (1 + np.exp(_THRESHOLD / _WIDTH))
        risen: Floats = _ABOVE * (1 / (1 + np.exp((_THRESHOLD - saving) / _WIDTH)) - low) / (1 - low)
        return risen
    if form == "tree":
        level: Floats = _LEVELS[np.searchsorted(_STEPS, saving, side="right")]
        return level
    concave: Floats = _CONCAVE * -np.expm1(-saving / _LEARNED)
    return concave


def relevance(form: ResponseForm, share: Floats) -> Floats:
    """How much of its full effect an offer has, by the share of the user's spend on what it applies to.

    >>> relevance("log_linear", np.array([0.0, 0.1, 0.4])).round(6).tolist()
    [0.0, 0.5, 0.8]
    """
    smooth: Floats = share / (share + _HALF_RELEVANT)
    if form == "tree":
        return np.asarray(_RELEVANCE_LEVELS[np.searchsorted(_RELEVANCE_STEPS, smooth, side="right")], np.float64)
    return smooth


def tired(pull: Floats, offers: Floats) -> Floats:
    """The pull that is left after so many offers in the last 28 days. Who is put off stays put off."""
    return np.where(pull > 0, pull * np.exp(-_FATIGUE * offers), pull)


def together(user: Ints, pull: Floats, users: int) -> Floats:
    """Each user's pull of all offers: what draws, and what puts off, each as the root of the sum of squares.

    >>> together(np.array([0, 0, 1]), pull=np.array([0.3, 0.4, -0.2]), users=3).round(9).tolist()
    [0.5, -0.2, 0.0]
    """
    squares = pull * pull
    drawn = np.bincount(user, np.where(pull > 0, squares, 0.0), users)
    put_off = np.bincount(user, np.where(pull < 0, squares, 0.0), users)
    total: Floats = np.sqrt(drawn) - np.sqrt(put_off)
    return total


def visit_chance(form: ResponseForm, rate: Floats, pull: Floats) -> Floats:
    """Chance of a visit on a day with this usual rate under this pull.

    >>> visit_chance("log_linear", np.array([0.0, 0.5]), pull=np.array([1.0, 0.0])).round(3).tolist()
    [0.0, 0.393]
    >>> visit_chance("logistic", np.array([0.0, 0.5]), pull=np.array([1.0, 0.0])).round(3).tolist()
    [0.0, 0.393]
    """
    if form == "logistic":
        odds = np.expm1(rate) * np.exp(pull)
        by_odds: Floats = odds / (1 + odds)
        return by_odds
    by_rate: Floats = -np.expm1(-rate * np.exp(pull))
    return by_rate


def habit_after(habit: Floats, pull: Floats) -> Floats:
    """Log of the factor on the next day's rate that a day leaves behind."""
    return _HABIT_KEPT * habit + _HABIT_GAIN * pull


def strain(hazard: Floats, pull: Floats, offers: Floats) -> Floats:
    """What a day adds to the usual hazard of leaving for good: less where offers please, more where they annoy."""
    annoyance = _TIRED * np.maximum(offers - _BORNE, 0) - _BOUND * pull
    added: Floats = hazard * np.expm1(annoyance)
    return added


def redeem_chance(redeem: Floats, saving: Floats) -> Floats:
    """Chance that a user who could use an offer does so, where it takes a choice."""
    chance: Floats = redeem * -np.expm1(-saving / _REDEEMING)
    return chance


def comes_to_mind(usual: Floats, spoken: Floats) -> Floats:
    """Chance that a visit holds the product because it was offered, beyond what it holds anyway.

    `usual`: pieces of a visit at the offer's price. `spoken`: attention × the curve of the saving.

    >>> comes_to_mind(np.array([0.1, 0.1]), spoken=np.array([1.0, -1.0])).round(3).tolist()
    [0.158, 0.0]
    """
    chance: Floats = -np.expm1(-usual * np.maximum(np.expm1(spoken), 0.0))
    return chance


def wanted_together(offer: Ints, usual: Floats, reduced: Floats, spoken: Floats) -> Floats:
    """Chance that a visit holds a whole bundle because it was offered: all of it is wanted so, and was not anyway.

    One row per product of an offer. `usual`, `reduced`: pieces of a visit at the price of each alone, and at the
    bundle's, which holds for all together only. To have to buy all keeps most from buying more (Foubert and
    Gijsbrechts 2007); what they switch from is not told.

    >>> offer, usual = np.array([0, 0]), np.array([0.1, 9.0])
    >>> wanted_together(offer, usual, reduced=2 * usual, spoken=np.zeros(2)).round(3).tolist()
    [0.086, 0.086]
    """
    _, place = np.unique(offer, return_inverse=True)
    both, anyway = np.ones((2, int(place.max(initial=-1)) + 1))
    np.multiply.at(both, place, -np.expm1(-reduced * np.exp(spoken)))
    np.multiply.at(anyway, place, -np.expm1(-usual))
    more: Floats = np.maximum(both - anyway, 0.0)[place]
    return more


def mood(pull: Floats) -> Floats:
    """Mean of a survey's answer, 1 to 5."""
    answer: Floats = _MOOD + _MOVED * np.tanh(2 * pull)
    return answer
