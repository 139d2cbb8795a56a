"""Classes of users who answer to offers alike, which nobody has named: fitted by EM, a chance per user and class.

A user's class is not seen; its chance depends on what kind of shopper the user is, and the answers of a class are
spread over their grids as the data say, independently of each other. Nothing is said of how many kinds of users there
are: with more classes than kinds some classes become alike. Kamakura and Russell (1989), with concomitant variables as
in Dayton and Macready (1988).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promo_spark.models.uplift.histories import Floats

_SMOOTH = 1.0  # users' worth of belief that a class spreads evenly over a grid
_RIDGE = 5.0  # on the coefficients of the classes' chances


@dataclass(frozen=True)
class LatentClasses:
    """Per class and answer the chance of each grid value; per trait and class a coefficient of the class's logit."""

    spreads: tuple[Floats, ...]  # class × grid value, by answer
    coefficients: Floats  # 1 + trait × class
    mean: Floats  # of the traits
    deviation: Floats

    def chances(self, traits: Floats) -> Floats:
        """User × class: the chance before anything is known of the user's answers."""
        return _softmax(_scaled(traits, self.mean, self.deviation) @ self.coefficients)

    def posterior(self, likelihoods: Sequence[Floats], traits: Floats) -> tuple[Floats, ...]:
        """Per answer user × grid value: the chance of each after what was seen.

        >>> two = LatentClasses((np.array([[0.9, 0.1], [0.1, 0.9]]),), np.zeros((1, 2)), np.zeros(0), np.ones(0))
        >>> seen = np.array([[1.0, 1.0], [0.2, 1.0]])  # of the first user nothing is known
        >>> two.posterior([seen], np.zeros((2, 0)))[0].round(3).tolist()
        [[0.5, 0.5], [0.167, 0.833]]
        """
        parts = [seen @ spread.T for seen, spread in zip(likelihoods, self.spreads, strict=True)]
        joint = self.chances(traits)
        for part in parts:
            joint = joint * part
        joint /= joint.sum(axis=1, keepdims=True)
        return tuple(
            ((joint / part) @ spread) * seen
            for part, spread, seen in zip(parts, self.spreads, likelihoods, strict=True)
        )

    def to_plain(self) -> dict[str, Any]:
        return {
            "spreads": [spread.tolist() for spread in self.spreads],
            "coefficients": self.coefficients.tolist(),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> LatentClasses:
        arrays = {name: np.array(plain[name]) for name in ("coefficients", "mean", "deviation")}
        return LatentClasses(tuple(np.array(spread) for spread in plain["spreads"]), **arrays)


def fitted_classes(
    likelihoods: Sequence[Floats], traits: Floats, *, classes: int = 6, rounds: int = 150
) -> LatentClasses:
    """The classes that make what was seen likeliest, by EM. The rows' order has no part in where it begins.

    At the start the classes lie side by side along the first answer; of the others they know nothing.
    """
    mean, deviation = traits.mean(axis=0), traits.std(axis=0)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    scaled = _scaled(traits, mean, deviation)
    coefficients = np.zeros((scaled.shape[1], classes))
    spreads = [_started(seen.shape[1], classes, along=not place) for place, seen in enumerate(likelihoods)]
    ridge = _RIDGE * np.eye(scaled.shape[1])
    step = 2.0 * np.linalg.inv(0.5 * (scaled.T @ scaled) + ridge)  # Böhning's bound: no step is too long
    for _ in range(rounds):
        chance = _softmax(scaled @ coefficients)
        parts = [seen @ spread.T for seen, spread in zip(likelihoods, spreads, strict=True)]
        joint = chance.copy()
        for part in parts:
            joint *= part
        joint /= joint.sum(axis=1, keepdims=True)
        for place, seen in enumerate(likelihoods):
            count = spreads[place] * ((joint / parts[place]).T @ seen) + _SMOOTH / seen.shape[1]
            spreads[place] = count / count.sum(axis=1, keepdims=True)
        coefficients = coefficients + step @ (scaled.T @ (joint - chance) - _RIDGE * coefficients)
    return LatentClasses(tuple(spreads), coefficients, mean, deviation)


def _started(values: int, classes: int, along: bool) -> Floats:
    """Class × grid value."""
    place = np.arange(values)
    centre = np.linspace(0, values - 1, classes) if along else np.linspace(values - 1, 0, classes)[_mixed(classes)]
    width = values / (classes if along else 2)
    spread = np.exp(-0.5 * ((place - centre[:, None]) / width) ** 2)
    started: Floats = spread / spread.sum(axis=1, keepdims=True)
    return started


def _mixed(classes: int) -> list[int]:
    """An order in which neighbours are far apart, so that no two answers begin hand in hand."""
    return sorted(range(classes), key=lambda number: (number * 0.6180339887) % 1.0)


def _scaled(traits: Floats, mean: Floats, deviation: Floats) -> Floats:
    return np.column_stack([np.ones(len(traits)), (traits - mean) / deviation])


def _softmax(logit: Floats) -> Floats:
    raised = np.exp(logit - logit.max(axis=1, keepdims=True))
    chance: Floats = raised / raised.sum(axis=1, keepdims=True)
    return chance
