"""How good ranked lists are against what was bought. Plain numpy: one row per user, one column per rank.

`hits` says which ranks held something relevant, `relevant` how many relevant things there were at all; every
user has at least one. Accuracy is not among these: of millions of pairs almost all are negative, so it is
near 1 for any list. Definitions as in Manning, Raghavan, Schütze, Introduction to Information Retrieval, ch. 8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Hits = NDArray[np.bool_]
Counts = NDArray[np.int64]


def hits_of(lists: NDArray[Any], truths: list[NDArray[Any]]) -> Hits:
    """Which entries of each list are in its truth; a list that is shorter ends in values no truth has.

    >>> hits_of(np.array([[7, 8, 9], [1, 2, -1]]), [np.array([9, 7]), np.array([5])]).tolist()
    [[True, False, True], [False, False, False]]
    """
    return np.array([np.isin(ranked, truth) for ranked, truth in zip(lists, truths, strict=True)], dtype=bool)


def precision_at(hits: Hits, _relevant: Counts, k: int) -> Doubles:
    """Share of the first k ranks that are relevant; a missing rank is a miss.

    >>> precision_at(np.array([[True, False, True, False, False]]), np.array([3]), 5).tolist()
    [0.4]
    """
    return np.asarray(hits[:, :k].sum(axis=1) / k)


def recall_at(hits: Hits, relevant: Counts, k: int) -> Doubles:
    """Share of all that is relevant found in the first k ranks; below 1 wherever more than k are relevant.

    >>> recall_at(np.array([[True, False, True, False, False]]), np.array([3]), 5).round(4).tolist()
    [0.6667]
    """
    return np.asarray(hits[:, :k].sum(axis=1) / relevant)


def f1_at(hits: Hits, relevant: Counts, k: int) -> Doubles:
    """Harmonic mean of precision and recall: 2·hits / (k + relevant); 0 without a hit.

    >>> f1_at(np.array([[True, False, True, False, False]]), np.array([3]), 5).tolist()
    [0.5]
    """
    return np.asarray(2 * hits[:, :k].sum(axis=1) / (k + relevant))


def ndcg_at(hits: Hits, relevant: Counts, k: int) -> Doubles:
    """Gain 1/log2(rank + 1) of the hits over that of the best possible list of k (Järvelin, Kekäläinen 2002).

    >>> ndcg_at(np.array([[True, False, True, False, False]]), np.array([3]), 5).round(4).tolist()
    [0.7039]
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gained = hits[:, :k] @ discounts[: hits[:, :k].shape[1]]
    return np.asarray(gained / np.cumsum(discounts)[np.minimum(relevant, k) - 1])


def average_precision_at(hits: Hits, relevant: Counts, k: int) -> Doubles:
    """Mean precision at the ranks of the hits, over min(relevant, k); its mean over users is MAP@k.

    >>> average_precision_at(np.array([[True, False, True, False, False]]), np.array([3]), 5).round(4).tolist()
    [0.5556]
    """
    first = hits[:, :k]
    precisions = np.cumsum(first, axis=1) / np.arange(1, first.shape[1] + 1)
    return np.asarray((precisions * first).sum(axis=1) / np.minimum(relevant, k))


def average_precision_of_all_at(hits: Hits, relevant: Counts, k: int) -> Doubles:
    """Mean precision at the ranks of the hits, over all that is relevant: below 1 wherever more than k are.

    The other normalisation that MAP@k is told by. MLlib's meanAveragePrecisionAt divides by min(relevant, k).

    >>> average_precision_of_all_at(np.array([[True, False, True, False, False]]), np.array([6]), 5).round(4).tolist()
    [0.2778]
    """
    return np.asarray(average_precision_at(hits, relevant, k) * np.minimum(relevant, k) / relevant)


def hit_rate_at(hits: Hits, _relevant: Counts, k: int) -> Doubles:
    """1 where anything relevant is in the first k ranks, else 0.

    >>> hit_rate_at(np.array([[False, False, True], [False, False, False]]), np.array([3, 1]), 3).tolist()
    [1.0, 0.0]
    """
    return np.asarray(hits[:, :k].any(axis=1), np.float64)


def reciprocal_rank_at(hits: Hits, _relevant: Counts, k: int) -> Doubles:
    """1 / the rank of the first hit, 0 without one in the first k; its mean over users is MRR@k.

    >>> reciprocal_rank_at(np.array([[False, True, True], [False, False, False]]), np.array([3, 1]), 3).tolist()
    [0.5, 0.0]
    """
    first = hits[:, :k]
    return np.where(first.any(axis=1), 1 / (first.argmax(axis=1) + 1), 0.0)


METRICS: dict[str, Callable[[Hits, Counts, int], Doubles]] = {
    "precision": precision_at,
    "recall": recall_at,
    "f1": f1_at,
    "ndcg": ndcg_at,
    "map": average_precision_at,
    "map_of_all": average_precision_of_all_at,
    "hit_rate": hit_rate_at,
    "mrr": reciprocal_rank_at,
}


def graded_ndcg_at(gains: Doubles, best: Doubles, k: int) -> Doubles:
    """As ndcg_at, with grades: `gains` of the entries of the lists, 0 for a miss; `best`, each user's, falling.

    >>> graded_ndcg_at(np.array([[0.0, 3.0]]), np.array([[3.0, 1.0]]), 2).round(4).tolist()  # 1.893 of 3.631
    [0.5213]
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gained, ideal = (part[:, :k] @ discounts[: part[:, :k].shape[1]] for part in (gains, best))
    return np.asarray(gained / np.where(ideal > 0, ideal, 1.0))


def novelty_of(shares: Doubles) -> Doubles:
    """Mean of −log2(share of the users who have it) over each list: bits by which it surprises (Zhou et al. 2010).

    A share of 0 is that of an item nobody has; NaN stands for a missing rank. NaN for an empty list.

    >>> novelty_of(np.array([[0.5, 0.25], [0.5, np.nan]])).tolist()
    [1.5, 1.0]
    """
    bits = -np.log2(np.maximum(shares, 1e-9))
    count = np.isfinite(bits).sum(axis=1)
    return np.where(count > 0, np.nansum(bits, axis=1) / np.maximum(count, 1), np.nan)


def diversity_of(groups: NDArray[np.int64]) -> Doubles:
    """The share of pairs of each list that are of different groups, such as categories; −1 stands for a missing rank.

    NaN for a list of fewer than two.

    >>> diversity_of(np.array([[4, 4, 7], [4, 4, -1], [4, -1, -1]])).round(4).tolist()
    [0.6667, 0.0, nan]
    """
    there = groups >= 0
    pairs = there[:, :, None] & there[:, None, :]
    other = pairs & (groups[:, :, None] != groups[:, None, :])
    count = there.sum(axis=1)
    return np.where(count > 1, other.sum(axis=(1, 2)) / np.maximum(count * (count - 1), 1), np.nan)


def miscalibration_of(history: Doubles, listed: Doubles) -> Doubles:
    """How far the groups of a list are from those of the user's history: Σ p log2(p / q) (Steck 2018); 0: not at all.

    Both as users × groups of shares; q is the list's share, of which a hundredth is taken from the history, so that a
    group which is not listed does not count without end. NaN for a user without a history or a list.

    >>> miscalibration_of(np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]])).tolist()
    [0.0]
    >>> miscalibration_of(np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])).round(3).tolist()
    [2.826]
    """
    mixed = 0.99 * listed + 0.01 * history
    ratio = np.where(history > 0, history, 1) / np.where(mixed > 0, mixed, 1)
    terms = np.where(history > 0, history * np.log2(ratio), 0)
    known = (history.sum(axis=1) > 0) & (listed.sum(axis=1) > 0)
    return np.where(known, terms.sum(axis=1), np.nan)


def bootstrap_interval(values: Doubles, seed: int, draws: int = 1000) -> tuple[float, float]:
    """The 95% interval of a mean over users: percentiles of means of users drawn again with replacement.

    Of `values`, one per user, in an order that is always the same. NaN without values.

    >>> bootstrap_interval(np.array([0.25, 0.25]), seed=1)
    (0.25, 0.25)
    """
    if not len(values):
        return float("nan"), float("nan")
    draw = np.random.default_rng(seed)
    means = np.empty(draws)
    for n in range(draws):
        means[n] = values[draw.integers(len(values), size=len(values))].mean()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def sparsity(pairs: int, users: int, products: int) -> float | None:
    """1 − pairs / (users × products): the share of the matrix that is empty; None without users or products.

    >>> round(sparsity(30, users=100, products=300), 6)
    0.999
    """
    return 1 - pairs / (users * products) if users and products else None
