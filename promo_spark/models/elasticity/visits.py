"""What mailers bring besides: visits, and all that they buy. From the orders of each day.

Log of expected orders = a curve over the days + weekday + campaigns + halo × share of usual sales that the week's
mailer holds. Campaigns move visits too: between two changes of who is in one, weeks are compared with one another
only. Days far off their weekday's usual, such as those before a festival, do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promo_spark.models.elasticity.regression import Floats

WEEK = 7
_CURVE = 3  # degree of the curve over the days
_OUTLYING = 3.0  # median absolute residuals, as a standard deviation, from which on a day does not count
_AROUND, _LEAST_AWAY = 3, 0.01  # weeks on either side; logs
_ROUNDS, _STEPS, _RIDGE = 3, 12, 1e-3
_FEWEST = 0.5  # orders of a day, for its log
_LEAST_FREE = 14  # days beyond the effects
_NORMAL = 1.4826  # standard deviation of a normal over its median absolute deviation


@dataclass(frozen=True)
class Halo:
    """Log of the factor on all visits if the mailer held all that is usually sold, and its standard error."""

    effect: float
    error: float

    @property
    def told(self) -> bool:
        """Whether it is told apart from nothing: at least two standard errors away from it."""
        return abs(self.effect) >= 2 * self.error


def halo_of_mailers(orders: Floats, mailed: Floats, changes: Sequence[int] = ()) -> Halo | None:
    """`orders` per day; `mailed` per week: share of usual sales; `changes`: days on which campaigns change.

    None: not measurable, since no week's mailer differs from another's under the same campaigns, or the days are few.

    >>> mailed = np.tile([0.0, 0.1, 0.2], 4)
    >>> orders = 1000 * np.exp(0.5 * np.repeat(mailed, 7)) * np.tile([1, 1, 1, 1, 1.2, 1.5, 1.3], 12)
    >>> halo = halo_of_mailers(orders, mailed)
    >>> round(halo.effect, 2), halo.error < 0.01
    (0.5, True)
    >>> halo_of_mailers(orders, mailed, changes=range(0, 84, 7)) is None
    True
    """
    design = _design(len(orders), mailed, changes)
    if np.linalg.matrix_rank(design) == np.linalg.matrix_rank(design[:, 1:]):
        return None
    counted = _like_their_weekdays(orders)
    for _ in range(_ROUNDS):
        if counted.sum() - design.shape[1] < _LEAST_FREE:
            return None
        effects, expected, inverted = _poisson(design, orders, counted)
        counted = _near(np.log(np.maximum(orders, _FEWEST) / expected), counted > 0)
    if counted.sum() - design.shape[1] < _LEAST_FREE:
        return None
    effects, expected, inverted = _poisson(design, orders, counted)
    pull = design @ inverted[:, 0] * (orders - expected) * counted
    free = max(counted.sum() - design.shape[1], 1.0)
    by_day = (pull**2).sum() * counted.sum() / free
    by_week = np.bincount(np.arange(len(orders)) // WEEK, pull)
    free_weeks = max(len(by_week) - (design.shape[1] - (WEEK - 1)), 1)
    alike = (by_week**2).sum() * len(by_week) / free_weeks  # if the days of a week err together
    return Halo(float(effects[0]), float(np.sqrt(max(by_day, alike))))


def _like_their_weekdays(orders: Floats) -> Floats:
    """1 for days that are like the same weekdays of the weeks around them, 0 for festivals and gaps in the data."""
    logs = np.log(np.maximum(orders, _FEWEST))
    around = np.full((2 * _AROUND + 1, len(orders)), np.nan)
    for place, weeks in enumerate(range(-_AROUND, _AROUND + 1)):
        shifted = np.arange(len(orders)) + weeks * WEEK
        inside = (shifted >= 0) & (shifted < len(orders))
        around[place, inside] = logs[shifted[inside]]
    return _near(logs - np.nanmedian(around, axis=0), np.ones(len(orders), bool))


def _near(away: Floats, among: npt.NDArray[np.bool_]) -> Floats:
    """1 for days whose log is not OUTLYING, by the spread of those among which they count."""
    usual = _NORMAL * float(np.median(np.abs(away[among])))
    near: Floats = (np.abs(away) <= _OUTLYING * max(usual, _LEAST_AWAY)).astype(np.float64)
    return near


def _design(days: int, mailed: Floats, changes: Sequence[int]) -> Floats:
    """Day × effect: the mailer first."""
    day = np.arange(days)
    along = day / days * 2 - 1
    spans = np.searchsorted(np.unique([c for c in changes if 0 < c < days]), day, side="right")
    columns = [mailed[day // WEEK], *(along**k for k in range(_CURVE + 1))]
    columns += [(day % WEEK == k).astype(np.float64) for k in range(1, WEEK)]
    columns += [(spans == k).astype(np.float64) for k in range(1, int(spans.max(initial=0)) + 1)]
    return np.column_stack(columns)


def _poisson(design: Floats, orders: Floats, counted: Floats) -> tuple[Floats, Floats, Floats]:
    effects = np.zeros(design.shape[1])
    effects[1] = np.log(max(float(orders.mean()), 1e-9))
    ridge = np.where(np.arange(design.shape[1]) > 1, _RIDGE, 0.0)
    ridge[0] = 1e-9
    for _ in range(_STEPS):
        expected = np.exp(np.minimum(design @ effects, 30.0))
        inverted = np.linalg.inv(design.T @ ((counted * expected)[:, None] * design) + np.diag(ridge))
        step = inverted @ (design.T @ (counted * (orders - expected)) - ridge * effects)
        effects = effects + step * min(1.0, 1.0 / max(np.abs(step).max(), 1e-9))
    return effects, np.exp(np.minimum(design @ effects, 30.0)), inverted
