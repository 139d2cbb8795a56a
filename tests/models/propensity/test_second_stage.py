"""What ranks candidates, beside a factorisation machine on the same examples."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pyspark.ml.classification import FMClassifier
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import SparkSession

from promo_spark.learners.base_rates import BaseRate
from promo_spark.learners.boosting import BoostingEffort
from promo_spark.learners.judgement import auc
from promo_spark.learners.tables import FeatureTable, Floats
from promo_spark.models.propensity.fitting import Effort, Examples, Question, fitted_question

EFFORT = Effort(
    BoostingEffort(trees=80, rows_of_leaf=30), ridge=1.0, tie_margin=0.002, least_rows=200, calibration_rows=50
)
BOUGHT = Question("item_28d", "binary", ("own", "new"))
NAMES = ("days_since", "cadence", "strength", "price_gap")
HAPPENED = "happened"


def candidates(seed: int, told: bool = True, rows: int = 4000) -> Examples:
    """Pairs of a user and a product. It is bought again where it is due, in its cadence, give or take four days.

    A dear product is not. If nothing is `told`, the same share of pairs is bought, whatever is known of them.
    """
    draw = np.random.default_rng(seed)
    cadence, since = draw.integers(7, 60, rows), draw.integers(1, 90, rows)
    strength, gap = draw.exponential(1.0, rows), draw.normal(0, 1, rows)
    due = (np.abs(since - cadence) <= 4) & (gap < 1)
    p = np.where(due, 0.8, 0.1) if told else np.full(rows, 0.15)
    happened = (draw.random(rows) < p).astype(float)
    number = np.arange(rows)
    values = np.column_stack([since, cadence, strength, gap]).astype(float)
    return Examples(FeatureTable(NAMES, values), happened, number % 2, number // 2, np.full(rows, 100))


def by_factorisation_machine(spark: SparkSession, past: Examples, later: Examples) -> Floats:
    """MLlib's, of features in standard deviations: of each later example w0 + Σ w x + Σ of pairs (v_i · v_j)x_i x_j."""
    mean, spread = past.table.values.mean(axis=0), past.table.values.std(axis=0)
    known, asked = ((of.table.values - mean) / spread for of in (past, later))
    frame = spark.createDataFrame(pd.DataFrame(known, columns=NAMES).assign(**{HAPPENED: past.happened})).coalesce(1)
    machine = FMClassifier(labelCol=HAPPENED, factorSize=4, maxIter=100, stepSize=0.05, regParam=1e-4, seed=1)
    model = machine.fit(VectorAssembler(inputCols=list(NAMES), outputCol="features").transform(frame))
    linear, factors = model.linear.toArray(), model.factors.toArray()
    of_pairs = ((asked @ factors) ** 2 - asked**2 @ factors**2).sum(axis=1) / 2
    return np.asarray(model.intercept + asked @ linear + of_pairs)


def test_the_second_stage_tells_more_than_a_factorisation_machine_or_is_not_taken(spark: SparkSession) -> None:
    """G10, O06: re-ranker AUC > FM baseline, on pairs that are bought when they are due; noise is not ranked by."""
    past, latest, later = candidates(1), candidates(2), candidates(3)
    fitted = fitted_question(BOUGHT, past, latest, EFFORT)
    assert fitted.instead == ""
    ours = auc(fitted.answer.predicted(later.table, later.kind), later.happened)
    machine = auc(by_factorisation_machine(spark, past, later), later.happened)
    assert ours is not None and machine is not None
    assert machine > 0.5  # it has learnt something
    assert ours > machine + 0.05

    noise = fitted_question(BOUGHT, candidates(4, told=False), candidates(5, told=False), EFFORT)
    assert noise.instead and isinstance(noise.answer.learner, BaseRate)
