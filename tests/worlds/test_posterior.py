"""The ceiling is a posterior: what it believes of groups of users is true of them on average."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from promo_spark.settings.generate import ResponseForm
from promo_spark.worlds import response, truths
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.playing import played
from promo_spark.worlds.population import population
from promo_spark.worlds.posterior import beliefs, believed_offers
from promo_spark.worlds.shopping import history
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.true_offers import true_offers

Worlds = Callable[..., WorldSpec]


def in_fifths(by: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.quantile(by, [0.2, 0.4, 0.6, 0.8]), by, side="right")


@pytest.mark.parametrize("form", ["log_linear", "logistic", "tree", "heavy_tailed"])
def test_users_grouped_by_the_believed_effect_have_that_effect_on_average(world: Worlds, form: ResponseForm) -> None:
    spec = world(f"response_form={form}", "users=3000", "users_per_block=3000", "seed=8")
    past, users, shop = history(spec, 0), population(spec, 0), catalogue(spec)
    coupon = truths.usual_offers(users, shop, response.COUPON, 0.2, spec.days)
    told, believed = (
        true_offers(spec, 0, spec.days, past.state, coupon),
        believed_offers(spec, 0, spec.days, past, coupon),
    )
    week, without = played(spec, 0, spec.days, past.state, coupon), played(spec, 0, spec.days, past.state)
    effects = {
        "visits": (believed.visits - believed.visits_without, told.visits - told.visits_without),
        "margin": (believed.margin, told.margin),
        "played visits": (believed.visits - believed.visits_without, week.visits - without.visits),
        "played margin": (believed.margin, week.margin - without.margin),
    }
    for name, (believes, true) in effects.items():
        group = in_fifths(believes)
        for number in range(5):
            apart = (true - believes)[group == number]
            assert abs(apart.mean()) < 3 * apart.std() / np.sqrt(len(apart)), (name, number)
        assert np.corrcoef(believes, told.visits - told.visits_without)[0, 1] > 0.2  # it knows something


def test_the_chance_that_a_user_is_still_there_is_calibrated(world: Worlds) -> None:
    spec = world("users=3000", "users_per_block=3000", "seed=8")
    past = history(spec, 0)
    tried = beliefs(spec, 0, past)
    weights = np.array([belief.weight for belief in tried])
    assert weights.sum(axis=0) == pytest.approx(1)
    here = sum(belief.weight * belief.here for belief in tried)
    joined = past.users.joined < spec.days
    said, true = np.asarray(here)[joined], (past.state.strain < 1)[joined]
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 0.95), (0.95, 1.01)):
        group = (said >= low) & (said < high)
        error = np.sqrt(np.sum(said[group] * (1 - said[group]))) / group.sum()
        assert true[group].mean() == pytest.approx(said[group].mean(), abs=3 * error + 0.01)


def test_of_who_was_never_contacted_only_the_prior_is_known(world: Worlds) -> None:
    spec = world("users=1000", "contact_share=0.0")
    past = history(spec, 0)
    weights = np.array([belief.weight for belief in beliefs(spec, 0, past)])
    prior = np.array([segment.responses for segment in spec.segments])[past.users.segment]
    assert pytest.approx(prior) == weights.T
