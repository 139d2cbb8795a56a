"""Forecast the sales of every series: features.daily_sales → models.forecasts.

The champion of a series is the model that did best on days that are over.
"""

from __future__ import annotations

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import Forecasts, Metrics
from promo_spark.models.forecasts.batches import forecasts, sales_series, series_models
from promo_spark.models.forecasts.metrics import forecast_metrics
from promo_spark.runtime.job import Context, job, main
from promo_spark.settings.forecast import ForecastSettings


@job(reads=[DailySales], writes=[Forecasts, Metrics], settings=ForecastSettings)
def run(ctx: Context[ForecastSettings]) -> None:
    settings = ctx.settings
    sales = ctx.read(DailySales)
    series = ctx.keep(sales_series(sales, as_of=ctx.date, partitions=settings.partitions))
    models = ctx.keep(series_models(series, settings))
    ctx.say(f"forecasting {settings.horizon_days} days, testing the models on {settings.backtest_windows} windows")
    ctx.write(Forecasts, forecasts(models, as_of=ctx.date))
    ctx.metrics(forecast_metrics(models))


if __name__ == "__main__":
    main(run)
