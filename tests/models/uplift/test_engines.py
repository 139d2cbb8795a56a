"""Effects of T-, X- and DR-learner as rows of models.uplift: stated by the curve, with errors, on planted effects."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from promo_spark.contracts.responses import OFFER_MECHANICS
from promo_spark.learners.boosting import BoostingEffort
from promo_spark.learners.meta_learners import MetaEngine
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.uplift.effects import SAVINGS, SHARES, Effects, Evidence, fitted_effects
from promo_spark.models.uplift.engines import Engine, MetaEffects, fitted_meta_effects, predicted_by_others
from promo_spark.models.uplift.histories import Bools, Ints

COUPON, GIFT = OFFER_MECHANICS.index("coupon"), OFFER_MECHANICS.index("gift")
ENGINES: tuple[MetaEngine, ...] = ("t", "x", "dr")
EFFORT = BoostingEffort(trees=60, leaves=8, rate=0.1, rows_of_leaf=50)
N = 16_000


class Shop:
    """Coupons of 20 % for a tenth of the spend come to half of the users. Those whose pull is told as 6 come twice as
    often under one, the others as often as without. A week each; one visit a week on average."""

    def __init__(self) -> None:
        draw = np.random.default_rng(3)
        self.moved: Bools = draw.random(N) < 0.5
        pull = np.where(self.moved, 6.0, 0.0)
        self.mechanic: Ints = np.where(draw.random(N) < 0.5, COUPON, -1)
        has = self.mechanic >= 0
        visits = draw.poisson(np.where(has & self.moved, 2.0, 1.0)).astype(np.float64)
        saving, share = np.where(has, 0.2, 0.0), np.where(has, 0.1, 0.0)
        self.evidence = Evidence(visits, np.ones(N), self.mechanic, saving, share, pull, np.ones(N))
        self.own = FeatureTable(("pull", "noise"), np.column_stack([pull, draw.normal(size=N)]))
        self.weeks, self.user, self.experiment = np.ones(N), np.arange(N), np.zeros(N, np.int64)
        self.effects: Effects = fitted_effects(self.evidence, OFFER_MECHANICS)

    def fitted(self, engine: MetaEngine) -> MetaEffects:
        rows = self.evidence, self.own, self.weeks, self.experiment, self.user, self.effects
        found = fitted_meta_effects(*rows, engine, EFFORT)
        assert found is not None
        return found

    def unit(self) -> float:
        """S × R at the coupons' saving and share."""
        return float(np.interp(0.2, SAVINGS, self.effects.savings) * np.interp(0.1, SHARES, self.effects.shares))


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_curve_comes_to_the_learners_effect_where_it_was_tried(shop: Shop, engine: MetaEngine) -> None:
    """The log of the factor is log 2 of those who are moved, 0 of the others; errors hold the truth of both."""
    stated = shop.fitted(engine).stated(shop.effects, shop.own, np.ones(N), np.zeros(N))
    log, error = stated.effect[:, COUPON] * shop.unit(), stated.error[:, COUPON] * shop.unit()
    assert log[shop.moved].mean() == pytest.approx(np.log(2.0), abs=0.1)
    assert log[~shop.moved].mean() == pytest.approx(0.0, abs=0.1)
    truth = np.where(shop.moved, np.log(2.0), 0.0)
    assert np.mean(np.abs(log - truth) <= 1.96 * error) > 0.8
    assert error.mean() < 0.3


@pytest.mark.parametrize("engine", ENGINES)
def test_a_mechanic_without_experiments_is_a_prior(shop: Shop, engine: MetaEngine) -> None:
    """Of gifts nothing is known but the users' own pulls: they are told as they stand, with the prior's wide errors."""
    stated = shop.fitted(engine).stated(shop.effects, shop.own, np.ones(N), np.zeros(N))
    assert stated.basis[COUPON] == "randomised" and stated.basis[GIFT] == "prior"
    assert (stated.effect[:, GIFT] == shop.own.values[:, 0]).all()
    assert stated.error[shop.moved, GIFT].min() > 3 * stated.error[shop.moved, COUPON].mean() * shop.unit()


def test_what_is_written_down_says_the_same(shop: Shop) -> None:
    model = shop.fitted("dr")
    again = MetaEffects.from_plain(json.loads(json.dumps(model.to_plain())))
    told = [m.stated(shop.effects, shop.own, np.ones(N), np.zeros(N)).effect for m in (model, again)]
    assert (told[0] == told[1]).all()


@pytest.mark.parametrize("engine", ["response", *ENGINES])
def test_who_is_judged_was_not_seen(shop: Shop, engine: Engine) -> None:
    """Predictions for the judgement come from the users' other half: outcomes of one's own half change nothing."""
    even = shop.user % 2 == 0
    told = []
    for times in (1.0, 3.0):
        of = replace(shop.evidence, visits=shop.evidence.visits * np.where(even, times, 1.0))
        rows = of, shop.own, shop.weeks, shop.experiment, shop.user
        predicted = predicted_by_others(*rows, engine, EFFORT, 1000)
        told.append(predicted(np.full(N, COUPON), np.full(N, 0.2), np.full(N, 0.1)))
    assert (told[0][even] == told[1][even]).all() and (told[0][~even] != told[1][~even]).any()
    assert told[0][shop.moved].mean() == pytest.approx(1.0, abs=0.2)
    assert told[0][~shop.moved].mean() == pytest.approx(0.0, abs=0.15)
