"""How the shop does, whatever the reason: the key figures of the day before the date."""

from __future__ import annotations

from pyspark.sql import DataFrame

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Recommendations
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.silver import Events, Exposures, Feedback, Inventory, Market, OrderLines
from promo_spark.measurement.kpis.customers import CustomerDays
from promo_spark.measurement.kpis.feedback_topics import overdue_answers
from promo_spark.measurement.kpis.key_figures import KpiInputs, kpi_names, kpi_parts, with_every_figure
from promo_spark.measurement.kpis.rows import KpiRow
from promo_spark.measurement.kpis.satisfaction import on_days
from promo_spark.runtime.job import Context
from promo_spark.settings.evaluate import EvaluateSettings


def key_figures(ctx: Context[EvaluateSettings]) -> DataFrame:
    """One row per key figure and slice. Silver, features, risk, earlier decisions → KpiDaily.

    Matter by matter: one query of all of them would hold all their joins at a time.
    """
    inputs = KpiInputs(
        lines=ctx.read_everyone(OrderLines),
        promotions=ctx.read_earlier(Promotions),
        profiles=ctx.read(UserProfile),
        products=ctx.read(ProductProfile),
        inventory=ctx.read_optional(Inventory),
        events=ctx.read_everyone(Events),
        exposures=ctx.read_everyone(Exposures),
        feedback=ctx.read_everyone(Feedback),
        market=ctx.read_optional(Market),
        risk=ctx.read_optional(Risk),
        recommendations=ctx.read_earlier(Recommendations),
        settings=ctx.settings,
        date=ctx.date,
        timezone=ctx.business.timezone,
    )
    rows = [row.asDict() for part in kpi_parts(inputs) for row in part.collect()]  # a row per figure and slice
    return with_every_figure(KpiRow.frame(ctx.spark, rows), kpi_names(ctx.settings.retention_days))


def overdue_of_date(ctx: Context[EvaluateSettings]) -> DataFrame:
    """One row per text that waits for a reply too long. Feedback → OverdueAnswers."""
    zone = ctx.business.timezone
    month = CustomerDays(ctx.date, ctx.settings.retention_days, ctx.settings.churn_days).month
    feedback = on_days(ctx.read_everyone(Feedback), month, zone)
    return overdue_answers(feedback, date=ctx.date, timezone=zone, answer_days=ctx.settings.answer_days)
