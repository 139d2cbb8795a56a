"""One model of all series of a level, with what is planned: boosted trees that tell each day ahead at once.

A series' own days say little of what a display or a mailer will do; those of all series say it well. How much such a
model counts beside the models of a series of its own is decided by windows of the backtest (`shares`): without a plan
it is often the worse one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from promo_spark.learners.boosting import BoostedTrees, BoostingEffort, fitted_trees
from promo_spark.learners.stored_text import plain_text, read_plain
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.forecasts.local_models import Floats
from promo_spark.models.forecasts.panel import FEATURES, LOOK_BACK, Days, DemandPanel, History, least_days
from promo_spark.settings.forecast import ForecastSettings

POOLED = "Pooled"
_LEAST_ROWS = 1000  # examples; of fewer nothing is learnt
_WEIGHT_POWER = 0.5  # an example counts by the root of its series' level: errors of counts grow so

Shares = Mapping[str, Floats]  # by kind of series: origin (now, then window 0, 1, …) × days ahead


@dataclass(frozen=True)
class PooledLevel:
    """The model of a level: as of now, and as of the start of each window (None: too little was known by then).

    `planned`: of each day ahead, whether there was a plan that reached it when the model was fitted. `shares`: how much
    of a forecast is the model's, as of each origin known from windows before it; of a kind that is not in it, nothing.
    """

    trees: tuple[BoostedTrees | None, ...]
    planned: tuple[bool, ...]
    shares: Shares
    rows: int = 0  # examples as of now

    def text(self) -> str:
        """The model as of now and its shares, to be stored: equal ones give equal texts. It must have been fitted."""
        now = self.trees[0]
        assert now is not None  # `fitted_level` gives None otherwise
        shares = {kind: [float(share) for share in of[0]] for kind, of in self.shares.items()}
        return plain_text({"trees": now.to_plain(), "planned": self.planned, "shares": shares})

    @staticmethod
    def of_text(text: str, sha256: str) -> PooledLevel:
        """What `text` told, as of now only. Raises ContractError where it is damaged."""
        plain: dict[str, Any] = read_plain(text, sha256)
        shares = {kind: np.array([of], np.float64) for kind, of in plain["shares"].items()}
        return PooledLevel((BoostedTrees.from_plain(plain["trees"]),), tuple(plain["planned"]), shares)

    def share(self, kind: str) -> Floats | None:
        """The shares of a kind of series by origin and day ahead; None: it takes no part."""
        found = self.shares.get(kind)
        return None if found is None or not found[0].any() else found


@dataclass(frozen=True)
class Pooled:
    """The models of all levels, and the days that they are asked on."""

    days: Days
    levels: Mapping[str, PooledLevel]

    def of(self, level: str, kind: str) -> PooledLevel | None:
        """The model that takes part in forecasts of such series; None: there is none."""
        found = self.levels.get(level)
        return found if found and found.share(kind) is not None else None


def demand_panel(histories: Sequence[History], days: Days, settings: ForecastSettings) -> DemandPanel:
    """The series' days that a model is fitted on and asked of."""
    h, of = settings.horizon_days, settings.pooled
    return DemandPanel.of(
        histories,
        days,
        horizon_days=h,
        season_days=settings.season_days,
        keep_days=(settings.backtest_windows + 1) * h + of.origins * of.every_days + LOOK_BACK,
    )


def fitted_level(panel: DemandPanel, settings: ForecastSettings) -> PooledLevel | None:
    """The models of now and of each window, without shares; None: there is too little to learn from.

    A model sees no day from its origin on. Of days ahead that no plan reaches now, none is shown of the past either, so
    that windows judge the model as it will be asked.
    """
    planned = panel.planned()
    fits = [_fitted(panel, w * settings.horizon_days, planned, settings) for w in range(settings.backtest_windows + 1)]
    if fits[0] is None:
        return None
    trees = tuple(fit[0] if fit else None for fit in fits)
    return PooledLevel(trees, tuple(bool(p) for p in planned), {}, fits[0][1])


def pooled_forecasts(panel: DemandPanel, level: PooledLevel) -> Floats:
    """Forecasts by series, origin and day ahead, of as many origins as there are models.

    NaN where there is no model, a series had been sold for too short, or the model asks for a plan that does not reach
    the day.
    """
    h, planned = panel.horizon_days, np.array(level.planned, bool)
    found = np.full((len(panel.units), len(level.trees), h), np.nan)
    for origin, trees in enumerate(level.trees):
        old = np.flatnonzero(panel.age - origin * h >= least_days(panel.season_days))
        if trees is None or not len(old):
            continue
        of = panel.rows(old)
        ratio = trees.predicted(of.examples(origin * h, planned)).reshape(len(old), h)
        units = ratio * of.levels(origin * h)[:, None]
        cut = of.units.shape[1] - origin * h
        unknown = ~(np.isfinite(of.display) | np.isfinite(of.mailer))[:, cut : cut + h]
        found[old, origin] = np.where(unknown & planned[None, :], np.nan, units)
    return found


@dataclass(frozen=True)
class PooledForecast:
    """What the model says of one series, by origin (now, then window 0, 1, …) and day ahead, and its share."""

    units: Floats
    share: Floats

    def of_origins(self, count: int) -> PooledForecast:
        """Of the first origins; NaN and no share where it was not asked so far back."""
        units, share = np.full((count, self.units.shape[1]), np.nan), np.zeros((count, self.share.shape[1]))
        units[: len(self.units)], share[: len(self.share)] = self.units[:count], self.share[:count]
        return PooledForecast(units, share)


def of_series(
    asked: Sequence[tuple[str, str, str, History]], pooled: Pooled, settings: ForecastSettings
) -> dict[str, PooledForecast]:
    """By series_id, of (series_id, level, kind, history) of which each has a model that takes part."""
    found: dict[str, PooledForecast] = {}
    for level in sorted({level for _, level, _, _ in asked}):
        model, of_level = pooled.levels[level], [series for series in asked if series[1] == level]
        panel = demand_panel([history for *_, history in of_level], pooled.days, settings)
        for (series_id, _, kind, _), units in zip(of_level, pooled_forecasts(panel, model), strict=True):
            found[series_id] = PooledForecast(units, model.shares[kind])
    return found


def _fitted(
    panel: DemandPanel, back: int, planned: npt.NDArray[np.bool_], settings: ForecastSettings
) -> tuple[BoostedTrees, int] | None:
    """The model as of `back` days ago and how many examples taught it; None: too few."""
    of, h = settings.pooled, panel.horizon_days
    tables, targets, weights = [], [], []
    for step in range(of.origins):
        origin = back + h + step * of.every_days
        cut = panel.units.shape[1] - origin
        if cut < least_days(panel.season_days):
            break
        old = panel.age - origin >= least_days(panel.season_days)
        lately = panel.units[:, max(0, cut - 2 * h) : cut].any(axis=1)  # what is dead is no series of a model
        chosen = np.flatnonzero(old & lately)
        if not len(chosen):
            continue
        part = panel.rows(chosen)
        level = part.levels(origin)
        sold = part.units[:, cut : cut + h] / level[:, None]
        on_sale = part.known[:, cut : cut + h].ravel()
        tables.append(part.examples(origin, planned).values[on_sale])
        targets.append(sold.ravel()[on_sale])
        weights.append(np.repeat(level**_WEIGHT_POWER, h)[on_sale])
    rows = sum(len(table) for table in tables)
    if rows < _LEAST_ROWS or not any(target.any() for target in targets):
        return None
    random = np.random.default_rng([abs(of.seed), back])
    kept = np.sort(random.choice(rows, min(rows, of.sample_rows), replace=False))
    values, target, weight = (np.concatenate(parts)[kept] for parts in (tables, targets, weights))
    effort = BoostingEffort(of.trees, of.leaves, of.rate, of.rows_of_leaf, abs(of.seed) % 2**31)
    return fitted_trees(FeatureTable(FEATURES, values), target, "tweedie", effort, weight=weight), len(kept)
