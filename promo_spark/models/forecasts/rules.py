"""What kind of series it is, and the rule that forecasts series no model can be fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.models.forecasts.backtest import Forecast, ResidualQuantiles, in_pieces
from promo_spark.models.forecasts.intervals import ended
from promo_spark.models.forecasts.local_models import Floats

Z_80, Z_95 = 1.2815515655, 1.9599639845  # two-sided quantiles of the normal distribution
DRIFT_STANDARD_ERRORS = 2.0
SEASONS_OF_MEAN = 2


@dataclass(frozen=True)
class Rule:
    """A rule's name and its forecast, by day and of the sum of the days, as one day."""

    name: str
    forecast: Forecast
    total: Forecast


def series_kind(units: Floats, *, min_history_days: int, dead_days: int, intermittent_gap: float) -> str:
    """dead, short, intermittent or regular; the first that holds.

    Intermittent: the mean gap between days with sales (ADI) is above the limit; 1.32 is the cut-off of
    Syntetos, Boylan and Croston (2005). Their second axis, CV² of the sizes above 0.49 (erratic, lumpy),
    makes no difference: the models are the same, and the backtest decides among them.

    >>> limits = {"min_history_days": 56, "dead_days": 56, "intermittent_gap": 1.32}
    >>> series_kind(np.ones(56), **limits), series_kind(np.tile([1.0, 0.0], 28), **limits)
    ('regular', 'intermittent')
    """
    if len(units) >= dead_days and not (units[-dead_days:] > 0).any():
        return "dead"
    if len(units) < min_history_days:
        return "short"
    return "intermittent" if len(units) > intermittent_gap * (units > 0).sum() else "regular"


def rule_forecast(units: Floats, kind: str, *, horizon_days: int, season_days: int, days_before: int = 0) -> Rule:
    """Zero for a dead series, Drift for one that moves steadily, else the Mean of its last two seasons.

    Drift: the last value plus the mean daily change c per day ahead, where c is more than two standard
    errors from 0, which neither noise nor a weekly cycle gives. It goes on for half as many days as the series
    has, and keeps its level then: what is launched does not grow for ever. Its intervals widen with √h, as those
    of a random walk.

    Mean: of the days before the first sale, `days_before` in the shop, up to a season counts as days without a
    sale. A series begins because something was sold, so that its own days alone say too much (docs/forecasts.md).

    >>> units = np.array([100.0, 120, 150, 180, 200, 220, 250])  # changes by 25 ± 2.2 a day
    >>> rule = rule_forecast(units, "short", horizon_days=3, season_days=7)
    >>> rule.name, rule.forecast.units.tolist()
    ('Drift', [275.0, 300.0, 325.0])
    """
    ahead = np.minimum(np.arange(1, horizon_days + 1), max(1, len(units) // 2))
    if kind == "dead":
        return Rule("Zero", Forecast(*[np.zeros(horizon_days)] * 5), Forecast(*[np.zeros(1)] * 5))
    changes = np.diff(units)
    if len(changes) >= 3:
        mean, error = changes.mean(), changes.std(ddof=1) / np.sqrt(len(changes))
        if abs(mean) > DRIFT_STANDARD_ERRORS * error:
            point = units[-1] + mean * ahead
            days = np.arange(1, horizon_days + 1)
            deviation = changes.std(ddof=1)
            # of a random walk: √h after h days; its sum has the change of day k in all days after it, Σ k² in all
            return Rule(
                "Drift",
                _normal(point, deviation * np.sqrt(days)),
                _normal(np.array([point.sum()]), deviation * np.sqrt((days**2).sum(keepdims=True))),
            )
    recent = units[-SEASONS_OF_MEAN * season_days :]
    known = np.concatenate([np.zeros(min(season_days, days_before)), recent])
    level = known.mean()
    mean, whole = np.full(horizon_days, level), in_pieces(units)
    # the level is itself a mean of so many days, and wrong for all days ahead alike
    deviation = known.std() * np.sqrt(horizon_days + horizon_days**2 / len(recent))
    total = _normal(np.array([mean.sum()]), np.array([deviation]), whole=whole)
    return Rule("Mean", ResidualQuantiles.of(recent - level).around(mean, whole=whole), total)


def _normal(point: Floats, deviation: Floats, *, whole: bool = False) -> Forecast:
    errors = [z * deviation for z in (-Z_80, Z_80, -Z_95, Z_95)]
    return ended(point, np.array(errors), whole)
