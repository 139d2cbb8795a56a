"""Ranking metrics against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.models.recommenders.ranking_metrics import METRICS, hits_of, sparsity


def figures(ranked: str, truth: str, k: int) -> dict[str, float]:
    lists, truths = np.array([list(ranked)]), [np.array(list(truth))]
    hits, relevant = hits_of(lists, truths), np.array([len(truth)])
    return {name: float(metric(hits, relevant, k)[0]) for name, metric in METRICS.items()}


def test_precision_recall_and_f1_at_five() -> None:
    """G11: rec [a, b, c, d, e], truth {a, c, f} → P@5 = .4, R@5 = .6667, F1 = .5."""
    found = figures("abcde", "acf", 5)
    assert found["precision"] == pytest.approx(2 / 5)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(0.5)  # 2 · .4 · .6667 / (.4 + .6667)
    # gains at ranks 1 and 3: 1 + 1/log2(4) = 1.5; the best list has ranks 1 to 3: 1 + .63093 + .5
    assert found["ndcg"] == pytest.approx(1.5 / 2.1309297535714573)
    assert found["map"] == pytest.approx((1 / 1 + 2 / 3) / 3)


def test_order_matters_to_ndcg_and_map_only() -> None:
    early, late = figures("axyz", "a", 4), figures("xyza", "a", 4)
    assert {m: early[m] for m in ("precision", "recall", "f1")} == {m: late[m] for m in ("precision", "recall", "f1")}
    assert [early["ndcg"], late["ndcg"]] == pytest.approx([1.0, 1 / np.log2(5)])
    assert (early["map"], late["map"]) == (1.0, 0.25)


def test_a_perfect_list_has_ndcg_and_map_1_though_recall_cannot() -> None:
    found = figures("abc", "abcdef", 3)
    assert (found["precision"], found["recall"]) == (1.0, 0.5)
    assert (found["ndcg"], found["map"]) == (1.0, 1.0)


def test_a_short_list_counts_its_missing_ranks_as_misses() -> None:
    found = figures("a--", "a", 3)  # '-' stands for nothing recommended
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["recall"] == 1.0
    assert set(figures("xyz", "a", 3).values()) == {0.0}


def test_sparsity_is_the_empty_share_of_the_matrix() -> None:
    """G12: sparsity = 1 − nnz/(U·I), by hand."""
    assert sparsity(30, 100, 300) == pytest.approx(0.999)
    assert sparsity(0, 0, 300) is None
