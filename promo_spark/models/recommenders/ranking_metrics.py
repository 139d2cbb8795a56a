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


METRICS: dict[str, Callable[[Hits, Counts, int], Doubles]] = {
    "precision": precision_at,
    "recall": recall_at,
    "f1": f1_at,
    "ndcg": ndcg_at,
    "map": average_precision_at,
}


def sparsity(pairs: int, users: int, products: int) -> float | None:
    """1 − pairs / (users × products): the share of the matrix that is empty; None without users or products.

    >>> round(sparsity(30, users=100, products=300), 6)
    0.999
    """
    return 1 - pairs / (users * products) if users and products else None
