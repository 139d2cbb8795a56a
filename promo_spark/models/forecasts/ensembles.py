"""Means of several models' forecasts: what is forecast where the backtest does not clearly speak for one model.

A choice among models by one to three windows is mostly a choice by chance. The mean of models that err differently is
better than most of them on most series, and than the choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from promo_spark.models.forecasts.local_models import Floats

ENSEMBLE = "Ensemble"  # of the models that settings name for the kind of series
THETA_ENSEMBLE = "ThetaEnsemble"  # follows a trend as its members do
_THETAS = ("Theta", "DynamicOptimizedTheta")


def ensembles_of(models: Sequence[str], members: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The ensembles of a series that these models are run on, and the members of each: two or more of the models.

    >>> ensembles_of(["SeasonalNaive", "TSB", "IMAPA"], ["TSB", "IMAPA", "AutoETS"])
    {'Ensemble': ('TSB', 'IMAPA')}
    """
    found = {ENSEMBLE: members, THETA_ENSEMBLE: _THETAS}
    present = {name: tuple(m for m in of if m in models) for name, of in found.items()}
    return {name: of for name, of in present.items() if len(of) > 1}


def standard(ensembles: Mapping[str, Sequence[str]], *, windows: int) -> str | None:
    """The model that is the champion unless another is clearly better; None: there is no ensemble.

    Where no window could be tried, the mean of the Theta models.
    """
    if not windows and THETA_ENSEMBLE in ensembles:
        return THETA_ENSEMBLE
    return ENSEMBLE if ENSEMBLE in ensembles else next(iter(ensembles), None)


def with_ensembles(forecasts: Floats, models: Sequence[str], ensembles: Mapping[str, Sequence[str]]) -> Floats:
    """Forecasts by origin, model and day, with those of the ensembles before them.

    A member that is NaN, as it failed, does not count; NaN where all of them are.

    >>> with_ensembles(np.array([[[2.0], [4.0], [np.nan]]]), ["TSB", "IMAPA", "ADIDA"], {"Ensemble": ["TSB", "ADIDA"]})
    array([[[ 2.],
            [ 2.],
            [ 4.],
            [nan]]])
    """
    means = [mean_of(forecasts[:, [list(models).index(m) for m in of]]) for of in ensembles.values()]
    return np.concatenate([*(mean[:, None] for mean in means), forecasts], axis=1)


def mixed(local: Floats, pooled: Floats, share: Floats) -> Floats:
    """By day ahead: a share of the pooled model's forecast, the rest of the other. Where the model has none, the other.

    >>> mixed(np.array([2.0, 2.0]), np.array([4.0, np.nan]), np.array([0.5, 0.5])).tolist()
    [3.0, 2.0]
    """
    return np.where(np.isfinite(pooled), (1 - share) * local + share * np.nan_to_num(pooled), local)


def mean_of(forecasts: Floats) -> Floats:
    """Mean over the models, by origin, model and day; of those that have a number."""
    known = np.isfinite(forecasts)
    total: Floats = np.where(known, forecasts, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    mean: Floats = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean
