"""How much of a forecast is the pooled model's: by the windows of the backtest, of all series of a kind together.

A pick per series is one by chance. So one share is told for all series of a level and kind: the one with the least
error of sums, drawn towards nothing the fewer windows tell of it and the more they differ. Days that a plan reaches
have a share of their own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from promo_spark.models.forecasts.local_models import Floats

LEAST_GAIN = 0.02  # of the error; less is chance
_OF_ONE_WINDOW = 0.5  # of a share that one window alone tells
_STEPS = np.linspace(0.0, 1.0, 11)
_LEVEL = 0.1  # units a day that are added before the root is taken, as in intervals


def shares_of(actual: Floats, local: Floats, pooled: Floats, planned: npt.NDArray[np.bool_]) -> Floats:
    """Share by origin (now, then window 0, 1, …) and day ahead, of forecasts by series, window and day.

    NaN: a series without that window. As of an origin only windows before it tell; where there is none, the share is 0.
    `planned`: of each day ahead, whether a plan reaches it.

    >>> sold = np.array([[[4.0, 4.0], [6.0, 6.0]]])  # of one series in two windows; its own models are wrong in both
    >>> shares_of(sold, sold - 2, sold, np.array([True, True])).tolist()
    [[1.0, 1.0], [0.5, 0.5], [0.0, 0.0]]
    >>> shares_of(sold, sold, sold + 2, np.array([True, True])).any()
    np.False_
    """
    weight = 1 / np.sqrt(np.nan_to_num(_mean(local)) + _LEVEL)
    origins = actual.shape[1] + 1
    shares = np.zeros((origins, actual.shape[2]))
    for part in (planned, ~planned):
        if part.any():
            sums = [of[:, :, part].sum(axis=2) for of in (actual, local, pooled)]
            losses = _losses(sums[0], sums[1], sums[2], weight)
            shares[:, part] = np.array([_share(losses[origin:]) for origin in range(origins)])[:, None]
    return shares


def _mean(units: Floats) -> Floats:
    """Of each series, over what is known of it."""
    known = np.isfinite(units)
    total, count = np.where(known, units, 0.0).sum(axis=(1, 2)), known.sum(axis=(1, 2))
    mean: Floats = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean


def _losses(actual: Floats, local: Floats, pooled: Floats, weight: Floats) -> Floats:
    """By window and share: the sum of errors of series, of each in units of the root of its sales; NaN: none has it."""
    known = np.asarray(np.isfinite(np.array([actual, local, pooled])).all(axis=0), bool)
    errors = [np.abs(actual - (1 - share) * local - share * pooled) * weight[:, None] for share in _STEPS]
    total = np.stack([np.where(known, error, 0.0).sum(axis=0) for error in errors], axis=1)
    return np.where(np.asarray(known.any(axis=0), bool)[:, None], total, np.nan)


def _share(losses: Floats) -> float:
    """Of losses by window and share."""
    told = losses[np.isfinite(losses).all(axis=1) & (losses[:, 0] > 0)]
    if not len(told):
        return 0.0
    relative = told / told[:, :1]
    best = int(np.round(relative.mean(axis=0), 9).argmin())
    gains = 1 - relative[:, best]
    gain = gains.mean()
    if gain < LEAST_GAIN:
        return 0.0
    kept = _OF_ONE_WINDOW if len(gains) == 1 else 1 - gains.var(ddof=1) / len(gains) / gain**2
    return float(np.round(_STEPS[best] * max(kept, 0.0), 6))
