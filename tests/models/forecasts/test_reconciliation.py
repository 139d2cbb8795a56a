"""Forecasts that add up: by hand, beside the matrix formula, never negative, rounded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from promo_spark.models.forecasts.fitting import whole_batch
from promo_spark.models.forecasts.local_models import Floats
from promo_spark.models.forecasts.reconciliation import Tree, reconciled, variances_of
from promo_spark.settings import Settings

# all: two categories of three and two products; and three stores
WHOLE = [None, "0", "0", "1", "1", "1", "2", "2", "0", "0", "0"]
PARTS = [None, "category", "category", *["product"] * 5, *["store"] * 3]
TREE = Tree.of([str(place) for place in range(11)], WHOLE, PARTS)


def summing() -> Floats:
    """Every series as a sum of the five products and of two stores; the third store sells what is left of all."""
    products, stores = np.eye(5, 7), np.eye(7)[5:]
    categories = np.array([products[:3].sum(axis=0), products[3:].sum(axis=0)])
    whole = products.sum(axis=0)
    return np.vstack([whole, categories, products, stores, whole - stores.sum(axis=0)])


def test_on_any_tree_it_is_what_the_matrix_of_mintrace_gives() -> None:
    """S (S'W⁻¹S)⁻¹ S'W⁻¹ ŷ, on twenty draws of forecasts and variances; all far from 0."""
    random, s = np.random.default_rng(1), summing()
    for _ in range(20):
        units = random.uniform(20, 40, (11, 4)) * np.array([5, 3, 2, *[1] * 5, *[1.6] * 3])[:, None]
        variances = random.uniform(0.5, 3, 11)
        weighted = s.T / variances
        expected = s @ np.linalg.solve(weighted @ s, weighted @ units)
        assert np.allclose(reconciled(units, variances, TREE), expected, atol=1e-9)


def test_what_adds_up_stays() -> None:
    units = summing() @ np.random.default_rng(2).uniform(4, 9, (7, 3))
    units[10] = units[0] - units[8:10].sum(axis=0)
    assert np.allclose(reconciled(units, np.arange(1.0, 12.0), TREE), units, atol=1e-9)


def test_no_part_is_below_0_and_all_adds_up_still() -> None:
    """Told 1 by itself and 2 + 4 by its parts; all variances 1: the whole is (2 · 1 + 6) / 3 = 8/3.

    Each part is to give (6 − 8/3) / 2 = 5/3: the first has 2, and keeps 1/3. Told 0.5 and 5.5 the first has too little:
    it is 0, the other all.
    """
    tree = Tree.of(["w", "a", "b"], [None, "w", "w"], [None, "product", "product"])
    found = reconciled(np.array([[1.0, 1.0], [2.0, 0.5], [4.0, 5.5]]), np.ones(3), tree)
    assert found == pytest.approx(np.array([[8 / 3, 8 / 3], [1 / 3, 0.0], [7 / 3, 8 / 3]]))
    random = np.random.default_rng(3)
    units, variances = random.exponential(1.0, (11, 200)), random.uniform(0.01, 3, 11)
    found = reconciled(units, variances, TREE, decimals=6)
    assert found.min() >= 0 and (found == 0).any()
    for whole, parts in ((0, [1, 2]), (0, [8, 9, 10]), (1, [3, 4, 5]), (2, [6, 7])):
        assert np.abs(found[whole] - found[parts].sum(axis=0)).max() < 1e-9
    assert np.allclose(found, np.round(found, 6), atol=1e-12)


def test_what_sells_nothing_for_sure_stays_at_0() -> None:
    """A dead product gets nothing of what the category is told more than its products."""
    tree = Tree.of(["w", "a", "dead"], [None, "w", "w"], [None, "product", "product"])
    variances = variances_of(
        [np.full(1, 10.0), np.full(1, 5.0), np.zeros(1)], [1.0, None, None], ["regular", "short", "dead"]
    )
    assert variances == pytest.approx([10.1, 0.64 * 5.1, 0.0])  # error² · (units a day + 0.1); of chance 0.8²
    found = reconciled(np.array([[10.0], [5], [0]]), variances, tree)
    assert found[2, 0] == 0 and found[0] == found[1] and 5 < found[0, 0] < 10
    assert not reconciled(np.array([[0.2], [0], [0]]), np.array([0.1, 0, 0]), tree).any()


def test_intervals_stand_around_the_units_that_add_up(settings: Settings) -> None:
    """Category told by its own days, products by theirs; a young product by a rule, whose interval moves with it."""
    forecast = settings.forecast.model_copy(update={"horizon_days": 7, "models_top": []})
    week, random = np.array([5.0, 3, 4, 6, 9, 14, 12]), np.random.default_rng(4)
    old = np.tile(week, 16) + random.poisson(3.0, 112).astype(float)
    young = random.poisson(4.0, 20).astype(float)
    category = old.copy()
    category[-20:] += young + 8.0  # and others, of late
    rows = pd.DataFrame(
        {
            "series_id": name,
            "level": level,
            "item_id": name,
            "revenue": units.sum(),
            "days_before": 0,
            "units": units,
            "top": False,
        }
        for name, level, units in (("c", "category", category), ("old", "product", old), ("young", "product", young))
    )
    parts = pd.DataFrame({"series_id": ["old", "young"], "whole_id": "c", "parts": "product"})
    alone, found = (
        models[models.champion].set_index("series_id")
        for models in (whole_batch(rows, forecast), whole_batch(rows, forecast, parts=parts))
    )
    assert found.units["c"] == pytest.approx(found.units["old"] + found.units["young"], abs=1e-9)
    assert found.total["c"][0] == pytest.approx(found.total["old"][0] + found.total["young"][0], abs=1e-6)
    moved = found.units["young"] - alone.units["young"]
    assert (moved > 0).all() and found.upper_80["young"] == pytest.approx(alone.upper_80["young"] + moved, abs=1e-6)
    for of in found.to_dict("records"):
        ends = [np.asarray(of[name]) for name in ("lower_95", "lower_80", "units", "upper_80", "upper_95")]
        assert (np.diff(ends, axis=0) >= 0).all()
        assert (np.diff(np.asarray(of["total"])[[3, 1, 0, 2, 4]]) >= 0).all()
    assert list(found.mase) == pytest.approx(list(alone.mase), nan_ok=True)  # figures are of what each says alone
