"""The job adjust: from what was measured on a date to the version that the next date is decided by."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from jobs.adjust import run as adjust
from promo_spark.contracts.measurement import Checks, Effects, KpiDaily
from promo_spark.contracts.policy import Policy
from promo_spark.errors import MissingDataError
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake
from tests.decisions.adjustment.effect_rows import effect, gain
from tests.jobs.shop_of_rows import DAY, days_before, decide, shop

YESTERDAY, BEFORE = days_before(1), days_before(2)
LOSES = effect("explore", "mechanic:coupon", "margin", -1.0)  # ten errors below 0
GIVES_MORE = effect("counted", "mechanic:discount", "given", 1.5, 0.01, expected=1.0)
Run = Callable[..., Any]


def measured(lake: Lake, on: datetime.date, *rows: dict[str, Any], kpis: Sequence[dict[str, Any]] = ()) -> None:
    """What evaluate wrote for a date; a window that is not over, and the shop's orders, among it."""
    pending = effect("holdout", "all", "margin", None) | {"verdict": "pending"}
    known = [
        row | {"date": on, "first_day": on - datetime.timedelta(35), "run_id": "e1", "n_control": 100}
        for row in (*rows, pending)
    ]
    lake.write(Effects, known, {Effects.date: on})
    orders = {"kpi": "conversion", "slice": "all", "value": 0.2, "n": 100}
    lake.write(KpiDaily, [row | {"date": on, "run_id": "e1"} for row in (*kpis, orders)], {KpiDaily.date: on})


def versions(lake: Lake) -> dict[datetime.date, dict[tuple[str, str], float | None]]:
    """The values of each date's version as the job wrote it."""
    rows = pl.read_delta(lake.path(Policy)).filter(pl.col("job") == "adjust").to_dicts()
    found: dict[datetime.date, dict[tuple[str, str], float | None]] = {}
    for row in rows:
        found.setdefault(row["valid_from"], {})[row["parameter"], row["scope"]] = row["value"]
    return found


def test_a_version_a_day_each_with_its_evidence(lake: Lake, run_job: Run) -> None:
    """L01 (evidence): two dates; the second changes the first's version by a step; run again it is the same."""
    measured(lake, BEFORE, GIVES_MORE)
    run_job(adjust, BEFORE)
    measured(lake, YESTERDAY, GIVES_MORE | {"expected": 1.05}, LOSES)
    run_job(adjust, YESTERDAY)
    cost, value = (("cost_factor", "mechanic:discount"), ("value_factor", "mechanic:discount"))
    found = versions(lake)
    assert found[YESTERDAY] == {cost: 1.1, value: 1.1}  # of value nothing is measured: it follows cost
    # 1.5 over 1.05, told when 1 was in force on most dates: still far above 1.1, so a step to 1.21
    assert found[DAY] == {cost: 1.21, value: 1.21, ("paused", "mechanic:coupon"): 1.0}
    rows = pl.read_delta(lake.path(Policy)).sort("valid_from", "parameter")
    first, second = (of["version_id"].unique().to_list() for _, of in rows.group_by("valid_from", maintain_order=True))
    assert rows["parent"].to_list() == [None, None, *first * 3] and first != second
    assert rows["previous"].to_list() == [None, None, 1.1, None, 1.1]
    evidence = dict(zip(rows["parameter"][2:], rows["evidence"][2:], strict=True))
    assert f"measurement.effects {YESTERDAY}" in evidence["cost_factor"]
    assert f"measurement.effects {YESTERDAY}" in evidence["paused"]
    assert evidence["value_factor"].endswith("as is believed of cost_factor")
    run_job(adjust, YESTERDAY)
    assert pl.read_delta(lake.path(Policy)).sort("valid_from", "parameter").equals(rows)


def test_arms_that_a_check_doubts_change_nothing(lake: Lake, run_job: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Held out users say that offers bring nothing, receipts that discounts give more; then an arm is found lost."""
    brings_nothing = gain("holdout", "all", seen=0.0, told=2.0, se=0.02)
    measured(lake, YESTERDAY, GIVES_MORE, *brings_nothing)
    run_job(adjust, YESTERDAY)
    assert versions(lake)[DAY]["value_factor", "mechanic:gift"] == pytest.approx(1 / 1.1, abs=1e-4)
    lost = {"check": "sample_ratio", "slice": "all", "outcome": "alarm", "n": 9, "date": YESTERDAY, "run_id": "e1"}
    lake.write(Checks, [lost], {Checks.date: YESTERDAY})
    run_job(adjust, YESTERDAY)
    # What is given follows from receipts, and value from what is given: as if nobody had been held out.
    assert versions(lake)[DAY] == {(f"{of}_factor", "mechanic:discount"): 1.1 for of in ("cost", "value")}
    assert "sample_ratio of measurement.checks: users with offers and those held out cannot be" in " ".join(
        capsys.readouterr().err.split()
    )


def test_without_measurements_nothing_changes(lake: Lake, run_job: Run) -> None:
    """No holdout, no offers, no feedback: the version says that nothing differs; a skipped date is an error."""
    measured(lake, YESTERDAY)
    run_job(adjust, YESTERDAY)
    assert versions(lake) == {DAY: {("none", "all"): None}}
    with pytest.raises(MissingDataError, match=r"measurement\.effects"):
        run_job(adjust, DAY)
    assert list(versions(lake)) == [DAY]


def test_a_challenger_takes_over_and_stays(lake: Lake, run_job: Run) -> None:
    """L07: sure to bring more on the date before: its value is in force, and tomorrow no rule of the day changes it."""
    named = "adjust.challengers={fewer = {value_factor = {'mechanic:discount' = 0.5}}}"
    sure = effect("dr_policy", "policy:fewer", "margin", 1.0) | {"cs_low": 0.5}
    measured(lake, BEFORE, GIVES_MORE, sure)
    run_job(adjust, BEFORE, named)
    measured(lake, YESTERDAY, GIVES_MORE, sure | {"estimate": 0.0, "se": 0.0, "cs_low": 0.0})
    run_job(adjust, YESTERDAY, named)
    cost, value = (("cost_factor", "mechanic:discount"), ("value_factor", "mechanic:discount"))
    found = versions(lake)
    assert (found[YESTERDAY], found[DAY]) == ({cost: 1.1, value: 0.5}, {cost: 1.21, value: 0.5})


def test_what_a_person_said_stays_for_a_while(lake: Lake, settings: Settings, run_job: Run) -> None:
    """`rollback` to the settings: for adjust.hand_days nothing is paused again, however sure it is."""
    measured(lake, BEFORE, LOSES)
    run_job(adjust, BEFORE)
    arguments = {"date": str(YESTERDAY), "to": "settings", "by": "Ann"}
    all_commands()["rollback"].start(lake, settings, arguments, Progress(Console(file=StringIO())))
    measured(lake, YESTERDAY, LOSES)
    run_job(adjust, YESTERDAY)
    assert versions(lake)[DAY] == {("none", "all"): None}
    run_job(adjust, YESTERDAY, "adjust.hand_days=0")
    assert versions(lake)[DAY] == {("paused", "mechanic:coupon"): 1.0}


def test_the_next_date_is_decided_by_what_was_measured(lake: Lake, settings: Settings, run_job: Run) -> None:
    """L05: coupons lost margin for sure on the date before: nobody but explored users gets one; before, many did."""
    rows = shop()
    rich: dict[str, Any] = {"daily_budget": 2000.0, "mechanic_budgets": {"coupon": 1000.0}, "explore_share": 0.0}
    before = decide(lake, settings, rows, **rich)[0]
    measured(lake, YESTERDAY, LOSES)
    run_job(adjust, YESTERDAY)
    after = decide(lake, settings, rows, **rich)[0]
    assert (before.mechanic == "coupon").sum() > 5 and (after.mechanic == "coupon").sum() == 0
    assert (after.mechanic == "bundle").sum() > 0
