"""The recommend job, from orders to lists and figures, on a real lake."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from chispa.schema_comparer import assert_schema_equality_ignore_nullable
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from jobs.recommend import run
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Metrics, Recommendations, Segments
from promo_spark.contracts.silver import OrderLines, Products, Users
from promo_spark.runtime.job import Context
from promo_spark.storage.lake import Lake

DAY = datetime.date(2017, 12, 1)
SOLD = [f"{kind}{i}" for kind in ("tea", "nut") for i in range(8)]
FANS = {f"{kind}fan{i}": kind for kind in ("tea", "nut") for i in range(8)}
SMALL = (
    "recommend.top_n=5",
    "recommend.rank=4",
    "recommend.iterations=3",
    "recommend.blocks=2",
    "recommend.min_buyers=2",
    'recommend.bought="due_again"',
    "recommend.due_lead_days=3",
)
RunJob = Callable[..., Context[Any]]


def orders() -> list[dict[str, object]]:
    """Fans buy five products of their own kind 50 and 40 days ago and two more, new to them, 10 days ago.

    All tea fans also buy fuel, which is not promotable. `once` has one order of tea0; `nobody` has none.
    """
    found: list[tuple[str, int, str]] = [("once", 6, "tea0")]
    for number, (user, kind) in enumerate(FANS.items()):
        of_kind = [f"{kind}{(number + k) % 8}" for k in range(8)]
        found += [(user, ago, product) for ago in (50, 40) for product in of_kind[:5]]
        found += [(user, 10, product) for product in (*of_kind[5:7], *(["fuel"] if kind == "tea" else []))]
    return [
        {
            "order_id": f"{user}-{ago}",
            "line_no": n,
            "user_id": user,
            "product_id": product,
            "quantity": 1,
            "order_date": DAY - datetime.timedelta(days=ago),
        }
        for n, (user, ago, product) in enumerate(found)
    ]


def prepare(lake: Lake, day: datetime.date = DAY, sold: Sequence[str] = SOLD) -> None:
    again = [("tea0", 2, 10.0, datetime.date(2017, 10, 22), datetime.date(2017, 11, 1))]  # due
    lake.write(
        UserProfile,
        [
            {
                "as_of": day,
                "user_id": user,
                "lifecycle": "repeat",
                "repurchases": again if user == "teafan0" else [],
            }
            for user in (*FANS, "once", "nobody")
        ],
        {"as_of": day},
    )
    lake.write(
        ProductProfile,
        [
            {"as_of": day, "product_id": p, "title": p.upper(), "promotable": p != "fuel"}
            for p in (*sold, "fuel", "dust")
        ],
        {"as_of": day},
    )
    lake.write(
        Segments,
        [{"as_of": day, "user_id": u, "segment_id": 1 if k == "tea" else 2} for u, k in {**FANS, "once": "tea"}.items()]
        + [{"as_of": day, "user_id": "nobody", "segment_id": 0}],
        {"as_of": day},
    )
    lake.write(Products, [{"product_id": p} for p in (*sold, "fuel", "dust")])


def rows(lake: Lake) -> list[Row]:
    return lake.read(Recommendations).orderBy("user_id", "rank").collect()


def test_every_user_gets_a_full_list_with_reasons_and_figures(spark: SparkSession, lake: Lake, run_job: RunJob) -> None:
    """B08, G12, G13 (user side), G14, G20: every user in the profile, one order or none, has ranks 1 to 5."""
    prepare(lake)
    lake.write(OrderLines, OrderLines.frame(spark, orders()).coalesce(1))
    run_job(run, DAY, *SMALL)
    assert_schema_equality_ignore_nullable(lake.read(Recommendations).schema, Recommendations.schema())
    found = rows(lake)
    lists: dict[str, list[Row]] = defaultdict(list)
    for row in found:
        lists[row.user_id].append(row)
    assert set(lists) == {*FANS, "once", "nobody"}
    assert all([r.rank for r in shown] == [1, 2, 3, 4, 5] for shown in lists.values())
    assert all(len({r.product_id for r in shown}) == 5 for shown in lists.values())
    assert {r.product_id for r in found} <= set(SOLD)  # neither fuel, not promotable, nor dust, never sold

    bought = {(line["user_id"], line["product_id"]) for line in orders()}
    again = {(r.user_id, r.product_id) for r in found if (r.user_id, r.product_id) in bought}
    assert again == {("teafan0", "tea0")}  # the only one that is due
    # of its own kind teafan0 may be shown tea0, which is due, and tea7, never bought: these come before any nut
    of_kind = {r.product_id: r for r in lists["teafan0"][:2]}
    assert {p: r.source for p, r in of_kind.items()} == {"tea0": "buy_again", "tea7": "als"}
    assert of_kind["tea0"].reason == "You bought it in 2 orders, last on 2017-10-22"
    assert of_kind["tea7"].reason.startswith("Because you buy TEA")

    # once has one order, so no model; eight tea fans each bought two products 10 days ago: 2 buyers each
    assert {r.source for r in lists["once"]} == {"popular_in_segment"}
    assert all(r.product_id.startswith("tea") and r.product_id != "tea0" for r in lists["once"])
    assert lists["once"][0].reason == "Popular with customers like you: bought by 2 in the last 28 days"
    assert {r.source for r in lists["nobody"]} == {"popular"}
    assert lists["nobody"][0].product_id == "tea0"  # 3 buyers in the last 28 days: two fans and once
    assert lists["nobody"][0].score == 3

    figures = {(r.metric, r.slice): (r.value, r.n) for r in lake.read(Metrics).collect()}
    # 16 users × 7 promotable products + once × 1 = 113 pairs; once is not in the model: 112 of 16 × 16
    assert figures["sparsity", "model"] == (pytest.approx(1 - 112 / 256), 112)
    assert figures["recall@10", "als:new"][1] == 16
    assert figures["recall@10", "als:new"][0] == 1.0  # 3 tea products are left, and 10 places
    assert {s for _, s in figures} >= {"als", "popularity", "buy_again", "blend", "published", "blend:not_within_days"}
    under_policy = [figures["ndcg@10", f"{r}:due_again"][0] for r in ("als", "blend", "buy_again", "popularity")]
    assert figures["ndcg@10", "published"][0] == max(under_policy)

    lake.write(OrderLines, OrderLines.frame(spark, orders()[::-1]).repartition(5))
    run_job(run, DAY, *SMALL)
    assert rows(lake) == found

    run_job(run, DAY, *SMALL, "recommend.als.probes=100")  # more cells than there are: what is searched for is found
    searched = rows(lake)
    assert [r.score for r in searched] == pytest.approx([r.score for r in found], abs=2e-6)  # summed in another order
    assert [(*r[:4], *r[5:]) for r in searched] == [(*r[:4], *r[5:]) for r in found]
    figures = {(r.metric, r.slice): (r.value, r.n) for r in lake.read(Metrics).collect()}
    assert figures["search_recall@10", "published"] == (1.0, 16)
    assert figures["search_recall@10", "als:new"] == (1.0, 16)


def test_neither_what_is_sold_out_nor_what_a_user_took_back_is_recommended(
    spark: SparkSession, lake: Lake, run_job: RunJob
) -> None:
    """tea1 is sold out: nobody is shown it. `once` took tea0 back: others are shown it, `once` is not."""
    prepare(lake)
    profiles = lake.read(ProductProfile).withColumn("in_stock", F.col("product_id") != "tea1").localCheckpoint()
    lake.write(ProductProfile, profiles, {"as_of": DAY})
    back = {
        "order_id": "back",
        "line_no": 1,
        "user_id": "once",
        "product_id": "tea0",
        "quantity": -1,
        "order_date": DAY - datetime.timedelta(days=5),
    }
    lake.write(OrderLines, OrderLines.frame(spark, [*orders(), back]))
    run_job(run, DAY, *SMALL)
    shown = {(r.user_id, r.product_id) for r in rows(lake)}
    assert not {product for _, product in shown} & {"tea1"}
    assert ("teafan0", "tea0") in shown and ("once", "tea0") not in shown
    assert sum(user == "once" for user, _ in shown) == 5


def test_products_for_some_users_only_are_shown_to_these(spark: SparkSession, lake: Lake, run_job: RunJob) -> None:
    """G18: tea1 is for the North, where teafan0 lives; teafan1 lives in the South, of `once` nothing is known."""
    prepare(lake)
    regions = [{"user_id": user, "region": "South" if user == "teafan1" else "North"} for user in FANS]
    lake.write(Users, Users.frame(spark, regions))
    categories = F.when(F.col("product_id") == "tea1", "local")
    profiles = lake.read(ProductProfile).withColumn("category", categories).localCheckpoint()
    lake.write(ProductProfile, profiles, {"as_of": DAY})
    lake.write(OrderLines, OrderLines.frame(spark, orders()))
    limit = 'recommend.relevance.limits={"category:local" = {region = ["North"]}}'
    run_job(run, DAY, *SMALL, limit, 'recommend.bought="keep"', "recommend.top_n=9")
    shown_to = {r.user_id for r in rows(lake) if r.product_id == "tea1"}
    assert "teafan0" in shown_to and not shown_to & {"teafan1", "once", "nobody"}


def test_a_window_without_sales_is_said(
    spark: SparkSession, lake: Lake, run_job: RunJob, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(lake)
    late = [{**line, "order_date": DAY} for line in orders()]
    lake.write(OrderLines, OrderLines.frame(spark, late))
    run_job(run, DAY, *SMALL)
    said = capsys.readouterr().err
    assert "no user who may be profiled bought a promotable product in the 365 days before 2017-12-01" in said
    assert lake.read(Recommendations).isEmpty()
