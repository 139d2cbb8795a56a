"""Horizon, models and backtest of the sales forecasts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from promo_spark.contracts.vocabulary import FORECAST_MODELS
from promo_spark.settings.sections import Count, Days, Positive, Refit, Section, Seed, Share, each_once_of

Models = Annotated[list[str], each_once_of("model", FORECAST_MODELS)]


class SupplySettings(Section):
    """How long goods take to come, how sure they are to be there, and what is too much of them."""

    lead_time_days: Annotated[int, Field(ge=0, le=3660)]
    review_days: Days
    service_level: Annotated[float, Field(ge=0.5, lt=1)]
    overstock_days: Days
    overstock_probability: Annotated[float, Field(gt=0, lt=1)]
    stock_days: Days
    share_days: Days
    alert_days: Days
    alert_share: Annotated[float, Field(gt=0, le=0.1)]
    alert_history_days: Days


class PooledSettings(Section):
    """One model of all series of a level: on how many of them it is fitted and judged, and how long."""

    enabled: bool
    sample_series: Positive
    judged_series: Positive
    sample_rows: Positive
    origins: Positive
    every_days: Days
    trees: Positive
    leaves: Annotated[int, Field(ge=2, le=1000)]
    rate: Annotated[float, Field(gt=0, le=1)]
    rows_of_leaf: Positive
    seed: Seed


class ForecastSettings(Section):
    """Horizon, models and backtest of the sales forecasts."""

    horizon_days: Days
    season_days: Positive
    min_history_days: Days
    dead_days: Days
    intermittent_gap: Annotated[float, Field(gt=1, le=3660)]
    backtest_windows: Positive
    top_series: Count
    models_regular: Annotated[Models, Field(min_length=1)]
    models_intermittent: Annotated[Models, Field(min_length=1)]
    models_top: Models
    ensemble_regular: Models
    ensemble_intermittent: Models
    models_others: Annotated[Models, Field(min_length=1)]
    champion_margin: Annotated[float, Field(ge=0, lt=1)]
    champion_by_regular: Literal["mae", "rmse"]
    champion_by_intermittent: Literal["mae", "rmse"]
    reconcile: Literal["none", "wls"]
    refit: Refit
    refit_outside_95: Share
    batch_series: Positive
    partitions: Positive
    segment_days: Annotated[int, Field(ge=0, le=3660)]
    pooled: PooledSettings
    supply: SupplySettings
