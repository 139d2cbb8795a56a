"""What cards of models are made of: the newest fit of each, the figures of its date, the settings of its job."""

from __future__ import annotations

from pyspark.sql import functions as F

from promo_spark.contracts.models import Metrics, Registry
from promo_spark.flows.report.reading import Ctx, rows_of
from promo_spark.measures.best_rows import best_rows
from promo_spark.reports.sections.models import ModelRows
from promo_spark.settings import Section
from promo_spark.settings.baskets import BasketsSettings
from promo_spark.settings.forecast import ForecastSettings
from promo_spark.settings.propensity import PropensitySettings
from promo_spark.settings.recommend import RecommendSettings
from promo_spark.settings.segment import SegmentSettings
from promo_spark.settings.uplift import UpliftSettings

FITTED_BY: dict[str, type[Section]] = {  # sections of the jobs that fit models
    "segment": SegmentSettings,
    "baskets": BasketsSettings,
    "recommend": RecommendSettings,
    "forecast": ForecastSettings,
    "propensity": PropensitySettings,
    "uplift": UpliftSettings,
}


def model_rows(ctx: Ctx) -> ModelRows:
    """What the section of the models and their cards are made of. Registry, Metrics → the few rows of them."""
    fits = ctx.read_optional(Registry).unionByName(ctx.read_earlier(Registry)).filter(Registry.champion)
    newest = best_rows(fits, of=[Registry.model], by=[F.desc(Registry.as_of), Registry.job], keep=1)
    dates = newest.select(Registry.job, Registry.as_of).distinct()
    measured = ctx.read_optional(Metrics).unionByName(ctx.read_earlier(Metrics))
    return ModelRows(
        fits=rows_of(newest),
        metrics=rows_of(measured.join(F.broadcast(dates), [Metrics.job, Metrics.as_of], "left_semi")),
        settings={job: ctx.beside(section).identity() for job, section in FITTED_BY.items()},
    )
