"""The pages of a date, from the tables that report may read."""

from __future__ import annotations

from promo_spark.flows.report.cards import model_rows
from promo_spark.flows.report.customers import customer_rows
from promo_spark.flows.report.decided import decided_rows
from promo_spark.flows.report.fairness import fairness_rows
from promo_spark.flows.report.models import (
    forecast_rows,
    policy_rows,
    quality_rows,
    recommendation_metrics,
    risk_groups,
    together_rows,
)
from promo_spark.flows.report.outcomes import outcome_rows
from promo_spark.flows.report.reading import Ctx
from promo_spark.flows.report.supply import supply_rows
from promo_spark.reports.daily_page import DailyRows, cards_page, daily_page
from promo_spark.reports.sections.models import cards_page_name
from promo_spark.reports.sections.told import Told
from promo_spark.reports.wording import Wording
from promo_spark.runtime.side_by_side import both
from promo_spark.settings.promote import PromoteSettings


def pages_of_date(ctx: Ctx) -> dict[str, str]:
    """By name the page of the date and that of the models' cards, as HTML. What a table does not hold, they say."""
    language = ctx.settings.language or ctx.beside(PromoteSettings).language
    words = Wording(language, ctx.business.currency, ctx.settings.least_group)
    tables = frozenset(table for table in ctx.job.optional if ctx.exists(table))
    ctx.say("reading decisions, effects, segments and models")
    (decided, outcomes, together, supply, risk, quality, models), of_customers = both(
        lambda: (
            decided_rows(ctx),
            outcome_rows(ctx),
            together_rows(ctx),
            supply_rows(ctx),
            risk_groups(ctx),
            quality_rows(ctx),
            model_rows(ctx),
        ),
        lambda: (
            customer_rows(ctx),
            fairness_rows(ctx),
            forecast_rows(ctx),
            recommendation_metrics(ctx),
            policy_rows(ctx),
        ),
    )
    customers, fairness, forecasts, recommendations, policy = of_customers
    told = Told(words, ctx.date, ctx.settings.days, tables)
    rows = DailyRows(
        decided,
        outcomes,
        customers,
        fairness,
        together,
        forecasts,
        supply,
        recommendations,
        models,
        risk,
        quality,
        policy,
    )
    return {
        f"{ctx.date}": daily_page(rows, told, ctx.run_id),
        cards_page_name(ctx.date): cards_page(models, told, ctx.run_id),
    }
