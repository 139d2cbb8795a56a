"""Customer value: how often users come back (BG/NBD) and what an order of theirs is worth (gamma-gamma).

Fader, Hardie and Lee 2005. While a user is there, order days come at a rate of the user's own, gamma over users; after
each the user leaves for good with a chance of the user's own, beta over users. What an order is worth scatters by a
gamma around the user's own mean, whose rate is gamma over users. Parameters are those that make the data likeliest,
found on counts of equal rows, of which there are as few for millions of users as for thousands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1

from promo_spark.learners.tables import Floats

_STEPS = 2000


@dataclass(frozen=True)
class OrderGroups:
    """One row per group of users with equal history, and how many users they are.

    Order days after the first; weeks from the first to the last of them, and to the date.
    """

    frequency: Floats
    recency: Floats
    age: Floats
    users: Floats


@dataclass(frozen=True)
class OrderModel:
    """BG/NBD: shape and rate of the gamma of order rates per week, and the two of the beta of leaving."""

    r: float
    alpha: float
    a: float
    b: float

    def alive(self, frequency: Floats, recency: Floats, age: Floats) -> Floats:
        """The chance that a user with such a history is still there.

        >>> OrderModel(0.243, 4.414, 0.793, 2.426).alive(np.array([0.0]), np.array([0.0]), np.array([30.0])).tolist()
        [1.0]
        """
        x = np.maximum(frequency, 1.0)
        log_gone = np.log(self.a / (self.b + x - 1)) + (self.r + x) * np.log(
            (self.alpha + age) / (self.alpha + recency)
        )
        return np.where(frequency > 0, 1 / (1 + np.exp(np.minimum(log_gone, 700.0))), 1.0)

    def expected_orders(self, frequency: Floats, recency: Floats, age: Floats, weeks: float) -> Floats:
        """Order days expected within so many weeks: the paper's formula 10.

        >>> of_paper = OrderModel(0.243, 4.414, 0.793, 2.426)  # the paper's CDNOW customer with two repeats: 1.226
        >>> of_paper.expected_orders(np.array([2.0]), np.array([30.43]), np.array([38.86]), 39.0).round(3).tolist()
        [1.226]
        """
        x, r, alpha, a, b = frequency, self.r, self.alpha, self.a, self.b
        far = (alpha + age) / (alpha + age + weeks)
        whole = 1 - far ** (r + x) * _hypergeometric(r + x, b + x, a + b + x - 1, weeks / (alpha + age + weeks))
        given = (a + b + x - 1) / (a - 1) * whole
        orders: Floats = given * self.alive(frequency, recency, age)
        return orders


@dataclass(frozen=True)
class WorthModel:
    """Gamma-gamma: the shapes p and q and the scale of what an order is worth."""

    p: float
    q: float
    scale: float

    def expected_worth(self, orders: Floats, mean: Floats) -> Floats:
        """What a user's next order is worth, from the number of orders and their mean; without any, that of all.

        >>> WorthModel(6.0, 4.0, 15.0).expected_worth(np.array([0.0, 1e9]), np.array([0.0, 50.0])).round(2).tolist()
        [30.0, 50.0]
        """
        weight = self.p * orders / (self.p * orders + self.q - 1)
        worth: Floats = (1 - weight) * self.p * self.scale / (self.q - 1) + weight * mean
        return worth


def fitted_orders(groups: OrderGroups) -> OrderModel:
    """The likeliest parameters, by Nelder and Mead on their logs."""

    def loss(logs: Floats) -> float:
        r, alpha, a, b = np.exp(np.clip(logs, -8, 8))
        return -_order_likelihood(groups, r, alpha, a, b)

    best = _least(loss, np.log(np.array([0.5, 5.0, 1.5, 5.0])))
    r, alpha, a, b = np.exp(np.clip(best, -8, 8))
    return OrderModel(float(r), float(alpha), float(a), float(b))


def fitted_worth(orders: Floats, mean: Floats, users: Floats) -> WorthModel:
    """The likeliest parameters; rows are groups of users with as many orders (1 or more) of the same mean above 0."""
    level = float((mean * users).sum() / users.sum())

    def loss(logs: Floats) -> float:
        p, q, scale = np.exp(np.clip(logs, -10, 12))
        q = q + 1  # the mean of all is finite
        shape = p * orders
        log = _log_gamma(shape + q) - _log_gamma(shape) - _log_gamma(np.array(q)) + q * np.log(scale)
        log = log + (shape - 1) * np.log(mean) + shape * np.log(orders) - (shape + q) * np.log(scale + orders * mean)
        return -float((users * log).sum())

    best = _least(loss, np.log(np.array([4.0, 3.0, level])))
    p, q, scale = np.exp(np.clip(best, -10, 12))
    return WorthModel(float(p), float(q + 1), float(scale))


def _order_likelihood(of: OrderGroups, r: float, alpha: float, a: float, b: float) -> float:
    x = of.frequency
    start = _log_gamma(r + x) - _log_gamma(np.array(r)) + r * np.log(alpha)
    stays = _log_beta(a, b + x) - _log_beta(a, np.array(b)) - (r + x) * np.log(alpha + of.age)
    again = np.maximum(x, 1.0)
    leaves = _log_beta(a + 1, b + again - 1) - _log_beta(a, np.array(b)) - (r + again) * np.log(alpha + of.recency)
    log = start + np.where(x > 0, np.logaddexp(stays, leaves), stays)
    return float((of.users * log).sum())


def _log_gamma(x: Floats) -> Floats:
    return np.asarray(gammaln(x), np.float64)


def _log_beta(a: float, b: Floats) -> Floats:
    return _log_gamma(np.array(a)) + _log_gamma(b) - _log_gamma(a + b)


def _hypergeometric(a: Floats, b: Floats, c: Floats, z: Floats) -> Floats:
    return np.asarray(hyp2f1(a, b, c, z), np.float64)


def _least(loss: Callable[[Floats], float], start: Floats) -> Floats:
    found = minimize(loss, start, method="Nelder-Mead", options={"maxiter": _STEPS, "xatol": 1e-6, "fatol": 1e-6})
    return np.asarray(found.x, np.float64)
