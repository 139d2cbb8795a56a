"""The page of a date, from the tables that report may read."""

from __future__ import annotations

from promo_spark.flows.report.customers import customer_rows
from promo_spark.flows.report.decided import decided_rows
from promo_spark.flows.report.models import (
    forecast_rows,
    policy_rows,
    quality_rows,
    recommendation_metrics,
    risk_groups,
    strongest_rules,
)
from promo_spark.flows.report.outcomes import outcome_rows
from promo_spark.flows.report.reading import Ctx
from promo_spark.reports.daily_page import DailyRows, daily_page
from promo_spark.reports.sections.told import Told
from promo_spark.reports.wording import Wording
from promo_spark.settings.promote import PromoteSettings


def page_of_date(ctx: Ctx) -> str:
    """The page as HTML. What a table does not hold, its section says."""
    language = ctx.settings.language or ctx.beside(PromoteSettings).language
    words = Wording(language, ctx.business.currency, ctx.settings.least_group)
    tables = frozenset(table for table in ctx.job.optional if ctx.exists(table))
    ctx.say("reading decisions and effects")
    decided, outcomes = decided_rows(ctx), outcome_rows(ctx)
    ctx.say("reading segments and models")
    rows = DailyRows(
        decided=decided,
        outcomes=outcomes,
        customers=customer_rows(ctx),
        rules=strongest_rules(ctx),
        forecasts=forecast_rows(ctx),
        recommendations=recommendation_metrics(ctx),
        risk=risk_groups(ctx),
        quality=quality_rows(ctx),
        policy=policy_rows(ctx),
    )
    return daily_page(rows, Told(words, ctx.date, ctx.settings.days, tables), ctx.run_id)
