"""What a policy would bring beyond no offers at all, from decisions that chance made with known probabilities.

Each user of the explore arm drew one of what could be offered, or none. Weighted by 1 / its probability, those who drew
what the policy would have done stand for all, and so do those who drew none. What a model told before takes out what it
explains. Rows that neither would have chosen say nothing; how many users' worth of evidence is left is the effective
number.

Moments of users, summed over the decisions of each: contexts (decisions), weight_policy and weight_none, rest_policy
and rest_none (weight × (outcome − what was told of it before)), told (of what the policy would do, beyond none).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from promo_spark.measurement.moments import Moments

CONTEXTS, TOLD = "contexts", "told"
WEIGHTS = ("weight_policy", "weight_none")
RESTS = ("rest_policy", "rest_none")


@dataclass(frozen=True)
class PolicyValue:
    """What the policy brings per decision beyond none, its error, and the effective number of its weaker side."""

    estimate: float
    error: float
    effective: float


def value_by_snips(of: Moments) -> PolicyValue:
    """By self-normalised weights (Swaminathan and Joachims 2015) of what was not told, plus what was.

    The value is NaN where one side has no evidence at all: see `effective`.
    """
    sums = dict(zip(of.names, of.sums, strict=True))
    parts = {TOLD: 1 / sums[CONTEXTS], CONTEXTS: -sums[TOLD] / sums[CONTEXTS] ** 2}
    estimate = sums[TOLD] / sums[CONTEXTS]
    for sign, weight, rest in ((1, WEIGHTS[0], RESTS[0]), (-1, WEIGHTS[1], RESTS[1])):
        if sums[weight] <= 0:
            return PolicyValue(math.nan, math.nan, 0.0)
        mean = sums[rest] / sums[weight]
        estimate += sign * mean
        parts |= {rest: sign / sums[weight], weight: -sign * mean / sums[weight]}
    return PolicyValue(float(estimate), _error(of, parts), effective(of))


def value_by_doubly_robust(of: Moments) -> PolicyValue:
    """What the model tells of the policy, plus its weighted errors on what was drawn (Dudík et al. 2014).

    Right if the probabilities are, however wrong the model; the better the model, the smaller the error.
    """
    sums = dict(zip(of.names, of.sums, strict=True))
    estimate = (sums[TOLD] + sums[RESTS[0]] - sums[RESTS[1]]) / sums[CONTEXTS]
    each = 1 / sums[CONTEXTS]
    parts = {TOLD: each, RESTS[0]: each, RESTS[1]: -each, CONTEXTS: -estimate / sums[CONTEXTS]}
    return PolicyValue(float(estimate), _error(of, parts), effective(of))


def effective(of: Moments) -> float:
    """How many users' worth of evidence there is of the side that has less: (Σw)² / Σw².

    >>> from promo_spark.measurement.moments import moments_of_arrays
    >>> of = moments_of_arrays({"weight_policy": [2, 0, 0, 2], "weight_none": [0, 4, 0, 0]})
    >>> effective(of)  # two users drew what the policy would do, one drew none
    1.0
    """
    found = []
    for weight in WEIGHTS:
        at = of.names.index(weight)
        squares = float(of.products[at, at])
        found.append(float(of.sums[at]) ** 2 / squares if squares > 0 else 0.0)
    return min(found)


def _error(of: Moments, parts: dict[str, float]) -> float:
    """The standard error of a sum over users of figures with these weights, whose mean is 0."""
    if of.users < 2:
        return math.nan
    weights = of.weights(parts)
    return math.sqrt(max(float(weights @ of.products @ weights), 0.0) * of.users / (of.users - 1))
