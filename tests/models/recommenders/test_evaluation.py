"""Figures of lists, against hand and against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from promo_spark.models.recommenders.first_stage.evaluation import LIST_METRICS, Audience, list_figures
from promo_spark.models.recommenders.ranking_metrics import bootstrap_interval
from tests.models.recommenders.test_neighbours import matrix

# Items a to h are 0 to 7; a, b, e are of one group.
GROUP = np.array([0, 0, 1, 1, 0, 2, 2, 2])


def figures(ranked: list[int], truth: dict[int, float], had: list[int], sample: np.ndarray) -> dict[str, float]:
    later, history = np.zeros((1, 8)), np.zeros((1, 8))
    later[0, list(truth)] = list(truth.values())
    history[0, had] = 1
    audience = Audience.of(matrix(sample), GROUP)
    row = list_figures(np.array([ranked]), matrix(later), matrix(history), audience, len(ranked))[0]
    return dict(zip(LIST_METRICS, row.tolist(), strict=True))


def test_figures_of_a_list_by_hand() -> None:
    """G11: a to e are shown; a (2), c (4) and f (1) were relevant: P .4, R .6667, F1 .5."""
    sample = np.ones((4, 8))
    sample[:2, 1] = 0  # half of the users have b
    sample[:, 5] = 0  # nobody has f
    found = figures([0, 1, 2, 3, 4], {0: 2.0, 2: 4.0, 5: 1.0}, [0, 1, 2], sample)
    assert [found[m] for m in ("precision", "recall", "f1", "hit_rate", "mrr")] == pytest.approx(
        [0.4, 2 / 3, 0.5, 1, 1]
    )
    assert found["map"] == found["map_of_all"] == pytest.approx((1 + 2 / 3) / 3)  # three are relevant, of five ranks
    assert found["ndcg"] == pytest.approx((1 + 0.5) / (1 + 1 / math.log2(3) + 0.5))
    assert found["ndcg_graded"] == pytest.approx((2 + 4 * 0.5) / (4 + 2 / math.log2(3) + 1 * 0.5))
    assert found["recall_of_new_items"] == 0.0  # f is the one that nobody had
    assert found["novelty"] == pytest.approx(1 / 5)  # b has one bit, the others none
    assert found["diversity"] == pytest.approx(6 / 10)  # a, b, e with c, d: 3 × 2 of 10 pairs
    # of what the user had 2/3 is of group 0 and 1/3 of 1, of the list 3/5 and 2/5
    p, q = np.array([2 / 3, 1 / 3]), 0.99 * np.array([0.6, 0.4]) + 0.01 * np.array([2 / 3, 1 / 3])
    assert found["miscalibration"] == pytest.approx(float((p * np.log2(p / q)).sum()))


def test_figures_that_are_not_defined_are_nan() -> None:
    """Nothing was relevant: no recall. No history: no miscalibration. One item: no diversity."""
    found = figures([3, -1], {}, [], np.ones((2, 8)))
    undefined = {name for name, value in found.items() if math.isnan(value)}
    assert undefined == set(LIST_METRICS) - {"novelty"}
    assert figures([3, -1], {3: 1.0}, [3], np.ones((2, 8)))["precision"] == 0.5  # the missing rank is a miss


def test_figures_are_those_of_loops() -> None:
    """G11: on random lists and grades, each figure by its definition, user by user."""
    draw = np.random.default_rng(11)
    users, items, k = 40, 8, 4
    lists = np.array([draw.permutation(items)[:k] for _ in range(users)])
    truth = draw.integers(1, 6, (users, items)) * (draw.random((users, items)) < 0.4)
    audience = Audience.of(matrix(np.ones((2, items))), GROUP)
    rows = list_figures(lists, matrix(truth), matrix(truth), audience, k)
    for ranked, grades, row in zip(lists, truth, rows, strict=True):
        found = dict(zip(LIST_METRICS, row.tolist(), strict=True))
        relevant = set(np.flatnonzero(grades))
        if not relevant:
            assert math.isnan(found["ndcg"])
            continue
        hit = [int(i) in relevant for i in ranked]
        precisions = [sum(hit[: r + 1]) / (r + 1) for r in range(k) if hit[r]]
        gain = sum(float(grades[i]) / math.log2(r + 2) for r, i in enumerate(ranked))
        ideal = sum(g / math.log2(r + 2) for r, g in enumerate(sorted(map(float, grades), reverse=True)[:k]))
        expected = {
            "precision": sum(hit) / k,
            "recall": sum(hit) / len(relevant),
            "map": sum(precisions) / min(len(relevant), k),
            "map_of_all": sum(precisions) / len(relevant),
            "hit_rate": float(any(hit)),
            "mrr": max((1 / (r + 1) for r in range(k) if hit[r]), default=0.0),
            "ndcg_graded": gain / ideal,
        }
        assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_an_interval_by_bootstrap_is_that_of_the_mean() -> None:
    """Of 400 users with 0 or 1 by halves: 0.5 ± 1.96 · 0.5 / 20; the same for the same seed."""
    values = np.repeat([0.0, 1.0], 200)
    low, high = bootstrap_interval(values, seed=5)
    assert (low, high) == pytest.approx((0.451, 0.549), abs=0.006)
    assert bootstrap_interval(values, seed=5) == (low, high)
