"""When staples may be due, to whom saw the purchases: what is said to be likely happens as often."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.due_days import POINTS, due_days
from promo_spark.worlds.posterior import ordered_days, staples_bought
from promo_spark.worlds.shopping import history
from promo_spark.worlds.spec import WorldSpec

Worlds = Callable[..., WorldSpec]


@pytest.mark.parametrize("ahead", [0, 7, 28])
def test_what_is_said_to_be_due_by_a_day_is_due_as_often(world: Worlds, ahead: int) -> None:
    spec = world("users=3000", "users_per_block=3000", "seed=8")
    past = history(spec, 0)
    said = due_days(catalogue(spec), past.users, ordered_days([past], spec.days), staples_bought([past], spec.days))
    assert said.shape == (*past.users.staples.shape, POINTS)
    there = (past.users.joined < spec.days) & (past.state.strain < 1)
    rows = (past.users.staples >= 0) & there[:, None]
    chance = (said[rows] <= spec.days + ahead).mean(axis=1)
    due = np.ceil(past.state.due[rows]) <= spec.days + ahead
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.01)):
        group = (chance >= low) & (chance < high)
        # 0.05: campaigns and bundles bring some pieces that are taken for needed ones
        assert due[group].mean() == pytest.approx(chance[group].mean(), abs=3 * 0.5 / np.sqrt(group.sum()) + 0.05)
    assert np.corrcoef(chance, due)[0, 1] > 0.5  # it knows something
