"""The pages of a date for people: what was decided, what came of it, who the customers are; and cards of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promo_spark.reports.blocks import Section
from promo_spark.reports.rendering import page_templates
from promo_spark.reports.sections.customers import CustomerRows, customers_section
from promo_spark.reports.sections.decided import DecidedRows, decided_section, headline
from promo_spark.reports.sections.fairness import FairnessRows, fairness_section
from promo_spark.reports.sections.forecasts import ForecastRows, forecasts_section
from promo_spark.reports.sections.models import ModelRows, card_sections, models_section
from promo_spark.reports.sections.outcomes import OutcomeRows, alarms, outcomes_section
from promo_spark.reports.sections.recommendations import recommendations_section
from promo_spark.reports.sections.supply import SupplyRows, supply_section
from promo_spark.reports.sections.together import TogetherRows, together_section
from promo_spark.reports.sections.told import Row, Told
from promo_spark.reports.sections.watched import PolicyRows, policy_section, quality_section, risk_section


@dataclass(frozen=True)
class DailyRows:
    """The rows that the page is made of, section by section; few, however many users there are."""

    decided: DecidedRows
    outcomes: OutcomeRows
    customers: CustomerRows
    fairness: FairnessRows
    together: TogetherRows
    forecasts: ForecastRows
    supply: SupplyRows
    recommendations: Sequence[Row]
    models: ModelRows
    risk: Sequence[Row]
    quality: Sequence[Row]
    policy: PolicyRows


def daily_page(of: DailyRows, told: Told, run_id: str) -> str:
    """The page as HTML, whole and in one file: it needs nothing from elsewhere."""
    w = told.words
    sections = [
        decided_section(of.decided, told),
        outcomes_section(of.outcomes, told),
        customers_section(of.customers, told),
        fairness_section(of.fairness, told),
        together_section(of.together, told),
        forecasts_section(of.forecasts, told),
        supply_section(of.supply, told),
        recommendations_section(of.recommendations, told),
        models_section(of.models, told),
        risk_section(of.risk, told),
        quality_section(of.quality, told),
        policy_section(of.policy, told),
    ]
    facts = [*headline(of.decided, told), *alarms(of.outcomes, told)]
    return _page(sections, facts, w.say("page.title", date=w.day(told.date)), w.say("page.lead"), told, run_id)


def cards_page(of: ModelRows, told: Told, run_id: str) -> str:
    """The cards of the models as a page of its own, in one file too."""
    w = told.words
    title = w.say("models.page_title", date=w.day(told.date))
    return _page(card_sections(of, told), [], title, w.say("models.page_lead"), told, run_id)


def _page(
    sections: Sequence[Section], facts: Sequence[tuple[str, str]], title: str, lead: str, told: Told, run_id: str
) -> str:
    w = told.words
    return (
        page_templates()
        .get_template("daily_page.html.j2")
        .render(
            language=w.language,
            title=title,
            lead=lead,
            contents=w.say("page.contents"),
            facts=facts,
            sections=sections,
            footing=w.say("page.footing", run_id=run_id),
        )
    )
