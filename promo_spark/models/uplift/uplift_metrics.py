"""How well predicted effects say whom an offer moves, on users whom chance gave the offer or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from promo_spark.models.uplift.effects import Evidence
from promo_spark.models.uplift.histories import Bools, Floats, Ints

_GROUPS = 50  # users in as many groups, each left out once, give the errors
_SPREAD = 2654435761  # a prime: neighbours by number come to different groups


@dataclass(frozen=True)
class Estimate:
    """A figure with its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Judged:
    """One row per randomised user: what was predicted to be the effect of the offer that was, or could have been, got.

    `outcome` is visits; `chance` is the probability of the arm that it came to.
    """

    predicted: Floats
    outcome: Floats
    treated: Bools
    chance: Floats
    user: Ints


def qini(of: Judged) -> Estimate:
    """Area between the gain of offers to those of the highest predicted effects first and of offers by chance.

    Per user, over shares of the users from none to all. 0: no better than chance. The gain is weighted by the arms'
    probabilities (Radcliffe 2007; Sverdrup et al. 2025 for arms with costs); the error is the jackknife's by users.

    >>> score, treated = np.array([2.0, 2.0, 1.0, 1.0]), np.array([True, False, True, False])
    >>> visits = np.array([3.0, 1.0, 1.0, 1.0])  # an offer brings 2 to the first kind of users, 0 to the second
    >>> qini(Judged(score, visits, treated, np.full(4, 0.5), np.arange(4))).value
    0.25
    """
    return _jackknifed(of, _qini)


def calibration_slope(of: Judged) -> Estimate:
    """By how much the effect rises where the predicted one rises by 1: 1 where predictions are as large as effects."""
    return _jackknifed(of, _slope)


def mean_effect(of: Judged) -> Estimate:
    """Extra visits of a user who got an offer; the plain difference of the arms, weighted by their probabilities."""
    return _jackknifed(of, lambda rows: float(_gain(rows).mean()))


def _gain(of: Judged) -> Floats:
    """Per row an unbiased, noisy estimate of the offer's effect; visits are centred, which takes noise away."""
    centred = of.outcome - of.outcome.mean()
    gain: Floats = np.where(of.treated, centred, -centred) / of.chance
    return gain


def _qini(of: Judged) -> float:
    return area_above_chance(of.predicted, _gain(of))


def area_above_chance(predicted: Floats, gain: Floats) -> float:
    """Area between the gain of offers to the highest predicted effects first, and by chance; per user.

    >>> area_above_chance(np.array([3.0, 2.0, 1.0]), np.array([1.0, 0.0, -1.0])).__round__(3)
    0.222
    """
    n = len(predicted)
    _, tie = np.unique(-predicted, return_inverse=True)
    of_tie = np.bincount(tie, gain) / np.bincount(tie)  # rows of one prediction in any order
    order = np.argsort(tie, kind="stable")
    reached = np.cumsum(of_tie[tie[order]]) / n
    return float((reached - gain.mean() * np.arange(1, n + 1) / n).mean())


def _slope(of: Judged) -> float:
    apart = of.predicted - of.predicted.mean()
    spread = float((apart * apart).sum())
    return float((apart * _gain(of)).sum()) / spread if spread > 0 else 0.0


def _jackknifed(of: Judged, figure: Callable[[Judged], float]) -> Estimate:
    """The figure, and its error from leaving out one group of users after the other."""
    if len(of.predicted) < 2:
        return Estimate(0.0, float("nan"))
    group = group_of(of.user)
    left = np.array([figure(_rows(of, group != number)) for number in np.unique(group) if (group != number).any()])
    return Estimate(figure(of), jackknife_error(left))


def group_of(user: Ints) -> Ints:
    """The group of each user, of those that are left out one after the other."""
    group: Ints = ((user * _SPREAD) % 2**32 >> 16) % _GROUPS  # the low bits would put even users together
    return group


def jackknife_error(without: Floats) -> float:
    """Standard error of a figure, of what it is without each group; NaN with one group.

    >>> jackknife_error(np.array([1.0, 3.0]))  # the mean of 3 and 1, each left out once
    1.0
    """
    n = len(without)
    return float(np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())) if n > 1 else float("nan")


def _rows(of: Judged, kept: Bools) -> Judged:
    return Judged(*(getattr(of, name)[kept] for name in Judged.__dataclass_fields__))


def arm_chances(of: Evidence, experiment: Ints) -> Floats:
    """Per row the share of its experiment's rows that came to an offer, or did not, as the row did."""
    treated = of.mechanic >= 0
    share = np.bincount(experiment, treated) / np.maximum(np.bincount(experiment), 1)
    return np.where(treated, share[experiment], 1 - share[experiment])
