"""From moments to rows of measurement.effects: intervals, corrections, verdicts, reasons."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from promo_spark.contracts import measurement
from promo_spark.measurement.effects import Compared, Judging, effect_rows, judged, pending_rows, sequence, verdict
from promo_spark.measurement.figures import COVARIATES, METRICS
from promo_spark.measurement.kpis.key_figures import kpi_names
from promo_spark.measurement.moments import Moments, moments_of_arrays
from promo_spark.measurement.windows import Window

Floats = NDArray[np.float64]
BY = Judging(alpha=0.05, least_users=100, planned_days=28, before_days=84)
WEEK = Window(datetime.date(2024, 3, 1), 7)
SINCE = Window(datetime.date(2024, 3, 1), 10, from_start=True)


def users(ordered: Floats, **more: Floats) -> Moments:
    """Users who ordered once or not; nothing else is known of them."""
    figures = dict.fromkeys(
        ("given", "cost", "redeemed", "active", "retained", "score", "scores", *COVARIATES), np.zeros(len(ordered))
    )
    bought = {"users": np.ones(len(ordered)), "conversion": ordered, "orders": ordered}
    return moments_of_arrays(figures | bought | {"paid": ordered, "margin": ordered} | more)


def of_metric(rows: list[dict[str, Any]], metric: str) -> dict[str, Any]:
    (row,) = (row for row in rows if row["metric"] == metric)
    return row


def test_a_planted_rise_is_covered() -> None:
    """K12: conversion of 5 % rises by 15 % of it, as articles claim; of 400 experiments 95 % tell so, ± 3.3."""
    draw = np.random.default_rng(3)
    covered = seen = 0
    for _ in range(400):
        treated, control = ((draw.random(14_193) < p).astype(np.float64) for p in (0.0575, 0.05))
        (row,) = (
            r
            for r in judged(effect_rows([Compared("all", "holdout", WEEK, users(treated), users(control))], BY), BY)
            if r["metric"] == "conversion"
        )
        covered += row["ci_low"] <= 0.0075 <= row["ci_high"]
        seen += row["verdict"] == "ship"
    assert abs(covered / 400 - 0.95) < 0.033
    assert abs(seen / 400 - 0.8) < 0.06  # K06: so many users were asked for a power of 80 %


def test_that_labels_are_what_they_were_made_of_is_no_effect() -> None:
    """K07: an offer that follows from the segment tells the segment each time: accuracy 1, if all offers lose money."""
    segment = np.random.default_rng(1).integers(0, 5, 1_000)
    offer_of_segment = np.array([3, 0, 4, 1, 2])
    told = np.argsort(offer_of_segment)[offer_of_segment[segment]]
    assert (told == segment).mean() == 1.0
    names = {*measurement.METRICS, *METRICS, *kpi_names([30])}
    assert not {name for name in names if "accuracy" in name}
    assert set(measurement.METRICS) == set(METRICS)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"p_adjusted": 0.01, "estimate": 1.0}, "ship"),
        ({"p_adjusted": 0.01, "estimate": -1.0}, "stop"),
        ({"p_adjusted": 0.06, "estimate": 1.0}, "hold"),
        # looked at every day: only what the sequence says counts
        ({"p_adjusted": 0.01, "estimate": 1.0, "cs_low": -0.1, "cs_high": 2.1}, "hold"),
        ({"p_adjusted": 0.01, "estimate": 1.0, "cs_low": 0.1, "cs_high": 1.9}, "ship"),
        ({"p_adjusted": 0.01, "estimate": -1.0, "cs_low": -1.9, "cs_high": -0.1}, "stop"),
    ],
)
def test_verdicts(changes: dict[str, float], wanted: str) -> None:
    """L09: ship what rises for sure, stop what falls for sure, else hold."""
    assert verdict({"cs_low": None, "cs_high": None} | changes, 0.05) == wanted


def test_few_users_and_unfinished_days_have_no_verdict_that_could_be_acted_on() -> None:
    """L09, K13: 99 of 100 users needed are insufficient; a window that is not over is pending."""
    one = Compared("all", "holdout", WEEK, users(np.ones(500)), users(np.zeros(99)))
    rows = judged(effect_rows([one], BY), BY)
    assert {row["verdict"] for row in rows} == {"insufficient"} and {row["estimate"] for row in rows} == {None}
    assert rows[0]["reason"] == "500 users with offers and 99 without: evaluate.least_users is 100"
    pending = pending_rows([Window(datetime.date(2024, 3, 1), 28, True)])
    assert {(row["verdict"], row["reason"]) for row in pending} == {("pending", "its days are over on 2024-03-29")}


def test_many_slices_are_corrected_for_and_all_of_them_is_not() -> None:
    """K06: of 20 segments without an effect one seems to have one; corrected none has, in 95 % of all dates."""
    draw = np.random.default_rng(5)
    alarms = plain = 0
    for _ in range(100):
        arms = [[users((draw.random(n) < 0.3).astype(np.float64)) for n in (900, 300)] for _ in range(20)]
        compared = [Compared(f"segment:{n}", "holdout", WEEK, one, other) for n, (one, other) in enumerate(arms)]
        rows = [r for r in judged(effect_rows(compared, BY), BY) if r["metric"] == "conversion"]
        plain += any(row["p_value"] < 0.05 for row in rows)
        alarms += any(row["verdict"] != "hold" for row in rows)
    assert plain > 50 and alarms <= 11  # 5 expected, three errors of 6.5


def test_nothing_given_has_no_return_and_says_why() -> None:
    """K04: no cost: null, not infinite."""
    one = Compared("all", "holdout", WEEK, users(np.ones(500)), users(np.zeros(500)))
    roi = of_metric(judged(effect_rows([one], BY), BY), "roi")
    assert roi["estimate"] is None and roi["verdict"] == "insufficient" and "nothing was given" in roi["reason"]
    # 1,500 of margin added by 1,000 given, and 500 of it left: each of 500 users 3, given 2, keeps 1
    given = users(np.ones(500), margin=np.ones(500), given=2 * np.ones(500))
    roi = of_metric(judged(effect_rows([Compared("all", "holdout", WEEK, given, users(np.zeros(500)))], BY), BY), "roi")
    assert roi["estimate"] == 0.5


def test_the_sequence_is_wider_than_one_look_and_narrowest_as_planned() -> None:
    """Relative to the error it is narrowest about the planned day, and only where the experiment begins."""
    one = Compared("all", "holdout", SINCE, users(np.ones(500)), users(np.r_[np.ones(50), np.zeros(450)]))
    row = of_metric(effect_rows([one], BY), "conversion")
    assert row["cs_low"] < row["ci_low"] < row["estimate"] < row["ci_high"] < row["cs_high"]
    told = METRICS["conversion"].told(one.treated, one.control, ())
    assert told is not None
    widths = {
        d: np.diff([*vars(sequence(told, days=d, planned_days=28, alpha=0.05)).values()])[0] for d in (2, 28, 600)
    }
    assert widths[28] < widths[2] and widths[28] < widths[600]
    week = Compared("all", "holdout", WEEK, one.treated, one.control)
    assert of_metric(effect_rows([week], BY), "conversion")["cs_low"] is None
