"""One recurrent network for all series together, each window of them brought to the same scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promo_spark.learners.lstm import fitted_network
from promo_spark.models.forecasts.local_models import Floats

NETWORK = "LSTM"
TOO_SHORT = "insufficient history"
LEAST_WINDOWS = 50  # of all series together, to learn from
_MOST_WINDOWS = 20_000
_WITHOUT_SEASON = 8  # periods that are read where there is no season
_MOST_READ = 64
_UNITS, _EPOCHS, _RATE, _SEED = 16, 60, 0.01, 42


@dataclass(frozen=True)
class Networked:
    """What the network says of a series, and the standard deviation of its errors on what it learnt from."""

    ahead: Floats
    deviation: Floats


def network_forecasts(every: Sequence[Floats], *, season: int, horizon: int) -> list[Networked | None]:
    """The next `horizon` values of each series; None: too little history, of the series or of all together.

    The network reads the last two seasons (Salinas, Flunkert and Gasthaus 2020 train one for all series alike), and
    tells all periods ahead at once. A window is standardised by itself, so that a series of millions and one of units
    are alike, and what it tells is brought back; a window without any change is told as it is.
    """
    read = min(2 * season, _MOST_READ) if season > 1 else _WITHOUT_SEASON
    pairs = [_examples(values, read, horizon) for values in every]
    windows, targets = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    if len(windows) < LEAST_WINDOWS:
        return [None] * len(every)
    if len(windows) > _MOST_WINDOWS:
        kept = np.sort(np.random.default_rng(_SEED).choice(len(windows), _MOST_WINDOWS, replace=False))
        windows, targets = windows[kept], targets[kept]
    scaled, level, scale = standardised(windows)
    goal = (targets - level) / scale
    network = fitted_network(scaled, goal, units=_UNITS, epochs=_EPOCHS, rate=_RATE, seed=_SEED)
    deviation = (network.predict(scaled) - goal).std(axis=0)
    found: list[Networked | None] = []
    for values in every:
        if len(values) < read + horizon:
            found.append(None)
            continue
        last, of_level, of_scale = standardised(values[None, -read:])
        found.append(Networked((network.predict(last) * of_scale + of_level)[0], deviation * of_scale[0]))
    return found


def standardised(windows: Floats) -> tuple[Floats, Floats, Floats]:
    """The windows with mean 0 and deviation 1, and both of each window, as columns.

    >>> of, level, scale = standardised(np.array([[1.0, 3.0], [5.0, 5.0]]))
    >>> of.tolist(), level[:, 0].tolist(), scale[:, 0].tolist()  # one that does not change is not divided by 0
    ([[-1.0, 1.0], [0.0, 0.0]], [2.0, 5.0], [1.0, 1.0])
    """
    level = windows.mean(axis=1, keepdims=True)
    scale = windows.std(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    return (windows - level) / scale, level, scale


def _examples(values: Floats, read: int, horizon: int) -> tuple[Floats, Floats]:
    """Every window of a series, and what came after it."""
    if len(values) < read + horizon:
        return np.zeros((0, read)), np.zeros((0, horizon))
    both = np.lib.stride_tricks.sliding_window_view(values, read + horizon)
    return both[:, :read], both[:, read:]
