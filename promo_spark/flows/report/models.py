"""What is told of models and of what is watched: rules, forecasts, recommendations, risk, deliveries, the policy."""

from __future__ import annotations

import datetime
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import BasketRules, Forecasts, Metrics
from promo_spark.contracts.ops import DataQuality
from promo_spark.contracts.policy import Policy
from promo_spark.contracts.risk import Risk, RiskActions
from promo_spark.flows.report.reading import Ctx, rows_of
from promo_spark.reports.sections.forecasts import ForecastRows
from promo_spark.reports.sections.recommendations import NDCG, POPULAR, PUBLISHED, RECALL
from promo_spark.reports.sections.together import TogetherRows
from promo_spark.reports.sections.watched import PolicyRows, RiskGroup

SERIES = 4
RULES = 20
_FIRST = "_first"


def together_rows(ctx: Ctx) -> TogetherRows:
    """The bundles that their buyers' habits explain least, and how many rules there are."""
    rules = ctx.read_optional(BasketRules)
    order = (F.desc_nulls_last(BasketRules.lift_within_users), F.desc(BasketRules.confidence))
    bundles = rules.filter(BasketRules.is_bundle).orderBy(*order, BasketRules.antecedent, BasketRules.consequent)
    return TogetherRows(rows_of(bundles.limit(RULES)), rules.count())


def forecast_rows(ctx: Ctx) -> ForecastRows:
    """Sales and forecasts of the categories that sold most; of products where there are no categories."""
    sales = ctx.read_optional(DailySales).filter(F.col(DailySales.day) >= F.lit(_first_day(ctx)))
    metrics = rows_of(ctx.read_optional(Metrics).filter(F.col(Metrics.job) == "forecast"))
    level, items = "category", _largest(ctx, sales, "category")
    if not items:
        level, items = "product", _largest(ctx, sales, "product")
    if not items:
        return ForecastRows([], [], [], [], metrics)
    champions = F.col(Forecasts.champion) & (F.col(Forecasts.level) == level) & F.col(Forecasts.item_id).isin(items)
    of_items = (F.col(DailySales.level) == level) & F.col(DailySales.item_id).isin(items)
    before = ctx.read_earlier(Forecasts).filter((F.col(Forecasts.as_of) >= F.lit(_first_day(ctx))) & champions)
    return ForecastRows(
        items=items,
        sales=rows_of(sales.filter(of_items)),
        ahead=rows_of(ctx.read_optional(Forecasts).filter(champions)),
        earlier=rows_of(first_forecasts(before).filter(F.col(Forecasts.day) < F.lit(ctx.date))),
        metrics=metrics,
    )


def _largest(ctx: Ctx, sales: DataFrame, level: str) -> list[str]:
    """The items of a level with the most revenue in the days that are told of, those left out that no offer is of."""
    excluded = ctx.business.excluded_categories if level == "category" else []
    of_level = sales.filter((F.col(DailySales.level) == level) & ~F.col(DailySales.item_id).isin(excluded))
    revenue = F.sum(DailySales.revenue).alias(DailySales.revenue)
    items = of_level.groupBy(DailySales.item_id).agg(revenue).filter(F.col(DailySales.revenue) > 0)
    largest = items.orderBy(F.desc(DailySales.revenue), DailySales.item_id).limit(SERIES)
    return [row[DailySales.item_id] for row in rows_of(largest)]


def first_forecasts(forecasts: DataFrame) -> DataFrame:
    """Of each series the forecasts of its first date. Forecasts of several dates → Forecasts."""
    first = forecasts.groupBy(Forecasts.series_id).agg(F.min(Forecasts.as_of).alias(_FIRST))
    return forecasts.join(first, Forecasts.series_id).filter(F.col(Forecasts.as_of) == F.col(_FIRST)).drop(_FIRST)


def recommendation_metrics(ctx: Ctx) -> list[dict[str, Any]]:
    """How good recommendations were, on the date and on those before that are told of. → Metrics."""
    before = ctx.read_earlier(Metrics).filter(F.col(Metrics.as_of) >= F.lit(_first_day(ctx)))
    measured = ctx.read_optional(Metrics).unionByName(before)
    wanted: Column = (F.col(Metrics.job) == "recommend") & F.col(Metrics.metric).isin(RECALL, NDCG)
    return rows_of(measured.filter(wanted & F.col(Metrics.slice).isin(PUBLISHED, POPULAR)))


def risk_groups(ctx: Ctx) -> list[dict[str, Any]]:
    """How many accounts are in each tier, and what is advised. → RiskGroup."""
    actions = ctx.read_optional(RiskActions).select(RiskActions.user_id, RiskActions.action)
    judged = ctx.read_optional(Risk).select(Risk.user_id, Risk.tier).join(actions, Risk.user_id, "left")
    return rows_of(judged.groupBy(RiskGroup.tier, RiskGroup.action).agg(F.count(F.lit(1)).alias(RiskGroup.users)))


def quality_rows(ctx: Ctx) -> list[dict[str, Any]]:
    """The checks of the date's deliveries. → DataQuality."""
    return rows_of(ctx.read_optional(DataQuality))


def policy_rows(ctx: Ctx) -> PolicyRows:
    """The versions of the days that are told of, that in force before them, and that of the day after."""
    earlier = ctx.read_earlier(Policy)
    newest = earlier.filter(F.col(Policy.valid_from) < F.lit(_first_day(ctx))).agg(F.max(Policy.valid_from)).collect()
    since = newest[0][0] or _first_day(ctx)
    past = earlier.filter(F.col(Policy.valid_from) >= F.lit(since)).unionByName(ctx.read_optional(Policy))
    return PolicyRows(past=rows_of(past), ahead=rows_of(ctx.read_ahead(Policy)))


def _first_day(ctx: Ctx) -> datetime.date:
    return ctx.date - datetime.timedelta(ctx.settings.days)
