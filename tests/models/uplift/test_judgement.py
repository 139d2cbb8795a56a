"""How evidence becomes scores and costs of arms, on experiments whose answer is planted."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.contracts.responses import OFFER_MECHANICS
from promo_spark.models.uplift.effects import Evidence
from promo_spark.models.uplift.histories import Floats, Ints
from promo_spark.models.uplift.judgement import OutOfSample, effect_figures, judged_arms

COUPON, DISCOUNT = OFFER_MECHANICS.index("coupon"), OFFER_MECHANICS.index("discount")
N = 30_000


def shop(truth: bool = True) -> OutOfSample:
    """Experiment 0 has coupons of 10 and 30 %, experiment 1 a discount of 20 %; every third user comes oftener for them
    by 4 times the saving. `truth`: predictions are right, else they say nothing of whom."""
    draw = np.random.default_rng(4)
    user, experiment = np.arange(N), np.arange(N) % 2
    arm = draw.random(N)
    mechanic = np.where(arm < 0.4, -1, np.where(experiment == 0, COUPON, DISCOUNT))
    saving = np.where(mechanic < 0, 0.0, np.where(experiment == 1, 0.2, np.where(arm < 0.6, 0.1, 0.3)))
    moved = user // 2 % 3 == 0
    visits = draw.poisson(1 + np.where(moved, 4 * saving, 0.0)).astype(np.float64)
    share = np.where(mechanic < 0, 0.0, 0.5)
    evidence = Evidence(visits, np.ones(N), mechanic, saving, share, np.zeros(N), np.ones(N))

    def predicted(_mechanic: Ints, saving: Floats, _share: Floats) -> Floats:
        return np.where(moved, 4 * saving, 0.0) if truth else 4 / 3 * saving

    return OutOfSample(evidence, experiment, user, predicted, np.full(N, 20.0))


@pytest.mark.parametrize("truth", [True, False])
def test_scores_have_the_arms_mean_effects_whatever_is_predicted(truth: bool) -> None:
    of = judged_arms(shop(truth))
    assert of is not None and of.score.shape == (N, 3)
    effects = [4 * saving / 3 for saving in (0.2, 0.1, 0.3)]  # arms by mechanic, then saving
    for column, effect in enumerate(effects):
        score = of.score[:, column][~np.isnan(of.score[:, column])]
        assert len(score) == N / 2  # of the arm's own experiment
        assert score.mean() == pytest.approx(effect, abs=4 * score.std() / np.sqrt(len(score)))


def test_a_cost_is_what_the_visits_under_the_offer_are_given() -> None:
    """A moved user comes 1 + 4 × 0.3 times, with 0.3 off half of a basket of 20."""
    of = judged_arms(shop())
    assert of is not None
    assert np.nanmax(of.cost[:, 2]) == pytest.approx(2.2 * 0.3 * 0.5 * 20)
    assert np.nanmin(of.cost[:, 2]) == pytest.approx(1.0 * 0.3 * 0.5 * 20)


def test_figures_tell_who_knows_the_users_from_who_does_not() -> None:
    """Moved users gain 0.2 visits per unit of cost or so, the others nothing: half of the gain lies in knowing them."""
    right, blind = ({f.metric: f.value for f in effect_figures(shop(truth))} for truth in (True, False))
    names = {"qini", "calibration_slope", "mean_effect", "aucc", "qini_with_costs"}
    assert set(right) == names | {f"{name}_se" for name in names}
    assert (right["qini_with_costs"] or 0) > 4 * (right["qini_with_costs_se"] or 1)
    assert abs(blind["qini_with_costs"] or 1) < 3 * (right["qini_with_costs_se"] or 0)
    assert right["calibration_slope"] == pytest.approx(1.0, abs=4 * (right["calibration_slope_se"] or 0))


def test_an_experiment_without_enough_rows_of_any_arm_is_not_judged() -> None:
    of = shop()
    few = np.r_[np.flatnonzero(of.evidence.mechanic < 0), np.flatnonzero(of.evidence.mechanic >= 0)[:30]]
    rows = OutOfSample(of.evidence.rows(few), of.experiment[few], of.user[few], of.predicted, of.per_visit[few])
    assert judged_arms(rows) is None
