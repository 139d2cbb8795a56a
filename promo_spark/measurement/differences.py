"""What the treated did beyond the others, per user, and how sure that is; from moments of the users of each arm.

Every user of an arm counts, whether the offer was seen or not (intent to treat). Figures from before the test, such
as earlier spend (CUPED, Deng et al. 2013) or a forecast made before it (CUPAC, Tang et al. 2020), take out what of the
outcome they explain: the difference stays what it is on average, its error shrinks by √(1 − R²).

A mean is a sum of a figure over a sum of what it is counted per: users; orders, for margin per order; or weights, of
users whom chance did not choose all alike. Users are drawn, not orders, so the error is by the delta method (Deng,
Knoblich and Lu 2018): that of Σ (figure − mean × count) over users.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from promo_spark.measurement.moments import Floats, Moments

_SAME: Final = 1e-9  # share of its variance that a covariate must have beyond the others


@dataclass(frozen=True)
class Difference:
    """The difference of two means, its standard error, and the mean of the control.

    `explained`: share of the variance that covariates took out.
    """

    estimate: float
    error: float
    control: float
    explained: float = 0.0


def difference(
    treated: Moments, control: Moments, figure: Mapping[str, float], *, per: str, covariates: Sequence[str] = ()
) -> Difference | None:
    """Treated less control, of Σ figure / Σ per; None: an arm has fewer than two users, or nothing to count per.

    `figure`: a figure by name, or a sum of several with the weight of each. The arms' variances may differ (Welch);
    what an outcome changes with a covariate is taken as the same in both.

    Outcomes 3 and 5 against 1 and 2:

    >>> from promo_spark.measurement.moments import moments_of_arrays
    >>> one, two = {"one": [1, 1], "y": [3, 5], "x": [2, 4]}, {"one": [1, 1], "y": [1, 2], "x": [1, 2]}
    >>> arms = moments_of_arrays(one), moments_of_arrays(two)
    >>> told = difference(*arms, {"y": 1.0}, per="one")
    >>> (told.estimate, round(told.error, 4), told.control)  # variances 2 and 0.5: √(2 / 2 + 0.5 / 2)
    (2.5, 1.118, 1.5)

    Where x tells y but for a constant, nothing is left to chance. 3 = 2 + 1, 5 = 4 + 1; 1 = 1 + 0, 2 = 2 + 0:

    >>> told = difference(*arms, {"y": 1.0}, per="one", covariates=["x"])
    >>> (round(told.estimate, 6), round(told.error, 6), round(told.explained, 6))
    (1.0, 0.0, 1.0)
    """
    arms = (treated, control)
    count = [arm.weights({per: 1.0}) for arm in arms]
    totals = [float(weights @ arm.sums) for weights, arm in zip(count, arms, strict=True)]
    if min(treated.users, control.users) < 2 or min(totals) <= 0:
        return None
    outcome = [
        _around_mean(arm, arm.weights(figure), of, total) for arm, of, total in zip(arms, count, totals, strict=True)
    ]
    known = [
        [_around_mean(arm, arm.weights({name: 1.0}), of, total) for name in covariates]
        for arm, of, total in zip(arms, count, totals, strict=True)
    ]
    slopes = _slopes(arms, [weights for _, weights in outcome], [[w for _, w in one] for one in known])
    means, variance, unadjusted = [], 0.0, 0.0
    for arm, (mean, weights), of_arm, total in zip(arms, outcome, known, totals, strict=True):
        left = weights - sum(
            (slope * own for slope, (_, own) in zip(slopes, of_arm, strict=True)), np.zeros_like(weights)
        )
        means.append(mean - sum(slope * level for slope, (level, _) in zip(slopes, of_arm, strict=True)))
        scale = arm.users / (arm.users - 1) / total**2
        variance += max(float(left @ arm.products @ left), 0.0) * scale
        unadjusted += max(float(weights @ arm.products @ weights), 0.0) * scale
    explained = min(max(1 - variance / unadjusted, 0.0), 1.0) if unadjusted > 0 else 0.0
    return Difference(float(means[0] - means[1]), math.sqrt(variance), outcome[1][0], explained)


def ratio_of_differences(
    treated: Moments,
    control: Moments,
    top: Mapping[str, float],
    bottom: Mapping[str, float],
    *,
    per: str,
    covariates: Sequence[str] = (),
) -> Difference | None:
    """How much of one figure a unit of another brings: the difference of the first over that of the second.

    Covariates are those of the first; it has no mean of the control.

    None: as in `difference`, or the second is not above 0 for sure, when anything could come of it.

    Treated have a margin of 3 and 5 more than the others' 0 and 0, and are given 2 and 2: (8 / 2) / (4 / 2):

    >>> from promo_spark.measurement.moments import moments_of_arrays
    >>> one, two = {"one": [1, 1], "m": [3, 5], "g": [2, 2]}, {"one": [1, 1], "m": [0, 0], "g": [0, 0]}
    >>> arms = moments_of_arrays(one), moments_of_arrays(two)
    >>> told = ratio_of_differences(*arms, {"m": 1.0}, {"g": 1.0}, per="one")
    >>> (told.estimate, round(told.error, 4))  # that of m − 2 g, −1 and 1 for the treated: √(2 / 2) / 2
    (2.0, 0.5)
    """
    below = difference(treated, control, bottom, per=per)  # as it is told by itself, so that one is the other's share
    above = difference(treated, control, top, per=per, covariates=covariates)
    if above is None or below is None or below.estimate <= 2 * below.error:
        return None
    ratio = above.estimate / below.estimate
    rest = {name: top.get(name, 0.0) - ratio * bottom.get(name, 0.0) for name in {**top, **bottom}}
    left = difference(treated, control, rest, per=per, covariates=covariates)
    assert left is not None  # as the others are not
    return Difference(ratio, left.error / below.estimate, math.nan, left.explained)


def mean(arm: Moments, figure: Mapping[str, float], *, per: str) -> Difference | None:
    """Σ figure / Σ per of one arm, and its error; None: as in `difference`.

    >>> from promo_spark.measurement.moments import moments_of_arrays
    >>> told = mean(moments_of_arrays({"one": [1, 1], "y": [3, 5]}), {"y": 1.0}, per="one")
    >>> (told.estimate, told.error)
    (4.0, 1.0)
    """
    count = arm.weights({per: 1.0})
    total = float(count @ arm.sums)
    if arm.users < 2 or total <= 0:
        return None
    level, away = _around_mean(arm, arm.weights(figure), count, total)
    variance = max(float(away @ arm.products @ away), 0.0) * arm.users / (arm.users - 1) / total**2
    return Difference(level, math.sqrt(variance), 0.0)


def _around_mean(arm: Moments, figure: Floats, count: Floats, total: float) -> tuple[float, Floats]:
    """The mean of a figure, and the weights of what each user is away from it."""
    mean = float(figure @ arm.sums) / total
    return mean, figure - mean * count


def _slopes(arms: Sequence[Moments], outcome: Sequence[Floats], known: Sequence[Sequence[Floats]]) -> Floats:
    """How much the outcome changes with each covariate, within the arms; 0 for one that the others tell."""
    if not known[0]:
        return np.zeros(0)
    among, with_outcome = np.zeros((len(known[0]), len(known[0]))), np.zeros(len(known[0]))
    for arm, own, of_arm in zip(arms, outcome, known, strict=True):
        away = np.array(of_arm)
        among += away @ arm.products @ away.T
        with_outcome += away @ arm.products @ own
    scale = np.sqrt(np.maximum(np.diag(among), 0.0))
    there = scale > 0
    slopes = np.zeros(len(scale))
    if there.any():
        relative = among[np.ix_(there, there)] / np.outer(scale[there], scale[there])
        slopes[there] = np.linalg.pinv(relative, rcond=_SAME, hermitian=True) @ (with_outcome[there] / scale[there])
        slopes[there] /= scale[there]
    return slopes
