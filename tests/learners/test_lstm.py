"""The recurrent network: its gates as on paper, its slopes as measured, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.learners.lstm import Cell, Network, fitted_network, step


def test_gates_are_those_reckoned_by_hand() -> None:
    """F06, F07: all weights 0.5, no bias, inputs of 1, from nothing: two steps."""
    halves = Cell(np.full((4, 1), 0.5), np.full((4, 1), 0.5), np.zeros(4))
    first = step(halves, np.ones((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))
    assert first.gates[0, :3] == pytest.approx([0.62246] * 3, abs=1e-5)  # σ(0.5)
    assert first.gates[0, 3] == pytest.approx(np.tanh(0.5))
    assert (first.memory[0, 0], first.told[0, 0]) == pytest.approx((0.28765, 0.17427), abs=1e-5)
    second = step(halves, np.ones((1, 1)), first.memory, first.told)
    assert (second.memory[0, 0], second.told[0, 0]) == pytest.approx((0.52412, 0.30906), abs=1e-5)


def test_slopes_are_those_that_are_measured() -> None:
    """F07: each weight moved a little, up and down, changes the loss as its gradient says: to 1 in 100,000."""
    rng = np.random.default_rng(3)
    network, moved = Network.begun(3, 2, rng), 1e-6
    windows, targets = rng.normal(size=(5, 6)), rng.normal(size=(5, 2))
    loss, gradients = network.loss_and_gradients(windows, targets)
    assert loss == pytest.approx(((network.predict(windows) - targets) ** 2).mean() / 2)
    for place, gradient in enumerate(gradients):
        for at in np.ndindex(gradient.shape):
            both = []
            for by in (moved, -moved):
                weights = [w.copy() for w in network.weights()]
                weights[place][at] += by
                both.append(Network.of_weights(tuple(weights)).loss_and_gradients(windows, targets)[0])
            measured = (both[0] - both[1]) / (2 * moved)
            assert abs(measured - gradient[at]) <= 1e-5 * max(abs(measured), 1e-3), (place, at)


def test_what_is_not_linear_is_learnt() -> None:
    """F06: x' = 3.8 x (1 − x) and noise, which no line tells: a fifth of the error of saying the last value again."""
    rng = np.random.default_rng(1)
    values = [0.3]
    for _ in range(700):
        values.append(min(max(3.8 * values[-1] * (1 - values[-1]) + rng.normal(0, 0.01), 0.01), 0.99))
    known = (np.array(values) - np.mean(values)) / np.std(values)
    windows = np.lib.stride_tricks.sliding_window_view(known, 4)[:-1]
    targets = known[4:, None]
    network = fitted_network(windows[:500], targets[:500], units=12, epochs=60)
    error = np.abs(network.predict(windows[500:]) - targets[500:]).mean()
    naive = np.abs(windows[500:, -1:] - targets[500:]).mean()
    line, *_ = np.linalg.lstsq(np.c_[windows[:500], np.ones(500)], targets[:500], rcond=None)
    linear = np.abs(np.c_[windows[500:], np.ones(len(windows) - 500)] @ line - targets[500:]).mean()
    assert error < naive / 5 and error < linear / 3


def test_the_same_seed_gives_the_same_weights() -> None:
    rng = np.random.default_rng(2)
    windows, targets = rng.normal(size=(40, 5)), rng.normal(size=(40, 1))
    one, other, third = (fitted_network(windows, targets, units=3, epochs=2, seed=s) for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one.weights(), other.weights(), strict=True))
    assert not np.array_equal(one.level, third.level)
