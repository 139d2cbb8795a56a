"""Products keep their vectors on dates without a fit, and lists are of the date all the same, on a real lake."""

from __future__ import annotations

import datetime

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from jobs.recommend import run as recommend
from promo_spark.contracts.models import ItemFactors, Metrics, Recommendations, Registry
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import OrderLines
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from tests.jobs.test_recommend import DAY, FANS, SMALL, SOLD, orders, prepare

FRIDAY, SATURDAY, SUNDAY = (DAY + datetime.timedelta(days=n) for n in range(3))
DRIFTING = (*SMALL, "recommend.iterations=1", 'recommend.refit="when it drifts"', "recommend.refit_without_vector=0.2")
KEYS: dict[type[Table], str] = {
    Recommendations: "concat(user_id, rank)",
    ItemFactors: "product_id",
    Registry: "version",
    Metrics: "concat(slice, metric)",
}


def bought(day: datetime.date, user: str, product: str) -> dict[str, object]:
    line = {"order_id": f"{user}-{day}", "line_no": 1, "quantity": 1, "order_date": day}
    return line | {"user_id": user, "product_id": product}


@pytest.fixture
def shop(spark: SparkSession, lake: Lake) -> Lake:
    """From Saturday on nut7 is not promotable. On Friday four users buy new0, on Saturday six new1: new products."""
    prepare(lake, FRIDAY)
    sold = [*(p for p in SOLD if p != "nut7"), "new0", "new1"]
    for day in (SATURDAY, SUNDAY):
        prepare(lake, day, sold)
    later = [bought(FRIDAY, user, "new0") for user in list(FANS)[:4]]
    later += [bought(SATURDAY, user, "new1") for user in list(FANS)[:6]]
    later += [bought(FRIDAY, "once", "nut0")]
    lake.write(OrderLines, OrderLines.frame(spark, [*orders(), *later]))
    return lake


def outcome(lake: Lake, day: datetime.date, *, force: bool = False) -> str:
    return run_in_order([recommend], lake, load(None, DRIFTING), day, Progress(), force)["recommend"].outcome


def rows(lake: Lake, table: type[Table], day: datetime.date, *left_out: str) -> list[Row]:
    of_day = lake.read(table).filter(F.col("as_of") == F.lit(day))
    return of_day.orderBy(F.expr(KEYS[table])).drop(*left_out).collect()


def test_vectors_are_kept_until_too_much_is_bought_that_has_none(shop: Lake) -> None:
    """Friday is fitted, Saturday makes its lists by Friday's vectors, Sunday is fitted again."""
    days = (FRIDAY, SATURDAY, SUNDAY)
    assert [outcome(shop, day) for day in days] == ["written"] * 3

    friday, saturday, sunday = (rows(shop, ItemFactors, day, "as_of", "run_id") for day in days)
    assert {r.product_id for r in friday} == set(SOLD)
    assert {(r.trained_on, len(r.factors)) for r in friday} == {(FRIDAY, 4)}
    assert saturday == friday  # nut7's too: should it come back, it is known
    assert {r.product_id for r in sunday} == set(SOLD) - {"nut7"} | {"new0", "new1"}
    assert {r.trained_on for r in sunday} == {SUNDAY}

    lists = {day: rows(shop, Recommendations, day) for day in days}
    by_user = {user: [r for r in lists[SATURDAY] if r.user_id == user] for user in (*FANS, "once", "nobody")}
    assert all([r.rank for r in shown] == [1, 2, 3, 4, 5] for shown in by_user.values())
    assert "nut7" in {r.product_id for r in lists[FRIDAY]}
    assert "nut7" not in {r.product_id for r in lists[SATURDAY]}
    # new0 has four buyers in the last 28 days, tea0 and nut0 three: what is new is popular, though it has no vector
    assert (by_user["nobody"][0].product_id, by_user["nobody"][0].source) == ("new0", "popular")
    assert {r.source for r in lists[FRIDAY] if r.user_id == "once"} == {"popular_in_segment"}  # one order
    assert {r.source for r in by_user["once"]} == {"als"}  # by the vector of its two orders

    # recent buyers on Saturday: two products each of 16 fans, less nut7's two, and once's two: 32; four of new0
    figures = {(r.slice, r.metric): r.value for r in rows(shop, Metrics, SATURDAY)}
    assert figures["stored", "without_vector"] == pytest.approx(4 / 36)
    assert {slice_ for slice_, _ in figures} == {"stored", "model"}  # nothing was tried on a holdout
    assert figures["model", "rows"] == len(lists[SATURDAY])
    assert rows(shop, Registry, SATURDAY) == []

    first, second = (rows(shop, Registry, day)[0] for day in (FRIDAY, SUNDAY))
    assert (first.job, first.model, first.version, first.refit) == (
        "recommend",
        "recommender",
        "2017-12-01",
        "when it drifts",
    )
    assert first.reason == "there was none of an earlier date"
    assert (first.format, first.state) == ("table", "models.item_factors")
    assert (first.trained_from, first.trained_to) == (datetime.date(2016, 12, 1), datetime.date(2017, 11, 30))
    assert (first.trained_rows, first.features) == (112, ["order", "try_on"])  # 16 fans × 7 products
    assert {r.recommender for r in friday} == {first.engine}
    published = {r.metric: r.value for r in rows(shop, Metrics, FRIDAY) if r.slice == "published"}
    assert first.metrics == published
    # and six of new1: 10 / 42
    assert second.reason == "0.238 of recent purchases were of products without a vector, more than 0.2"

    # neither its own rows nor a later date make a date stale; run again with --force it keeps what it kept
    assert [outcome(shop, day) for day in days] == ["current"] * 3
    before = [rows(shop, table, day) for table in KEYS for day in days]
    assert [outcome(shop, day, force=True) for day in (SATURDAY, SUNDAY)] == ["written"] * 2
    assert [rows(shop, table, day) for table in KEYS for day in days] == before
