"""A category's arrays: prices carried over weeks without a sale, days on sale, rivals, and any order of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from promo_spark.models.elasticity.categories import Fitting, estimate_row, evidence_row, prior_pool, profit_rows
from promo_spark.models.elasticity.category_weeks import category_weeks
from promo_spark.models.elasticity.frames import ProductWeek
from promo_spark.settings import load
from tests.models.elasticity.shelves import planted

SETTINGS = load().elasticity


def week(product: str, number: int, units: float, **more: Any) -> dict[str, Any]:
    """A week in which so many units were sold at a list price of 10, without a reduction unless `shelf` says so."""
    row: dict[str, Any] = dict.fromkeys(ProductWeek.columns())
    row |= {"product_id": product, "category": "tea", "competitors": "green", "unit_cost": 6.0}
    row |= {"cost_is_assumed": False, "first_day": 0, "week": number, "units": units, "listed": units * 10}
    return row | {"shelf": units * 10} | more


def test_weeks_without_a_sale_have_the_announced_depth_and_the_last_list_price() -> None:
    rows = [week("a", n, 10.0) for n in (0, 1, 3, 4)]
    rows[1] |= {"listed": 120.0, "shelf": 96.0}  # 12 a piece, a fifth off
    rows += [week("a", 2, 0.0, listed=None, shelf=None, announced_depth=0.3, mailer_share=0.5)]
    rows += [week("b", n, 30.0, first_day=10, days_out=2) for n in range(1, 5)]  # on sale from Thursday of week 1 on
    shelf = category_weeks(pd.DataFrame(rows), 5, SETTINGS)
    assert shelf.product_ids == ["a", "b"]
    assert shelf.list_price[0].tolist() == [10.0, 12.0, 12.0, 10.0, 10.0]
    assert shelf.depth[0].round(6).tolist() == [0.0, 0.2, 0.3, 0.0, 0.0]
    assert np.exp(-shelf.reduction[0]).round(6).tolist() == [1.0, 0.96, 0.84, 1.0, 1.0]  # of the usual 10
    assert shelf.days[1].tolist() == [0.0, 2.0, 5.0, 5.0, 5.0]  # week 1: four days on sale, two without stock
    assert shelf.rivals_reduced[1].tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]
    assert shelf.rivals_reduced[0].tolist() == [0.0] * 5
    assert shelf.depth_before[0].round(6).tolist() == [0.0, 0.0, 0.2, 0.3, 0.0]
    assert shelf.modelled[1].tolist() == [False, True, True, True, True]
    assert shelf.usual_units[0] == pytest.approx(10.0)
    assert shelf.usual_units[1] == pytest.approx(120 / 17 * 7)


def test_a_product_ends_with_its_last_sale_and_few_weeks_say_nothing() -> None:
    rows = [week("ended", n, 5.0) for n in range(5)] + [week("new", n, 5.0, first_day=56) for n in (8, 9)]
    shelf = category_weeks(pd.DataFrame(rows), 10, SETTINGS)
    assert shelf.modelled.sum(axis=1).tolist() == [4, 0]  # the week of its last sale may not have been a whole one


def rows_of(seed: int) -> pd.DataFrame:
    category = planted(seed, products=6, weeks=12, promoted=0.3)
    cells, rows = category.cells, []
    for product, number, units, depth in zip(cells.product, cells.week, cells.units, category.depth, strict=True):
        shelf = units * 10 * (1 - depth)
        by_segment = {1: float(units // 2), 2: float(units - units // 2)}
        rows.append(week(f"p{product}", int(number), float(units), shelf=shelf, by_segment=by_segment))
    return pd.DataFrame(rows)


def test_rows_in_any_order_give_the_same_bytes() -> None:
    rows = rows_of(30)
    first = evidence_row(rows, 12, SETTINGS)
    fitting = Fitting(12, SETTINGS, prior_pool(SETTINGS), {"tea": 2.0})
    day = pd.Timestamp("2024-01-01").date()
    estimate = estimate_row(rows, fitting)
    profits = profit_rows(estimate, first=day, halo_units=None, halo_margin=None)
    assert estimate["segment_ids"].iloc[0] == [1, 2]
    assert profits["incremental_margin"].sum() == pytest.approx(estimate["margin"].iloc[0])
    mixed = rows.sample(frac=1.0, random_state=1)
    pd.testing.assert_frame_equal(evidence_row(mixed, 12, SETTINGS), first, check_exact=True)
    pd.testing.assert_frame_equal(estimate_row(mixed, fitting), estimate, check_exact=True)
    again = profit_rows(estimate_row(mixed, fitting), first=day, halo_units=None, halo_margin=None)
    pd.testing.assert_frame_equal(again, profits, check_exact=True)


def test_halo_stands_at_the_products_in_the_mailer() -> None:
    """Half a unit and two of money per unit of usual sales in the mailer, which held p0 once, in half the stores."""
    rows = rows_of(31)
    mailed = (rows["product_id"] == "p0") & (rows["week"] == 3)
    rows["mailer_share"] = np.where(mailed, 0.5, 0.0)
    fitting = Fitting(12, SETTINGS, prior_pool(SETTINGS), {"tea": 2.0})
    day = pd.Timestamp("2024-01-01").date()
    usual = category_weeks(rows, 12, SETTINGS).usual_units[0]
    without, with_halo = (
        profit_rows(estimate_row(rows, fitting), first=day, halo_units=units, halo_margin=margin)
        for units, margin in ((None, None), ([0.5] * 12, [2.0] * 12))
    )
    gained = with_halo["incremental_margin"] - without["incremental_margin"]
    assert gained.sum() == pytest.approx(0.5 * usual * 2.0)
    assert with_halo["halo"].sum() == pytest.approx(0.5 * usual * 0.5)
    assert without["halo"].isna().all()
    assert (gained > 0).sum() == 1
