"""Classes found in answers whose kinds are planted."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.models.uplift.latent_classes import LatentClasses, fitted_classes

GRID = np.linspace(-2, 2, 9)


def planted(users: int, seed: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Two answers, seen with noise: a third of the users has (1.5, 1), the others (−0.5, −1). The first kind has a
    trait of 1 on average, the others of 0."""
    draw = np.random.default_rng(seed)
    kind = draw.random(users) < 1 / 3
    first = np.where(kind, 1.5, -0.5) + draw.normal(0, 1.0, users)
    second = np.where(kind, 1.0, -1.0) + draw.normal(0, 1.0, users)
    seen = [np.exp(-0.5 * (value[:, None] - GRID) ** 2) for value in (first, second)]
    return seen, (kind + draw.normal(0, 1, users))[:, None], np.where(kind, 1.5, -0.5)


def mean_of_first(classes: LatentClasses, seen: list[np.ndarray], traits: np.ndarray) -> np.ndarray:
    return np.asarray(classes.posterior(seen, traits)[0] @ GRID)


def test_the_posterior_mean_is_calibrated_and_nearer_to_the_truth_than_what_was_seen() -> None:
    seen, traits, truth = planted(20_000, seed=1)
    told = mean_of_first(fitted_classes(seen, traits, classes=4), seen, traits)
    by_itself = np.array([row @ GRID / row.sum() for row in seen[0]])
    assert ((told - truth) ** 2).mean() < 0.6 * ((by_itself - truth) ** 2).mean()
    for group in np.array_split(np.argsort(told), 5):
        assert told[group].mean() == pytest.approx(truth[group].mean(), abs=0.1)


def test_more_classes_than_kinds_change_little() -> None:
    seen, traits, _ = planted(5000, seed=2)
    two, six = (mean_of_first(fitted_classes(seen, traits, classes=n), seen, traits) for n in (2, 6))
    assert np.abs(two - six).mean() < 0.1


def test_the_order_of_users_changes_nothing_but_rounding() -> None:
    seen, traits, _ = planted(2000, seed=3)
    order = np.random.default_rng(0).permutation(2000)
    told = mean_of_first(fitted_classes(seen, traits), seen, traits)
    mixed = [part[order] for part in seen]
    again = mean_of_first(fitted_classes(mixed, traits[order]), mixed, traits[order])
    np.testing.assert_allclose(again, told[order], atol=1e-6)


def test_of_whom_nothing_is_known_the_trait_speaks() -> None:
    seen, traits, _ = planted(20_000, seed=4)
    classes = fitted_classes(seen, traits, classes=2)
    silent = [np.ones((2, len(GRID)))] * 2
    low, high = mean_of_first(classes, silent, np.array([[-1.0], [2.0]]))
    assert low < high


def test_classes_survive_being_written_down() -> None:
    seen, traits, _ = planted(500, seed=5)
    classes = fitted_classes(seen, traits, classes=3, rounds=20)
    again = LatentClasses.from_plain(classes.to_plain())
    np.testing.assert_array_equal(mean_of_first(again, seen, traits), mean_of_first(classes, seen, traits))
