"""Differences of arms from moments: right on average, with errors that cover the truth, smaller by covariates."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from promo_spark.measurement.differences import Difference, difference, ratio_of_differences
from promo_spark.measurement.moments import Moments, moments_of_arrays

Floats = NDArray[np.float64]
Arm = tuple[Floats, Floats]  # outcome, and what was known of it before


def arm(y: Floats, x: Floats, **more: Floats) -> Moments:
    return moments_of_arrays({"users": np.ones(len(y)), "y": y, "x": x, **more})


def told(treated: Arm, control: Arm, covariates: tuple[str, ...] = ("x",)) -> Difference:
    found = difference(arm(*treated), arm(*control), {"y": 1.0}, per="users", covariates=covariates)
    assert found is not None
    return found


def users(draw: np.random.Generator, n: int, rho: float) -> Arm:
    """Outcomes and what is known of them beforehand, with that correlation; skewed, as spend is."""
    known, chance = draw.gamma(2.0, 1.0, (2, n))
    return rho * known + np.sqrt(1 - rho**2) * chance, known


def test_a_covariate_takes_out_what_it_explains() -> None:
    """K06: CUPED with a correlation of 0.7: 0.49 of the variance, so that errors are √0.51 of those without it."""
    draw = np.random.default_rng(1)
    one, other = users(draw, 40_000, 0.7), users(draw, 20_000, 0.7)
    plain, adjusted = told(one, other, ()), told(one, other)
    assert adjusted.explained == pytest.approx(0.49, abs=0.01) and plain.explained == 0.0
    assert adjusted.error / plain.error == pytest.approx(np.sqrt(0.51), abs=0.01)


def test_several_covariates_take_out_what_they_explain_together_and_one_twice_no_more() -> None:
    """Outcomes are x + z + chance, each of variance 2: two thirds are explained; x said twice changes nothing."""
    draw = np.random.default_rng(4)

    def one(n: int) -> Moments:
        x, z, chance = draw.gamma(2.0, 1.0, (3, n))
        return arm(x + z + chance, x, z=z, again=3 * x, nothing=np.zeros(n))

    arms = one(40_000), one(10_000)
    both = difference(*arms, {"y": 1.0}, per="users", covariates=["x", "z"])
    twice = difference(*arms, {"y": 1.0}, per="users", covariates=["x", "again", "z", "nothing"])
    assert both is not None and twice is not None
    assert both.explained == pytest.approx(2 / 3, abs=0.01)
    assert (twice.estimate, twice.error) == pytest.approx((both.estimate, both.error), rel=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_intervals_cover_the_truth_and_nothing_is_rarely_something(rho: float) -> None:
    """K06: of 2,000 experiments, a tenth held out, 95 % cover the planted 0.3; of A/A tests 5 % seem to show something.

    Three errors of such a share are 1.5.
    """
    draw = np.random.default_rng(2)
    covered = alarms = 0
    estimates = []
    for _ in range(2_000):
        (y, x), without = users(draw, 900, rho), users(draw, 100, rho)
        for effect in (0.0, 0.3):
            found = told((y + effect, x), without)
            held = abs(found.estimate - effect) <= 1.96 * found.error
            if effect:
                covered += held
                estimates.append(found.estimate)
            else:
                alarms += not held
    assert abs(covered / 2_000 - 0.95) < 0.015 and abs(alarms / 2_000 - 0.05) < 0.015
    assert np.mean(estimates) == pytest.approx(0.3, abs=4 * np.std(estimates) / np.sqrt(2_000))


def test_a_ratio_counts_users_and_not_orders() -> None:
    """Margin per order of users with 0 to many orders, each of a level of its own: 95 % of intervals cover 0.5."""
    draw = np.random.default_rng(3)

    def sums(n: int, more: float) -> Moments:
        orders = draw.poisson(draw.gamma(1.0, 2.0, n)).astype(np.float64)
        return moments_of_arrays({"orders": orders, "margin": orders * (draw.normal(5.0, 2.0, n) + more)})

    covered = 0
    for _ in range(1_000):
        found = difference(sums(800, 0.5), sums(400, 0.0), {"margin": 1.0}, per="orders")
        assert found is not None
        covered += abs(found.estimate - 0.5) <= 1.96 * found.error
    assert abs(covered / 1_000 - 0.95) < 0.021  # three errors


def test_users_whom_chance_did_not_choose_alike_count_by_their_weights() -> None:
    """Half of the users pay 20 more and were treated with 0.2 instead of 0.8: weighted, 95 % cover the effect of 1."""
    draw = np.random.default_rng(5)
    covered = 0
    for _ in range(1_000):
        rich = draw.random(1_500) < 0.5
        p = np.where(rich, 0.2, 0.8)
        treated = draw.random(1_500) < p
        paid = 20.0 * rich + treated + draw.normal(0.0, 3.0, 1_500)
        weight = np.where(treated, 1 / p, 1 / (1 - p))
        one, other = (moments_of_arrays({"w": weight[a], "y": weight[a] * paid[a]}) for a in (treated, ~treated))
        found = difference(one, other, {"y": 1.0}, per="w")
        assert found is not None
        covered += abs(found.estimate - 1.0) <= 1.96 * found.error
    assert abs(covered / 1_000 - 0.95) < 0.021


def test_a_return_on_cost_has_an_error_that_covers_it() -> None:
    """K04: margin is 1.5 for each unit given, and 4 by itself; 95 % of intervals cover 1.5. Nothing given: none."""
    draw = np.random.default_rng(6)

    def sums(n: int, share: float) -> Moments:
        given = draw.gamma(2.0, 1.0, n) * (draw.random(n) < share)
        return moments_of_arrays(
            {"users": np.ones(n), "given": given, "margin": 4.0 + 1.5 * given + draw.normal(0.0, 2.0, n)}
        )

    covered = 0
    for _ in range(1_000):
        found = ratio_of_differences(sums(900, 0.5), sums(300, 0.0), {"margin": 1.0}, {"given": 1.0}, per="users")
        assert found is not None
        covered += abs(found.estimate - 1.5) <= 1.96 * found.error
    assert abs(covered / 1_000 - 0.95) < 0.021
    nothing = sums(300, 0.0), sums(300, 0.0)
    assert ratio_of_differences(*nothing, {"margin": 1.0}, {"given": 1.0}, per="users") is None


def test_where_nothing_can_be_compared() -> None:
    def of(*y: float) -> Moments:
        return moments_of_arrays({"users": np.ones(len(y)), "y": y, "none": np.zeros(len(y))})

    some, one = of(1.0, 2.0), of(3.0)
    assert difference(some, one, {"y": 1.0}, per="users") is None
    assert difference(one, some, {"y": 1.0}, per="users") is None
    same = difference(some, of(1.0, 2.0), {"y": 1.0}, per="users")
    assert same is not None and same.estimate == 0.0
    assert difference(some, some, {"y": 1.0}, per="none") is None
    with pytest.raises(KeyError, match="unheard"):
        difference(some, some, {"unheard": 1.0}, per="users")
