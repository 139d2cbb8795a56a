"""The pooled models of a date: those of an earlier date where they are kept, else newly fitted ones."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import PooledForecastModels
from promo_spark.contracts.silver import Holidays, PromoCalendar
from promo_spark.features.series.promo_exposure import planned_exposure
from promo_spark.flows.registry import Fit
from promo_spark.learners.stored_text import sha256_of
from promo_spark.measures.exclusions import without_excluded
from promo_spark.measures.refitting import newest_rows
from promo_spark.models.forecasts.batches import pooled_sample, windows_of_series
from promo_spark.models.forecasts.panel import FEATURES, Days
from promo_spark.models.forecasts.pooled import Pooled, PooledLevel
from promo_spark.models.forecasts.pooled_fit import fitted_pooled
from promo_spark.runtime.job import Context
from promo_spark.settings.forecast import ForecastSettings
from promo_spark.storage.refused_rows import collected_table

_EPOCH = datetime.date(1970, 1, 1)


@dataclass(frozen=True)
class PooledOfDate:
    """The pooled models that are asked on the date, if any, and by level when and by what they were fitted."""

    pooled: Pooled | None
    trained: Mapping[str, tuple[datetime.date, str]]

    def rows(self) -> list[dict[str, Any]]:
        """One row per level. → PooledForecastModels."""
        return [
            {
                PooledForecastModels.level: level,
                PooledForecastModels.text: text,
                PooledForecastModels.sha256: sha256_of(text),
                PooledForecastModels.trained_on: self.trained[level][0],
                PooledForecastModels.made_by: self.trained[level][1],
            }
            for level, text in self._texts.items()
        ]

    def fits(self, ctx: Context[ForecastSettings], reason: str) -> list[Fit]:
        """What is registered of those that were fitted on the date."""
        levels = self.pooled.levels if self.pooled and reason else {}
        last = ctx.date - datetime.timedelta(1)
        of, days = ctx.settings.pooled, ctx.settings.horizon_days
        first = ctx.date - datetime.timedelta(days + (of.origins - 1) * of.every_days)
        return [
            Fit(
                f"forecasts_{level}",
                "boosting",
                ctx.settings.refit,
                reason,
                rows=model.rows,
                days=(first, last),
                features=FEATURES,
                state=PooledForecastModels,
                metrics={f"share_{kind}": float(shares[0].mean()) for kind, shares in sorted(model.shares.items())},
                sha256=sha256_of(self._texts[level]),
            )
            for level, model in levels.items()
        ]

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {level: model.text() for level, model in self.pooled.levels.items()} if self.pooled else {}


def planned_of_date(ctx: Context[ForecastSettings], sales: DataFrame) -> DataFrame | None:
    """One row per series and day to come: what the promo calendar says. DailySales → PlannedDay; None: not asked for.

    Without a product catalogue nobody knows what a category's products are, so that nothing is planned.
    """
    if not ctx.settings.pooled.enabled:
        return None
    products = ctx.read_optional(ProductProfile)
    calendar = without_excluded(ctx.read_optional(PromoCalendar), products, ctx.business)
    if not ctx.exists(ProductProfile):
        calendar = PromoCalendar.frame(ctx.spark)
    return planned_exposure(sales, calendar, products, as_of=ctx.date, days=ctx.settings.horizon_days)


def pooled_of_date(
    ctx: Context[ForecastSettings], series: DataFrame, *, kept_since: datetime.date | None
) -> PooledOfDate:
    """The models of the fit whose champions are kept; where none are, models fitted to a sample of the series.

    SalesSeries → PooledOfDate.
    """
    if not ctx.settings.pooled.enabled:
        return PooledOfDate(None, {})
    days = Days((ctx.date - _EPOCH).days, _holidays(ctx))
    if kept_since:
        newest = newest_rows(ctx.earlier(PooledForecastModels), PooledForecastModels.as_of)
        stored = newest[1].filter(F.col(PooledForecastModels.trained_on) == F.lit(kept_since)) if newest else None
        rows = stored.orderBy(PooledForecastModels.level).collect() if stored else []  # one per level
        levels = {
            row[PooledForecastModels.level]: PooledLevel.of_text(
                row[PooledForecastModels.text], row[PooledForecastModels.sha256]
            )
            for row in rows
        }
        trained = {
            row[PooledForecastModels.level]: (row[PooledForecastModels.trained_on], row[PooledForecastModels.made_by])
            for row in rows
        }
        return PooledOfDate(Pooled(days, levels), trained)
    ctx.say(f"fitting one model of all series, on up to {ctx.settings.pooled.sample_series} of each level")
    pooled = fitted_pooled(
        collected_table(pooled_sample(series, ctx.settings)).to_pandas(),
        days,
        ctx.settings,
        lambda ids: collected_table(windows_of_series(series, ids, ctx.settings)).to_pandas(),
    )
    return PooledOfDate(pooled, dict.fromkeys(pooled.levels if pooled else (), (ctx.date, ctx.made_by)))


def _holidays(ctx: Context[ForecastSettings]) -> tuple[int, ...]:
    """The holidays that examples and forecasts lie near, as days since 1970-01-01."""
    day = F.col(Holidays.day)
    first, last = (ctx.date + datetime.timedelta(days) for days in (-_HOLIDAY_DAYS, _HOLIDAY_DAYS))
    near = ctx.read_optional(Holidays).filter((day >= F.lit(first)) & (day <= F.lit(last)))
    rows = near.select(Holidays.day).distinct().collect()  # those of two years
    return tuple(sorted((row[0] - _EPOCH).days for row in rows))


_HOLIDAY_DAYS = 366
