"""Whoever reads offers and budget while runs replace them never sees an overspent or half view."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

import polars as pl

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.runtime.context import Context
from promo_spark.runtime.progress import Progress, Step
from promo_spark.settings import load
from promo_spark.settings.promote import PromoteSettings
from promo_spark.storage.lake import Lake
from tests.runtime.test_ends import PROMOTE

DAY = datetime.date(2024, 4, 8)


def replace(lake: Lake, budget: float) -> None:
    """What promote does at its end: the budget first, the offers last."""
    settings = load(None, [f"promote.daily_budget={budget}"])
    step = Step(Progress(), "promote")
    ctx: Context[PromoteSettings] = Context(
        PROMOTE, DAY, settings.promote, settings.business, f"run-{budget}", lake, step
    )
    PROMOTE.function(ctx)


def view(lake: Path) -> pl.DataFrame:
    """The documented way: the day's offers, and the budget rows of their run."""
    offers = pl.read_delta(str(lake / "decisions" / "promotions")).filter(pl.col(Promotions.date) == DAY)
    spent = offers.group_by(Promotions.date, Promotions.run_id).agg(pl.col(Promotions.expected_cost).sum())
    budget = pl.read_delta(str(lake / "decisions" / "budget"))
    return spent.join(budget, on=[Budget.date, Budget.run_id], how="inner")


def test_a_reader_in_a_loop_sees_one_run_or_that_both_are_being_replaced(lake: Lake) -> None:
    replace(lake, 20.0)
    ended = threading.Event()
    views: list[pl.DataFrame] = []

    def read() -> None:
        while not ended.is_set():
            views.append(view(Path(lake.root)))

    reader = threading.Thread(target=read)
    reader.start()
    for budget in (90.0, 20.0, 90.0):
        replace(lake, budget)
    ended.set()
    reader.join()
    views.append(view(Path(lake.root)))
    seen = {tuple(map(float, row)) for v in views for row in v.select(Budget.planned, Promotions.expected_cost).rows()}
    assert seen == {(20.0, 20.0), (90.0, 90.0)}, "never 90 spent of 20, nor 20 of 90"
    assert all(v.height <= 1 for v in views)
