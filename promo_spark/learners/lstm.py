"""A recurrent network with long short-term memory (Hochreiter and Schmidhuber 1997): numpy alone, one layer.

One thread and a fixed seed: the same windows give the same weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.learners.tables import Floats

_GATES = 4  # input, forget, output, and what may be remembered, in this order
_DECAYS = (0.9, 0.999)
_TINY = 1e-8
_MOST_GRADIENT = 5.0  # of all weights together: longer steps are cut to it


@dataclass(frozen=True)
class Cell:
    """The weights of a cell: of what comes in, of what it told before, and what is added to both, gate by gate."""

    inward: Floats  # gates × units, inputs
    recurrent: Floats  # gates × units, units
    bias: Floats  # gates × units

    @property
    def units(self) -> int:
        """How many numbers the cell remembers."""
        return len(self.bias) // _GATES


@dataclass(frozen=True)
class Step:
    """One step of the cell for a batch: the gates, what it remembers, and what it tells."""

    gates: Floats  # after their functions: batch, gates × units
    memory: Floats  # batch, units
    told: Floats  # batch, units


def step(cell: Cell, inputs: Floats, memory: Floats, told: Floats) -> Step:
    """What a cell makes of the next input. Inputs: batch, inputs; memory and told: batch, units.

    i = σ(W_i x + U_i h + b_i), f and o alike, g = tanh(W_g x + U_g h + b_g); c' = f c + i g; h' = o tanh(c').

    >>> halves = Cell(np.full((4, 1), 0.5), np.full((4, 1), 0.5), np.zeros(4))
    >>> first = step(halves, np.ones((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))
    >>> [round(float(x), 5) for x in (first.gates[0, 0], first.memory[0, 0], first.told[0, 0])]
    [0.62246, 0.28765, 0.17427]
    """
    n = cell.units
    sums = inputs @ cell.inward.T + told @ cell.recurrent.T + cell.bias
    gates = np.concatenate([_sigmoid(sums[:, : 3 * n]), np.tanh(sums[:, 3 * n :])], axis=1)
    i, f, o, g = np.split(gates, _GATES, axis=1)
    now = f * memory + i * g
    return Step(gates, now, o * np.tanh(now))


@dataclass(frozen=True)
class Network:
    """A cell that reads a window, and what is told of its last word: several steps ahead at once."""

    cell: Cell
    outward: Floats  # steps ahead, units
    level: Floats  # steps ahead

    def weights(self) -> tuple[Floats, ...]:
        """All weights, in the order of `of_weights`."""
        return (self.cell.inward, self.cell.recurrent, self.cell.bias, self.outward, self.level)

    @staticmethod
    def of_weights(weights: tuple[Floats, ...]) -> Network:
        """The network with these weights."""
        inward, recurrent, bias, outward, level = weights
        return Network(Cell(inward, recurrent, bias), outward, level)

    @staticmethod
    def begun(units: int, ahead: int, rng: np.random.Generator) -> Network:
        """Small weights by chance; the forget gates are open, so that what is old is not lost at once."""
        wide = 1 / np.sqrt(units + 1)
        bias = np.zeros(_GATES * units)
        bias[units : 2 * units] = 1.0
        cell = Cell(rng.normal(0, wide, (_GATES * units, 1)), rng.normal(0, wide, (_GATES * units, units)), bias)
        return Network(cell, rng.normal(0, wide, (ahead, units)), np.zeros(ahead))

    def predict(self, windows: Floats) -> Floats:
        """What comes after each window. Windows, steps → windows, steps ahead."""
        told: Floats = self._read(windows)[-1].told @ self.outward.T + self.level
        return told

    def loss_and_gradients(self, windows: Floats, targets: Floats) -> tuple[float, tuple[Floats, ...]]:
        """Half the mean squared error, and its slope in every weight, by back-propagation through time."""
        steps = self._read(windows)
        n, batch = self.cell.units, len(windows)
        error = (steps[-1].told @ self.outward.T + self.level - targets) / targets.size
        of_outward, of_level = error.T @ steps[-1].told, error.sum(axis=0)
        of_inward, of_recurrent = np.zeros_like(self.cell.inward), np.zeros_like(self.cell.recurrent)
        of_bias = np.zeros_like(self.cell.bias)
        of_told, of_memory = error @ self.outward, np.zeros((batch, n))
        nothing = np.zeros((batch, n))
        for place in range(windows.shape[1] - 1, -1, -1):
            now = steps[place]
            before = steps[place - 1] if place else Step(now.gates, nothing, nothing)
            i, f, o, g = np.split(now.gates, _GATES, axis=1)
            shown = np.tanh(now.memory)
            of_memory = of_memory + of_told * o * (1 - shown**2)
            of_gates = np.concatenate(
                [
                    of_memory * g * i * (1 - i),
                    of_memory * before.memory * f * (1 - f),
                    of_told * shown * o * (1 - o),
                    of_memory * i * (1 - g**2),
                ],
                axis=1,
            )
            of_inward += of_gates.T @ windows[:, place : place + 1]
            of_recurrent += of_gates.T @ before.told
            of_bias += of_gates.sum(axis=0)
            of_told, of_memory = of_gates @ self.cell.recurrent, of_memory * f
        loss = float((error * targets.size) ** 2 @ np.ones(targets.shape[1]) @ np.ones(batch)) / targets.size / 2
        return loss, (of_inward, of_recurrent, of_bias, of_outward, of_level)

    def _read(self, windows: Floats) -> list[Step]:
        """The steps of a window, one after the other."""
        nothing = np.zeros((len(windows), self.cell.units))
        steps: list[Step] = []
        memory = told = nothing
        for place in range(windows.shape[1]):
            steps.append(step(self.cell, windows[:, place : place + 1], memory, told))
            memory, told = steps[-1].memory, steps[-1].told
        return steps


def fitted_network(
    windows: Floats, targets: Floats, *, units: int, epochs: int, batch: int = 64, rate: float = 0.01, seed: int = 42
) -> Network:
    """The network that tells targets from windows, by Adam (Kingma and Ba 2015). Rows are examples.

    The rate falls to a tenth over the epochs. Steps that are too long are cut.
    """
    rng = np.random.default_rng(seed)
    network = Network.begun(units, targets.shape[1], rng)
    means = [np.zeros_like(w) for w in network.weights()]
    squares = [np.zeros_like(w) for w in network.weights()]
    done, every = 0, max(1, -(-len(windows) // batch)) * epochs
    for _ in range(epochs):
        order = rng.permutation(len(windows))
        for start in range(0, len(windows), batch):
            rows = order[start : start + batch]
            _, gradients = network.loss_and_gradients(windows[rows], targets[rows])
            length = float(np.sqrt(sum(float((g**2).sum()) for g in gradients)))
            cut = min(1.0, _MOST_GRADIENT / max(length, _TINY))
            done += 1
            weights = []
            for place, (weight, gradient) in enumerate(zip(network.weights(), gradients, strict=True)):
                means[place] = _DECAYS[0] * means[place] + (1 - _DECAYS[0]) * gradient * cut
                squares[place] = _DECAYS[1] * squares[place] + (1 - _DECAYS[1]) * (gradient * cut) ** 2
                mean, square = means[place] / (1 - _DECAYS[0] ** done), squares[place] / (1 - _DECAYS[1] ** done)
                weights.append(weight - rate * 0.1 ** (done / every) * mean / (np.sqrt(square) + _TINY))
            network = Network.of_weights(tuple(weights))
    return network


def _sigmoid(x: Floats) -> Floats:
    of: Floats = 0.5 * (1 + np.tanh(0.5 * x))  # no overflow, of whatever
    return of
