"""The words of pages: the same in every language but for the language."""

from __future__ import annotations

import string

import pytest

from promo_spark.contracts import vocabulary
from promo_spark.contracts.decisions import ARMS, EXCLUSIONS, STATUSES
from promo_spark.contracts.measurement import FAIRNESS_OUTCOMES, METRICS, OUTCOMES, VERDICTS
from promo_spark.contracts.policy import PARAMETERS
from promo_spark.contracts.risk import ACTIONS
from promo_spark.contracts.supply import ALERT_KINDS, TREND_ATTRIBUTES
from promo_spark.measurement.kpis.key_figures import UNKNOWN
from promo_spark.models.propensity.questions import item_questions, user_questions
from promo_spark.models.segments.names import AVERAGE, NO_ORDERS, PHRASES
from promo_spark.reports.sections.fairness import LOYALTY
from promo_spark.reports.wording import Wording, texts

QUESTIONS = (*user_questions([]), *item_questions([]))
LANGUAGES = ("en-US", "zh-CN")
MODELS = ("segments", "behaviour_segments", "itemsets", "recommender", "forecasts", "responses", *QUESTIONS)
WORDS = {
    "scenario": vocabulary._OWN_SCENARIOS,
    "mechanic": vocabulary.MECHANICS,
    "lifecycle": vocabulary.LIFECYCLES,
    "tier": vocabulary.RISK_TIERS,
    "feature": vocabulary.PROFILE_NUMBERS,
    "arm": ARMS,
    "status": STATUSES,
    "none": EXCLUSIONS,
    "metric": METRICS,
    "verdict": VERDICTS,
    "outcome": {*OUTCOMES, *FAIRNESS_OUTCOMES},
    "attribute": [*vocabulary.USER_ATTRIBUTES, LOYALTY],
    "model": MODELS,
    "card.for": MODELS,
    "card.limits": MODELS,
    "advice": ACTIONS,
    "segment_advice": vocabulary.ADVICE,
    "parameter": [p.name for p in PARAMETERS],
    "kpi": list(UNKNOWN),
    "alert": ALERT_KINDS,
    "alert_found": ALERT_KINDS,
    "trend": TREND_ATTRIBUTES,
    "segment": [NO_ORDERS, AVERAGE, *(phrase for ends in PHRASES.values() for phrase in ends)],
}


def slots(text: str) -> set[str]:
    return {slot for _, slot, _, _ in string.Formatter().parse(text) if slot}


def test_both_languages_say_the_same_things_with_the_same_places_to_fill() -> None:
    english, chinese = (texts(language) for language in LANGUAGES)
    assert sorted(english) == sorted(chinese)
    sentence = "together.sentence"  # in English the table's own
    assert {k for k in english if k != sentence and slots(english[k]) != slots(chinese[k])} == set()
    assert {k for k in english if english[k] == chinese[k]} == {"column.mase", "column.ndcg"}  # their own names


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_tables_may_say_has_a_word(language: str) -> None:
    """A scenario, check or figure that comes new without a word in both languages fails here."""
    words = Wording(language, "USD", 5)
    assert [(kind, name) for kind, names in WORDS.items() for name in names if not words.knows(kind, name)] == []
