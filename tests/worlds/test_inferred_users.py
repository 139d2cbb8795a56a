"""What purchases tell of users: nearer to the truth than the segment's mean, and right on average."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.inferred_users import inferred_users
from promo_spark.worlds.population import segment_tastes
from promo_spark.worlds.posterior import beliefs
from promo_spark.worlds.shopping import history
from promo_spark.worlds.spec import WorldSpec

Worlds = Callable[..., WorldSpec]


def test_tastes_baskets_and_rates_are_told_from_what_was_bought(world: Worlds) -> None:
    spec = world("users=3000", "users_per_block=3000", "seed=8")
    past, shop = history(spec, 0), catalogue(spec)
    told, true = inferred_users(spec, shop, [past]), past.users
    regular = np.bincount(past.orders.user, minlength=len(true)) >= 20
    usual = segment_tastes(spec)[true.segment]
    apart, apart_of_segment = (np.abs(t - true.tastes)[regular].mean() for t in (told.tastes, usual))
    assert apart < 0.65 * apart_of_segment
    assert np.asarray(told.tastes).sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert np.corrcoef(told.log_items[regular], true.log_items[regular])[0, 1] > 0.7
    assert told.items()[regular].mean() == pytest.approx(true.items()[regular].mean(), rel=0.1)
    assert np.corrcoef(told.visit_rate[regular], true.visit_rate[regular])[0, 1] > 0.8


def test_how_often_users_come_is_right_on_average(world: Worlds) -> None:
    """Of those who are still there, in fifths by what is believed."""
    spec = world("users=3000", "users_per_block=3000", "seed=8")
    past = history(spec, 0)
    tried = beliefs(spec, 0, past)
    rate = np.sum([belief.weight * belief.users.visit_rate for belief in tried], axis=0)
    there = (past.users.joined < spec.days - 60) & (past.state.strain < 1)
    fifth = np.searchsorted(np.quantile(rate[there], [0.2, 0.4, 0.6, 0.8]), rate, side="right")
    for number in range(5):
        group = there & (fifth == number)
        apart = (past.users.visit_rate - rate)[group]
        assert abs(apart.mean()) < 3 * apart.std() / np.sqrt(group.sum()) + 0.03 * rate[group].mean()


def test_of_who_never_bought_only_the_segment_is_known(world: Worlds) -> None:
    spec = world("users=1000", "seed=8")
    past = history(spec, 0)
    told = inferred_users(spec, catalogue(spec), [past])
    never = np.bincount(past.orders.user, minlength=len(told)) == 0
    assert never.any()
    usual = segment_tastes(spec)[told.segment]
    assert np.asarray(told.tastes)[never] == pytest.approx(usual[never], abs=0.02)
