"""The risk job on a small shop with a ring, a lone account that fakes orders, households and an office."""

from __future__ import annotations

import datetime
import shutil
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from jobs.risk import run
from promo_spark.contracts.models import Metrics
from promo_spark.contracts.risk import ACTION_OF_TIER, ACTIONS, Risk, RiskActions
from promo_spark.contracts.silver import OrderLines, Users
from promo_spark.contracts.vocabulary import RISK_TIERS
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress, Step
from promo_spark.settings import load
from promo_spark.storage.lake import Lake

DAY = datetime.date(2024, 6, 1)
DAYS, HONEST, RING, LONE = 90, 300, 6, 3
OFFICE = range(200, 260)  # sixty customers have their parcels sent to work
FLAGGED = {"high", "blocked"}
FEW = ("risk.trees=20", "risk.history_days=120")
Rows = list[dict[str, Any]]


def at(day: float) -> datetime.datetime:
    """So many days after the first."""
    start = datetime.datetime.combine(DAY, datetime.time(), datetime.timezone.utc) - datetime.timedelta(DAYS)
    return start + datetime.timedelta(days=float(day))


def line(
    order: str, user: str | None, product: int, day: float, pieces: int = 1, coupon: str | None = None
) -> dict[str, Any]:
    ts = at(day)
    return {
        "order_id": order,
        "line_no": product + 1,
        "user_id": user,
        "product_id": f"p{product}",
        "quantity": pieces,
        "amount_paid": 10 * pieces + zlib.crc32(order.encode()) % 100 / 100,
        "list_amount": 10 * pieces,
        "coupon_id": coupon,
        "ts": ts.isoformat(),
        "order_date": ts.date(),
    }


def customers() -> Rows:
    """They order one to three of forty products every ten days or so, between 8 and 20 h; some lines come back."""
    draw, lines = np.random.default_rng(7), []
    for user in range(HONEST):
        for day in np.flatnonzero(draw.random(DAYS - 8) < 0.1).tolist():
            when, order = day + draw.uniform(8, 20) / 24, f"h{user}-{day}"
            products = sorted(set(draw.integers(0, 40, draw.integers(1, 4)).tolist()))
            lines += [line(order, f"h{user}", p, when, coupon="c" if draw.random() < 0.1 else None) for p in products]
            if draw.random() < 0.05:
                lines.append(line(f"{order}-r", f"h{user}", products[0], when + draw.uniform(3, 8), -1))
    return lines


def cheats() -> Rows:
    """A ring redeems in one late evening; lone accounts order one of two products by night, and return it next day."""
    lines = [line(f"ring{n}", f"ring{n}", 39, 60 + (22 + n / 5) / 24, 4, coupon="welcome") for n in range(RING)]
    for user in range(LONE):
        for n in range(6):
            when, order = 10 * n + 3 + user + (3 + n / 10) / 24, f"lone{user}-{n}"
            lines += [
                line(order, f"lone{user}", 37 + n % 2, when),
                line(f"{order}-r", f"lone{user}", 37 + n % 2, when + 1, -1),
            ]
            lines.append(line(f"{order}-x", f"lone{user}", n, when + 4.4))
    return lines


def master_data(digests: bool) -> Rows:
    draw = np.random.default_rng(8)
    names = [f"h{n}" for n in range(HONEST)] + [f"lone{n}" for n in range(LONE)] + [f"ring{n}" for n in range(RING)]
    rows: Rows = []
    for number, name in enumerate(names):
        opened = at(57 + number % 3) if name.startswith("ring") else at(-float(draw.integers(0, 900)))
        household = number // 3 if number < 60 else number
        address = "office" if number in OFFICE else f"a{household}"
        row: dict[str, Any] = {"user_id": name, "registered_at": opened.isoformat()}
        if digests:
            row |= {"device_digest": f"d{number}", "address_digest": address}
            if name.startswith("ring"):
                row |= {"device_digest": "ring", "address_digest": None}
        rows.append(row)
    return rows


def fill(lake: Lake, spark: SparkSession, lines: Rows, users: Rows) -> Lake:
    lake.write(OrderLines, OrderLines.frame(spark, lines))
    return with_users(lake, spark, users)


def with_users(lake: Lake, spark: SparkSession, users: Rows) -> Lake:
    if users:
        lake.write(Users, Users.frame(spark, users))
    return lake


@pytest.fixture(scope="module")
def sold(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with what customers and cheats bought, and no master data: copied, as writing it takes long."""
    return fill(Lake(spark, str(tmp_path_factory.mktemp("sold") / "lake")), spark, customers() + cheats(), [])


def copied(sold: Lake, lake: Lake, users: Rows) -> Lake:
    """The lake with a copy of what was sold, and these users."""
    shutil.copytree(sold.root, lake.root)
    return with_users(lake, lake.spark, users)


def outcome(lake: Lake, *settings: str, day: datetime.date = DAY) -> str:
    return run_in_order([run], lake, load(None, [*FEW, *settings]), day, Progress())["risk"].outcome


def of_users(lake: Lake, day: datetime.date = DAY) -> dict[str, Row]:
    return {row["user_id"]: row for row in lake.read(Risk).filter(F.col("as_of") == F.lit(day)).collect()}


def flagged(lake: Lake) -> set[str]:
    return {user for user, row in of_users(lake).items() if row["tier"] in FLAGGED}


PLANTED = {f"ring{n}" for n in range(RING)} | {f"lone{n}" for n in range(LONE)}


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, sold: Lake) -> Lake:
    lake = copied(sold, Lake(spark, str(tmp_path_factory.mktemp("risk") / "lake")), master_data(digests=True))
    assert outcome(lake) == "written"
    return lake


def test_the_planted_cheats_are_flagged_and_nobody_else(shop: Lake) -> None:
    """J04: the ring and the lone accounts; no customer, household or colleague."""
    assert flagged(shop) == PLANTED
    assert len(of_users(shop)) == HONEST + LONE + RING


def test_a_ring_has_one_id_and_an_office_has_none(shop: Lake) -> None:
    of = of_users(shop)
    rings = {of[f"ring{n}"]["ring"] for n in range(RING)}
    assert len(rings) == 1 and None not in rings
    assert {of[f"h{n}"]["ring"] for n in OFFICE} == {None}
    households = [of[f"h{n}"]["ring"] for n in range(60)]
    assert len(set(households)) == 20 and None not in households  # three who live together are linked, and not flagged


def test_what_speaks_against_an_account_is_said(shop: Lake) -> None:
    of = of_users(shop)
    told = " | ".join(of["ring0"]["reasons"])
    for words in (
        "ordered the same as 5 other accounts in the same hours",
        "opened within days of 5 of 5 linked accounts",
    ):
        assert words in told
    alone = " | ".join(of["lone0"]["reasons"])
    assert "6 orders of 12 whole and at once" in alone and "6 of 12 orders in hours in which nearly nobody" in alone
    assert of["lone0"]["independent_signals"] >= 2
    assert of["ring0"]["signals"]["equal_orders"] < 1e-4


def test_each_tier_has_its_action_with_a_reason_an_expiry_and_a_level_of_verification(shop: Lake) -> None:
    """J06: every action has a reason and an expiry; a suspension has two independent signals.

    J08 (levels): low tier level 0, the others a step up each.
    """
    rows = shop.read(Risk).join(shop.read(RiskActions), ["as_of", "user_id"]).collect()
    assert len(rows) == HONEST + LONE + RING
    days = {"none": 1, "limit": 14, "review": 7, "suspend": 30}
    for row in rows:
        assert row["action"] == ACTION_OF_TIER[row["tier"]]
        assert row["reason"] and row["expires"] == DAY + datetime.timedelta(days[row["action"]])
        assert row["verification_level"] == RISK_TIERS.index(row["tier"])
        assert row["action"] != "suspend" or row["independent_signals"] >= 2
        assert (row["limit_amount"] is not None) == (row["action"] == "limit")
    assert ACTION_OF_TIER == {"low": "none", "medium": "limit", "high": "review", "blocked": "suspend"}
    assert tuple(ACTION_OF_TIER.values()) == ACTIONS
    assert {"none", "suspend"} <= {row["action"] for row in rows}


def test_a_limited_account_may_order_so_many_usual_baskets(lake: Lake, sold: Lake) -> None:
    """J06 (limit): with a lower threshold the lone accounts are limited, to twice the mean basket."""
    copied(sold, lake, [])
    assert outcome(lake, "risk.medium_score=0.01", "risk.high_score=0.998", "risk.blocked_score=0.999") == "written"
    limited = lake.read(RiskActions).filter(F.col("action") == "limit").collect()
    orders = lake.read(OrderLines).filter("quantity > 0").agg(F.sum("amount_paid") / F.count_distinct("order_id"))
    assert limited and {float(row["limit_amount"]) for row in limited} == {round(2 * float(orders.collect()[0][0]), 2)}


def test_the_share_of_anomalies_is_the_one_asked_for_and_figures_are_those_of_the_table(shop: Lake) -> None:
    """J03: contamination ± 0.2 percentage points; precision@k, k planted ones, is 1."""
    ranked = sorted(of_users(shop).values(), key=lambda row: -row["score"])[: len(PLANTED)]
    assert {row["user_id"] for row in ranked} == PLANTED
    figures = {(r["metric"], r["slice"]): r["value"] for r in shop.read(Metrics).collect()}
    assert figures["anomaly_rate", "all"] == pytest.approx(0.01, abs=0.002)
    of = of_users(shop)
    for tier in RISK_TIERS:
        assert figures["users", tier] == sum(row["tier"] == tier for row in of.values())
    assert figures["flagged_share", "all"] == pytest.approx(len(PLANTED) / len(of), abs=1e-6)
    assert figures["hubs", "all"] == 1  # the office


@pytest.mark.parametrize("known", ["no digests", "no users"])
def test_what_is_not_delivered_says_nothing_and_the_rest_still_tells(lake: Lake, sold: Lake, known: str) -> None:
    """J04 (absent signals): without devices and addresses all cheats are found; without master data, lone accounts."""
    copied(sold, lake, master_data(digests=False) if known == "no digests" else [])
    assert outcome(lake) == "written"
    found = flagged(lake)
    assert found == PLANTED if known == "no digests" else {f"lone{n}" for n in range(LONE)} <= found <= PLANTED
    assert "shared_identity" not in of_users(lake)["ring0"]["signals"]
    assert ("opened_together" in of_users(lake)["ring0"]["signals"]) == (known == "no digests")


def test_without_returns_and_coupons_rings_are_found_and_no_credit_score_is_told(
    spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J05 (no label): skipped, and said so."""
    kept = [{**row, "coupon_id": None} for row in customers() + cheats() if row["quantity"] > 0]
    fill(lake, spark, kept, master_data(digests=True))
    notes: list[str] = []
    monkeypatch.setattr(Step, "note", lambda _step, text: notes.append(text))
    assert outcome(lake) == "written"
    assert flagged(lake) == {f"ring{n}" for n in range(RING)}
    of = of_users(lake)
    assert not {"returned_at_once", "returned_again", "coupon_orders"} & set(of["ring0"]["signals"])
    assert {row["credit_score"] for row in of.values()} == {None}
    assert any("no credit scores" in note for note in notes), notes


def test_credit_scores_where_refunds_are_delivered(lake: Lake, sold: Lake) -> None:
    """J05 (where a label exists): every user with orders has one, and it is judged on a holdout."""
    copied(sold, lake, master_data(digests=True))
    assert outcome(lake, "risk.least_refunds=5", "risk.label_days=45") == "written"
    of = of_users(lake)
    scored = [row["credit_score"] for row in of.values() if row["anomaly"] is not None]
    assert all(score is not None and 300 <= score <= 850 for score in scored)
    figures = {r["metric"]: r["value"] for r in lake.read(Metrics).collect()}
    assert 0 <= figures["credit_ks"] <= 1 and figures["credit_auc"] is not None


def test_another_order_and_number_of_partitions_gives_the_same_rows(
    spark: SparkSession, lake: Lake, shop: Lake
) -> None:
    fill(lake, spark, customers()[::-1] + cheats(), master_data(digests=True)[::-1])
    lake.write(OrderLines, OrderLines.conform(lake.read(OrderLines).repartition(7, "product_id").localCheckpoint()))
    assert outcome(lake) == "written"
    assert of_stored(lake) == of_stored(shop)


def of_stored(lake: Lake) -> list[Any]:
    rows = lake.read(Risk).join(lake.read(RiskActions).drop("run_id"), ["as_of", "user_id"]).drop("run_id")
    return [row.asDict() for row in rows.orderBy("user_id").collect()]


def test_one_user_nobody_and_who_only_registered(spark: SparkSession, lake: Lake) -> None:
    fill(lake, spark, [line("o", "ann", 1, 50.4)], [{"user_id": "bob"}])
    assert outcome(lake) == "written"
    of = of_users(lake)
    assert {user: row["tier"] for user, row in of.items()} == {"ann": "low", "bob": "low"}
    assert of["bob"]["anomaly"] is None and of["bob"]["score"] == pytest.approx(0.001)
    before = at(1).date()
    assert outcome(lake, day=before) == "written"  # nobody has ordered by then
    assert set(of_users(lake, before)) == {"bob"}


def test_anonymous_sales_and_no_master_data(spark: SparkSession, lake: Lake) -> None:
    fill(lake, spark, [line("o", None, 1, 50.4)], [])
    assert outcome(lake) == "written"
    assert of_users(lake) == {}


def test_who_refuses_profiling_has_no_row(lake: Lake, sold: Lake, run_job: Callable[..., Any]) -> None:
    users = [{**row, "consent_profiling": row["user_id"] != "lone0"} for row in master_data(digests=True)]
    copied(sold, lake, users)
    run_job(run, DAY, *FEW)
    assert flagged(lake) == PLANTED - {"lone0"} and "lone0" not in of_users(lake)
