"""A series explained by what is known beforehand, such as prices and promotions, beside its trend and season."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.learners.forest import fitted_forest
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.forecasts.local_models import Floats
from promo_spark.models.forecasts.scaling import Scale

REGRESSION, FOREST = "Regression", "RandomForest"
_LEAST_ROWS = 30  # periods that a forest is grown on


@dataclass(frozen=True)
class Explained:
    """A fitted model: the forecast, the standard deviation of its errors, and what each regressor does.

    `effects`: of a series that is above 0 the share by which one more of the regressor changes it, else the units; of a
    forest, which is not linear, its greatest value in the place of its least.
    """

    ahead: Floats
    deviation: float
    effects: tuple[float, ...]
    in_shares: bool


def regression(history: Floats, known: Floats, known_ahead: Floats, season: int) -> Explained:
    """By least squares on trend, season and regressors, of the log where all of the history is above 0.

    `known`: regressors by period and column, `known_ahead` those of the periods to forecast. What the last error leaves
    over fades as errors of the past did (a first-order autoregression). The mean of a log is brought to the mean of
    units by the mean of what the errors make of it (Duan 1983).
    """
    in_shares = bool((history > 0).all())
    wanted = np.log(history) if in_shares else history
    periods = np.arange(len(history) + len(known_ahead))
    seasons = season if season > 1 and len(history) >= 2 * season else 1
    columns = [np.ones(len(periods)), periods / len(history)]
    columns += [(periods % seasons == place).astype(float) for place in range(1, seasons)]
    every = np.concatenate([known, known_ahead])
    scales = [Scale.of(column) for column in every.T]  # a price in cents and a promotion of 0 or 1 side by side
    design = np.column_stack([*columns, *(s.applied(column) for s, column in zip(scales, every.T, strict=True))])
    past, ahead = design[: len(history)], design[len(history) :]
    found, *_ = np.linalg.lstsq(past, wanted, rcond=None)
    errors = wanted - past @ found
    square = float((errors[:-1] ** 2).sum())
    fading = float(np.clip((errors[1:] * errors[:-1]).sum() / square, 0.0, 0.95)) if square > 0 else 0.0
    told = ahead @ found + errors[-1] * fading ** np.arange(1, len(known_ahead) + 1)
    coefficients = found[len(columns) :] / np.array([scale.width for scale in scales])
    if in_shares:
        units = np.exp(told) * float(np.exp(errors).mean())
        spread = float((history - np.exp(wanted - errors)).std())
        return Explained(units, spread, tuple(float(np.expm1(c)) for c in coefficients), in_shares)
    return Explained(told, float(errors.std()), tuple(map(float, coefficients)), in_shares)


def forest(history: Floats, known: Floats, known_ahead: Floats, season: int) -> Explained | None:
    """By a random forest, of what a period sells against the level of the season that ends a horizon before it.

    Features: the place in the season, the regressors, and the newest period of the same place that is known by then. So
    each period is told from what is known as of the forecast, never from forecasts. None: too few periods.

    """
    horizon, in_shares = len(known_ahead), bool((history > 0).all())
    sums = np.concatenate([[0.0], history.cumsum()])
    periods = np.arange(horizon + season, len(history) + horizon)
    if len(periods) - horizon < _LEAST_ROWS:
        return None
    ends = periods - horizon + 1
    level = (sums[ends] - sums[ends - season]) / season
    seen = history[periods - season * -(-horizon // season)]  # the newest known of the same place in the season
    every = np.concatenate([known, known_ahead])
    relative = seen / level if in_shares else seen - level
    names = ("place", "before", *(f"regressor_{k}" for k in range(every.shape[1])))
    table = FeatureTable(names, np.column_stack([periods % season, relative, every[periods]]))
    past = periods < len(history)
    sold = history[periods[past]]
    target = sold / level[past] if in_shares else sold - level[past]
    predicted = fitted_forest(table.rows(past), target)

    def units(of: FeatureTable, at: Floats) -> Floats:
        return predicted(of) * at if in_shares else predicted(of) + at

    errors = sold - units(table.rows(past), level[past])
    effects = []
    for k in range(every.shape[1]):
        most, least = (_with(table.rows(past), 2 + k, bound) for bound in (every[:, k].max(), every[:, k].min()))
        high, low = predicted(most).mean(), predicted(least).mean()
        effects.append(float(high / low - 1 if in_shares else high - low))
    return Explained(units(table.rows(~past), level[~past]), float(errors.std()), tuple(effects), in_shares)


def _with(table: FeatureTable, column: int, value: float) -> FeatureTable:
    values = table.values.copy()
    values[:, column] = value
    return FeatureTable(table.names, values)
