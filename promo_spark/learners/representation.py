"""Whom a model learns from: shares of groups among examples and in the population, and weights that bring them near.

A group of which there are few examples has little say in what is learnt. How far the shares are apart is told by the
population stability index; where it is large, examples count so that groups have the population's shares: by raking
(Deming and Stephan 1940, Ann. Math. Stat. 11), which for a single attribute is share in the population over share of
the examples. The groups give weights; they are no features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promo_spark.contracts.vocabulary import OTHER_GROUPS, UNKNOWN_GROUP
from promo_spark.learners.tables import Floats, Ints
from promo_spark.measures.metric_rows import Figure
from promo_spark.measures.population_stability import population_stability, stability_by_chance

LEAST_MEMBERS = 30  # of a group; smaller ones count together, so that no single user counts for many
MOST_WEIGHT = 5.0  # and its reciprocal: how much more, or less, than the mean example one may count
_ROUNDS = 20
_DECIMALS = 6


@dataclass(frozen=True)
class Groups:
    """The groups by an attribute: their names, and of each user the group's place among them."""

    names: tuple[str, ...]
    of_user: Ints

    @staticmethod
    def of(values: Sequence[str | None]) -> Groups | None:
        """A user's group from the user's value, small groups together; None: there are not two groups.

        >>> groups = Groups.of(["North"] * 40 + ["South"] * 30 + ["Isle", None])
        >>> groups.names, np.bincount(groups.of_user).tolist()
        (('North', 'South', 'other groups'), [40, 30, 2])
        """
        named = np.array([UNKNOWN_GROUP if value is None else value for value in values], object)
        names, counts = np.unique(named.astype(str), return_counts=True)
        large = {str(name) for name, count in zip(names, counts, strict=True) if count >= LEAST_MEMBERS}
        if not large - {UNKNOWN_GROUP}:
            return None
        told = np.array([name if name in large else OTHER_GROUPS for name in named.astype(str)])
        groups, of_user = np.unique(told, return_inverse=True)
        return Groups(tuple(str(name) for name in groups), of_user.astype(np.int64)) if len(groups) > 1 else None

    def counts(self, users: Ints, weight: Floats | None = None) -> Floats:
        """How many of the users are in each group, or the sum of their weights."""
        found: Floats = np.bincount(self.of_user[users], weight, len(self.names)).astype(np.float64)
        return found


@dataclass(frozen=True)
class Representation:
    """Of a model: shares of groups, the index by attribute before and after, and how much each example counts.

    `weight`: None where the examples count as they are.
    """

    model: str
    figures: list[Figure]
    before: Mapping[str, float]
    after: Mapping[str, float]
    weight: Floats | None

    def sentence(self) -> str:
        """What was found and done, where something was; "": the examples are as the population is."""
        if self.weight is None:
            return ""
        each = [f"{a} {self.before[a]:.2f}, now {self.after[a]:.2f}" for a in self.before]
        return (
            f"{self.model}: the examples are not made up as the users are, so they count more or less "
            f"(population stability index by {'; by '.join(each)})"
        )


def representation(
    model: str, attributes: Mapping[str, Groups], *, examples: Ints, population: Ints, above: float
) -> Representation:
    """The examples of a model beside the population, both as numbers of users.

    Where the index by an attribute, less what chance makes of it with so many users, is `above` or more, the examples
    count so that shares by all attributes are near the population's. Nobody in one of the two: nothing is told.
    """
    if not attributes or not len(examples) or not len(population):
        return Representation(model, [], {}, {}, None)
    wanted = {name: groups.counts(population) for name, groups in attributes.items()}
    before = {name: _index(groups, wanted[name], examples) for name, groups in attributes.items()}
    users = len(np.unique(examples)), len(np.unique(population))  # a user has several examples, which are alike
    by_chance = {name: stability_by_chance(len(groups.names), *users) for name, groups in attributes.items()}
    apart = max(before[name] - by_chance[name] for name in attributes) >= above
    weight = _raked(attributes, wanted, examples) if apart else None
    after = {name: _index(groups, wanted[name], examples, weight) for name, groups in attributes.items()}
    figures = []
    for name, groups in attributes.items():
        for metric, counts in (("training_share", groups.counts(examples)), ("population_share", wanted[name])):
            shares = zip(groups.names, counts / counts.sum(), counts, strict=True)
            figures += [_figure(metric, f"{model}:{name}={group}", share, int(n)) for group, share, n in shares]
        figures.append(_figure("training_psi", f"{model}:{name}", before[name], len(examples)))
        figures.append(_figure("training_psi_weighted", f"{model}:{name}", after[name], len(examples)))
    return Representation(model, figures, before, after, weight)


def known_groups(columns: Mapping[str, Sequence[str | None]]) -> dict[str, Groups]:
    """The attributes that tell groups apart, from their values user by user."""
    found = {name: Groups.of(values) for name, values in columns.items()}
    return {name: groups for name, groups in found.items() if groups is not None}


def _index(groups: Groups, wanted: Floats, examples: Ints, weight: Floats | None = None) -> float:
    """Weights do not add up to more examples than there are."""
    return population_stability(wanted.tolist(), groups.counts(examples, weight).tolist())


def _raked(attributes: Mapping[str, Groups], wanted: Mapping[str, Floats], examples: Ints) -> Floats:
    """A weight per example, 1 on average, attribute by attribute in turn brought to the shares that are wanted."""
    weight = np.ones(len(examples))
    for _ in range(_ROUNDS):
        for name, groups in attributes.items():
            share, have = wanted[name] / wanted[name].sum(), groups.counts(examples, weight) / weight.sum()
            factor = np.divide(share, have, out=np.ones(len(share)), where=have > 0)
            weight = weight * factor[groups.of_user[examples]]
            weight = np.clip(weight / weight.mean(), 1 / MOST_WEIGHT, MOST_WEIGHT)
    mean_one: Floats = weight / weight.mean()
    return mean_one


def _figure(metric: str, of: str, value: float, n: int) -> Figure:
    return Figure(metric, of, round(float(value), _DECIMALS), n)
