"""T-, X- and DR-learner on trials whose effects are planted."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from promo_spark.learners.boosting import BoostingEffort
from promo_spark.learners.meta_learners import (
    MetaEngine,
    MetaLearner,
    Tried,
    could_have_had,
    cross_fitted,
    doubly_robust_scores,
    fitted_meta_learner,
)
from promo_spark.learners.tables import FeatureTable, Floats

EFFORT = BoostingEffort(trees=60, leaves=8, rate=0.1, rows_of_leaf=50)
ENGINES: tuple[MetaEngine, ...] = ("t", "x", "dr")
ROWS = 12_000


def trials(seed: int = 1) -> tuple[Tried, Floats]:
    """Offers of two kinds, at two savings, come to 30 % each. An offer adds 10 times the saving where the first feature
    is above 0 and takes half of that away elsewhere; what happens without one goes with the second feature."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(ROWS, 2))
    arm = np.where(draw.random(ROWS) < 0.4, -1, draw.integers(0, 2, ROWS))
    saving = np.where(arm >= 0, draw.choice([0.1, 0.3], ROWS), 0.0)
    outcome = 3 + x[:, 1] + effect_of(x, saving) + draw.normal(0, 0.5, ROWS)
    own, offer = FeatureTable(("kind", "level"), x), FeatureTable(("saving",), saving[:, None])
    user, experiment = np.arange(ROWS), np.zeros(ROWS, np.int64)
    expected = cross_fitted(own, outcome, arm < 0, user, EFFORT)
    could = could_have_had(offer, arm, experiment, user)
    return Tried(own, could, arm, experiment, outcome, expected, user), x


def effect_of(x: Floats, saving: Floats | float) -> Floats:
    return np.asarray(np.where(x[:, 0] > 0, 10.0, -5.0) * saving, np.float64)


def told(model: MetaLearner, of: Tried, saving: float, arm: int = 0) -> tuple[Floats, Floats]:
    n = len(of)
    said = model.told(of.own, FeatureTable(("saving",), np.full((n, 1), saving)), np.full(n, arm), of.expected)
    return said.effect, said.apart


@pytest.mark.parametrize("engine", ENGINES)
def test_who_is_drawn_and_who_is_put_off_is_found_at_each_saving(engine: MetaEngine) -> None:
    of, x = trials()
    model = fitted_meta_learner(of, engine, EFFORT)
    for saving in (0.1, 0.3):
        effect, apart = told(model, of, saving)
        for drawn in (True, False):
            kind = (x[:, 0] > 0) == drawn
            assert effect[kind].mean() == pytest.approx(effect_of(x, saving)[kind].mean(), abs=0.15)
        assert np.corrcoef(effect, effect_of(x, saving))[0, 1] > 0.9
        assert 0 < apart.mean() < 0.3


@pytest.mark.parametrize("engine", ENGINES)
def test_an_arm_that_too_few_had_is_not_told(engine: MetaEngine) -> None:
    of, _ = trials()
    few = of.rows((of.arm != 1) | (of.user < 60))
    model = fitted_meta_learner(few, engine, EFFORT)
    assert model.arms == (0,)
    assert np.isnan(told(model, of, 0.1, arm=1)[0]).all()
    nobody = fitted_meta_learner(of.rows(of.arm < 0), engine, EFFORT)
    assert nobody.arms == () and np.isnan(told(nobody, of, 0.1)[0]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_written_down_says_the_same(engine: MetaEngine) -> None:
    of, _ = trials()
    model = fitted_meta_learner(of, engine, EFFORT)
    again = MetaLearner.from_plain(json.loads(json.dumps(model.to_plain())))
    assert (told(again, of, 0.2)[0] == told(model, of, 0.2)[0]).all()


def test_doubly_robust_scores_have_the_arms_mean_effect_even_if_expectations_are_wrong() -> None:
    """What is expected without an offer is 2 too high for everybody: the scores' mean stays that of the truth."""
    of, x = trials()
    wrong = replace(of, expected=of.expected + 2.0)
    rows, scores = doubly_robust_scores(wrong, (0, 1), EFFORT, "regression")
    true = effect_of(x, 1.0).mean() * 0.2  # the mean saving
    for arm in (0, 1):
        mine = scores[rows.arm == arm]
        assert mine.mean() == pytest.approx(true, abs=4 * mine.std() / np.sqrt(len(mine)))
