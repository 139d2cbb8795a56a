"""The propensity job, from order lines to predictions, on a real lake."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from jobs.propensity import run
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Metrics, Registry
from promo_spark.contracts.predictions import CustomerValue, FittedModels, ItemPropensity, Opportunities, Propensity
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Campaigns, Contacts, Events, OrderLines, Redemptions, Users
from promo_spark.learners.judgement import auc
from promo_spark.runtime.job import Context
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.lake import Lake

DAY = datetime.date(2017, 12, 1)
USERS, DAYS, NEVER = 300, 220, -1000
PRODUCTS = [f"p{i:02}" for i in range(12)]
FEW = (
    "propensity.trees=30",
    "propensity.training_dates=4",
    "propensity.training_every_days=14",
    "propensity.least_rows=60",
    "propensity.rows_of_leaf=15",
    "propensity.calibration_rows=40",
    "propensity.lookback_days=120",
)
RunJob = Callable[..., Context[Any]]


def gone_since(user: int) -> int:
    """Days before the date on which the user left: two in five have, at some time of the last 200 days."""
    return 1 + user * 7 % 200 if user % 5 < 2 else NEVER


def bought(days_after: int = 0) -> list[tuple[int, int, int]]:
    """User, days before the date, product. Users buy every 3 to 18 days, more or less; each has one of products 0 to 3.

    The shop is open every third day. Who has left buys no more. With `days_after` also what happens in so many days
    from the date on.
    """
    draw, found = np.random.default_rng(3), []
    for user in range(USERS):
        gap, ago = 3 + user % 16, DAYS - user % 20
        while ago > -60:
            if ago > gone_since(user):
                day = -(-ago // 3) * 3
                found += [(user, day, product) for product in {user % 4, int(draw.integers(0, 12))}]
            ago -= int(draw.poisson(gap)) + 1
    return [one for one in dict.fromkeys(found) if one[1] > -days_after]


def region(user: int) -> str:
    """Two in five live in the South: all whom no campaign reaches, and one in ten of those whom campaigns reach."""
    return "South" if user % 3 == 0 or user % 15 == 1 else "North"


def lines(rows: Sequence[tuple[int, int, int]]) -> list[dict[str, object]]:
    return [
        {
            "order_id": f"{user}-{ago}",
            "line_no": product + 1,
            "user_id": f"u{user:03}",
            "product_id": PRODUCTS[product],
            "quantity": 1,
            "amount_paid": 5 + product,
            "list_amount": 5 + product,
            "order_date": DAY - datetime.timedelta(ago),
        }
        for user, ago, product in rows
    ]


def prepare(
    spark: SparkSession, lake: Lake, rows: Sequence[dict[str, object]], days: Sequence[datetime.date] = (DAY,)
) -> None:
    lake.write(OrderLines, OrderLines.frame(spark, rows))
    for day in days:
        products = [
            {"as_of": day, "product_id": p, "title": p, "promotable": True, "category": f"c{i % 3}"}
            for i, p in enumerate(PRODUCTS)
        ]
        lake.write(ProductProfile, ProductProfile.frame(spark, products), {"as_of": day})


def of_date(lake: Lake, table: type[Table], *order: str, day: datetime.date = DAY) -> list[Row]:
    return lake.read(table).filter(F.col("as_of") == F.lit(day)).orderBy(*order).collect()


def outcome(lake: Lake, settings: Sequence[str], day: datetime.date = DAY, *, force: bool = False) -> str:
    return run_in_order([run], lake, load(None, settings), day, Progress(), force)["propensity"].outcome


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Every fourth week a campaign goes to two users of three; those with an even number redeem within the week.

    u001 gave all of p11 back and is recommended it; u005 refuses profiling; `new` has registered and bought nothing.
    """
    lake = Lake(spark, str(tmp_path_factory.mktemp("propensity") / "lake"))
    rows = lines(bought())
    given_back = [r for r in rows if r["user_id"] == "u001" and r["product_id"] == "p11"]
    back = {"order_id": "back", "quantity": -len(given_back), "amount_paid": -1, "order_date": "2017-11-30"}
    prepare(spark, lake, [*rows, given_back[0] | back])
    users = [
        {"user_id": f"u{u:03}", "consent_profiling": u != 5, "registered_at": "2017-01-01", "region": region(u)}
        for u in range(USERS)
    ]
    lake.write(Users, Users.frame(spark, [*users, {"user_id": "new", "registered_at": "2017-11-20"}]))
    starts = {f"c{n}": DAY - datetime.timedelta(28 * n + 28) for n in range(6)}
    campaigns = [{"campaign_id": c, "start_date": s, "end_date": s + datetime.timedelta(14)} for c, s in starts.items()]
    lake.write(Campaigns, Campaigns.frame(spark, campaigns))
    contacts = [{"campaign_id": c, "user_id": f"u{u:03}"} for c in starts for u in range(USERS) if u % 3]
    lake.write(Contacts, Contacts.frame(spark, contacts))
    redeemed = [
        {
            "campaign_id": c,
            "user_id": f"u{u:03}",
            "coupon_id": "k",
            "redeemed_on": starts[c] + datetime.timedelta(u % 7),
        }
        for c in starts
        for u in range(0, USERS, 2)
        if u % 3
    ]
    lake.write(Redemptions, Redemptions.frame(spark, redeemed))
    last = next(r for r in reversed(rows) if r["user_id"] == "u003")
    assert last["order_date"] >= DAY - datetime.timedelta(7)  # type: ignore[operator]  # a date
    carts: list[dict[str, object]] = [
        {"event_id": "1", "user_id": "u001", "product_id": "p11", "event_type": "cart", "event_date": "2017-11-29"},
        {"event_id": "2", "user_id": "u003", "product_id": last["product_id"], "event_type": "cart"}
        | {"event_date": DAY - datetime.timedelta(4)},
    ]
    lake.write(Events, Events.frame(spark, carts))
    pair = {"as_of": DAY, "user_id": "u001", "product_id": "p11", "source": "own", "p_28d": 0.25}
    lake.write(ItemPropensity, [pair], {"as_of": DAY})
    assert outcome(lake, FEW) == "written"
    return lake


def test_predictions_of_users_tell_who_orders_and_who_has_left(shop: Lake) -> None:
    """H01, H07: learnt on earlier dates, AUC of what happens after the date is ≥ .75, of orders and of leaving."""
    rows = of_date(shop, Propensity, "user_id", "target")
    after = {user for user, ago, _ in bought(60) if ago <= 0}
    soon = {user for user, ago, _ in bought(14) if ago <= 0}
    for target, happened in (("order_14d", soon), ("churn_60d", set(range(USERS)) - after)):
        of_target = [r for r in rows if r.target == target and r.user_id != "new"]
        p = np.array([r.p for r in of_target])
        assert ((p >= 0) & (p <= 1)).all()
        y = np.array([int(r.user_id[1:]) in happened for r in of_target], float)
        reached = auc(p, y)
        assert reached is not None and reached >= 0.75, (target, reached)
    orders = [r for r in rows if r.target == "order_14d" and r.user_id != "new"]
    assert len(orders) == USERS - 1
    assert {r.amount for r in orders} == {None}
    assert np.corrcoef([r.decile for r in orders], [r.p for r in orders])[0, 1] > 0.9
    assert all(len(r.reasons) <= 3 for r in orders)
    assert any(reason.startswith("recency_days") for r in orders for reason in r.reasons)
    spend = [r for r in rows if r.target == "spend_30d" and r.user_id != "new"]
    assert {r.p for r in spend} == {None}
    assert min(r.amount for r in spend) >= 0
    rules = {r.model: r.rules for r in of_date(shop, FittedModels, "model")}
    assert len(rules["order_14d"]) > 1
    assert rules["spend_30d"] == []


def test_the_figures_stand_beside_those_of_the_base_rate(shop: Lake) -> None:
    figures = {(r.slice, r.metric): r.value for r in of_date(shop, Metrics, "metric")}
    for metric in ("auc", "log_loss", "brier", "base_rate", "worst_decile", "accuracy", "base_accuracy", "f1"):
        assert figures["order_14d", metric] is not None
    assert figures["order_14d", "auc"] >= 0.75
    assert {("order_14d:logistic", "log_loss"), ("order_14d:boosting", "log_loss")} <= set(figures)


def test_opportunities_and_values_follow_from_what_was_predicted(shop: Lake) -> None:
    """u001 left p11 behind in the cart, which u001 had given back; u003 has bought of late what was in the cart."""
    rows = of_date(shop, Opportunities, "user_id", "kind", "item")
    found = {(r.user_id, r.kind, r.item) for r in rows}
    assert {(r.user_id, r.item, r.strength) for r in rows if r.kind == "cart"} == {("u001", "p11", 0.25)}
    idle = {u for u, kind, _ in found if kind == "not_yet_buying"}
    ordered_of_late = {f"u{user:03}" for user, ago, _ in bought() if ago <= 28}
    assert idle and not idle & ordered_of_late
    values = {r.user_id: r for r in of_date(shop, CustomerValue, "user_id")}
    assert set(values) == {f"u{user:03}" for user in range(USERS) if user != 5}
    stay = np.mean([v.p_alive for u, v in values.items() if gone_since(int(u[1:])) == NEVER])
    left = np.mean([v.p_alive for u, v in values.items() if gone_since(int(u[1:])) > 60])
    assert stay > 0.8 > 0.4 > left
    assert all(v.value == pytest.approx(v.expected_orders * v.order_worth, rel=0.01, abs=0.01) for v in values.values())


def test_users_who_refuse_profiling_have_no_row_and_the_contacted_a_chance_to_redeem(shop: Lake) -> None:
    rows = of_date(shop, Propensity, "user_id", "target")
    assert "u005" not in {r.user_id for r in rows}
    redeems = {int(r.user_id[1:]): r.p for r in rows if r.target == "redemption"}
    assert set(redeems) == {u for u in range(USERS) if u % 3 and u != 5}
    assert min(p for u, p in redeems.items() if u % 2 == 0) > max(p for u, p in redeems.items() if u % 2)
    newcomer = [r for r in rows if r.user_id == "new"]
    assert {r.target for r in newcomer} == {"order_14d", "spend_30d"}
    # all others had bought before the last whole window: nobody knows what such predictions are worth
    assert {(r.p, r.amount, r.decile) for r in newcomer} == {(None, None, None)}


def test_a_small_shop_gets_the_base_rate_and_is_told_so(
    spark: SparkSession, lake: Lake, run_job: RunJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten users on four dates are too few to fit anything. What is said is how many ordered in the last 14 days."""
    rows = [one for one in bought() if one[0] in range(1, 30, 3) and one[1] <= 120]
    prepare(spark, lake, lines(rows))
    run_job(run, DAY, *FEW)
    orders = [r for r in of_date(lake, Propensity, "user_id", "target") if r.target == "order_14d"]
    known = {user for user, ago, _ in rows if ago > 14}
    share = len({user for user, ago, _ in rows if ago <= 14 and user in known}) / len(known)
    assert {r.model for r in orders} == {"base_rate"}
    assert {tuple(r.reasons) for r in orders} == {()}
    [p] = {r.p for r in orders}
    assert p == pytest.approx(share, abs=0.02)
    assert "order_14d: all get the base rate, since 36 examples before the last whole window" in capsys.readouterr().err


def test_a_shop_without_a_past_has_no_rows(spark: SparkSession, lake: Lake, run_job: RunJob) -> None:
    """All that was bought was bought on the date itself, which counts for nothing."""
    prepare(spark, lake, lines([(1, 0, 1)]))
    run_job(run, DAY, *FEW)
    assert of_date(lake, Propensity, "user_id") == []
    assert {r.engine for r in of_date(lake, FittedModels, "model")} == {"base_rate"}


FEWER = (*FEW, "propensity.least_rows=30", "propensity.lookback_days=40", "propensity.least_history_days=7")


def fewer(days_after: int = 0) -> list[dict[str, object]]:
    """80 users in the last 90 days."""
    return lines([one for one in bought(days_after) if one[0] < 80 and one[1] <= 90])


def test_the_same_rows_give_the_same_bytes_whatever_the_partitions(spark: SparkSession, lake: Lake) -> None:
    written = []
    for given, partitions in ((fewer(), 1), (fewer()[::-1], 3)):
        prepare(spark, lake, given)
        spark.conf.set("spark.sql.shuffle.partitions", str(partitions))
        outcome(lake, FEWER, force=True)
        tables = ((Propensity, "user_id", "target"), (FittedModels, "model"))
        rows = [lake.read(table).drop("run_id").orderBy(*order).collect() for table, *order in tables]
        written.append(rows)
    assert written[0] == written[1]
    assert {r.engine for r in written[0][1]} > {"base_rate"}


def test_models_are_kept_until_they_are_a_week_old(spark: SparkSession, lake: Lake) -> None:
    """Fitted on 1 December, kept on the 2nd, fitted again on the 8th. A kept model scores what has happened since."""
    days = [DAY, DAY + datetime.timedelta(1), DAY + datetime.timedelta(7)]
    prepare(spark, lake, fewer(days_after=8), days)
    assert [outcome(lake, FEWER, day) for day in days] == ["written"] * 3
    texts = [[r.text for r in of_date(lake, FittedModels, "model", day=day)] for day in days]
    assert texts[0] == texts[1] != texts[2]
    scores = [[r.p for r in of_date(lake, Propensity, "user_id", "target", day=day)] for day in days]
    assert scores[0] != scores[1]
    registered = [of_date(lake, Registry, "model", day=day) for day in days]
    assert [len(rows) for rows in registered] == [4, 0, 4]
    of_order = next(r for r in registered[0] if r.model == "order_14d")
    assert (of_order.format, of_order.state, of_order.version) == ("table", "models.fitted_models", "2017-12-01")
    stored = {r.model: r for r in of_date(lake, FittedModels, "model")}
    assert of_order.sha256 == stored["order_14d"].sha256
    assert of_order.engine == stored["order_14d"].engine
    assert of_order.trained_to == DAY - datetime.timedelta(28)
    assert {r.reason for r in registered[2]} == {"it was 7 days old"}
    figures = {(r.slice, r.metric): r.value for r in of_date(lake, Metrics, "metric", day=days[1])}
    assert figures["order_14d:stored", "auc"] > 0.6
    assert outcome(lake, FEWER, days[1], force=True) == "written"
    assert [r.text for r in of_date(lake, FittedModels, "model", day=days[1])] == texts[0]


def test_a_region_of_few_examples_is_told_and_counts_as_its_users_do(shop: Lake) -> None:
    """N06: of those whom campaigns reach a tenth live in the South, of all users two fifths. Told, then counted so.

    Index: (0.4 − 0.1) · ln(0.4 / 0.1) + (0.9 − 0.6) · ln(0.9 / 0.6) = 0.538. Of orders everybody is an example.
    """
    outcome(shop, FEW)
    figures = {(row.metric, row.slice): row.value for row in of_date(shop, Metrics, Metrics.slice)}
    of = {name: figures["training_share", f"{name}:region=South"] for name in ("redemption", "order_14d")}
    assert of["redemption"] == pytest.approx(0.1, abs=0.01) and of["order_14d"] == pytest.approx(0.4, abs=0.02)
    assert figures["population_share", "redemption:region=South"] == pytest.approx(0.4, abs=0.01)
    assert figures["training_psi", "redemption:region"] == pytest.approx(0.538, abs=0.04)
    assert figures["training_psi_weighted", "redemption:region"] < 0.1
    assert figures["training_psi_weighted", "order_14d:region"] == figures["training_psi", "order_14d:region"] < 0.02
    assert not [slice_ for _, slice_ in figures if "gender" in slice_ or "age_band" in slice_]  # nobody's is known
