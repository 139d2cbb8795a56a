"""The key figures of a date, all together, and what each of them means."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.measurement.kpis.customers import CustomerDays, customer_figures
from promo_spark.measurement.kpis.feedback_topics import overdue_share, topic_shares
from promo_spark.measurement.kpis.groups import user_groups
from promo_spark.measurement.kpis.market import market_share
from promo_spark.measurement.kpis.recommendations import recommendation_figures, shown_items
from promo_spark.measurement.kpis.rows import ALL, MONTH_DAYS, KpiRow, days_before
from promo_spark.measurement.kpis.satisfaction import (
    negative_share,
    on_days,
    opinions,
    response_rate,
    satisfaction,
    satisfaction_with_offers,
)
from promo_spark.measurement.kpis.stock import stock_figures
from promo_spark.settings.evaluate import EvaluateSettings

# Why a figure is null, by its name; `retention` stands for retention_<days>d.
UNKNOWN: Final = {
    "retention": "nobody ordered for the first time in the 30 days that were so long ago",
    "repurchase_rate": "nobody ordered",
    "conversion_rate": "nobody was seen who did not order: no events are delivered",
    "orders_per_user": "nobody ordered",
    "order_value": "nobody ordered",
    "churn_rate": "there were no regular buyers, or no order of theirs is older than `evaluate.churn_days`",
    "fraud_rate": "no order of an account that models.risk has scored",
    "daily_users": "never",
    "monthly_users": "never",
    "stickiness": "nobody was seen",
    "visit_frequency": "nobody was seen",
    "market_share": "no market data",
    "stock_turnover": "no stock data, or nothing in stock",
    "stock_value": "no stock data",
    "holding_cost": "no stock data",
    "satisfaction": "no scores; of a scenario or mechanic: too few",
    "satisfaction_low": "fewer than two scores",
    "satisfaction_high": "fewer than two scores",
    "satisfied_share": "no scores",
    "response_rate": "nothing was sent",
    "negative_share": "no scores",
    "feedback_share": "no texts",
    "overdue_share": "no texts, or nobody says when they were replied to",
    "recommendation_ctr": "nothing recommended was sent, or nobody says what was opened",
    "recommendation_cvr": "nothing recommended was sent",
}
_BY_TOPIC = "feedback_share"  # always has all its rows


@dataclass(frozen=True)
class KpiInputs:
    """What key figures are made of. Only days before `date` count, whatever else the frames hold.

    promotions and recommendations: those of the 60 dates before are enough. risk: the newest date that there is.
    """

    lines: DataFrame  # OrderLines of everyone
    promotions: DataFrame  # Promotions of earlier dates
    profiles: DataFrame  # UserProfile of the date: whose first order was when
    products: DataFrame  # ProductProfile of the date
    inventory: DataFrame  # Inventory
    events: DataFrame  # Events
    exposures: DataFrame  # Exposures
    feedback: DataFrame  # Feedback
    market: DataFrame  # Market
    risk: DataFrame  # Risk
    recommendations: DataFrame  # Recommendations of earlier dates
    settings: EvaluateSettings
    date: datetime.date
    timezone: str


def kpi_rows(inputs: KpiInputs) -> DataFrame:
    """One row per key figure and slice, of the day before the date or of the 30 days that end there. → KpiRow.

    Every figure has a row of slice `all`, null where there is nothing to tell it from.
    """
    rows = reduce(DataFrame.unionByName, kpi_parts(inputs))
    return with_every_figure(rows, kpi_names(inputs.settings.retention_days))


def kpi_parts(inputs: KpiInputs) -> list[DataFrame]:
    """The rows that there are, matter by matter. → KpiRow.

    Where memory is scarce they are computed one after another, and put together by `with_every_figure`.
    """
    settings, zone = inputs.settings, inputs.timezone
    days = CustomerDays(inputs.date, settings.retention_days, settings.churn_days)
    month = days.month
    promotions = inputs.promotions.filter(days_before(inputs.date, 2 * MONTH_DAYS).hold(Promotions.date))
    groups = user_groups(promotions, month.last)
    feedback = on_days(inputs.feedback, month, zone)
    told = opinions(feedback)
    shown = shown_items(promotions, inputs.exposures, inputs.recommendations, last_day=month.last)
    return [
        customer_figures(
            inputs.lines, inputs.events, groups=groups, profiles=inputs.profiles, risk=inputs.risk, days=days
        ),
        market_share(inputs.lines, inputs.products, inputs.market, day=month.last),
        stock_figures(
            inputs.lines,
            inputs.inventory,
            inputs.products,
            month=month,
            holding_cost_rate=settings.holding_cost_rate,
        ),
        satisfaction(told, groups, alpha=settings.alpha),
        satisfaction_with_offers(told, promotions, least=settings.least_answers),
        negative_share(told, promotions),
        response_rate(feedback, inputs.exposures, groups, days=month, timezone=zone),
        topic_shares(feedback),
        overdue_share(feedback, date=inputs.date, timezone=zone, answer_days=settings.answer_days),
        recommendation_figures(shown, inputs.lines, last_day=month.last, timezone=zone),
    ]


def kpi_names(retention_days: Sequence[int]) -> list[str]:
    """The names of all figures, as settings have them.

    >>> kpi_names([30, 60])[:3]
    ['retention_30d', 'retention_60d', 'repurchase_rate']
    """
    return [*(f"retention_{n}d" for n in retention_days), *(name for name in UNKNOWN if name != "retention")]


def with_every_figure(rows: DataFrame, names: Sequence[str]) -> DataFrame:
    """The rows, and a null of slice `all` for each figure that has none. KpiRow → KpiRow.

    Grouped, and not joined, so that the figures are computed once; a figure and slice has one row.
    """
    missing = KpiRow.frame(
        rows.sparkSession, [{KpiRow.kpi: name, KpiRow.slice: ALL} for name in names if name != _BY_TOPIC]
    )
    value, n = F.max(KpiRow.value).alias(KpiRow.value), F.max(KpiRow.n).alias(KpiRow.n)
    return KpiRow.shaped(rows.unionByName(missing).groupBy(KpiRow.kpi, KpiRow.slice).agg(value, n))
