"""Which recommender is published, by what all of them are worth on one holdout."""

from __future__ import annotations

import pytest

from promo_spark.measures.metric_rows import Figure
from promo_spark.models.recommenders.holdout import best_recommender


def ndcg(**of: float) -> list[Figure]:
    return [Figure("ndcg@10", f"{name}:keep", value, 100) for name, value in of.items()]


@pytest.mark.parametrize(
    ("challenger", "published"),
    [
        (0.300, "als"),  # as good
        (0.303, "als"),  # better by 0.010 of 0.300, which is no more than the margin
        (0.304, "ranked"),  # better by more
        (0.200, "als"),
    ],
)
def test_a_challenger_takes_over_only_where_it_is_better_by_the_margin(challenger: float, published: str) -> None:
    """L04: both are measured on the same holdout; the margin is one hundredth of the champion's nDCG."""
    figures = ndcg(als=0.300, ranked=challenger, popularity=0.1)
    assert best_recommender(figures, "keep", champion="als", margin=0.0101) == published


def test_without_a_champion_that_was_measured_the_best_is_published() -> None:
    """On the first date, or where the champion cannot be fitted any more."""
    figures = ndcg(als=0.300, ranked=0.301)
    assert best_recommender(figures, "keep", margin=0.5) == "ranked"
    assert best_recommender(figures, "keep", champion="svd", margin=0.5) == "ranked"
    assert best_recommender([], "keep", champion="als", margin=0.5) == "blend"  # nothing was measured
