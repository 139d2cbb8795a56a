"""Forecast the sales of every series: features.daily_sales → models.forecasts.

The champion of a series is an ensemble, or a model that did clearly better on days that are over. One model of all
series of a level (models.pooled_forecast_models) has a share of their ensembles, as large as such days say: it knows
what silver.promo_calendar plans, and what displays and mailers did to other series. On dates without a
fit (forecast.refit) every series keeps its champion, which is run on all days up to the date. What is told of
products, categories and stores adds up (forecast.reconcile). What else may be
wanted, by what is bought together, stands apart in models.demand_hints: a rule of thumb for who reorders. Without
basket rules it is empty. What to order follows from the forecasts' own uncertainty over the lead time
(models.inventory_plan), by store where silver.inventory counts by store; without it, needs alone are told. What is
far from usual in sales, deliveries and stock stands in models.supply_alerts, which styles, brands and tags of a
category are about to sell more in models.demand_trends, and how many users of a segment came and will come in
models.segment_trends.
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
    PooledForecastModels,
    Registry,
    Segments,
)
from promo_spark.contracts.predictions import SegmentTrends
from promo_spark.contracts.silver import Holidays, Inventory, OrderLines, PromoCalendar
from promo_spark.contracts.supply import DemandTrends, InventoryPlan, SupplyAlerts
from promo_spark.flows.forecast import (
    expected_of_date,
    fits_of_date,
    forecasts_of_date,
    hints_of_date,
    series_of_date,
    trends_of_date,
)
from promo_spark.flows.registry import registry_rows
from promo_spark.flows.segment_trends import segment_trends_of_date
from promo_spark.flows.supply import alerts_of_date, plan_of_date
from promo_spark.measures.metric_rows import figure_entries
from promo_spark.models.forecasts.batches import forecast_totals, forecasts
from promo_spark.models.forecasts.stored import model_rows
from promo_spark.runtime.job import Context, Earlier, Everyone, job, main
from promo_spark.settings.forecast import ForecastSettings


@job(
    reads=[DailySales],
    optional=[
        BasketRules,
        ProductProfile,
        Inventory,
        PromoCalendar,
        Holidays,
        Segments,
        Everyone(
            OrderLines,
            why="each store's share of a product's sales is one of all users; of segments only who is in one counts",
        ),
        Earlier(ForecastModels),
        Earlier(PooledForecastModels),
        Earlier(Forecasts),
        Earlier(ForecastTotals),
    ],
    writes=[
        Forecasts,
        ForecastTotals,
        DemandHints,
        DemandTrends,
        SegmentTrends,
        InventoryPlan,
        SupplyAlerts,
        ForecastModels,
        PooledForecastModels,
        Registry,
        Metrics,
    ],
    settings=ForecastSettings,
)
def run(ctx: Context[ForecastSettings]) -> None:
    sales = ctx.read(DailySales)
    series = series_of_date(ctx, sales)
    of_date = forecasts_of_date(ctx, sales, series)
    ahead, totals = forecasts(of_date.models, as_of=ctx.date), forecast_totals(of_date.models)
    ctx.write(Forecasts, ahead)
    ctx.write(ForecastTotals, totals)
    ctx.write(InventoryPlan, plan_of_date(ctx, ahead, totals, sales))
    ctx.write(SupplyAlerts, alerts_of_date(ctx, sales))
    expected = ctx.keep(expected_of_date(ctx, ahead, sales))
    ctx.write(DemandHints, hints_of_date(ctx, expected))
    ctx.write(DemandTrends, trends_of_date(ctx, expected))
    ctx.write(SegmentTrends, segment_trends_of_date(ctx))
    ctx.write(ForecastModels, model_rows(of_date.models, as_of=ctx.date, made_by=ctx.made_by))
    ctx.write(PooledForecastModels, of_date.pooled.rows())
    ctx.write(Registry, registry_rows(ctx, *fits_of_date(ctx, of_date, series.series)))
    ctx.metrics(figure_entries(of_date.figures))


if __name__ == "__main__":
    main(run)
