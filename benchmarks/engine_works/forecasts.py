"""Forecasts of many daily series by the same models of statsforecast, with one window to look back on."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine_works.work import SEED, Engine, Verdict, result, write
from promo_spark.contracts.features import DailySales
from promo_spark.models.forecasts.local_models import MODELS
from promo_spark.models.forecasts.series import SeriesModel

AS_OF = datetime.date(2017, 12, 1)
DAYS, HORIZON, SEASON = 365, 28, 7
_CLOSE = 1e-5  # ours are rounded to six places
_SALES, _OF_ALL, _OF_WINDOW = "sales", "forecast.parquet", "window.parquet"
_TIMED = 100  # series whose models are run on one thread, for the limit
_WIDE = {"series_id": "unique_id", "day": "ds", "units": "y"}


class Forecasts:
    reference = "statsforecast"
    sizes = ("tiny", "small", "medium", "large")
    limited_by = "the models alone, on one thread and in one call of statsforecast, divided by two threads"
    tolerance = (
        f"each model's forecast of each day is statsforecast's within {_CLOSE:g}, and so is its error in the window"
    )

    def __init__(self, name: str, models: tuple[str, ...], series: Mapping[str, int]) -> None:
        self.name, self.models, self.series = name, models, series

    @property
    def about(self) -> str:
        return (
            f"Daily series of {DAYS} days, {HORIZON} days ahead by {', '.join(self.models)}, and as of {HORIZON} "
            "days before, to know the error. All call statsforecast; ours also chooses a champion and its error scale."
        )

    @property
    def engines(self) -> tuple[Engine, ...]:
        versions = ("statsforecast",)
        return (
            Engine("statsforecast", self.by_statsforecast, ("statsforecast.models",), versions, note="n_jobs=2"),
            Engine("ours", self.by_ours, ("promo_spark.models.forecasts.batches",), versions, spark=True),
            Engine(
                "statsforecast on Spark",
                self.by_fugue,
                ("fugue_spark", "statsforecast.models"),
                (*versions, "fugue"),
                spark=True,
                note="its own backend, by Fugue",
            ),
            Engine(
                "applyInPandas",
                self.by_series,
                ("statsforecast.models",),
                versions,
                spark=True,
                note="one call of statsforecast per series",
            ),
        )

    def prepare(self, folder: Path, size: str) -> int:
        count, rng = self.series[size], np.random.default_rng(SEED)
        week = rng.uniform(0.5, 1.5, (count, SEASON))[:, np.arange(DAYS) % SEASON]
        mean = rng.uniform(5, 50, (count, 1)) * week * (1 + rng.normal(0, 0.3, (count, 1)) * np.arange(DAYS) / DAYS)
        units = 1.0 + rng.poisson(np.maximum(mean, 0.5))
        ids = np.repeat(np.arange(count), DAYS)
        first = AS_OF.toordinal() - DAYS - datetime.date(1970, 1, 1).toordinal()
        names = pa.array([f"product:{n}" for n in range(count)]).take(pa.array(ids))
        columns = {
            DailySales.series_id: names,
            DailySales.level: pa.array(["product"]).take(pa.array(np.zeros(len(ids), np.int64))),
            DailySales.item_id: names,
            DailySales.day: pa.array(np.tile(np.arange(first, first + DAYS, dtype=np.int32), count)).cast(pa.date32()),
            DailySales.units: units.ravel(),
            DailySales.revenue: units.ravel(),
        }
        write(folder, _SALES, columns)
        return len(ids)

    def judged(self, _folder: Path, results: Mapping[str, Path]) -> dict[str, Verdict]:
        found = {name: self._ours(path) if name == "ours" else self._wide(path) for name, path in results.items()}
        return {name: self._verdict(found["statsforecast"], own) for name, own in found.items()}

    def limit(self, folder: Path) -> float:
        sales = _wide_sales(folder)
        few = sales[sales["unique_id"].isin(sales["unique_id"].unique()[:_TIMED])]
        engine = self._engine(n_jobs=1)
        engine.forecast(df=few, h=HORIZON)
        started = time.perf_counter()
        engine.forecast(df=few, h=HORIZON)
        engine.cross_validation(df=few, h=HORIZON, n_windows=1)
        return (time.perf_counter() - started) * len(sales) / len(few) / 2

    def by_ours(self, data: Path, left: Path, spark: Any) -> None:
        from promo_spark.models.forecasts.batches import sales_series, tried_models
        from promo_spark.settings import load

        asked = {
            "models_regular": list(self.models),
            "ensemble_regular": [],
            "top_series": 0,
            "backtest_windows": 1,
            "horizon_days": HORIZON,
            "season_days": SEASON,
        }
        settings = load().forecast.model_copy(update=asked)
        sales = spark.read.parquet(str(data / f"{_SALES}.parquet"))
        tried = tried_models(sales_series(sales, as_of=AS_OF, partitions=settings.partitions), settings)
        tried.write.parquet(str(left))

    def by_statsforecast(self, data: Path, left: Path, _spark: Any) -> None:
        sales, engine = _wide_sales(data), self._engine(n_jobs=2)
        left.mkdir()
        engine.forecast(df=sales, h=HORIZON).to_parquet(left / _OF_ALL)
        engine.cross_validation(df=sales, h=HORIZON, n_windows=1).to_parquet(left / _OF_WINDOW)

    def by_fugue(self, data: Path, left: Path, spark: Any) -> None:
        from pyspark.sql import functions as F

        sales = spark.read.parquet(str(data / f"{_SALES}.parquet"))
        wide = sales.select(*(F.col(name).alias(theirs) for name, theirs in _WIDE.items()))
        wide = wide.withColumn("ds", F.col("ds").cast("timestamp"))
        engine = self._engine(n_jobs=1)
        engine.forecast(df=wide, h=HORIZON).write.parquet(str(left / _OF_ALL))
        engine.cross_validation(df=wide, h=HORIZON, n_windows=1).write.parquet(str(left / _OF_WINDOW))

    def by_series(self, data: Path, left: Path, spark: Any) -> None:
        sales = spark.read.parquet(str(data / f"{_SALES}.parquet")).select(*_WIDE)

        def both(days: pd.DataFrame) -> pd.DataFrame:
            days = days.rename(columns=_WIDE).sort_values("ds")
            days["ds"] = pd.to_datetime(days["ds"])
            engine = self._engine(n_jobs=1)
            window = engine.cross_validation(df=days, h=HORIZON, n_windows=1)
            ahead = engine.forecast(df=days, h=HORIZON)
            rows: pd.DataFrame = pd.concat([ahead, window.drop(columns="cutoff")])
            return rows

        numbers = ", ".join(f"{model} double" for model in self.models)
        # rows of the window have what was sold beside what was forecast, those ahead have not
        made = sales.groupBy("series_id").applyInPandas(both, f"unique_id string, ds timestamp, {numbers}, y double")
        made.write.parquet(str(left))

    def _engine(self, n_jobs: int) -> Any:
        from statsforecast import StatsForecast
        from statsforecast import models as library

        models = [getattr(library, name)(**MODELS[name](SEASON), alias=name) for name in self.models]
        return StatsForecast(models=models, freq="D", n_jobs=n_jobs)

    def _ours(self, path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Forecasts by series, day and model, and the mean absolute errors by series and model."""
        rows = result(path).select([SeriesModel.series_id, SeriesModel.model, SeriesModel.units, SeriesModel.mae])
        frame = rows.to_pandas().set_index([SeriesModel.series_id, SeriesModel.model]).sort_index()
        of_models = [frame.xs(model, level=SeriesModel.model) for model in self.models]
        units = np.stack([np.stack(list(of[SeriesModel.units])) for of in of_models], axis=2)
        return units, np.stack([of[SeriesModel.mae].to_numpy() for of in of_models], axis=1)

    def _wide(self, path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        if (path / _OF_ALL).exists():
            ahead, window = (result(path / name).to_pandas() for name in (_OF_ALL, _OF_WINDOW))
        else:
            frame = result(path).to_pandas()
            ahead, window = frame[frame["y"].isna()], frame[frame["y"].notna()]
        ahead, window = (frame.sort_values(["unique_id", "ds"]) for frame in (ahead, window))
        models = list(self.models)
        gone_wrong = np.abs(window[models].to_numpy() - window[["y"]].to_numpy()).reshape(-1, HORIZON, len(models))
        return ahead[models].to_numpy().reshape(-1, HORIZON, len(models)), gone_wrong.mean(axis=1)

    def _verdict(self, right: tuple[Any, Any], found: tuple[Any, Any]) -> Verdict:
        if any(a.shape != b.shape for a, b in zip(right, found, strict=True)):
            return Verdict(False, note=f"forecasts of {len(found[0]):,} series, not {len(right[0]):,}")
        gap = max(float(np.abs(a - b).max()) for a, b in zip(right, found, strict=True))
        return Verdict(gap <= _CLOSE, note=f"largest gap {gap:.0e}" if gap else "")


def _wide_sales(data: Path) -> pd.DataFrame:
    sales: pd.DataFrame = pq.read_table(data / f"{_SALES}.parquet", columns=list(_WIDE)).to_pandas()
    sales = sales.rename(columns=_WIDE)
    sales["ds"] = pd.to_datetime(sales["ds"])
    return sales


CHEAP = ("SeasonalNaive", "WindowAverage", "SeasonalWindowAverage", "SeasonalExponentialSmoothing")
FORECASTS = (
    Forecasts("forecast_cheap", CHEAP, {"tiny": 20, "small": 1_000, "medium": 10_000, "large": 100_000}),
    Forecasts("forecast_theta", ("Theta",), {"tiny": 20, "small": 200, "medium": 2_000, "large": 20_000}),
)
