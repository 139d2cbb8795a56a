"""What an offer brings within its days: visits, purchases, what is given, and the margin that it adds.

value = extra visits × margin of an order + extra pieces of the products × what is left of their price − what is given

Extra visits: visits × (exp(effect × S(saving) × R(share)) − 1), by models.uplift and models.uplift_curves. Extra pieces
are those beyond what the visits hold anyway: a lower price sells more, by the elasticity of the category, and a message
brings a product to mind, by what earlier ones did. What would have been bought anyway is no gain, and what is given on
it is a cost: the shop's, but for the share of it that a fund pays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from promo_spark.decisions.mechanics import MECHANICS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_LARGEST: Final = 2.5  # of a log effect, as in models.uplift
_DEEPEST: Final = 0.9  # saving beyond which nothing more is told
_SAID: Final = 0.7  # of what earlier messages brought to mind, as little of it lasts
_SATED: Final = 0.5  # 0: pieces are multiplied, however many; 1: the odds that a visit holds the product are
_OPENED: Final = 0.8  # of messages: a coupon that nobody read is not used
_OF_PIECES, _OF_USES = 0.5, 0.25  # standard errors, as shares, of extra pieces and of what is given

_ON_PRODUCTS = np.array([m.on_products for m in MECHANICS.values()])
_TOGETHER = np.array([m.together for m in MECHANICS.values()])
_CHOSEN = np.array([m.chosen for m in MECHANICS.values()])
_ONCE = np.array([m.once for m in MECHANICS.values()])
_FELT = np.array([m.felt for m in MECHANICS.values()])


@dataclass(frozen=True)
class Curves:
    """Lines between knots: S of the saving, R of the share, and how many of those who would use an offer do so."""

    savings_at: Floats
    savings: Floats
    shares_at: Floats
    shares: Floats
    uses_at: Floats
    uses: Floats


@dataclass(frozen=True)
class Pieces:
    """One row per offer: one of its products. All 0 where there is none."""

    usual: Floats  # pieces in the days of the offer, without it
    left: Floats  # of the price that is charged now, above cost; currency
    cost: Floats  # of a piece; currency
    elasticity: Floats  # above 0
    at_once: Floats  # pieces in a basket that holds it, above 0


@dataclass(frozen=True)
class Offered:
    """One row per offer, with its user. Money in currency."""

    mechanic: Ints  # into MECHANICS
    saving: Floats  # share off what it applies to
    off: Floats  # amount off: of a piece of each product, of a whole bundle, or of a basket
    least: Floats  # to spend before an offer on a basket counts
    worth: Floats  # what the products cost without it; 0: an offer on a basket
    first: Pieces
    second: Pieces
    chance: Floats  # that the user buys the first product within the days, without it
    visits: Floats  # of the user in the days, without it
    effect: Floats  # log of the factor on visits, per unit of S × R
    error: Floats  # its standard error
    mention: Floats  # log of the factor on lines that messages bring to mind, per unit of S
    readiness: Floats  # chance to use a large saving that has to be used
    margin: Floats  # of an order of the user
    basket: Floats  # median amount of one
    spread: Floats  # standard deviation of the log of it
    funded: Floats  # share of what is given that a fund pays; 0: none


@dataclass(frozen=True)
class Gains:
    """One row per offer: what is expected within its days. Money in currency."""

    visits: Floats  # beyond those without it
    uses: Floats  # chance that it is used
    given: Floats  # by the shop and a fund together
    sold: Floats  # margin of what it is used for, after what the shop gives: what is bought anyway is in it
    value: Floats  # margin beyond that without it, after what the shop gives
    error: Floats  # standard error of the value
    revenue: Floats  # what customers pay beyond what they would without it
    freed: Floats  # cost of the pieces that are sold beyond those without it
    first_pieces: Floats  # of the first product that are bought, those without it too; of a gift, that are given
    second_pieces: Floats  # the same of the second


def gains(of: Offered, curves: Curves) -> Gains:
    """What each offer brings.

    A user who comes twice a week and leaves 5 an order, 20 % off a product of 10 that is 10 % of the spend:

    >>> one = np.ones(1)
    >>> curves = Curves(*[np.array([0.0, 1.0])] * 4, np.array([0.0]), np.array([1.0]))
    >>> nothing, milk = Pieces(*[0 * one] * 4, one), Pieces(0.4 * one, 3 * one, 7 * one, 2 * one, 1.2 * one)
    >>> terms = dict(mechanic=np.zeros(1, int), saving=0.2 * one, off=2 * one, least=0 * one, worth=10 * one)
    >>> user = dict(chance=0.3 * one, visits=2 * one, effect=5 * one, error=one, mention=0 * one)
    >>> user |= dict(readiness=0.5 * one, margin=5 * one, basket=20 * one, spread=0.6 * one, funded=0 * one)
    >>> told = gains(Offered(first=milk, second=nothing, **terms, **user), curves)
    >>> [round(float(x[0]), 3) for x in (told.visits, told.uses, told.given, told.value)]
    [0.21, 0.445, 1.32, 0.385]
    """
    on_products, together = _ON_PRODUCTS[of.mechanic], _TOGETHER[of.mechanic]
    share = np.where(on_products, _share_of_spend(of), _reaching(of))
    rise = np.interp(of.saving, curves.savings_at, curves.savings)
    curve = rise * np.interp(share, curves.shares_at, curves.shares)
    factor = np.exp(np.clip(of.effect * curve, -_LARGEST, _LARGEST))
    visits = of.visits * factor
    sold = _sold(of, visits, factor, rise)
    more = [
        np.where(on_products, pieces - product.usual * factor, 0.0)
        for pieces, product in zip(sold[:2], (of.first, of.second), strict=True)
    ]
    earned = more[0] * of.first.left + more[1] * of.second.left
    freed = more[0] * of.first.cost + more[1] * of.second.cost
    pieces = np.where(together, sold[2], sold[0])
    chosen = np.where(
        _CHOSEN[of.mechanic], _OPENED * of.readiness * np.interp(of.saving, curves.uses_at, curves.uses), 1.0
    )
    reaching = visits * _reaching(of)
    of_baskets = np.where(_ONCE[of.mechanic], -np.expm1(-reaching), reaching)
    uses = np.where(on_products, _bought(of, pieces), -np.expm1(-reaching)) * chosen
    given = np.where(on_products, pieces, of_baskets) * chosen * of.off
    own = given * (1 - of.funded)
    of_pieces = pieces * (of.first.left + np.where(together, of.second.left, 0.0))
    used_for = np.where(on_products, of_pieces, of_baskets * of.margin) * chosen
    extra = visits - of.visits
    error = np.sqrt((of.margin * visits * curve * of.error) ** 2 + (_OF_PIECES * earned) ** 2 + (_OF_USES * own) ** 2)
    value = of.margin * extra + earned - own
    basket = of.basket * np.exp(of.spread**2 / 2)  # the mean of a log-normal one
    revenue = basket * extra + earned + freed - given
    first_pieces = np.where(on_products, sold[0], uses)
    return Gains(extra, uses, given, used_for - own, value, error, revenue, freed, first_pieces, sold[1])


def calibrated(told: Gains, funded: Floats, *, value: Floats, cost: Floats) -> Gains:
    """The gains with what offers bring and what they give each times a factor of its own; by 1 to the same bits.

    `funded`: as in Offered. What offers bring is the value before what is given.

    >>> one, no = np.ones(1), np.zeros(1)
    >>> told = Gains(no, no, given=2 * one, sold=no, value=one, error=one, revenue=no, freed=no, first_pieces=no,
    ...     second_pieces=no)
    >>> half = calibrated(told, no, value=0.5 * one, cost=1.2 * one)  # 1 + 2 = 3 are brought: 1.5 − 2.4
    >>> round(float(half.given[0]), 3), round(float(half.value[0]), 3)
    (2.4, -0.9)
    """
    own = told.given * (1 - funded)
    of_uses = (_OF_USES * own) ** 2
    of_others = np.maximum(told.error**2 - of_uses, 0.0)
    return replace(
        told,
        given=told.given * cost,
        sold=told.sold - own * (cost - 1),
        value=told.value + (told.value + own) * (value - 1) - own * (cost - 1),
        error=np.sqrt(told.error**2 + of_others * (value**2 - 1) + of_uses * (cost**2 - 1)),
        revenue=told.revenue + (told.revenue + told.given) * (value - 1) - told.given * (cost - 1),
        freed=told.freed * value,
    )


def _share_of_spend(of: Offered) -> Floats:
    """The share of the user's spend in the days that goes to the offered products."""
    pieces = np.where(_TOGETHER[of.mechanic], 2 * np.minimum(of.first.usual, of.second.usual), of.first.usual)
    parts = np.where(_TOGETHER[of.mechanic], 2.0, 1.0)
    share: Floats = pieces * of.worth / parts / np.maximum(of.visits * of.basket, 1e-9)
    return np.minimum(share, 1.0)


def _reaching(of: Offered) -> Floats:
    """The share of the user's baskets that reach the minimum spend, if they are log-normal."""
    log = np.log(np.maximum(of.least, 0.01)) - np.log(np.maximum(of.basket, 0.01))
    return np.asarray(ndtr(-log / of.spread), np.float64)


def _sold(of: Offered, visits: Floats, factor: Floats, rise: Floats) -> tuple[Floats, Floats, Floats]:
    """Pieces of both products under the offer, and of those the ones that a bundle's price is given for.

    A bundle's products are cheaper only together: it sells where both are wanted so (Foubert and Gijsbrechts 2007).
    """
    most = [np.maximum(product.at_once * visits, 1e-9) for product in (of.first, of.second)]
    brought = np.clip(of.mention * rise, -3.0, 3.0)
    put_off = np.exp(np.minimum(brought, 0.0))
    told = 1 + _SAID * np.expm1(brought)
    usual = of.first.usual * factor, of.second.usual * factor
    held = [np.minimum(pieces / full, 1.0) for pieces, full in zip(usual, most, strict=True)]
    cheaper = _cheaper(of, of.first, held[0]), _cheaper(of, of.second, held[1])
    bundle = _TOGETHER[of.mechanic]
    wanted = [-np.expm1(-h * c * told) for h, c in zip(held, cheaper, strict=True)]
    anyway = [-np.expm1(-h) for h in held]
    both = np.maximum(wanted[0] * wanted[1] - anyway[0] * anyway[1], 0.0) * visits
    alone = usual[0] * cheaper[0] * (put_off + np.maximum(told - 1, 0.0))
    more = both * of.first.at_once, both * of.second.at_once
    first = np.where(bundle, usual[0] * put_off + more[0], alone)
    second = np.where(bundle, usual[1] * put_off + more[1], usual[1])
    return first, second, usual[0] * anyway[1] + more[0]


def _cheaper(of: Offered, product: Pieces, held: Floats) -> Floats:
    """Factor on pieces at the lower price. `held`: the share of visits that hold the product anyway."""
    lower = -np.log1p(-np.minimum(of.saving, _DEEPEST)) * product.elasticity
    factor = np.exp(_FELT[of.mechanic] * lower)
    return np.asarray(factor / (1 + _SATED * held * (factor - 1)), np.float64)


def _bought(of: Offered, pieces: Floats) -> Floats:
    """Chance that the offered product, or the bundle, is bought: it rises with the pieces as chance without it does."""
    usual = np.where(_TOGETHER[of.mechanic], 0.0, of.first.usual)
    known = (usual > 0) & (of.chance > 0)
    hazard = -np.log1p(-np.minimum(of.chance, 0.999))
    by_piece = np.where(known, hazard / np.where(known, usual, 1.0), 1 / of.first.at_once)
    return np.asarray(-np.expm1(-pieces * by_piece), np.float64)
