"""What the world says an offer changes is what it changes: told beside played, mechanic by mechanic."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable

import numpy as np
import pytest

from promo_spark.settings.generate import ResponseForm
from promo_spark.worlds import response, truths
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.playing import Played, played
from promo_spark.worlds.population import population
from promo_spark.worlds.response import NAMES, curve
from promo_spark.worlds.shopping import State, history
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.true_offers import true_offers
from promo_spark.worlds.usual_days import UsualDays

Worlds = Callable[..., WorldSpec]
DAYS = 7  # that offers hold, and are looked at
FIGURES = ("visits", "units", "uses", "given", "margin")


def told_beside_played(spec: WorldSpec, mechanic: int, saving: float) -> np.ndarray:
    """Figure × (told, played) × user of the first block: a week with an offer to everybody; visits and margin less
    those of the same week without it."""
    state, users, shop = state_after(spec), population(spec, 0), catalogue(spec)
    offers = truths.usual_offers(users, shop, mechanic, saving, spec.days)
    told, week = true_offers(spec, 0, spec.days, state, offers), played(spec, 0, spec.days, state, offers)
    without = week_without(spec)
    return np.array(
        [
            (told.visits - told.visits_without, week.visits - without.visits),
            (told.units, week.units),
            (told.uses, week.uses),
            (told.given, week.given),
            (told.margin, week.margin - without.margin),
        ]
    )


@functools.lru_cache(maxsize=8)
def state_after(spec: WorldSpec) -> State:
    return history(spec, 0).state


@functools.lru_cache(maxsize=8)
def week_without(spec: WorldSpec) -> Played:
    return played(spec, 0, spec.days, state_after(spec))


def errors_apart(pairs: np.ndarray) -> dict[str, float]:
    """By figure: the difference of the means of told and played, in its standard errors."""
    difference = pairs[:, 1] - pairs[:, 0]
    error = np.maximum(difference.std(axis=1) / np.sqrt(difference.shape[1]), 1e-9)
    return dict(zip(FIGURES, difference.mean(axis=1) / error, strict=True))


@pytest.fixture
def _usual_days_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a week holds without offers is computed once of a world, and not for each kind of offer."""
    known: dict[WorldSpec, UsualDays] = {}

    def usual_days(spec: WorldSpec, block: int, day: int, state: State, days: int, *more: None) -> UsualDays:
        assert (block, day, days) == (0, spec.days, DAYS) and state is state_after(spec) and not any(more)
        if spec not in known:
            known[spec] = UsualDays(spec, block, day, state, days)
            known[spec].baskets(DAYS)
        return copy.copy(known[spec])  # what is kept of the offered products stays with each kind of offer

    monkeypatch.setattr("promo_spark.worlds.true_offers.UsualDays", usual_days)


@pytest.mark.slow
@pytest.mark.usefixtures("_usual_days_once")
def test_truth_and_played_weeks_agree_for_every_mechanic_and_saving(world: Worlds) -> None:
    """24 kinds of offer, 9,000 user-weeks each, 216,000 in all, from five worlds."""
    worlds = [world(f"seed={seed}", "users=1800", "days=60", "users_per_block=1800") for seed in range(11, 16)]
    for mechanic in range(len(NAMES)):
        for saving in truths.OFFER_SAVINGS:
            pairs = np.concatenate([told_beside_played(spec, mechanic, saving) for spec in worlds], axis=2)
            apart = errors_apart(pairs)
            assert max(abs(z) for z in apart.values()) < 3, (NAMES[mechanic], saving, apart)


@pytest.mark.parametrize("form", ["logistic", "tree", "heavy_tailed"])
def test_truth_and_played_weeks_agree_in_every_form(world: Worlds, form: ResponseForm) -> None:
    spec = world(f"response_form={form}", "users=2000", "days=60", "seed=5")
    for mechanic in (response.DISCOUNT, response.COUPON):
        pairs = told_beside_played(spec, mechanic, 0.2)
        assert pairs[0, 0].mean() > 0  # on average an offer brings visits
        assert max(abs(z) for z in errors_apart(pairs).values()) < 3, form


def test_an_offer_on_what_a_user_never_buys_brings_nothing(world: Worlds) -> None:
    """30 % off the product liked least: margin and visits move by less than a hundredth of the favourite's."""
    spec = world("users=500", "days=60")
    users, shop, state = population(spec, 0), catalogue(spec), history(spec, 0).state
    favourite = truths.usual_offers(users, shop, response.DISCOUNT, 0.3, spec.days)
    least = (users.tastes @ shop.topic_weights).argmin(axis=1)
    columns = {name: getattr(favourite, name) for name in type(favourite).__dataclass_fields__}
    unliked = type(favourite)(**columns | {"product": least.astype(np.int64)})
    of_favourite, of_unliked = (true_offers(spec, 0, spec.days, state, offers) for offers in (favourite, unliked))
    persuadable = users.answers.response == 0
    brought = [(t.visits - t.visits_without)[persuadable].mean() for t in (of_favourite, of_unliked)]
    assert brought[0] > 0.05 and abs(brought[1]) < 0.01 * brought[0]
    assert np.abs(of_unliked.margin).mean() < 0.02 * np.abs(of_favourite.margin).mean()


def test_curves_rise_with_the_saving_and_begin_at_nothing() -> None:
    savings = np.linspace(0, 0.9, 200)
    for form in ("log_linear", "logistic", "tree", "heavy_tailed"):
        risen = curve(form, savings)
        assert risen[0] == 0 and (np.diff(risen) >= 0).all() and risen[-1] < 0.45
    concave = np.diff(curve("log_linear", savings))
    assert (np.diff(concave) < 0).all()  # each further saving brings less
    below, above = curve("logistic", np.array([0.08, 0.22]))
    assert below < 0.1 * above  # a threshold
