"""A random forest of regression trees (scikit-learn): fitted where it is used, and never stored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from promo_spark.learners.tables import FeatureTable, Floats

TREES = 100
SEED = 42


def fitted_forest(table: FeatureTable, target: Floats, *, rows_of_leaf: int = 3) -> Callable[[FeatureTable], Floats]:
    """The mean of trees that were grown on samples of the rows (Breiman 2001): a prediction per row.

    One thread and a fixed seed: the same rows give the same forest.
    """
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=TREES, min_samples_leaf=rows_of_leaf, random_state=SEED, n_jobs=1)
    forest.fit(table.values, target)
    return lambda rows: np.asarray(forest.predict(rows.columns(table.names).values), np.float64)
