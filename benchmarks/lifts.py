"""How many more pieces an offer on a product sells than its visits hold, put together from what is known beforehand.

A lower price, by the elasticity of the product's category as the shelf's promotions show it (the job elasticity); and
what the message brings to mind, by what earlier messages brought the user to buy. Few numbers are left for the week of
random offers to say, each with a prior: how much of a saving is felt as a lower price, how much is brought to mind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from elasticity import Sales, first_pass, product_week_rows
from learned import Offered
from scipy.optimize import minimize
from seen import Seen

from promo_spark.models.elasticity.frames import ProductWeek
from promo_spark.settings import load
from promo_spark.worlds import response
from promo_spark.worlds.streams import Floats, Ints

_WEEK = 7
_LARGEST = 0.9  # saving
_RARE = 1e-3  # pieces a week: fewer are not told apart
_FELT = np.where(response.AT_THE_TILL, 1.0, 0.5)  # of a saving, before the evidence; of a bundle's, by both together
_PIECES = 1.2  # of a product in a basket that holds it
_BASKETS = 20.0  # with both products, by which what is seen is drawn to chance
_SAID = 0.7  # of what earlier messages brought to mind, before the evidence
_SATED = 0.5
_SPREADS = np.array([0.2, 0.5, 0.25, 0.15])  # of what is felt, of the log of what is said, of sated, of levels' logs


@dataclass(frozen=True)
class Usual:
    """One row per offer: pieces of its products that its visits hold without it, and what the user is like."""

    first: Floats
    second: Floats
    mention: Floats  # the user's: log of the factor on lines that messages bring to mind, per unit of the rise
    rise: Floats  # of the saving, by the effects on visits
    visits: Floats


@dataclass(frozen=True)
class Sold:
    """One row per offer: pieces of its products."""

    first: Floats
    second: Floats
    together: Floats  # of the first, bought with the second; of bundles


@dataclass(frozen=True)
class Lifts:
    """`elasticity`: by product, above 0; the others by mechanic."""

    elasticity: Floats
    felt: Floats
    said: float
    sated: float  # 0: pieces are multiplied, however many; 1: the odds that a visit holds the product are
    level: Floats
    together: float  # how much more often two products of a user are in one basket than by chance

    def sold(self, offer: Offered, usual: Usual) -> Sold:
        most = np.maximum(_PIECES * usual.visits, 1e-9)
        brought = np.clip(usual.mention * usual.rise, -3.0, 3.0)
        put_off = np.exp(np.minimum(brought, 0.0))
        told = 1 + self.said * np.expm1(brought)
        cheaper = [
            self._cheaper(offer, product, np.minimum(pieces / most, 1.0))
            for pieces, product in ((usual.first, offer.product), (usual.second, offer.second))
        ]
        bundle, has = offer.mechanic == response.BUNDLE, offer.mechanic >= 0
        # a bundle's products are cheaper only together: it sells where both are wanted so
        pieces = (usual.first, usual.second)
        offered = [-np.expm1(-p / most * c * told) for p, c in zip(pieces, cheaper, strict=True)]
        anyway = [-np.expm1(-p / most) for p in pieces]
        both = np.maximum(offered[0] * offered[1] - anyway[0] * anyway[1], 0.0) * usual.visits
        first = usual.first * np.where(bundle, put_off, cheaper[0] * (put_off + np.maximum(told - 1, 0.0)))
        first = np.where(has, first + np.where(bundle, both, 0.0), usual.first)
        second = np.where(bundle, usual.second * put_off + both, usual.second)
        by_chance = usual.first * np.minimum(self.together * -np.expm1(-usual.second / most), 1.0)
        return Sold(first, second, by_chance + both)

    def _cheaper(self, offer: Offered, product: Ints, held: Floats) -> Floats:
        """Factor on pieces at the lower price. `held`: the share of visits that hold it anyway, 1 at most."""
        mechanic = np.maximum(offer.mechanic, 0)
        lower = -np.log1p(-np.minimum(offer.saving, _LARGEST)) * self.elasticity[np.maximum(product, 0)]
        factor = np.exp(self.felt[mechanic] * lower + self.level[mechanic])
        factor = factor / (1 + self.sated * held * (factor - 1))
        return np.where((offer.mechanic >= 0) & (product >= 0), factor, 1.0)


def fitted_lifts(
    elasticity: Floats, together: float, offer: Offered, usual: Usual, pieces: tuple[Floats, Floats]
) -> Lifts:
    """The lifts that make the pieces sold of the offers' products likeliest, under the priors."""
    count = len(response.NAMES)

    def lifts(of: Floats) -> Lifts:
        return Lifts(elasticity, of[:count], float(np.exp(of[count])), of[count + 1], of[count + 2 :], together)

    def unlikely(of: Floats) -> float:
        sold, total = lifts(of).sold(offer, usual), 0.0
        for told, had, seen in ((sold.first, usual.first, pieces[0]), (sold.second, usual.second, pieces[1])):
            mean = np.maximum(told, _RARE)
            weight = np.where(had > 0, 1 / (1 + had), 0.0)  # large counts scatter more than Poisson's
            total += float((weight * (mean - seen * np.log(mean))).sum())
        prior = (((of - usually) / spreads) ** 2).sum()
        return total + float(prior) / 2

    usually = np.r_[_FELT, np.log(_SAID), _SATED, np.zeros(count)]
    spreads = np.repeat(_SPREADS, (count, 1, 1, count))
    bounds = [*[(0.0, 2.0)] * count, (None, None), (0.0, 1.0), *[(None, None)] * count]
    return lifts(minimize(unlikely, usually, method="L-BFGS-B", bounds=bounds).x)


def baskets_together(seen: Seen, offer: Offered) -> float:
    """How much more often the two products of bundles were in one of their user's baskets than by chance."""
    bought, start = seen.of.purchases, seen.of.spec.days
    before, span = bought.day < start, seen.shop.products
    held = np.unique(bought.order[before] * span + bought.product[before])
    owner = np.zeros(int(bought.order.max()) + 1, np.int64)
    owner[bought.order] = bought.user
    order, product = np.divmod(held, span)
    baskets = np.bincount(owner[np.unique(order)], minlength=seen.of.users)
    rows = np.flatnonzero(offer.second >= 0)
    user, second = offer.user[rows], offer.second[rows]
    of_first, of_second = (
        np.isin(owner[order] * span + product, user * span + one) for one in (offer.product[rows], second)
    )
    first_user, number = np.unique(user, return_index=True)
    partner = np.full(seen.of.users, -1)
    partner[first_user] = second[number]
    wanted = order[of_first] * span + partner[owner[order[of_first]]]
    both = np.isin(wanted, held)
    times = [np.bincount(owner[order[which]], minlength=seen.of.users) for which in (of_first, of_second)]
    expected = times[0] * times[1] / np.maximum(baskets, 1)
    return float((both.sum() + _BASKETS) / (expected.sum() + _BASKETS))


def shelf_elasticities(seen: Seen) -> Floats:
    """By product, that of its category, by the job's own functions from what was sold at which shelf prices."""
    shop, bought, weeks = seen.shop, seen.of.purchases, seen.of.spec.days // _WEEK
    rows = bought.day < weeks * _WEEK
    key = bought.product[rows] * weeks + bought.day[rows] // _WEEK

    def summed(values: Floats) -> Floats:
        of_week: Floats = np.bincount(key, values[rows], shop.products * weeks).astype(np.float64)
        return of_week.reshape(shop.products, weeks, 1)

    sales = Sales(
        units=summed(bought.units.astype(np.float64)),
        listed=summed(bought.listed * 100),
        shelf=summed((bought.listed - bought.reduced) * 100),
        orders=np.zeros(weeks * _WEEK),
        natural=np.zeros((shop.products, 0)),
    )
    groups = [group for _, group in product_week_rows(seen.of.spec, sales).groupby(ProductWeek.category)]
    _, pool, about = first_pass(groups, weeks, load("reference", []).elasticity)
    by_category = [about.get(name, float(pool.mean[0])) for name in shop.category_names]
    of_product: Floats = np.maximum(np.array(by_category), 0.0)[shop.category]
    return of_product
