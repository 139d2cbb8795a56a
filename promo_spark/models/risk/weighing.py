"""What all signals say together: how many times likelier what is seen is of a cheat than of a customer.

Each signal comes as the chance that an honest account shows as much. It is turned into a factor whose mean over
honest accounts is at most 1 (an e-value: Vovk and Wang 2021), and factors of independent groups of signals are
multiplied. The mean of the product stays at most 1, so by Markov's inequality at most one honest account in n comes
to a factor of n or more, whatever the distribution: thresholds follow from how many false alarms are borne, not from
data of cheats.

- No factor is larger than 1 / `innocent_share`: of honest accounts so many look as bad as can be by one signal for a
  reason of their own, such as work by night.
- A signal counts half: cheats do not show all signals. One that cannot be measured leaves the rest as they are.
- Cheats are of several kinds. The factor is the mean of those of each kind, so that what speaks against a ring is not
  weakened by what only lone accounts do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promo_spark.contracts.risk import GROUPS, SIGNAL_GROUPS
from promo_spark.contracts.vocabulary import RISK_TIERS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KINDS = {
    "ring": ("sharing", "opening", "coordination", "coupons", "hours"),
    "fake orders": ("returns", "repetition", "hours", "bursts"),
    "unusual": ("outlier",),
}
SPEAKS = 10.0  # a group speaks against an account from this factor on
_DERIVED = "outlier"  # is made of the other signals, so it is no second one beside them
_FIGURES = 12


@dataclass(frozen=True)
class Weighed:
    """By account: probability, tier (a place in RISK_TIERS), groups that speak against it, the factor of each group."""

    score: Floats
    tier: Ints
    independent: Ints
    factors: dict[str, Floats]


@dataclass(frozen=True)
class Thresholds:
    """The prior share of cheats, the share of honest ones that look as bad as can be, and the lowest score of tiers."""

    prior: float
    innocent: float
    scores: tuple[float, float, float]  # medium, high, blocked


def factor(chance: Floats, innocent: float) -> Floats:
    """How many times likelier a cheat shows what an honest account shows with this chance. NaN: 1, it says nothing.

    The calibrator (1 − p + p ln p) / (p ln² p) of Vovk and Wang; its mean is 1 where p is uniform.

    >>> factor(np.array([1.0, 0.01, 1e-9, np.nan]), innocent=0.01).round(2).tolist()
    [0.5, 4.45, 100.0, 1.0]
    """
    p = np.clip(chance, 1e-300, 1 - 1e-6)
    log_p = np.log(p)
    raw = (1 - p + p * log_p) / (p * log_p**2)
    return np.where(np.isnan(chance), 1.0, np.minimum(raw, 1 / innocent))


def of_group(chances: list[Floats]) -> Floats:
    """The chance of the most telling of several dependent signals, times how many were measured (Bonferroni).

    >>> of_group([np.array([0.01, np.nan]), np.array([0.5, np.nan])]).tolist()
    [0.02, nan]
    """
    every = np.stack(chances)
    measured = (~np.isnan(every)).sum(axis=0)
    least = np.where(np.isnan(every), np.inf, every).min(axis=0)
    return np.where(measured > 0, np.minimum(np.where(measured > 0, least, 1.0) * measured, 1.0), np.nan)


def weighed(chances: Mapping[str, Floats], thresholds: Thresholds) -> Weighed:
    """The signals of accounts → what they say together.

    One signal, however strong, flags nobody; two that are independent suspend.

    >>> at = Thresholds(0.001, 0.003, (0.2, 0.55, 0.9))
    >>> one = weighed({"quiet_hours": np.array([1e-9])}, at)
    >>> two = weighed({"quiet_hours": np.array([1e-9]), "returned_at_once": np.array([1e-9])}, at)
    >>> RISK_TIERS[one.tier[0]], RISK_TIERS[two.tier[0]], two.independent.tolist()
    ('low', 'blocked', [2])
    """
    rows = len(next(iter(chances.values())))
    factors = {}
    for group in GROUPS:
        of = [chances[name] for name, own in SIGNAL_GROUPS.items() if own == group and name in chances]
        factors[group] = factor(of_group(of) if of else np.full(rows, np.nan), thresholds.innocent)
    against = np.zeros(rows)
    for groups in KINDS.values():
        against += np.prod([(1 + factors[group]) / 2 for group in groups], axis=0) / len(KINDS)
    odds = against * thresholds.prior / (1 - thresholds.prior)
    score = np.round(odds / (1 + odds), _FIGURES)
    speaking = np.sum([factors[group] >= SPEAKS for group in GROUPS if group != _DERIVED], axis=0)
    tier = np.searchsorted(np.array(thresholds.scores), score, side="right").astype(np.int64)
    tier = np.where((tier == len(RISK_TIERS) - 1) & (speaking < 2), tier - 1, tier)
    return Weighed(score, tier, speaking.astype(np.int64), factors)
