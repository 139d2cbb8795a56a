"""One decision tree, small enough to read: its rules as text say exactly what it predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from promo_spark.learners.tables import FeatureTable, Floats


@dataclass(frozen=True)
class Split:
    """A node: rows whose feature is at most the cut go to `below`, the others to `above`; NaN counts as `unknown`."""

    feature: str
    cut: float
    below: Split | Leaf
    above: Split | Leaf


@dataclass(frozen=True)
class Leaf:
    """Where rules end: the share of the rows that came here in which it happened."""

    p: float
    rows: int


@dataclass(frozen=True)
class DecisionTree:
    """A fitted tree. An unknown value counts as `unknown`, which is below all known ones."""

    names: tuple[str, ...]
    root: Split | Leaf
    unknown: float
    engine: str = "decision_tree"

    def predicted(self, table: FeatureTable) -> Floats:
        """Per row the share of the leaf it comes to."""
        columns = dict(zip(self.names, _filled(table.columns(self.names).values, self.unknown).T, strict=True))
        return _walked(self.root, columns, len(table))

    def rules(self) -> list[str]:
        """One line per leaf: SQL conditions on the features, joined by AND, and the probability where they hold.

        >>> of_two = DecisionTree(("carts",), Split("carts", 1.5, Leaf(0.1, 90), Leaf(0.8, 10)), -1.0)
        >>> print("\\n".join(of_two.rules()))
        carts <= 1.5 → 0.1
        carts > 1.5 → 0.8
        """
        return [f"{' AND '.join(conditions) or 'TRUE'} → {leaf.p!r}" for conditions, leaf in _paths(self.root, ())]

    def to_plain(self) -> dict[str, Any]:
        return {"names": self.names, "root": _plain(self.root), "unknown": self.unknown}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> DecisionTree:
        return DecisionTree(tuple(plain["names"]), _node(plain["root"]), plain["unknown"])


def fitted_tree(table: FeatureTable, happened: Floats, *, depth: int, rows_of_leaf: int, seed: int = 0) -> DecisionTree:
    """The tree that scikit-learn grows by Gini impurity, with cuts as they are shown: what is read is what holds."""
    from sklearn.tree import DecisionTreeClassifier

    lowest = float(np.nanmin(table.values)) if len(table) and not np.isnan(table.values).all() else 0.0
    unknown = min(-1.0, lowest - 1.0)
    values = _filled(table.values, unknown)
    if len(np.unique(happened)) < 2:
        return DecisionTree(table.names, Leaf(float(happened.mean()), len(happened)), unknown)
    fitted = DecisionTreeClassifier(
        max_depth=depth, min_samples_leaf=min(rows_of_leaf, max(1, len(table) // 4)), random_state=seed
    ).fit(values, happened > 0)
    grown = fitted.tree_

    def node(number: int, rows: Any) -> Split | Leaf:
        if grown.children_left[number] < 0:
            return Leaf(round(float(happened[rows].mean()), 6) if rows.any() else 0.0, int(rows.sum()))
        feature, cut = int(grown.feature[number]), float(grown.threshold[number])
        low = values[:, feature] <= cut
        below, above = int(grown.children_left[number]), int(grown.children_right[number])
        return Split(table.names[feature], cut, node(below, rows & low), node(above, rows & ~low))

    return DecisionTree(table.names, node(0, np.ones(len(table), bool)), unknown)


def _filled(values: Floats, unknown: float) -> Floats:
    return np.where(np.isnan(values), unknown, values)


def _walked(node: Split | Leaf, columns: Mapping[str, Floats], rows: int) -> Floats:
    if isinstance(node, Leaf):
        return np.full(rows, node.p)
    low = columns[node.feature] <= node.cut
    below, above = _walked(node.below, columns, rows), _walked(node.above, columns, rows)
    return np.where(low, below, above)


def _paths(node: Split | Leaf, conditions: tuple[str, ...]) -> list[tuple[tuple[str, ...], Leaf]]:
    if isinstance(node, Leaf):
        return [(conditions, node)]
    low, high = f"{node.feature} <= {node.cut!r}", f"{node.feature} > {node.cut!r}"
    return [*_paths(node.below, (*conditions, low)), *_paths(node.above, (*conditions, high))]


def _plain(node: Split | Leaf) -> dict[str, Any]:
    if isinstance(node, Leaf):
        return {"p": node.p, "rows": node.rows}
    return {"feature": node.feature, "cut": node.cut, "below": _plain(node.below), "above": _plain(node.above)}


def _node(plain: Mapping[str, Any]) -> Split | Leaf:
    if "p" in plain:
        return Leaf(plain["p"], plain["rows"])
    return Split(plain["feature"], plain["cut"], _node(plain["below"]), _node(plain["above"]))
