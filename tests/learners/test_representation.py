"""Examples that are not made up as the population is: how far, and what they count for."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.learners.boosting import BoostingEffort, fitted_trees
from promo_spark.learners.linear import fitted_linear
from promo_spark.learners.representation import MOST_WEIGHT, known_groups, representation
from promo_spark.learners.tables import FeatureTable
from promo_spark.measures.population_stability import population_stability

USERS = np.arange(1000)
REGION = ["South" if user % 10 < 3 else "North" for user in USERS.tolist()]  # 300 and 700
GENDER = ["f" if user % 2 else "m" for user in USERS.tolist()]
GROUPS = known_groups({"region": REGION, "gender": GENDER, "age_band": [None] * 1000})
SAMPLED = USERS[(USERS % 10 >= 3) | (USERS % 100 < 10)]  # all of the North, 30 of the South


def test_an_under_sampled_region_is_reported_and_reweighted() -> None:
    """N06: 30 of 730 examples are of the South, 300 of 1000 users: index 0.77, after reweighting below 0.1.

    An example of the South would have to count for (300 / 1000) / (30 / 730) = 7.3; it counts for five times the mean.
    """
    found = representation("m", GROUPS, examples=SAMPLED, population=USERS, above=0.1)
    told = {(f.metric, f.slice): f.value for f in found.figures}
    assert told["training_share", "m:region=South"] == pytest.approx(30 / 730, abs=1e-6)
    assert told["population_share", "m:region=South"] == pytest.approx(0.3, abs=1e-6)
    assert told["training_psi", "m:region"] == pytest.approx(population_stability([300, 700], [30, 700]), abs=1e-6)
    assert found.before["region"] > 0.25 and found.after["region"] < 0.1
    assert found.after["gender"] < 0.1 and "m: the examples are not made up as" in found.sentence()
    assert found.weight is not None and found.weight.mean() == pytest.approx(1)
    assert found.weight[SAMPLED % 10 < 3].mean() == pytest.approx(MOST_WEIGHT, rel=0.2)
    assert set(GROUPS) == {"region", "gender"}  # of nobody's age band anything is told


def test_examples_that_are_as_the_population_count_as_they_are() -> None:
    """Half of the users of each region: nothing is changed, and the models are the same to the bit."""
    alike = USERS[USERS % 20 < 10]
    found = representation("m", GROUPS, examples=alike, population=USERS, above=0.1)
    assert found.weight is None and found.after == found.before and found.sentence() == ""
    assert representation("m", {}, examples=alike, population=USERS, above=0.1).figures == []
    # 12 of the South among 24 examples: index 0.17, of which chance makes 1 / 24 + 1 / 1000, and so below 0.15
    few = np.r_[USERS[USERS % 10 < 3][:12], USERS[USERS % 10 >= 3][:12]]
    region = {"region": GROUPS["region"]}
    by_chance = representation("m", region, examples=few, population=USERS, above=0.15)
    assert by_chance.before["region"] > 0.15 and by_chance.weight is None
    nobody = np.zeros(0, np.int64)
    assert representation("m", GROUPS, examples=nobody, population=USERS, above=0.1).weight is None


def test_a_row_that_counts_three_times_is_three_rows() -> None:
    """The regression of weighted rows is that of repeated rows, but for the scale, which all rows give."""
    draw = np.random.default_rng(5)
    x = draw.uniform(0, 3, 400)
    happened = (draw.uniform(size=400) < 0.2 + 0.2 * x).astype(np.float64)
    weight = np.where(x > 2, 3.0, 1.0)
    table, again = FeatureTable(("x",), x[:, None]), np.repeat(np.arange(400), weight.astype(int))
    for is_logit in (True, False):
        once = fitted_linear(table, happened, logit=is_logit, ridge=1e-9, weight=weight)
        repeated = fitted_linear(table.rows(again), happened[again], logit=is_logit, ridge=1e-9)
        np.testing.assert_allclose(once.predicted(table), repeated.predicted(table), atol=1e-6)
    # trees: where rows that count much say something else, the prediction moves to them
    happened = np.where(np.arange(400) % 2 == 0, 1.0, 0.0)
    heavy = np.where(happened > 0, 3.0, 1.0)
    told = fitted_trees(table, happened, "binary", BoostingEffort(5, 2), weight=heavy).predicted(table)
    assert told.mean() == pytest.approx(0.75, abs=0.03)
