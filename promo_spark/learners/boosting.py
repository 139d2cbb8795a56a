"""Gradient boosting of trees (LightGBM): fitted the same way every time, stored as LightGBM's own text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from promo_spark.errors import RequirementError
from promo_spark.learners.linear import sigmoid
from promo_spark.learners.tables import FeatureTable, Floats

Objective = Literal["binary", "tweedie", "poisson", "regression"]


@dataclass(frozen=True)
class BoostingEffort:
    """How much is fitted: trees, leaves of each, the step of each, the least rows of a leaf."""

    trees: int = 250
    leaves: int = 8
    rate: float = 0.04
    rows_of_leaf: int = 200
    seed: int = 0


@dataclass(frozen=True)
class BoostedTrees:
    """Fitted trees. binary: they give a probability; tweedie and poisson: an amount that is 0 or more; regression:
    any number."""

    names: tuple[str, ...]
    objective: Objective
    text: str
    engine: str = field(default="boosting", init=False)

    def predicted(self, table: FeatureTable) -> Floats:
        """Per row the probability, or the amount."""
        score = self._booster.predict(table.columns(self.names).values, raw_score=True, num_threads=1)
        if self.objective == "regression":
            return np.asarray(score, np.float64)
        return sigmoid(score) if self.objective == "binary" else np.exp(np.clip(score, -40.0, 40.0))

    def contributions(self, table: FeatureTable) -> Floats:
        """Per row and feature what it adds to the logit, or to the amount's log; the last column is the base."""
        given = self._booster.predict(table.columns(self.names).values, pred_contrib=True, num_threads=1)
        return np.asarray(given, np.float64)

    def to_plain(self) -> dict[str, Any]:
        return {"names": self.names, "objective": self.objective, "text": self.text}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> BoostedTrees:
        return BoostedTrees(tuple(plain["names"]), plain["objective"], plain["text"])

    @cached_property
    def _booster(self) -> Any:
        return lightgbm().Booster(model_str=self.text)

    def __getstate__(self) -> dict[str, Any]:
        """What goes to Spark's workers: the text, never LightGBM's own object."""
        return {name: value for name, value in self.__dict__.items() if name != "_booster"}


def fitted_trees(
    table: FeatureTable,
    target: Floats,
    objective: Objective,
    effort: BoostingEffort,
    *,
    rising: tuple[str, ...] = (),
    weight: Floats | None = None,
) -> BoostedTrees:
    """Trees that lower the objective's loss one after the other.

    `rising`: features with which the prediction may only rise, the others held fixed. `weight`: how many rows each row
    counts for; None: one. One thread and a fixed seed: the same rows in the same order give the same text.
    """
    parameters = {
        "objective": objective,
        "num_leaves": effort.leaves,
        "learning_rate": effort.rate,
        "min_data_in_leaf": min(effort.rows_of_leaf, max(1, len(table) // 20)),
        "lambda_l2": 1.0,
        "monotone_constraints": [1 if name in rising else 0 for name in table.names],
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": effort.seed,
        "verbosity": -1,
    }
    library = lightgbm()
    rows = library.Dataset(
        table.values, label=target, weight=weight, feature_name=list(table.names), free_raw_data=True
    )
    booster = library.train(parameters, rows, num_boost_round=effort.trees)
    return BoostedTrees(table.names, objective, booster.model_to_string())


def lightgbm() -> Any:
    """The library; RequirementError, with what to install, where the system lacks what it needs."""
    try:
        import lightgbm as library
    except (ImportError, OSError) as error:
        raise RequirementError(
            f"LightGBM cannot be loaded: {error}. It needs the system's OpenMP library on every machine that fits or "
            "scores: install it with apt-get install libgomp1 (Debian, Ubuntu) or yum install libgomp"
        ) from error
    return library
