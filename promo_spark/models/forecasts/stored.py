"""The champions of a fit, as they are stored and read again."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.models import ForecastModels
from promo_spark.measures.refitting import newest_rows
from promo_spark.models.forecasts.series import INTERVALS, SeriesModel


@dataclass(frozen=True)
class StoredModels:
    """ForecastModels of one date, and when and by what they were fitted."""

    rows: DataFrame
    trained_on: datetime.date
    made_by: str


def stored_models(models: DataFrame | None) -> StoredModels | None:
    """ForecastModels of earlier dates → those of the newest of them; None: there are none.

    The date of the fit is that of the oldest champion: a series that was fitted for itself has a later one.
    """
    newest = newest_rows(models, ForecastModels.as_of)
    if newest is None:
        return None
    _, rows = newest
    trained_on, made_by = rows.agg(F.min(ForecastModels.trained_on), F.max(ForecastModels.made_by)).collect()[0]
    return StoredModels(rows, trained_on, made_by)


def model_rows(models: DataFrame, *, as_of: datetime.date, made_by: str) -> DataFrame:
    """One row per series: its champion. SeriesModel → ForecastModels."""
    return models.filter(SeriesModel.champion).select(
        SeriesModel.series_id,
        SeriesModel.profile,
        SeriesModel.model,
        *INTERVALS,
        F.coalesce(SeriesModel.trained_on, F.lit(as_of)).alias(ForecastModels.trained_on),
        F.lit(made_by).alias(ForecastModels.made_by),
    )
