"""What offers did, on experiments whose outcome is known by construction."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from jobs import evaluate
from promo_spark.contracts.decisions import Budget, Explored, Promotions
from promo_spark.contracts.measurement import Checks, Effects, KpiDaily, SegmentResponses
from promo_spark.contracts.silver import Exposures, Feedback, OrderLines
from promo_spark.contracts.withheld import Withheld
from promo_spark.storage.lake import Lake
from tests.jobs.experiment_rows import USERS, day, features, held_out, line, promotion, write

Run = Callable[..., Any]
FEW = "evaluate.least_users=20"
NONE: dict[str, Any] = {"scenario": "none", "mechanic": "none", "product_ids": [], "reason_codes": ["no_gain"]}


def effects(lake: Lake, on: datetime.date, **wanted: Any) -> dict[str, dict[str, Any]]:
    """The rows of a date with these values, by metric."""
    rows = pl.read_delta(lake.path(Effects)).filter(pl.col("date") == on)
    for name, value in wanted.items():
        rows = rows.filter(pl.col(name) == value)
    return {row["metric"]: row for row in rows.to_dicts()}


def checks(lake: Lake, on: datetime.date) -> dict[tuple[str, str], dict[str, Any]]:
    rows = pl.read_delta(lake.path(Checks)).filter(pl.col("date") == on)
    return {(row["check"], row["slice"]): row for row in rows.to_dicts()}


def bought(n: int) -> float:
    """What user n pays for tea: 10, 11 or 12; with the offer a fifth less, and twice as many buy."""
    return 10.0 + n % 3


@pytest.fixture
def experiment(lake: Lake) -> Lake:
    """Decisions of seven days. Of those held out every fourth buys milk for 5; of the others every second buys tea."""
    offers = [promotion(n, on, **(NONE if on and not held_out(n) else {})) for on in range(7) for n in range(USERS)]
    lines = [line(n, 1, 5.0, "milk") for n in range(USERS) if held_out(n) and n % 40 == 0]
    lines += [
        line(n, 1, 0.8 * bought(n), list_amount=bought(n), discount_retail=0.2 * bought(n))
        for n in range(USERS)
        if not held_out(n) and n % 2
    ]
    write(lake, {Promotions: offers, OrderLines: lines, **features(day(7))})
    return lake


def test_users_with_offers_are_compared_with_those_held_out(experiment: Lake, run_job: Run) -> None:
    """H09, K01, K02, K04, K06, K08, K13: 360 users with offers and 40 without; 200 and 10 of them buy."""
    run_job(evaluate.run, day(7), FEW)
    told = effects(experiment, day(7), slice="all", method="holdout", window_days=7)
    with_offers = [n for n in range(USERS) if not held_out(n)]
    paid = np.array([0.8 * bought(n) if n % 2 else 0.0 for n in with_offers])
    without = np.array([5.0] * 10 + [0.0] * 30)
    conversion = told["conversion"]
    assert (conversion["n_treated"], conversion["n_control"]) == (360, 40)
    # 200 of 360, 10 of 40
    assert conversion["estimate"] == pytest.approx(200 / 360 - 0.25, abs=1e-6) and conversion["control"] == 0.25
    errors = paid.std(ddof=1) / 360**0.5, without.std(ddof=1) / 40**0.5
    assert told["paid"]["estimate"] == pytest.approx(paid.mean() - without.mean(), abs=1e-6)
    assert told["paid"]["se"] == pytest.approx(np.hypot(*errors), rel=1e-3)
    margin = np.where(paid > 0, paid - 4, 0.0)
    gained = margin.mean() - (without - 1 * (without > 0)).mean()
    assert told["margin"]["estimate"] == pytest.approx(gained, abs=1e-6)
    given = 0.25 * paid.mean()  # a fifth of what it costs is a quarter of what is paid
    assert told["given"]["estimate"] == pytest.approx(given, abs=1e-4) and told["given"]["verdict"] is None
    assert told["roi"]["estimate"] == pytest.approx(gained / given, rel=1e-3)
    assert told["redeemed"]["estimate"] == pytest.approx(200 / 360, abs=1e-6)
    assert told["margin"]["expected"] == 0.5  # of the first day's offers, which hold on all seven
    assert (
        told["satisfaction"]["estimate"] is None
        and told["satisfaction"]["reason"] == "nobody gave a score, or only users of one side did"
    )
    assert told["conversion"]["verdict"] == told["margin"]["verdict"] == "ship"
    assert told["conversion"]["cs_low"] < told["conversion"]["ci_low"]
    # offers whose last day is over, a seventh of March: each of 360, of which 200 were used; told were 1.5
    plan = effects(experiment, day(7), slice="mechanic:discount", method="counted")
    assert plan["redeemed"]["estimate"] == pytest.approx(200 / 360, abs=1e-6) and plan["given"]["expected"] == 1.5
    assert plan["given"]["estimate"] == pytest.approx(given, abs=1e-4) and plan["given"]["verdict"] is None
    pending = effects(experiment, day(7), window_days=28)
    assert {row["verdict"] for row in pending.values()} == {"pending"}
    assert pending["paid"]["reason"] == "its days are over on 2024-03-29" and pending["paid"]["estimate"] is None
    found = checks(experiment, day(7))
    assert {row["outcome"] for row in found.values() if row["check"] != "freshness"} <= {"ok", "insufficient"}
    assert found["sample_ratio", "all"]["outcome"] == found["days_decided", "all"]["outcome"] == "ok"


def test_run_again_and_over_other_partitions_gives_the_same_rows(experiment: Lake, run_job: Run) -> None:
    """Sums are exact: the same rows in another order, in more files, give the same bytes."""
    run_job(evaluate.run, day(7), FEW)
    first = pl.read_delta(experiment.path(Effects)).drop("run_id").sort("window_days", "slice", "metric", "method")
    rows = experiment.read(OrderLines).repartition(7, "amount_paid").localCheckpoint()
    experiment.write(OrderLines, rows)
    run_job(evaluate.run, day(7), FEW)
    again = pl.read_delta(experiment.path(Effects)).drop("run_id").sort("window_days", "slice", "metric", "method")
    assert first.equals(again)


def test_whoever_was_picked_for_an_offer_is_no_evidence(lake: Lake, run_job: Run) -> None:
    """K01, K02: the offers change nothing, but went to those who buy most: the naive figure says +10, the effect is 0.

    Every third user pays 20 a week, before offers as well, others 10. In the second week of sales all pay half as much
    again.
    """
    picked = {n for n in range(USERS) if n % 3 == 0}
    offers = [promotion(n, on, **({} if held_out(n) or n in picked else NONE)) for on in range(7) for n in range(USERS)]
    lines = [
        line(n, on, (20.0 if n in picked else 10.0) * more, "milk")
        for n in range(USERS)
        for on, more in ((-6, 1.0), (1, 1.5))
    ]
    write(lake, {Promotions: offers, OrderLines: lines, **features(day(7))})
    run_job(evaluate.run, day(7), FEW)
    naive = effects(lake, day(7), slice="mechanic:discount", method="observational")["paid"]
    assert naive["estimate"] == pytest.approx(15.0) and naive["placebo"] == pytest.approx(10.0)
    assert naive["verdict"] is None and naive["ci_low"] is None and naive["p_value"] is None
    season = effects(lake, day(7), slice="before_after", method="observational")["paid"]
    # of a mean of 13.33 half as much again
    assert season["control"] == pytest.approx(13.33, abs=0.2)
    assert season["estimate"] == pytest.approx(6.7, abs=0.2) and season["placebo"] == pytest.approx(6.7, abs=0.2)
    told = effects(lake, day(7), slice="all", method="holdout", window_days=7)["paid"]
    assert told["ci_low"] <= 0 <= told["ci_high"] and told["verdict"] == "hold"
    # what they paid before tells all that they pay now
    assert told["explained"] > 0.999 and abs(told["estimate"]) < 1e-3


def drawn_rows(n: int, on: int, chosen: str, actions: tuple[str, ...]) -> list[dict[str, Any]]:
    """What user n could have drawn on a day: none, one time in four, or an offer, each as likely."""
    mechanics = {"none": "none", "discount": "discount", "coupon": "coupon"}
    return [
        {
            "date": day(on),
            "user_id": f"u{n}",
            "promotion_id": f"{name}-{on}-{n}",
            "scenario": "none" if name == "none" else f"of_{name}",
            "mechanic": mechanics[name],
            "saving": {"none": 0, "discount": 0.2, "coupon": 0.1}[name],
            "expected_cost": {"none": 0, "discount": 2, "coupon": 1}[name],
            "incremental_margin": {"none": 0, "discount": 3, "coupon": 1}[name],
            "action_propensity": 0.25 if name == "none" else 0.75 / (len(actions) - 1),
            "chosen": name == chosen,
        }
        for name in actions
    ]


def test_what_chance_drew_tells_what_single_offers_do(lake: Lake, run_job: Run) -> None:
    """L07: 640 explored users: those who drew a discount pay 14 for milk, a coupon 11, none 10, in the days after it.

    Half of them could not have drawn a coupon: chance gave three of four of these a discount, and of eight others three
    a discount and three a coupon. One of four drew none.
    They pay 20 more whatever they draw, so that a mean of all who drew none would be wrong.
    """
    explored, lines = [], []
    for n in range(640):
        actions = ("none", "discount") if n % 2 else ("none", "discount", "coupon")
        chosen = "none" if n // 2 % 4 == 0 else actions[1 + n // 2 // 4 % 2] if len(actions) > 2 else "discount"
        explored += drawn_rows(n, 0, chosen, actions)
        paid = {"none": 10.0, "discount": 14.0, "coupon": 11.0}[chosen] + 20 * (n % 2)
        lines.append(line(n, n % 7, paid, "milk"))
    offers = [promotion(n, 0, arm="explore") for n in range(640)]
    write(
        lake,
        {
            Promotions: offers,
            Explored: explored,
            OrderLines: lines,
            **features(day(7)),
            Budget: [{"date": day(0), "constraint": "daily", "dual_price": 0.5}],
        },
    )
    run_job(evaluate.run, day(7), FEW, "adjust.challengers={coupons = {value_factor = {'mechanic:coupon' = 4.0}}}")
    discount = effects(lake, day(7), slice="mechanic:discount", method="explore")
    # weights such as 4 / 3 have four digits, and what a user paid times one is in cents: half a cent off at most
    assert discount["paid"]["estimate"] == pytest.approx(4.0, abs=5e-3)
    assert discount["margin"]["expected"] == pytest.approx(3.0, abs=1e-3)
    coupon = effects(lake, day(7), slice="mechanic:coupon", method="explore")
    assert coupon["paid"]["estimate"] == pytest.approx(1.0, abs=5e-3)
    # all offers: of the half that may draw both (14 + 11) / 2 − 10, of the other 4
    assert effects(lake, day(7), slice="all", method="explore")["paid"]["estimate"] == pytest.approx(3.25, abs=5e-3)
    assert {"depth:0.1", "depth:0.2", "scenario:of_coupon"} <= set(pl.read_delta(lake.path(Effects))["slice"])
    # the policy of the day: the discount, 3 − 0.5 × 2 against 1 − 0.5 × 1 and 0. It is told to bring 3, and brings 4
    for method in ("dr_policy", "snips_policy"):
        policy = effects(lake, day(7), slice="policy:prices", method=method)["margin"]
        assert policy["estimate"] == pytest.approx(4.0, abs=0.05) and policy["expected"] == 3.0
    # the challenger makes coupons, (1 + 1) × 4 − 1.5 × 1 = 6.5, where it can: of half of them. These bring 1 and not 4,
    # and save 1 of the budget, which is worth 0.5: −2.5; the others get the same. It was told to bring 1 and not 3
    coupons = effects(lake, day(7), slice="policy:coupons", method="dr_policy")["margin"]
    assert coupons["estimate"] == pytest.approx(-1.25, abs=0.05) and coupons["expected"] == pytest.approx(-0.75)
    assert coupons["cs_low"] < coupons["ci_low"] < coupons["estimate"] and coupons["n_control"] == 640


def test_offers_of_a_kind_are_compared_with_those_held_out_who_would_have_got_them(lake: Lake, run_job: Run) -> None:
    """K04: a discount goes to whoever pays 10, a coupon to whoever pays 30: 4 more come of one, 2 less of the other.

    Every fourth user is held out. Every fifth gets, or would get, both, so that nobody can tell what did what: 50 less.
    On day 1 the coupon still holds, so that what is given then is not looked at.
    """
    offers: list[dict[str, Any]] = []
    withheld: list[dict[str, Any]] = []
    lines = []
    for n in range(400):
        out, both, usual = n // 2 % 4 == 0, n % 5 == 0, 30.0 if n % 2 else 10.0
        coupon: dict[str, Any] = {
            "mechanic": "coupon",
            "product_ids": [],
            "discount_rate": None,
            "coupon_amount": 2,
            "min_spend": 20,
        }
        kinds: list[dict[str, Any]] = [{}, coupon] if both else [coupon] if n % 2 else [{}]
        made = [promotion(1, 0, user_id=f"u{n}", promotion_id=f"{n}-{k}", **kind) for k, kind in enumerate(kinds)]
        if n % 2:
            made.append(promotion(1, 1, user_id=f"u{n}", promotion_id=f"{n}-later"))
        arm: dict[str, Any] = {"arm": "holdout", "scenario": "none", "mechanic": "none", "reason_codes": ["holdout"]}
        offers += [promotion(1, 0, user_id=f"u{n}", **arm)] if out else made
        withheld += [{c: row[c] for c in Withheld.columns() if c in row} for row in made] if out else []
        lines.append(line(n, n % 7, usual + (0 if out else -50 if both else -2 if n % 2 else 4), "milk"))
    write(lake, {Promotions: offers, Withheld: withheld, OrderLines: lines, **features(day(8))})
    run_job(evaluate.run, day(8), FEW)
    discount = effects(lake, day(8), slice="mechanic:discount", method="withheld")
    assert discount["paid"]["estimate"] == pytest.approx(4.0, abs=1e-6)
    # told of each: 0.5 more margin, 1.5 given
    assert (discount["paid"]["n_treated"], discount["paid"]["n_control"]) == (120, 40)
    assert (discount["margin"]["expected"], discount["given"]["expected"]) == (0.5, 1.5)
    coupon = effects(lake, day(8), slice="mechanic:coupon", method="withheld")
    assert coupon["paid"]["estimate"] == pytest.approx(-2.0, abs=1e-6)
    assert effects(lake, day(8), slice="depth:0.1", method="withheld")["paid"]["estimate"] == pytest.approx(-2.0)
    # all are of one segment: what is known of it is what is known of the mechanic
    answers = pl.read_delta(lake.path(SegmentResponses)).sort("mechanic").to_dicts()
    assert [(r["segment_id"], r["mechanic"], r["n_treated"], r["n_control"]) for r in answers] == [
        (1, "coupon", 120, 40),
        (1, "discount", 120, 40),
    ]
    assert answers[1]["margin"] == pytest.approx(discount["margin"]["estimate"], abs=1e-6)
    assert answers[1]["best_probability"] > 0.99 and answers[0]["best_probability"] < 0.01
    # all, also those with both: (0.8 × (4 − 2) / 2 − 0.2 × 50)
    every = effects(lake, day(8), slice="all", method="withheld")["paid"]
    assert every["estimate"] == pytest.approx(-9.2, abs=0.01) and every["verdict"] == "stop"


def test_what_is_doubtful_is_an_alarm_that_says_what_to_do(lake: Lake, run_job: Run) -> None:
    """K06: an arm that is lost, a key that changed, a day without decisions, exposures of nothing that was made."""
    kept = [promotion(n, on) for on in (0, 1, 3, 4, 5, 6) for n in range(USERS) if not (held_out(n) and on == 0)]
    moved = [
        row | {"arm": "treatment", "reason_codes": ["no_gain"]}
        if row["date"] == day(6) and row["arm"] == "holdout"
        else row
        for row in kept
    ]
    sent = {
        "promotion_id": "unheard",
        "user_id": "u1",
        "channel": "mail",
        "sent_at": datetime.datetime(2024, 3, 2, 9, tzinfo=datetime.timezone.utc),
    }
    score = {
        "feedback_id": "f",
        "user_id": "u1",
        "score": 4.0,
        "ts": datetime.datetime(2024, 3, 2, 9, tzinfo=datetime.timezone.utc),
    }
    tables: Any = {
        Promotions: moved,
        OrderLines: [line(1, 1, 5.0)],
        **features(day(7)),
        Exposures: [sent],
        Feedback: [score],
    }
    write(lake, tables)
    run_job(evaluate.run, day(7), FEW)
    found = checks(lake, day(7))
    alarms = {name: row["message"] for (name, _), row in found.items() if row["outcome"] == "alarm"}
    assert alarms.keys() == {"sample_ratio", "arms_kept", "days_decided", "exposures_known", "freshness"}
    assert "nobody is held out any more, though 10.00% were drawn" in alarms["sample_ratio"]
    assert alarms["arms_kept"].startswith("40 of 400 users were held out on some days")
    assert (
        alarms["days_decided"]
        == "nothing was decided for 2024-03-03: what is measured is what the other days' offers did"
    )
    assert alarms["exposures_known"].startswith("1 of 1 exposures since 2024-03-01 name a promotion that")
    told = effects(lake, day(7), slice="all", method="holdout", window_days=7)
    assert {row["verdict"] for row in told.values()} == {"insufficient"}
    assert told["paid"]["reason"] == "360 users with offers and 0 without: evaluate.least_users is 20"


def test_an_arm_that_is_lost_on_the_newest_day_is_found(lake: Lake, run_job: Run) -> None:
    """K06: on the first day of the window all are there; of yesterday's decisions those held out are gone."""
    kept = [promotion(n, on) for on in range(7) for n in range(USERS) if not (held_out(n) and on == 6)]
    write(lake, {Promotions: kept, OrderLines: [line(1, 1, 5.0)], **features(day(7))})
    run_job(evaluate.run, day(7), FEW)
    found = checks(lake, day(7))
    assert found["arms_kept", "all"]["outcome"] == "ok"
    for slice_ in ("all", "asked"):
        row = found["sample_ratio", slice_]
        assert row["outcome"] == "alarm" and row["message"].startswith("on 2024-03-07 nobody is held out any more")


def test_before_anything_was_decided_nothing_is_told(
    lake: Lake, run_job: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    write(lake, {OrderLines: [line(1, 1, 5.0)], **features(day(7))})
    run_job(evaluate.run, day(7), FEW)
    assert pl.read_delta(lake.path(Effects)).is_empty()
    assert set(pl.read_delta(lake.path(Checks))["check"]) == {"freshness", "drift", "calibration"}
    figures = pl.read_delta(lake.path(KpiDaily))
    assert figures.filter(pl.col("kpi") == "market_share").select("slice", "value").rows() == [("all", None)]
    assert "no offers were decided before 2024-03-08: there is nothing to measure yet" in capsys.readouterr().err
    # offers of yesterday: every window is pending, and says when it is over
    write(lake, {Promotions: [promotion(n, 6) for n in range(30)]})
    run_job(evaluate.run, day(7), FEW)
    told = pl.read_delta(lake.path(Effects))
    assert set(told["verdict"]) == {"pending"} and set(told["window_days"]) == {7, 28}
    assert "its days are over on 2024-03-14" in set(told["reason"])
    assert ("sample_ratio", "all") in checks(lake, day(7)), "arms are known on the first day"
    run_job(evaluate.run, day(7), FEW, 'evaluate.since="2024-04-01"')
    assert "evaluate.since is 2024-04-01, so that nothing is measured" in capsys.readouterr().err
