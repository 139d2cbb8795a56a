"""Series of a level side by side, day by day, with what drives them: what one model of all of them learns from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from promo_spark.contracts.model_features import DemandFeatures
from promo_spark.learners.tables import FeatureTable, Ints
from promo_spark.models.forecasts.local_models import SEASONS_NEEDED, Floats

FEATURES = tuple(DemandFeatures.columns())
LOOK_BACK = 182  # days before a cut that anything is told from
_LEVEL_DAYS = {7: 0.25, 28: 0.5, 91: 0.25}  # days, and how much the mean of so many counts in a series' level
_LEAST = 0.02  # units a day that are added to a level: what sells next to nothing has one too
_FAR = 8.0  # days to a holiday that is not near
_RESPONSE_DAYS = 2.0  # of display that a response is drawn to 1 by


@dataclass(frozen=True)
class History:
    """One series: units by day up to yesterday, and drivers of these days, NaN where nobody knows.

    `display`, `mailer` and `depth`, the reduction announced, go on over the days to come, as they are planned.
    """

    units: Floats
    display: Floats
    mailer: Floats
    depth: Floats
    price: Floats
    stock_out: Floats


@dataclass(frozen=True)
class Days:
    """When today is, as days since 1970-01-01, and which days are holidays, in order."""

    today: int
    holidays: tuple[int, ...] = ()

    def to_holiday(self, days: Ints) -> Floats:
        """Of each day the days since the nearest holiday, negative before it; what is further counts as far.

        >>> Days(100, (90, 103)).to_holiday(np.array([100, 103, 105, 120])).tolist()
        [-3.0, 0.0, 2.0, 8.0]
        """
        if not self.holidays:
            return np.full(len(days), np.nan)
        apart = days[:, None] - np.array(self.holidays)[None, :]
        nearest = apart[np.arange(len(days)), np.abs(apart).argmin(axis=1)].astype(np.float64)
        return np.where(np.abs(nearest) < _FAR, nearest, _FAR)


@dataclass(frozen=True)
class DemandPanel:
    """Series × days, the last one yesterday; of drivers also the days to come.

    A day before a series' first sale, or without stock, is not known: it counts in no level and is no example.
    """

    units: Floats
    known: npt.NDArray[np.bool_]
    age: Floats  # days that a series had been sold by today, LOOK_BACK at most
    display: Floats
    mailer: Floats
    depth: Floats
    price: Floats
    days: Days
    horizon_days: int
    season_days: int

    @staticmethod
    def of(
        histories: Sequence[History], days: Days, *, horizon_days: int, season_days: int, keep_days: int
    ) -> DemandPanel:
        """The last `keep_days` of the series."""
        length = max(1, min(keep_days, max((len(h.units) for h in histories), default=1)))
        shape = (len(histories), length)

        def aligned(name: str, ahead: int = 0) -> Floats:
            whole = np.full((shape[0], length + ahead), np.nan)
            for row, history in zip(whole, histories, strict=True):
                values = getattr(history, name)[-(length + ahead) :]
                row[len(row) - len(values) :] = values
            return whole

        units = aligned("units")
        known = np.isfinite(units) & ~(aligned("stock_out") > 0)
        return DemandPanel(
            np.where(known, units, 0.0),
            known,
            np.array([float(len(h.units)) for h in histories]),
            aligned("display", horizon_days),
            aligned("mailer", horizon_days),
            aligned("depth", horizon_days),
            aligned("price"),
            days,
            horizon_days,
            season_days,
        )

    def planned(self) -> npt.NDArray[np.bool_]:
        """Of each day to come, whether a plan says of any of the series what is displayed or mailed."""
        ahead = slice(self.units.shape[1], None)
        told = np.isfinite(self.display[:, ahead]) | np.isfinite(self.mailer[:, ahead])
        return np.asarray(told.any(axis=0), bool)

    def levels(self, back: int) -> Floats:
        """Units a day of each series as of `back` days ago, of what it sold before then."""
        total = np.zeros(len(self.units))
        for days, share in _LEVEL_DAYS.items():
            total += share * np.nan_to_num(self._mean(self._sold, back, days))
        return total + _LEAST

    def examples(self, back: int, planned: npt.NDArray[np.bool_]) -> FeatureTable:
        """DemandFeatures as of `back` days ago: one row per series and day ahead, in this order.

        `planned`: of each day ahead, whether its plan may be looked at. No unit sold since is looked at.
        """
        cut, h, level = self.units.shape[1] - back, self.horizon_days, self.levels(back)
        share_level = {name: self._driver_level(sums, back) for name, sums in self._drivers.items()}
        of_series = {
            DemandFeatures.level: np.log(level),
            **{
                name: self._mean(self._sold, back, days) / level
                for name, days in (
                    (DemandFeatures.units_7, 7),
                    (DemandFeatures.units_14, 14),
                    (DemandFeatures.units_28, 28),
                    (DemandFeatures.units_91, 91),
                )
            },
            DemandFeatures.zero_days_28: self._mean(self._unsold, back, 28),
            DemandFeatures.zero_days_91: self._mean(self._unsold, back, 91),
            DemandFeatures.silence_days: self._silence(cut),
            DemandFeatures.age_days: np.clip(self.age - back, 0, LOOK_BACK),
            DemandFeatures.price_ratio: self._mean(self._paid, back, 7) / self._mean(self._paid, back, 91),
            DemandFeatures.display_level: share_level["display"],
            DemandFeatures.mailer_level: share_level["mailer"],
            DemandFeatures.depth_level: share_level["depth"],
            DemandFeatures.display_response: self._response("display", back),
            DemandFeatures.mailer_response: self._response("mailer", back),
            DemandFeatures.depth_response: self._response("depth", back),
        }
        ahead = np.arange(h)
        day = self.days.today - back + ahead
        place = day % self.season_days
        shown = {
            name: np.where(planned[None, :], drivers[:, cut : cut + h], np.nan)
            for name, drivers in (("display", self.display), ("mailer", self.mailer), ("depth", self.depth))
        }
        of_days = {
            DemandFeatures.same_day_28: self._places(back, 28)[:, place] / level[:, None],
            DemandFeatures.same_day_56: self._places(back, 56)[:, place] / level[:, None],
            DemandFeatures.seasons_ahead: ahead // self.season_days,
            DemandFeatures.day_of_season: place,
            DemandFeatures.holiday_days: self.days.to_holiday(day),
            DemandFeatures.planned_display: shown["display"],
            DemandFeatures.planned_mailer: shown["mailer"],
            DemandFeatures.planned_depth: shown["depth"],
            DemandFeatures.more_display: shown["display"] - share_level["display"][:, None],
            DemandFeatures.more_mailer: shown["mailer"] - share_level["mailer"][:, None],
            DemandFeatures.more_depth: shown["depth"] - share_level["depth"][:, None],
        }
        shape = (len(level), h)
        columns = {name: np.broadcast_to(values[:, None], shape) for name, values in of_series.items()}
        columns |= {name: np.broadcast_to(values, shape) for name, values in of_days.items()}
        return FeatureTable(FEATURES, np.stack([columns[name] for name in FEATURES], axis=2).reshape(-1, len(FEATURES)))

    def rows(self, chosen: Ints) -> DemandPanel:
        """Some of the series."""
        arrays = {
            f.name: getattr(self, f.name)[chosen]
            for f in dataclasses.fields(self)
            if isinstance(getattr(self, f.name), np.ndarray)
        }
        return dataclasses.replace(self, **arrays)

    @cached_property
    def _sold(self) -> _Sums:
        return _Sums.of(self.units, self.known)

    @cached_property
    def _unsold(self) -> _Sums:
        return _Sums.of((self.units <= 0).astype(np.float64), self.known)

    @cached_property
    def _paid(self) -> _Sums:
        return _Sums.of(self.price, np.isfinite(self.price))

    @property
    def _shown(self) -> dict[str, Floats]:
        """The shares of days that are over."""
        past = self.units.shape[1]
        return {name: getattr(self, name)[:, :past] for name in ("display", "mailer", "depth")}

    @cached_property
    def _drivers(self) -> dict[str, _Sums]:
        return {name: _Sums.of(values, self.known & np.isfinite(values)) for name, values in self._shown.items()}

    @cached_property
    def _sold_with(self) -> dict[str, _Sums]:
        return {
            name: _Sums.of(self.units * values, self.known & np.isfinite(values))
            for name, values in self._shown.items()
        }

    @cached_property
    def _by_place(self) -> list[_Sums]:
        first = self.days.today - self.units.shape[1]
        place = (first + np.arange(self.units.shape[1])) % self.season_days
        return [_Sums.of(self.units, self.known & (place == p)[None, :]) for p in range(self.season_days)]

    def _mean(self, sums: _Sums, back: int, days: int) -> Floats:
        total, count = sums.before(self.units.shape[1] - back, days)
        return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)

    def _places(self, back: int, days: int) -> Floats:
        """Series × places in the season: the mean of their days."""
        return np.stack([self._mean(sums, back, days) for sums in self._by_place], axis=1)

    def _driver_level(self, sums: _Sums, back: int) -> Floats:
        """The mean share that a series' level was sold at."""
        level = np.zeros(len(self.units))
        for days, share in _LEVEL_DAYS.items():
            level += share * self._mean(sums, back, days)
        return level

    def _response(self, driver: str, back: int) -> Floats:
        """Log of what a series sold a day while it was shown, over what it sold on all days; 0 if it hardly was."""
        cut = self.units.shape[1] - back
        shown, count = self._drivers[driver].before(cut, LOOK_BACK)
        sold, _ = self._sold_with[driver].before(cut, LOOK_BACK)
        usual = self._mean(self._sold, back, LOOK_BACK)
        with_it = (sold + _RESPONSE_DAYS * usual) / (shown + _RESPONSE_DAYS)
        told = (count > 0) & (usual > 0) & (with_it > 0)
        return np.log(np.divide(with_it, usual, out=np.ones_like(usual), where=told))

    def _silence(self, cut: int) -> Floats:
        """Days since the last one with a sale, 91 at most."""
        recent = self.units[:, max(0, cut - 91) : cut][:, ::-1] > 0
        return np.where(recent.any(axis=1), recent.argmax(axis=1), 91).astype(np.float64)


@dataclass(frozen=True)
class _Sums:
    """Running sums of what is known of each series, and of how many days are."""

    total: Floats
    count: Floats

    @staticmethod
    def of(values: Floats, known: npt.NDArray[np.bool_]) -> _Sums:
        first = np.zeros((len(values), 1))
        total = np.cumsum(np.where(known, values, 0.0), axis=1)
        return _Sums(np.hstack([first, total]), np.hstack([first, np.cumsum(known, axis=1)]))

    def before(self, cut: int, days: int) -> tuple[Floats, Floats]:
        """Sum and count of the `days` before the cut."""
        first = max(0, cut - days)
        return self.total[:, cut] - self.total[:, first], self.count[:, cut] - self.count[:, first]


def least_days(season_days: int) -> int:
    """Days of sales that a series needs before a cut, as models of its own do."""
    return SEASONS_NEEDED * season_days
