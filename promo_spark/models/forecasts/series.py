"""Sales series, and what a fit says of them: the frames that forecasts are made through."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np
from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import ForecastModels, Forecasts
from promo_spark.contracts.schema import Col, Frame
from promo_spark.models.forecasts.backtest import Accuracy, Forecast, in_pieces
from promo_spark.models.forecasts.intervals import IntervalEnds
from promo_spark.models.forecasts.local_models import Floats
from promo_spark.models.forecasts.panel import History
from promo_spark.models.forecasts.rules import series_kind
from promo_spark.settings.forecast import ForecastSettings

DECIMALS = 6  # published figures: beyond lies the noise of floating point
NO_ACCURACY = {f.name: None for f in dataclasses.fields(Accuracy)}
ENDS = (  # in the order of intervals.TAILS
    ForecastModels.ends_lower_80,
    ForecastModels.ends_upper_80,
    ForecastModels.ends_lower_95,
    ForecastModels.ends_upper_95,
)
INTERVALS = (ForecastModels.error_scale, *ENDS, ForecastModels.ends_of_total)

OTHERS = ("other_products", "other_categories", "other_stores")  # levels of what the parts of a series leave

_DAILY, _FORECASTS, _STORED = DailySales.columns(), Forecasts.columns(), ForecastModels.columns()
_BY_DAY = T.ArrayType(T.DoubleType())


class SalesSeries(Frame):
    """One row per series."""

    series_id = _DAILY[DailySales.series_id]
    level = _DAILY[DailySales.level]
    item_id = _DAILY[DailySales.item_id]
    revenue = Col(T.DecimalType(28, 2), "amount received ever", required=True)
    days_before = Col(T.IntegerType(), "days of sales of any series before the first sale of this one", required=True)
    units = Col(_BY_DAY, "units by day, from the first sale to yesterday", required=True)
    display = Col(_BY_DAY, "share on display of the same days and, as planned, of those to come; null: not asked for")
    mailer = Col(_BY_DAY, "the same in the mailer")
    depth = Col(_BY_DAY, "mean reduction that is announced, of the same days; null: not asked for")
    daily_price = Col(_BY_DAY, "mean price paid by day; null: not asked for")
    stock_out = Col(_BY_DAY, "1 on days without stock; null: not asked for")


class SeriesToForecast(Frame):
    """One row per series, with what an earlier date stored of it, where that is to be kept."""

    series_id = _DAILY[DailySales.series_id]
    level = _DAILY[DailySales.level]
    item_id = _DAILY[DailySales.item_id]
    revenue = Col(T.DoubleType(), "amount received ever; null: not known")
    days_before = Col(T.IntegerType(), "days of sales of any series before the first sale; null: none")
    units = Col(_BY_DAY, "units by day, from the first sale to yesterday", required=True)
    display = SalesSeries.columns()[SalesSeries.display]
    mailer = SalesSeries.columns()[SalesSeries.mailer]
    depth = SalesSeries.columns()[SalesSeries.depth]
    daily_price = SalesSeries.columns()[SalesSeries.daily_price]
    stock_out = SalesSeries.columns()[SalesSeries.stock_out]
    top = Col(T.BooleanType(), "whether the series earns the dear models", required=True)
    profile = Col(T.StringType(), "what kind of series it was; null: nothing is kept, as in all that follow")
    model = Col(T.StringType(), "the champion")
    error_scale = _STORED[ForecastModels.error_scale]
    ends_lower_80 = _STORED[ForecastModels.ends_lower_80]
    ends_upper_80 = _STORED[ForecastModels.ends_upper_80]
    ends_lower_95 = _STORED[ForecastModels.ends_lower_95]
    ends_upper_95 = _STORED[ForecastModels.ends_upper_95]
    ends_of_total = _STORED[ForecastModels.ends_of_total]
    trained_on = Col(T.DateType(), "the date as of which it was chosen")


class SeriesModel(Frame):
    """One row per series and model. Forecasts are by day ahead; errors are of the last window of the backtest."""

    series_id = _DAILY[DailySales.series_id]
    level = _DAILY[DailySales.level]
    item_id = _DAILY[DailySales.item_id]
    profile = _FORECASTS[Forecasts.profile]
    model = _FORECASTS[Forecasts.model]
    champion = _FORECASTS[Forecasts.champion]
    picked = Col(T.BooleanType(), "what the windows before the last would have chosen", required=True)
    picked_before = Col(T.BooleanType(), "what the windows before the last two would have chosen", required=True)
    failure = _FORECASTS[Forecasts.failure]
    in_pieces = Col(T.BooleanType(), "whether sales are whole pieces, not weights or volumes", required=True)
    price = Col(T.DoubleType(), "mean amount received per unit; null: not known")
    units = Col(_BY_DAY, "point forecast; null: the model failed")
    coherent = Col(_BY_DAY, "of a champion: units that add up with those of other series; null: it stands alone")
    lower_80 = Col(_BY_DAY, "lower end of the 80% interval")
    upper_80 = Col(_BY_DAY, "upper end of the 80% interval")
    lower_95 = Col(_BY_DAY, "lower end of the 95% interval")
    upper_95 = Col(_BY_DAY, "upper end of the 95% interval")
    total = Col(_BY_DAY, "units of all days ahead, and the ends of its 80% and 95% intervals, lower before upper")
    error_scale = _STORED[ForecastModels.error_scale]
    ends_lower_80 = _STORED[ForecastModels.ends_lower_80]
    ends_upper_80 = _STORED[ForecastModels.ends_upper_80]
    ends_lower_95 = _STORED[ForecastModels.ends_lower_95]
    ends_upper_95 = _STORED[ForecastModels.ends_upper_95]
    ends_of_total = _STORED[ForecastModels.ends_of_total]
    trained_on = Col(T.DateType(), "the earlier date as of which the champion was chosen; null: it is fitted now")
    scores = Col(T.ArrayType(_BY_DAY), "errors of the last window, as intervals.Scores; null: no window, or used up")
    scores_before = Col(T.ArrayType(_BY_DAY), "the same of the window before, of what was picked before it")
    mae = Col(T.DoubleType(), "mean absolute error; null: no window")
    rmse = Col(T.DoubleType(), "root mean square error")
    mase = Col(T.DoubleType(), "mae over the history's seasonal naive error; NaN: that is 0")
    smape = Col(T.DoubleType(), "symmetric mean absolute percentage error")
    absolute_error = Col(T.DoubleType(), "sum of absolute errors")
    actual = Col(T.DoubleType(), "units really sold")
    expected = Col(T.DoubleType(), "units forecast")
    covered_80 = Col(T.DoubleType(), "share of days within the 80% interval; null: no window before to make it of")
    covered_95 = Col(T.DoubleType(), "share of days within the 95% interval")
    total_covered_80 = Col(T.DoubleType(), "1 where the sum of the days is within its 80% interval, else 0")
    total_covered_95 = Col(T.DoubleType(), "the same of the 95% interval")


@dataclasses.dataclass(frozen=True)
class StoredModel:
    """The champion that an earlier date chose for a series, and what its intervals are made of; None: a rule."""

    model: str
    error_scale: float | None
    ends: IntervalEnds | None
    trained_on: datetime.date


@dataclasses.dataclass(frozen=True)
class Series:
    """One series: units per day up to yesterday, the models that may be run on it, and what is kept of it."""

    series_id: str
    level: str
    item_id: str
    kind: str
    units: Floats
    history: History | None  # None: its drivers are not asked for
    days_before: int
    price: float | None
    models: tuple[str, ...]  # none: a rule forecasts it
    members: tuple[str, ...]  # of its ensemble
    stored: StoredModel | None


def series_of(row: Any, settings: ForecastSettings) -> Series:
    """A row of SeriesToForecast as a series. What is stored of another kind of series is not kept."""
    units = np.maximum(np.asarray(row.units, dtype=np.float64), 0.0)  # more returned than sold: no demand
    kind = series_kind(
        units,
        min_history_days=settings.min_history_days,
        dead_days=settings.dead_days,
        intermittent_gap=settings.intermittent_gap,
    )
    stored = None
    if row.profile == kind:
        stored = StoredModel(row.model, row.error_scale, stored_ends(row._asdict()), row.trained_on)
    sold = units.sum()
    price = float(row.revenue) / sold if sold > 0 and _known(row.revenue) else None
    before = int(row.days_before) if _known(row.days_before) else 0
    models, members = _models(kind, row.level, bool(row.top), settings)
    history = None
    if row.display is not None:
        depth = np.full(len(row.display), np.nan) if row.depth is None else row.depth
        drivers = (row.display, row.mailer, depth, row.daily_price, row.stock_out)
        history = History(units, *(np.asarray(of, np.float64) for of in drivers))
    return Series(row.series_id, row.level, row.item_id, kind, units, history, before, price, models, members, stored)


def model_row(
    series: Series,
    model: str,
    units: Floats | None,
    *,
    champion: bool = False,
    failure: str | None = None,
) -> dict[str, Any]:
    """A row of SeriesModel: a forecast without errors and intervals; None: the model failed."""
    empty: dict[str, Any] = dict.fromkeys(SeriesModel.columns())
    return empty | {
        SeriesModel.series_id: series.series_id,
        SeriesModel.level: series.level,
        SeriesModel.item_id: series.item_id,
        SeriesModel.profile: series.kind,
        SeriesModel.model: model,
        SeriesModel.champion: champion,
        SeriesModel.picked: False,
        SeriesModel.picked_before: False,
        SeriesModel.failure: failure,
        SeriesModel.in_pieces: in_pieces(series.units),
        SeriesModel.price: series.price,
        SeriesModel.units: None if units is None else np.round(units, DECIMALS),
        SeriesModel.trained_on: series.stored.trained_on if series.stored else None,
    }


def ends_row(ends: IntervalEnds) -> dict[str, Any]:
    """The columns of SeriesModel that are stored of interval ends."""
    return {**dict(zip(ENDS, ends.by_season, strict=True)), ForecastModels.ends_of_total: ends.total}


def stored_ends(row: Mapping[Any, Any]) -> IntervalEnds | None:
    """The ends that a row holds; None: it has none."""
    if row[ForecastModels.ends_of_total] is None:
        return None
    by_season = np.array([np.asarray(row[name], np.float64) for name in ENDS])
    return IntervalEnds(by_season, np.asarray(row[ForecastModels.ends_of_total], np.float64))


def interval_row(days: Forecast, total: Forecast) -> dict[str, Any]:
    """The columns of SeriesModel with the intervals of days and of their sum."""
    by_day = {name: np.round(ends, DECIMALS) for name, ends in dataclasses.asdict(days).items()}
    return by_day | {SeriesModel.total: np.round(np.concatenate(dataclasses.astuple(total)), DECIMALS)}


def _models(kind: str, level: str, top: bool, settings: ForecastSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The models that a series is given, and the members of its ensemble."""
    if kind == "intermittent":
        return tuple(settings.models_intermittent), tuple(settings.ensemble_intermittent)
    if kind == "regular" and level in OTHERS:
        return tuple(settings.models_others), tuple(settings.models_others)
    members = tuple(settings.ensemble_regular)
    if kind == "regular":
        return tuple(settings.models_regular + (settings.models_top if top else [])), members
    return (), members


def _known(value: Any) -> bool:
    return value is not None and value == value
