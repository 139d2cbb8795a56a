"""The uplift job, from orders and experiments to each user's answer, on a real lake."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.uplift import run
from promo_spark.contracts.decisions import Explored, Promotions
from promo_spark.contracts.models import Metrics, Registry
from promo_spark.contracts.responses import OFFER_MECHANICS, ResponseModels, Uplift, UpliftCurves
from promo_spark.contracts.silver import Assignments, Campaigns, Contacts, Coupons, OrderLines, Redemptions, Users
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress, Step
from promo_spark.settings import load
from promo_spark.storage.lake import Lake

DAY = datetime.date(2024, 6, 1)
USERS, DAYS, HELD = 600, 120, 14
FEW = ("uplift.trees=30", "uplift.rows_of_leaf=20", "uplift.rounds=60", "uplift.history_days=150")
STARTS = tuple(range(20, DAYS - HELD, 20))  # of campaigns: days from the first
Row = dict[str, Any]


def date(day: int) -> datetime.date:
    return DAY - datetime.timedelta(DAYS - day)


def moved(user: int) -> bool:
    """Every third user comes three times as often under a coupon of 20 %."""
    return user % 3 == 0


class Shop:
    """Users order on one day of ten; every twenty days half of them, by chance, get a coupon for all products."""

    def __init__(self) -> None:
        draw = np.random.default_rng(5)
        self.lines: list[Row] = []
        self.assignments: list[Row] = []
        self.redemptions: list[Row] = []
        got = {start: draw.random(USERS) < 0.5 for start in STARTS}
        for user in range(USERS):
            for day in range(DAYS):
                held = [s for s in STARTS if s <= day < s + HELD and got[s][user]]
                rate = 0.1 * (3.0 if held and moved(user) else 1.0)
                if draw.random() < rate:
                    self.lines.append(_line(user, day))
                    if held and draw.random() < (0.6 if moved(user) else 0.1):
                        redeemed = {"user_id": f"u{user}", "coupon_id": "k", "campaign_id": f"c{held[0]}"}
                        self.redemptions.append({**redeemed, "redeemed_on": date(day)})
        for start in STARTS:
            self.assignments += [_arm(user, start, bool(got[start][user])) for user in range(USERS)]

    def write(self, spark: SparkSession, lake: Lake) -> None:
        """All but who was assigned what."""
        lake.write(OrderLines, OrderLines.frame(spark, self.lines))
        campaigns = [{"campaign_id": f"c{s}", "start_date": date(s), "end_date": date(s + HELD - 1)} for s in STARTS]
        lake.write(Campaigns, campaigns)
        lake.write(Redemptions, self.redemptions)
        told = [{"campaign_id": a["campaign_id"], "user_id": a["user_id"]} for a in self.assignments if a["depth"]]
        lake.write(Contacts, told)


def _line(user: int, day: int) -> Row:
    order = {"order_id": f"{user}-{day}", "line_no": 1, "user_id": f"u{user}", "product_id": f"p{user % 7}"}
    return {**order, "quantity": 1, "amount_paid": 10, "list_amount": 10, "order_date": date(day)}


def _arm(user: int, start: int, treated: bool) -> Row:
    arm = {"arm": "coupon", "mechanic": "coupon", "depth": 0.2} if treated else {"arm": "control", "depth": 0.0}
    return {"campaign_id": f"c{start}", "user_id": f"u{user}", "propensity": 0.5, "assigned_on": date(start), **arm}


def outcome(lake: Lake, *settings: str, day: datetime.date = DAY, force: bool = False) -> str:
    return run_in_order([run], lake, load(None, [*FEW, *settings]), day, Progress(), force)["uplift"].outcome


def effects(lake: Lake, mechanic: str = "coupon", day: datetime.date = DAY) -> dict[str, Any]:
    rows = lake.read(Uplift).filter((F.col("as_of") == F.lit(day)) & (F.col("mechanic") == mechanic))
    return {row["user_id"]: row for row in rows.collect()}


def means(of: dict[str, Any], column: str) -> tuple[float, float]:
    """Of the users that are moved, and of the others."""
    split: tuple[list[float], list[float]] = ([], [])
    for user, row in of.items():
        split[not moved(int(user[1:]))].append(row[column])
    return float(np.mean(split[0])), float(np.mean(split[1]))


@pytest.fixture(scope="module")
def made() -> Shop:
    return Shop()


@pytest.fixture(scope="module")
def inputs(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, made: Shop) -> Lake:
    """A lake with all that the shop has, but not yet who was assigned what: copied, as writing it takes long."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("uplift inputs") / "lake"))
    made.write(spark, lake)
    return lake


def copied(inputs: Lake, lake: Lake, assignments: Sequence[Row]) -> Lake:
    """The lake with a copy of the inputs, and these assignments."""
    shutil.copytree(inputs.root, lake.root)
    lake.write(Assignments, assignments)
    return lake


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, made: Shop, inputs: Lake) -> Lake:
    lake = copied(inputs, Lake(spark, str(tmp_path_factory.mktemp("uplift") / "lake")), made.assignments)
    assert outcome(lake) == "written"
    return lake


def test_who_is_moved_is_found_and_how_much(shop: Lake) -> None:
    """A coupon of 20 % makes a third of the users come three times as often: 5/3 times as often, all in all.

    Of a single user a handful of visits tells, so that what is said of both kinds is drawn to what they have in common.
    """
    of = effects(shop)
    assert len(of) == USERS
    knots = {(r["curve"], r["at"]): r["level"] for r in shop.read(UpliftCurves).collect()}
    curve = knots["saving", 0.2] * knots["share", 1.0]
    drawn, others = (effect * curve for effect in means(of, "effect"))
    assert drawn > others + 0.3
    assert np.mean([np.exp(row["effect"] * curve) for row in of.values()]) == pytest.approx(5 / 3, abs=0.4)  # 600 users
    ranked = sorted(of.values(), key=lambda row: -row["effect"])[: USERS // 3]
    assert np.mean([moved(int(row["user_id"][1:])) for row in ranked]) > 0.7  # by chance it would be 1 / 3


def test_a_usual_week_is_told_without_the_offers(shop: Lake) -> None:
    drawn, others = means(effects(shop), "visits_per_week")
    assert others == pytest.approx(0.7, abs=0.12)  # 7 days at 0.1
    assert drawn == pytest.approx(0.7, abs=0.2)  # and not the 1.4 that they came to with coupons on half of the days


def test_the_basis_is_said_of_each_mechanic(shop: Lake) -> None:
    rows = {(r["mechanic"], r["basis"]) for r in shop.read(Uplift).select("mechanic", "basis").distinct().collect()}
    assert rows == {(m, "randomised" if m == "coupon" else "transferred") for m in OFFER_MECHANICS}


def test_the_fit_is_registered_and_measured(shop: Lake) -> None:
    fit = shop.read(Registry).collect()[0]
    text = shop.read(ResponseModels).collect()[0]
    assert (fit["job"], fit["model"], fit["sha256"]) == ("uplift", "responses", text["sha256"])
    figures = {r["metric"]: r["value"] for r in shop.read(Metrics).collect()}
    assert figures["randomised_rows"] == USERS * len(STARTS)
    assert figures["qini"] > 3 * figures["qini_se"] > 0
    assert figures["calibration_slope"] == pytest.approx(1.0, abs=0.25)
    assert figures["qini_with_costs"] > 2 * figures["qini_with_costs_se"] > 0
    assert figures["aucc"] > figures["qini_with_costs"]


@pytest.mark.parametrize(("engine", "named"), [("t", "t_learner"), ("x", "x_learner"), ("dr", "dr_learner")])
def test_each_engine_finds_who_is_moved_and_is_replayed(
    lake: Lake, made: Shop, inputs: Lake, engine: str, named: str
) -> None:
    """Meta-learners tell the coupons that were tried, and say of the other mechanics that nothing proves them."""
    copied(inputs, lake, made.assignments)
    asked = f'uplift.engine="{engine}"'
    assert outcome(lake, asked) == "written"
    of = effects(lake)
    drawn, others = means(of, "effect")
    assert drawn > others and min(row["effect_se"] for row in of.values()) > 0
    ranked = sorted(of.values(), key=lambda row: -row["effect"])[: USERS // 3]
    assert np.mean([moved(int(row["user_id"][1:])) for row in ranked]) > 0.5  # by chance it would be 1 / 3
    rows = {(r["mechanic"], r["basis"]) for r in lake.read(Uplift).select("mechanic", "basis").distinct().collect()}
    assert rows == {(m, "randomised" if m == "coupon" else "prior") for m in OFFER_MECHANICS}
    assert lake.read(Registry).collect()[0]["engine"] == named
    day = DAY + datetime.timedelta(1)
    assert outcome(lake, asked, day=day) == "written"  # by the stored text, which is not fitted again
    text = {r["as_of"]: r for r in lake.read(ResponseModels).collect()}
    assert text[day]["trained_on"] == DAY and text[day]["sha256"] == text[DAY]["sha256"]
    assert set(effects(lake, day=day)) == set(of)


def test_an_engine_with_too_few_rows_says_so_and_tells_the_curve(
    lake: Lake, made: Shop, inputs: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(inputs, lake, [arm for arm in made.assignments if arm["campaign_id"] == "c20"])
    notes: list[str] = []
    monkeypatch.setattr(Step, "note", lambda _step, text: notes.append(text))
    assert outcome(lake, 'uplift.engine="dr"') == "written"
    assert any("too few rows of experiments for uplift.engine" in note for note in notes), notes
    assert {row["basis"] for row in effects(lake).values()} == {"randomised"}


def test_a_kept_model_says_the_same_of_the_same_and_is_refitted_after_a_week(shop: Lake) -> None:
    for days, trained_on in ((1, DAY), (7, DAY + datetime.timedelta(7))):
        day = DAY + datetime.timedelta(days)
        assert outcome(shop, day=day) == "written"
        kept = shop.read(ResponseModels).filter(F.col("as_of") == F.lit(day)).collect()[0]
        assert kept["trained_on"] == trained_on


def test_another_order_and_number_of_partitions_gives_the_same_bytes(
    spark: SparkSession, tmp_path: Any, made: Shop, inputs: Lake, shop: Lake
) -> None:
    other = copied(inputs, Lake(spark, str(tmp_path / "lake")), made.assignments)
    lines: DataFrame = other.read(OrderLines).repartition(7, "product_id")
    other.write(OrderLines, OrderLines.conform(lines.localCheckpoint()))
    assert outcome(other) == "written"
    columns = ["user_id", "mechanic", "effect", "effect_se", "visits_per_week", "basis"]

    def of(lake: Lake) -> list[Any]:
        rows = lake.read(Uplift).filter(F.col("as_of") == F.lit(DAY))
        return rows.select(*columns).orderBy("user_id", "mechanic").collect()

    assert of(other) == of(shop)


@pytest.mark.parametrize(
    ("spoiled", "basis", "said"),
    [
        ("none", "prior", "no sound experiment"),  # no assignments: the campaigns were aimed at somebody
        ("half", "prior", "add up to 0.6"),  # probabilities of 0.3 each
        ("later", "prior", "no sound experiment"),  # all drawn after the date
    ],
)
def test_what_is_no_evidence_is_refused_by_name(
    lake: Lake,
    made: Shop,
    inputs: Lake,
    run_job: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    spoiled: str,
    basis: str,
    said: str,
) -> None:
    arms = {
        "none": [],
        "half": [{**a, "propensity": 0.3} for a in made.assignments],
        "later": [{**a, "assigned_on": DAY + datetime.timedelta(1)} for a in made.assignments],
    }[spoiled]
    copied(inputs, lake, arms)
    notes: list[str] = []
    monkeypatch.setattr(Step, "note", lambda _step, text: notes.append(text))
    run_job(run, DAY, *FEW)
    rows = lake.read(Uplift).select("basis").distinct().collect()
    assert [row["basis"] for row in rows] == [basis]
    assert any(said in note for note in notes), notes
    if spoiled == "none":
        assert any("c20" in note and "chosen, not drawn" in note for note in notes)


def test_a_coupon_for_some_products_moves_by_its_share_and_who_refuses_profiling_has_no_row(
    lake: Lake, made: Shop, inputs: Lake
) -> None:
    """The same coupons, good for p0 only, which is all that every seventh user buys: the share is told from that.

    N06 (part): a third of the users live in the South, where experiments had one in eight of them: 25 of 425 rows each.
    (1/3 − 1/17) · ln(17/3) + (16/17 − 2/3) · ln(24/17) = 0.57: told, and the rows count so that it is below 0.1.
    """
    reached = [row for row in made.assignments if int(row["user_id"][1:]) % 3 or int(row["user_id"][1:]) % 24 == 0]
    copied(inputs, lake, reached)
    scopes = [{"campaign_id": f"c{s}", "coupon_id": "k", "product_id": "p0"} for s in STARTS]
    lake.write(Coupons, scopes)
    regions = {f"u{user}": "North" if user % 3 else "South" for user in range(USERS)}
    lake.write(Users, [{"user_id": u, "region": r, "consent_profiling": u != "u3"} for u, r in regions.items()])
    assert outcome(lake) == "written"
    assert set(effects(lake)) == {f"u{user}" for user in range(USERS)} - {"u3"}
    figures = {(r["metric"], r["slice"]): r["value"] for r in lake.read(Metrics).collect()}
    assert figures["training_psi", "responses:region"] == pytest.approx(0.57, abs=0.02)
    assert figures["training_psi_weighted", "responses:region"] < 0.1
    assert figures["training_share", "responses:region=South"] == pytest.approx(1 / 17, abs=1e-6)


def test_what_chance_drew_on_earlier_dates_is_evidence_as_experiments_are(lake: Lake, made: Shop, inputs: Lake) -> None:
    """Some of the same coupons, drawn for explored users instead of by an experiment: who is moved is found as well.

    Of the dates 20, 60 and 100 of 120, each over after 14 days. None was drawn for the others: they are the controls.
    """
    copied(inputs, lake, [])
    for start in STARTS[::2]:
        arms = [arm for arm in made.assignments if arm["campaign_id"] == f"c{start}"]
        lake.write(Explored, [row for arm in arms for row in _candidates(arm)], {Explored.date: date(start)})
        until = {"valid_from": date(start), "valid_to": date(start + HELD - 1), "mechanic": "coupon", **_OF_OFFER}
        drawn = [{**_drawn(arm, arm["arm"]), **until} for arm in arms if arm["depth"]]
        lake.write(Promotions, Promotions.frame(lake.spark, drawn), {"date": date(start)})
    assert outcome(lake) == "written"
    of = effects(lake)
    assert {row["basis"] for row in of.values()} == {"randomised"}
    ranked = sorted(of.values(), key=lambda row: -row["effect"])[: USERS // 3]
    assert np.mean([moved(int(row["user_id"][1:])) for row in ranked]) > 0.7
    knots = {(r["curve"], r["at"]): r["level"] for r in lake.read(UpliftCurves).collect()}
    curve = knots["saving", 0.2] * knots["share", 1.0]
    assert np.mean([np.exp(row["effect"] * curve) for row in of.values()]) == pytest.approx(5 / 3, abs=0.4)
    figures = {r["metric"]: r["value"] for r in lake.read(Metrics).collect()}
    assert USERS * 3 * 0.9 < figures["randomised_rows"] < USERS * 3  # without those who had not bought before


_OF_OFFER: Row = {"scenario": "likely_buyer", "product_ids": [], "currency": "EUR", "arm": "explore"}


def _drawn(arm: Row, mechanic: str) -> Row:
    same = {"date": arm["assigned_on"], "user_id": arm["user_id"]}
    return same | {"promotion_id": f"{arm['user_id']}-{arm['assigned_on']}-{mechanic}"}


def _candidates(arm: Row) -> list[Row]:
    """None, and the one coupon that could be drawn."""
    zeros = dict.fromkeys(("off", "expected_conversion", "expected_uplift", "incremental_margin", "expected_cost"), 0)
    return [
        {
            **_drawn(arm, mechanic),
            **zeros,
            "scenario": mechanic,
            "mechanic": mechanic,
            "product_ids": [],
            "saving": saving,
            "action_propensity": p,
            "chosen": (mechanic == "none") == (arm["depth"] == 0),
            "run_id": "p",
        }
        for mechanic, saving, p in (("none", 0.0, 0.25), ("coupon", 0.2, 0.75))
    ]


def test_one_user_and_nobody(spark: SparkSession, lake: Lake) -> None:
    lake.write(OrderLines, OrderLines.frame(spark, [_line(1, 100)]))
    assert outcome(lake) == "written"
    assert {row["basis"] for row in effects(lake).values()} == {"prior"}
    assert outcome(lake, day=date(0)) == "written"  # nobody has bought by then
    assert effects(lake, day=date(0)) == {}
