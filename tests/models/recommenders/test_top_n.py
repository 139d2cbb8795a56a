"""Selection of the best few is exact, whatever the shape, the ties and the forbidden columns."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.models.recommenders.top_n import BLOCK, top_n


def test_the_best_come_first_and_ties_in_order_of_column() -> None:
    scores = np.array([[0.5, 2.0, -1.0, 2.0, 0.5], [-3.0, -1.0, -2.0, -np.inf, -1.0]], np.float32)
    columns, values = top_n(scores, 3)
    assert columns.tolist() == [[1, 3, 0], [1, 4, 2]]
    assert values.tolist() == [[2.0, 2.0, 0.5], [-1.0, -1.0, -2.0]]


def test_more_wanted_than_there_are_gives_all_of_them() -> None:
    """G14: the list is never empty because n is larger than the choice."""
    columns, values = top_n(np.array([[1.0, 3.0, -np.inf]], np.float32), 20)
    assert columns.tolist() == [[1, 0, 2]]
    assert values.tolist() == [[3.0, 1.0, -np.inf]]


def test_zero_and_minus_zero_are_a_tie() -> None:
    assert top_n(np.array([[-0.0, 0.0, -0.0]], np.float32), 3)[0].tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("columns", [BLOCK * 20, BLOCK * 30, BLOCK * 30 + 1, BLOCK * 31 - 1, 5])
@pytest.mark.parametrize("values", [2, 50, 100_000])  # many ties, some, hardly any
def test_block_selection_equals_a_full_sort(columns: int, values: int) -> None:
    rng = np.random.default_rng(columns * values)
    scores = (rng.integers(-values, values, (40, columns)) / 7).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = -np.inf
    scores[0] = -np.inf
    n = min(20, columns)
    expected = np.lexsort((np.broadcast_to(np.arange(columns), scores.shape), -scores), axis=1)[:, :n]
    found, best = top_n(scores, 20)
    assert (found == expected).all()
    assert (best == np.take_along_axis(scores, expected, axis=1)).all()
