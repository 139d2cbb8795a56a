"""Forecast the sales of every series: features.daily_sales → models.forecasts.

The champion of a series is an ensemble, or a model that did clearly better on days that are over. On dates without a
fit (forecast.refit) every series keeps its champion, which is run on all days up to the date. What else may be
wanted, by what is bought together, stands apart in models.demand_hints: a rule of thumb for who reorders. Without
basket rules it is empty.
"""

from __future__ import annotations

from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.contracts.models import (
    BasketRules,
    DemandHints,
    ForecastModels,
    Forecasts,
    ForecastTotals,
    Metrics,
    Registry,
)
from promo_spark.flows.forecast import fit_of_date, forecasts_of_date, hints_of_date
from promo_spark.flows.registry import registry_rows
from promo_spark.measures.metric_rows import figure_entries
from promo_spark.models.forecasts.batches import forecast_totals, forecasts, sales_series
from promo_spark.models.forecasts.stored import model_rows
from promo_spark.runtime.job import Context, Earlier, job, main
from promo_spark.settings.forecast import ForecastSettings


@job(
    reads=[DailySales],
    optional=[BasketRules, ProductProfile, Earlier(ForecastModels), Earlier(Forecasts)],
    writes=[Forecasts, ForecastTotals, DemandHints, ForecastModels, Registry, Metrics],
    settings=ForecastSettings,
)
def run(ctx: Context[ForecastSettings]) -> None:
    sales = ctx.read(DailySales)
    series = ctx.keep(sales_series(sales, as_of=ctx.date, partitions=ctx.settings.partitions))
    of_date = forecasts_of_date(ctx, sales, series)
    ahead = forecasts(of_date.models, as_of=ctx.date)
    ctx.write(Forecasts, ahead)
    ctx.write(ForecastTotals, forecast_totals(of_date.models))
    ctx.write(DemandHints, hints_of_date(ctx, ahead, sales))
    ctx.write(ForecastModels, model_rows(of_date.models, as_of=ctx.date, made_by=ctx.made_by))
    ctx.write(Registry, registry_rows(ctx, fit_of_date(ctx, of_date, series)))
    ctx.metrics(figure_entries(of_date.figures))


if __name__ == "__main__":
    main(run)
