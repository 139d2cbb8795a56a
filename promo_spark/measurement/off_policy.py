"""What another policy would have brought, from decisions that chance made with known probabilities.

Each row is a user of the explore arm: what was drawn and with which probability, what came of it, and how likely the
other policy would have done the same. Rows that the other policy would never have chosen say nothing of it; how many
users' worth of evidence is left is the effective number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEAST = 200.0  # effective users, below which no value is told


@dataclass(frozen=True)
class Logged:
    """One row per logged decision. Of what was expected beforehand 0 where nothing is known.

    `policy`: the probability with which the other policy would have chosen what was drawn.
    """

    outcome: Floats
    propensity: Floats  # with which it was drawn, above 0
    policy: Floats
    expected: Floats  # outcome of what was drawn, as a model told before
    expected_of_policy: Floats  # mean outcome of what the policy would choose, by the same model


@dataclass(frozen=True)
class PolicyValue:
    """The mean outcome per user, its standard error, and how many users' worth of evidence it rests on."""

    estimate: float
    error: float
    effective: float


def value_by_snips(of: Logged) -> PolicyValue | None:
    """By self-normalised weights (Swaminathan and Joachims 2015) of what was not expected, plus what was.

    None: fewer than LEAST effective users, (Σw)² / Σw² for w = policy / propensity.
    """
    weight, effective = _weights(of)
    if effective < LEAST:
        return None
    rest = of.outcome - of.expected
    mean = float(weight @ rest / weight.sum())
    own = weight * (rest - mean) / weight.mean() + of.expected_of_policy
    return PolicyValue(mean + float(of.expected_of_policy.mean()), _error(own), effective)


def value_by_doubly_robust(of: Logged) -> PolicyValue | None:
    """What the model expects of the policy, plus its weighted errors on what was drawn (Dudík et al. 2014).

    Right if the probabilities are, however wrong the model; the better the model, the smaller the error. None as in
    `value_by_snips`.
    """
    weight, effective = _weights(of)
    if effective < LEAST:
        return None
    own = of.expected_of_policy + weight * (of.outcome - of.expected)
    return PolicyValue(float(own.mean()), _error(own), effective)


def _weights(of: Logged) -> tuple[Floats, float]:
    """What each row counts, and how many users' worth of evidence that is: as many as would give it with equal weights.

    >>> one = np.ones(2)
    >>> policies = one, np.array([1.0, 0.0]), 0 * one
    >>> [_weights(Logged(one, one / 2, policy, one, one))[1] for policy in policies]
    [2.0, 1.0, 0.0]
    """
    weight = of.policy / of.propensity
    squares = float(weight @ weight)
    return weight, float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def _error(own: Floats) -> float:
    return float(own.std(ddof=1) / np.sqrt(len(own)))
