"""The forecast job, from daily sales to forecasts and figures, on a real lake."""

from __future__ import annotations

import datetime

import pytest
from chispa import assert_df_equality

from jobs.forecast import run
from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import BasketRules, DemandHints, Forecasts, ForecastTotals, Metrics, Segments
from promo_spark.contracts.predictions import SegmentTrends
from promo_spark.contracts.silver import Inventory, OrderLines
from promo_spark.contracts.supply import InventoryPlan
from promo_spark.errors import ContractError, MissingDataError, SettingsError
from promo_spark.runtime.job import Context
from promo_spark.runtime.progress import Progress, Step
from promo_spark.settings import load
from promo_spark.settings.forecast import ForecastSettings
from promo_spark.storage.lake import Lake

DAY = datetime.date(2017, 12, 1)
SMALL = ("forecast.horizon_days=7", "forecast.partitions=2", "forecast.models_top=[]")


def execute(lake: Lake, *overrides: str, date: datetime.date = DAY) -> None:
    settings = load(overrides=(*SMALL, *overrides))
    ctx: Context[ForecastSettings] = Context(
        run, date, settings.forecast, settings.business, "r1", lake, Step(Progress(), "forecast")
    )
    run.function(ctx)
    ctx.release()


def sales(series: str, units: list[float]) -> list[dict[str, object]]:
    first = DAY - datetime.timedelta(days=len(units))
    return [
        {
            "as_of": DAY,
            "series_id": series,
            "level": series.split(":")[0],
            "item_id": series.split(":", 1)[1],
            "units": u,
            "revenue": u,
            "day": first + datetime.timedelta(days=i),
        }
        for i, u in enumerate(units)
    ]


def test_every_series_is_forecast_and_the_figures_stand_beside_the_baseline(lake: Lake) -> None:
    """F10 (part: figures by model and level are in models.metrics).

    What else may be wanted, by a rule of what is bought together, stands apart: the forecasts are as without the rule.
    """
    week = [5.0, 3.0, 4.0, 6.0, 9.0, 14.0, 12.0]
    rows = sales("category:tea", week * 12) + sales("product:new", [100, 120, 150, 180, 200, 220, 250])
    lake.write(DailySales, rows, {"as_of": DAY})
    execute(lake)
    found = lake.read(Forecasts).orderBy("series_id", "day").filter("champion").collect()
    assert [r.units for r in found if r.series_id == "category:tea"] == week
    assert [r.units for r in found if r.series_id == "product:new"][:3] == [275.0, 300.0, 325.0]
    assert [r.day for r in found][:7] == [DAY + datetime.timedelta(days=i) for i in range(7)]
    metrics = {(r.metric, r.slice): (r.value, r.n) for r in lake.read(Metrics).collect()}
    assert metrics["mae", "champion"] == metrics["mae", "SeasonalNaive:category"] == (0.0, 1)
    assert metrics["mae", "WindowAverage"] == (pytest.approx(172 / 7 / 7), 1)  # Σ |week − 53/7| = 172/7
    assert metrics["series", "short"] == (1.0, 1)
    assert metrics["failures", "all"][0] == 0.0
    totals = {r.series_id: (r.days, r.model, r.units) for r in lake.read(ForecastTotals).collect()}
    assert totals["category:tea"] == (7, "Ensemble", pytest.approx(53.0))  # Σ week
    assert totals["product:new"] == (7, "Drift", 275.0 + 300 + 5 * 325)  # seven days grow on for three
    [plan] = lake.read(InventoryPlan).collect()  # of the product; nobody counts it
    assert (plan.product_id, plan.store_id, plan.days, plan.status) == ("new", "all", 8, None)
    assert plan.expected_units == pytest.approx(totals["product:new"][2] + (275.0 + 300 + 5 * 325) / 7)  # a day more
    before = lake.read(Forecasts).localCheckpoint()
    assert lake.read(DemandHints).count() == 0  # nobody knows what is bought together
    # whoever buys the new one often buys the old one too
    rule = {
        "as_of": DAY,
        "level": "product",
        "antecedent": ["new"],
        "consequent": ["old"],
        "confidence": 0.6,
        "lift": 2,
    }
    lake.write(BasketRules, [rule], {"as_of": DAY})
    counted = {"product_id": "new", "day": DAY - datetime.timedelta(1), "lead_time_days": 2}
    lake.write(Inventory, [counted | {"store_id": s, "on_hand": n} for s, n in (("north", 9), ("south", 15000))])
    day = DAY - datetime.timedelta(9)
    line = {"order_id": "o", "product_id": "new", "order_date": day}
    lake.write(
        OrderLines, [line | {"line_no": n, "store_id": s, "quantity": 5} for n, s in enumerate(("north", "south"))]
    )
    execute(lake, "forecast.partitions=3", "forecast.batch_series=1")
    assert_df_equality(lake.read(Forecasts), before, ignore_row_order=True)
    status = {row.store_id: row.status for row in lake.read(InventoryPlan).collect()}
    assert status == {"north": "stockout_risk", "south": "overstock", "all": "ok"}  # 56 days sell some 17,600
    [hint] = lake.read(DemandHints).collect()
    assert (hint.as_of, hint.level, hint.item_id, hint.antecedent) == (DAY, "product", "old", "new")
    # in the 7 days before 100 + 120 + 150 + 180 + 200 + 220 + 250 = 1220 were sold
    rise = sum(r.units for r in found if r.series_id == "product:new") - 1220
    assert hint.hint_units == pytest.approx(0.6 * rise) and hint.hint_units > 0 and hint.basis == "heuristic"


def test_what_cannot_be_forecast_is_said_and_nothing_written(lake: Lake) -> None:
    with pytest.raises(MissingDataError, match=r"features\.daily_sales"):
        execute(lake)
    rows = sales("product:gap", [1.0] * 9)
    lake.write(DailySales, rows[:4] + rows[5:], {"as_of": DAY})
    with pytest.raises(ContractError, match="series product:gap has 8 days where its calendar has 9"):
        execute(lake)
    with pytest.raises(MissingDataError, match="has no rows for 2017-12-02"):
        execute(lake, date=DAY + datetime.timedelta(days=1))
    with pytest.raises(SettingsError, match=r"forecast.models_regular: there is no model Prophet"):
        execute(lake, 'forecast.models_regular=["Prophet"]')
    assert not lake.exists(Forecasts)


def test_what_segments_did_and_will_do_stands_beside_the_forecasts(lake: Lake) -> None:
    """C11 (part): 14 days of a user of segment 1 who orders daily, and 7 to come; nothing where it is not asked for."""
    lake.write(DailySales, sales("category:tea", [5.0] * 14), {"as_of": DAY})
    days = [DAY - datetime.timedelta(n) for n in range(1, 15)]
    bought = [
        {"order_id": str(day), "order_date": day, "user_id": "ann", "quantity": 1, "amount_paid": 4} for day in days
    ]
    lake.write(OrderLines, bought)
    lake.write(Segments, [{"as_of": DAY, "user_id": "ann", "segment_id": 1, "segment_name": "daily"}], {"as_of": DAY})
    execute(lake)
    found = lake.read(SegmentTrends).collect()
    assert len(found) == 3 * (14 + 7)
    told = {(r.measure, r.day): (r.actual, r.expected) for r in found}
    assert told["users", days[0]] == told["orders", days[0]] == (1.0, None)
    assert told["revenue", days[-1]] == (4.0, None)
    assert told["revenue", DAY] == (None, 4.0)
    assert {(r.segment_id, r.segment_name) for r in found} == {(1, "daily")}
    assert all((r.model is None) == (r.expected is None) for r in found)
    execute(lake, "forecast.segment_days=0")
    assert lake.read(SegmentTrends).isEmpty()
