"""What a policy would have brought beyond no offers: played worlds whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from promo_spark.measurement.moments import Moments, moments_of_arrays
from promo_spark.measurement.off_policy import PolicyValue, value_by_doubly_robust, value_by_snips

ACTIONS = 4
TRUE = np.array([0.0, 0.5, 1.0, -0.5])  # what each action adds to the mean of a user; the first is none
Estimator = Callable[[Moments], PolicyValue]


def played(draw: np.random.Generator, n: int, model: str) -> tuple[Moments, float]:
    """Users with a level of their own and any of some feasible actions drawn; the policy takes the best of these.

    `model`: what was told beforehand: nothing, the level alone, or the level and twice the effect, which is wrong.
    Returns the moments, and what the policy brings on average.
    """
    level = draw.gamma(2.0, 2.0, n)
    feasible = draw.random((n, ACTIONS)) < 0.7
    feasible[:, 0] = True  # nothing can always be chosen
    count = feasible.sum(axis=1)
    drawn = np.where(feasible, draw.random((n, ACTIONS)), -1.0).argmax(axis=1)
    best = np.where(feasible, TRUE, -9.0).argmax(axis=1)
    outcome = level + TRUE[drawn] + draw.normal(0.0, 2.0, n)
    of_level, of_effect = {"none": (0.0, 0.0), "level": (1.0, 0.0), "wrong": (1.0, 2.0)}[model]
    of_policy, of_none = count * (drawn == best), count * (drawn == 0)
    rest = outcome - of_level * level
    of = moments_of_arrays(
        {
            "contexts": np.ones(n),
            "weight_policy": of_policy,
            "weight_none": of_none,
            "rest_policy": of_policy * (rest - of_effect * TRUE[drawn]),
            "rest_none": of_none * rest,
            "told": of_effect * TRUE[best],
        }
    )
    return of, float(TRUE[best].mean())


def mean_of_best() -> float:
    """Of the actions beside none each is feasible with 0.7: 1 where the best is, else 0.5, else 0."""
    return 0.7 * 1.0 + 0.3 * 0.7 * 0.5


@pytest.mark.parametrize("estimator", [value_by_snips, value_by_doubly_robust])
@pytest.mark.parametrize("model", ["none", "level", "wrong"])
def test_the_value_is_right_on_average_and_its_error_covers_the_truth(estimator: Estimator, model: str) -> None:
    """L07: 95 % of 600 intervals cover what the policy brings, ± 2.7 (three errors)."""
    draw, truth = np.random.default_rng(7), mean_of_best()
    told = [estimator(played(draw, 1_500, model)[0]) for _ in range(600)]
    estimates = [value.estimate for value in told]
    assert np.mean(estimates) == pytest.approx(truth, abs=4 * np.std(estimates) / np.sqrt(600))
    covered = np.mean([abs(value.estimate - truth) <= 1.96 * value.error for value in told])
    assert abs(covered - 0.95) < 0.027


def test_a_model_of_the_level_makes_errors_smaller() -> None:
    """The level has a variance of 8, the rest one of 4."""
    errors = {
        model: value_by_doubly_robust(played(np.random.default_rng(8), 20_000, model)[0]).error
        for model in ("none", "level")
    }
    assert errors["level"] < 0.75 * errors["none"]


def test_a_user_explored_twice_is_one_user() -> None:
    """The same decisions, all of them doubled within their users: the error stays as it was."""
    of, _ = played(np.random.default_rng(9), 5_000, "level")
    twice = Moments(of.users, of.names, 2 * of.sums, 4 * of.products)
    for estimator in (value_by_snips, value_by_doubly_robust):
        assert estimator(twice).estimate == pytest.approx(estimator(of).estimate)
        assert estimator(twice).error == pytest.approx(estimator(of).error)


def test_without_evidence_of_one_side_nothing_is_told() -> None:
    of = moments_of_arrays(
        {name: np.ones(3) for name in ("contexts", "weight_policy", "rest_policy", "rest_none", "told")}
        | {"weight_none": np.zeros(3)}
    )
    assert value_by_snips(of).effective == value_by_doubly_robust(of).effective == 0.0
    assert np.isnan(value_by_snips(of).estimate)
