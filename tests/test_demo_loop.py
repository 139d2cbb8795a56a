"""What the demo of a week says of its tables, and which folders it takes."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

from promo_spark.contracts.measurement import Checks, Effects
from promo_spark.contracts.policy import Policy
from promo_spark.errors import SettingsError

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
FIRST, SECOND = datetime.date(2024, 6, 1), datetime.date(2024, 6, 2)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import demo_report

    return demo_report


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import demo_loop

    return demo_loop


def effect(**known: Any) -> dict[str, Any]:
    """A row of measurement.effects of all users against those held out; what is not named is null."""
    row: dict[str, Any] = dict.fromkeys(Effects.columns())
    row |= {"slice": "all", "method": "holdout", "metric": "orders", "window_days": 7, "first_day": FIRST}
    return row | {"n_treated": 400, "n_control": 170} | known


# offers by day


def test_offers_are_counted_by_day_and_none_is_no_offer(told: ModuleType) -> None:
    rows = pl.DataFrame(
        [
            # a has two offers, 1.50 + 0.25 = 1.75; b gets none; c is held out; d drew an offer, e drew none
            (FIRST, "a", "discount", "treatment", Decimal("1.50")),
            (FIRST, "a", "coupon", "treatment", Decimal("0.25")),
            (FIRST, "b", "none", "treatment", Decimal("0.00")),
            (FIRST, "c", "none", "holdout", Decimal("0.00")),
            (FIRST, "d", "flash", "explore", Decimal("1.00")),
            (FIRST, "e", "none", "explore", Decimal("0.00")),
            # a day without offers is a line, too
            (SECOND, "a", "none", "treatment", Decimal("0.00")),
        ],
        schema=["date", "user_id", "mechanic", "arm", "expected_cost"],
        orient="row",
    ).with_columns(pl.lit("USD").alias("currency"))
    assert told.offers_by_day(rows) == [
        "2024-06-01  3 offers to 2 customers, 2.75 USD reserved; explored by chance: 2 customers, held out: 1",
        "2024-06-02  0 offers to 0 customers, 0.00 USD reserved; explored by chance: 0 customers, held out: 0",
    ]


# what was reserved and given


def counted(slice_: str, metric: str, expected: float, estimate: float | None, **known: Any) -> dict[str, Any]:
    return effect(
        method="counted", slice=slice_, metric=metric, expected=expected, estimate=estimate, n_treated=90, **known
    )


def test_what_was_given_stands_beside_what_was_reserved(told: ModuleType) -> None:
    rows = [
        # 0.40 reserved lies below all of 0.45 to 0.55
        counted("all", "given", 0.40, 0.50, ci_low=0.45, ci_high=0.55, se=0.025),
        counted("all", "redeemed", 0.30, 0.25, ci_low=0.2, ci_high=0.3),
        # 0.40 lies within 0.10 to 0.90: nothing is said of it
        counted("mechanic:flash", "given", 0.40, 0.50, ci_low=0.10, ci_high=0.90, se=0.2),
        counted("mechanic:flash", "redeemed", 0.30, 0.25, ci_low=0.2, ci_high=0.3),
        # no coupon was used: 0 by 0 says nothing of how sure that is
        counted("mechanic:coupon", "given", 0.40, 0.0, ci_low=0.0, ci_high=0.0, se=0.0),
        counted("mechanic:coupon", "redeemed", 0.04, 0.0, ci_low=0.0, ci_high=0.0, se=0.0),
        # scenarios would be a screen of their own
        counted("scenario:flash_sale", "given", 0.40, 0.50, ci_low=0.45, ci_high=0.55),
    ]
    assert told.plans(rows) == [
        "all offers (90 customers): reserved 0.40, given 0.50 (between 0.45 and 0.55); used 25% of the offers, "
        "expected were 30%. More was given than reserved",
        "mechanic coupon (90 customers): reserved 0.40, given 0.00; used 0% of the offers, expected were 4%",
        "mechanic flash (90 customers): reserved 0.40, given 0.50 (between 0.10 and 0.90); used 25% of the offers, "
        "expected were 30%",
    ]


def test_offers_of_one_customer_say_why_nothing_is_told(told: ModuleType) -> None:
    rows = [
        counted("all", metric, 0.40, None, verdict="insufficient", reason="one user alone had such offers")
        for metric in ("given", "redeemed")
    ]
    assert told.plans(rows) == ["all offers (90 customers): one user alone had such offers"]
    assert told.plans([]) == ["No offer has ended yet."]


# effects


def test_a_verdict_stands_with_the_interval_that_it_goes_by(told: ModuleType) -> None:
    rows = [
        # looked at every day: the wider interval, which holds on all of them, decides
        effect(
            estimate=0.3,
            control=1.2,
            ci_low=0.1,
            ci_high=0.5,
            cs_low=-0.1,
            cs_high=0.7,
            p_adjusted=0.01,
            verdict="hold",
        ),
        effect(metric="margin", estimate=-1.0, control=5.0, ci_low=-1.5, ci_high=-0.5, verdict="stop"),
        effect(metric="given", estimate=0.8, control=0.0, ci_low=0.7, ci_high=0.9),  # costs have no verdict
        effect(metric="roi", verdict="insufficient", reason="what was given does not differ for sure"),
    ]
    assert told.together(rows) == [
        "In the 7 days from 2024-06-01, 400 customers who may get offers against 170 held out, per customer:",
        "  orders: +0.300 on 1.200 (between -0.100 and +0.700). hold: nobody can tell yet, as 0 lies between",
        "  margin, all that is given taken off: -1.00 on 5.00 (between -1.50 and -0.50). "
        "stop: it fell for sure: end it",
        "  given by the shop: +0.80 on 0.00 (between +0.70 and +0.90)",
        "  margin brought by each unit of money given: insufficient, what was given does not differ for sure",
    ]


def test_a_window_of_which_nothing_can_be_told_says_so_once(told: ModuleType) -> None:
    few = "20 users with offers and 5 without: evaluate.least_users is 30"
    rows = [effect(metric=metric, verdict="insufficient", reason=few) for metric in ("orders", "margin")]
    assert told.together(rows)[1:] == [f"  insufficient: {few}"]
    assert told.together([]) == ["Nothing was measured."]


def test_single_offers_are_told_where_they_are_sure_and_named_where_they_are_not(told: ModuleType) -> None:
    rows = [
        effect(method="explore", slice=slice_, metric="margin", estimate=2.0, ci_low=1.0, ci_high=3.0, verdict=verdict)
        for slice_, verdict in (("mechanic:coupon", "ship"), ("mechanic:flash", "hold"), ("depth:0.2", "hold"))
    ]
    rows.append(effect(method="dr_policy", slice="policy:prices", metric="margin", verdict="insufficient"))
    assert told.singly(rows) == [
        "mechanic coupon: margin per customer: +2.00 (between +1.00 and +3.00). ship: it rose for sure: go on with it",
        "hold, nobody can tell yet: depth 0.2, mechanic flash",
        "insufficient, too few customers drew it: choosing as it was done",
    ]


# checks and what was adjusted


def test_alarms_are_told_and_the_other_checks_counted(told: ModuleType) -> None:
    rows = [
        {Checks.check: check, Checks.slice: "all", Checks.outcome: outcome, Checks.message: message}
        for check, outcome, message in (
            ("aa", "ok", None),
            ("placebo", "insufficient", "too few"),
            ("sample_ratio", "alarm", "an arm is lost"),
        )
    ]
    assert told.alarms(rows) == [
        "ALARM sample_ratio (all): an arm is lost",
        "Of 3 checks 1 find all well",
        "Nobody can tell yet of: placebo",
    ]


def test_only_what_differs_from_the_version_before_was_changed(told: ModuleType) -> None:
    rows = [
        {Policy.valid_from: SECOND, Policy.reason: "it gave more than was told", Policy.previous: previous}
        | {Policy.parameter: parameter, Policy.scope: scope, Policy.value: value}
        for parameter, scope, value, previous in (
            ("cost_factor", "mechanic:coupon", 1.25, None),
            ("value_factor", "mechanic:flash", 0.5, 0.5),  # as the day before
            ("none", "all", None, None),
        )
    ]
    assert told.adjusted(rows) == [
        "from 2024-06-02: cost_factor of mechanic coupon is 1.25 instead of the settings: it gave more than was told"
    ]
    assert told.adjusted([]) == ["Nothing."]


# the folder


def test_a_world_goes_on_in_its_own_folder_and_in_no_other(demo: ModuleType, tmp_path: Path) -> None:
    small = {"generate.users": 600}
    demo.World.of(tmp_path / "new", small).keep("2024-06-01 generated")
    assert demo.World.of(tmp_path / "new", small).done == ["2024-06-01 generated"]
    with pytest.raises(SettingsError, match="holds another world"):
        demo.World.of(tmp_path / "new", {"generate.users": 601})

    (tmp_path / "lake").mkdir()
    with pytest.raises(SettingsError, match="holds something else"):
        demo.World.of(tmp_path, small)

    (tmp_path / "new" / "demo.json").write_text(json.dumps([1]))
    with pytest.raises(SettingsError, match="cannot be read"):
        demo.World.of(tmp_path / "new", small)


def test_every_day_is_decided_then_played_and_the_last_one_measured(demo: ModuleType, tmp_path: Path) -> None:
    settings = demo.World.of(tmp_path / "new", {**demo.SMALLER, **demo.SEEN}).settings()
    steps = demo.steps(settings)
    played = [day for name, day, _ in steps if name == "played"]
    assert played == [FIRST + datetime.timedelta(days=n) for n in range(7)]
    assert [name for name, _, _ in steps] == ["generated", *["decided", "played"] * 7, "measured"]
    evaluated = [(day - FIRST).days for _, day, jobs in steps if "evaluate" in jobs]
    assert evaluated == [4, 7] and evaluated[0] > demo.WINDOW  # the days of the first offers are over by then
    assert "promote" not in steps[-1][2]  # nobody plays the day after the last


def test_the_script_says_what_it_is_for_before_anything_is_installed() -> None:
    ran = subprocess.run([SCRIPTS / "demo_loop.sh", "--help"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("A small shop whose customers are simulated")


def test_a_folder_with_something_else_in_it_is_refused_with_code_2(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    script = [sys.executable, str(SCRIPTS / "demo_loop.py"), str(tmp_path)]
    ran = subprocess.run(script, cwd=SCRIPTS.parent, capture_output=True, text=True, check=False)
    assert ran.returncode == 2, ran.stderr
    assert f"error: {tmp_path} holds something else: name another folder, or one that is new" in ran.stderr
