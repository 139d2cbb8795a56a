"""Isolation forest (Liu, Ting and Zhou 2008): what few random cuts separate from the rest is unusual.

Trees are grown on small subsamples by numpy, on the driver; rows are scored wherever they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAF = -1


@dataclass(frozen=True)
class Trees:
    """The nodes of all trees, those of a tree in a row: node 0 of each is its root.

    `feature` is _LEAF in a leaf; `length` is the path to it, with what cutting on would add.
    """

    feature: Ints  # tree × node
    cut: Floats
    low: Ints  # node of those below the cut; the others are in the next one
    length: Floats
    rows: int  # of a subsample

    def scores(self, values: Floats) -> Floats:
        """s = 2^(−E[h] / c(n)) per row: near 1 unusual, below 0.5 usual."""
        total = np.zeros(len(values))
        every = np.arange(len(values))
        for feature, cut, low, length in zip(self.feature, self.cut, self.low, self.length, strict=True):
            node = np.zeros(len(values), np.int64)
            while True:
                at = feature[node]
                inner = at != _LEAF
                if not inner.any():
                    break
                above = values[every, np.maximum(at, 0)] > cut[node]
                node = np.where(inner, low[node] + above, node)
            total += length[node]
        score: Floats = 2.0 ** (-total / len(self.feature) / max(usual_length(self.rows), 1e-12))
        return score


def usual_length(rows: int) -> float:
    """c(n): the mean path of an unsuccessful search in a binary tree of n rows.

    >>> usual_length(1), usual_length(2), round(usual_length(256), 4)
    (0.0, 1.0, 10.2448)
    """
    if rows <= 1:
        return 0.0
    if rows == 2:
        return 1.0
    return 2.0 * (math.log(rows - 1.0) + float(np.euler_gamma)) - 2.0 * (rows - 1.0) / rows


def cut_of_share(ranked: Floats, share: float) -> float:
    """The score from which on the share of the sorted scores nearest to `share` lies. Equal scores stay together.

    >>> cut_of_share(np.array([0.4, 0.4, 0.4, 0.5, 0.6]), 0.2), cut_of_share(np.array([0.4, 0.4, 0.4, 0.4]), 0.25)
    (0.6, inf)
    """
    cuts = np.append(np.unique(ranked), np.inf)
    shares = 1 - np.searchsorted(ranked, cuts, side="left") / max(len(ranked), 1)
    return float(cuts[np.argmin(np.abs(shares - share))])


def isolation_forest(values: Floats, *, trees: int, rows_of_tree: int, seed: int) -> Trees:
    """The forest of the rows. The same rows in the same order with the same seed give the same trees.

    >>> usual = np.random.default_rng(1).normal(size=(300, 2))
    >>> forest = isolation_forest(usual, trees=100, rows_of_tree=256, seed=1)
    >>> (forest.scores(np.array([[0.0, 0.0], [8.0, 8.0]])) > 0.6).tolist()
    [False, True]
    """
    draw = np.random.default_rng(seed & (2**63 - 1))
    rows = min(rows_of_tree, len(values))
    deepest = max(1, math.ceil(math.log2(max(rows, 2))))
    grown = [_tree(values[draw.choice(len(values), rows, replace=False)], deepest, draw) for _ in range(trees)]
    most = max(len(tree[0]) for tree in grown)
    padded = [[np.pad(part, (0, most - len(part)), constant_values=_LEAF) for part in tree] for tree in grown]
    feature, cut, low, length = (np.stack([tree[n] for tree in padded]) for n in range(4))
    return Trees(
        feature.astype(np.int64), cut.astype(np.float64), low.astype(np.int64), length.astype(np.float64), rows
    )


def _tree(values: Floats, deepest: int, draw: np.random.Generator) -> tuple[Ints, Floats, Ints, Floats]:
    feature, cut, low, length = [_LEAF], [0.0], [_LEAF], [0.0]
    growing = [(0, np.arange(len(values)), 0)]
    while growing:
        node, rows, depth = growing.pop(0)
        of = values[rows]
        lowest, highest = of.min(axis=0), of.max(axis=0)
        splits = np.flatnonzero(highest > lowest)
        if depth >= deepest or not len(splits):
            length[node] = depth + usual_length(len(rows))
            continue
        chosen = int(draw.choice(splits))
        at = float(draw.uniform(lowest[chosen], highest[chosen]))
        feature[node], cut[node], low[node] = chosen, at, len(feature)
        above = of[:, chosen] > at
        for part in (rows[~above], rows[above]):
            growing.append((len(feature), part, depth + 1))
            feature.append(_LEAF)
            cut.append(0.0)
            low.append(_LEAF)
            length.append(0.0)
    return np.array(feature), np.array(cut), np.array(low), np.array(length)
