"""What is asked of users and of their products, and how many days each answer is about."""

from __future__ import annotations

from collections.abc import Sequence

from promo_spark.contracts.predictions import TARGETS
from promo_spark.models.propensity.fitting import Question

ORDER, CHURN, SPEND, REDEMPTION = TARGETS
ITEM_OFFER, ITEM_28D, ITEM_UNITS = "item_offer", "item_28d", "item_units"
ORDER_DAYS, CHURN_DAYS, SPEND_DAYS, ITEM_DAYS = 14, 60, 30, 28
# The longer a user stays away, the likelier the user has left: what the churn model must not contradict.
SILENCE = ("recency_days", "second_recency_days", "fourth_recency_days", "silence")


def user_questions(kinds: Sequence[str]) -> dict[str, Question]:
    """By target."""
    of_users = tuple(kinds)
    return {
        ORDER: Question(ORDER, "binary", of_users),
        CHURN: Question(CHURN, "binary", of_users, rising=SILENCE),
        SPEND: Question(SPEND, "tweedie", of_users),
        REDEMPTION: Question(REDEMPTION, "binary", of_users, in_waves=True),
    }


def item_questions(kinds: Sequence[str]) -> dict[str, Question]:
    """By model."""
    of_pairs = tuple(kinds)
    return {
        ITEM_OFFER: Question(ITEM_OFFER, "binary", of_pairs),
        ITEM_28D: Question(ITEM_28D, "binary", of_pairs),
        ITEM_UNITS: Question(ITEM_UNITS, "poisson", of_pairs),
    }
