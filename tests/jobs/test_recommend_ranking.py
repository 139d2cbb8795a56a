"""The second stage of recommend: candidates by the probability that they are bought, on a real lake."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from pyspark.sql import Row, SparkSession

from jobs.recommend import run as recommend
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Metrics, Recommendations, Registry, Segments
from promo_spark.contracts.predictions import RankingModels
from promo_spark.contracts.silver import OrderLines
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from tests.jobs.test_recommend import RunJob

FRIDAY = datetime.date(2017, 12, 1)
SATURDAY = FRIDAY + datetime.timedelta(1)
USERS, DAYS = 60, 150
PRODUCTS = [f"p{n:02}" for n in range(20)]
SMALL = (
    "recommend.top_n=5",
    "recommend.rank=2",
    "recommend.iterations=1",
    "recommend.blocks=2",
    "recommend.min_buyers=2",
    "recommend.ranking.trees=30",
    "recommend.ranking.rows_of_leaf=10",
    "recommend.ranking.least_rows=50",
    "recommend.ranking.popular_products=8",
    "recommend.ranking.similar_products=4",
    "recommend.ranking.neighbour_ridge=5.0",
)


def orders() -> list[dict[str, object]]:
    """Every user buys every fifth day: a staple of their own (products 0 to 9) every time, and one of the others."""
    draw = np.random.default_rng(5)
    lines = []
    for user in range(USERS):
        for ago in range(1 + user % 5, DAYS, 5):
            for product in (user % 10, 10 + int(draw.integers(10))):
                lines.append((user, ago, product))
    return [
        {
            "order_id": f"u{user:02}-{ago}",
            "line_no": product,
            "user_id": f"u{user:02}",
            "product_id": PRODUCTS[product],
            "quantity": 1,
            "amount_paid": 1,
            "order_date": FRIDAY - datetime.timedelta(ago),
        }
        for user, ago, product in lines
    ]


@pytest.fixture
def shop(spark: SparkSession, lake: Lake) -> Lake:
    users = [f"u{n:02}" for n in range(USERS)] + ["new"]
    for day in (FRIDAY, SATURDAY):
        profiles = [{"as_of": day, "user_id": u, "lifecycle": "repeat", "repurchases": []} for u in users]
        lake.write(UserProfile, profiles, {"as_of": day})
        products = [{"as_of": day, "product_id": p, "title": p.upper(), "promotable": p != "p19"} for p in PRODUCTS]
        lake.write(ProductProfile, products, {"as_of": day})
        lake.write(Segments, [{"as_of": day, "user_id": u, "segment_id": 1} for u in users], {"as_of": day})
    lake.write(OrderLines, OrderLines.frame(spark, orders()))
    return lake


def lists(lake: Lake, day: datetime.date) -> list[Row]:
    return lake.read(Recommendations).filter(f"as_of = '{day}'").orderBy("user_id", "rank").drop("run_id").collect()


def test_the_second_stage_is_measured_published_and_kept(shop: Lake) -> None:
    """G09, L04 (part): staples are said to be bought again, and are; on Saturday the model of Friday ranks."""
    settings = load(None, (*SMALL, 'recommend.bought="keep"'))
    outcomes = [
        run_in_order([recommend], shop, settings, day, Progress())["recommend"].outcome for day in (FRIDAY, SATURDAY)
    ]
    assert outcomes == ["written", "written"]

    figures = {(r.metric, r.slice): r.value for r in shop.read(Metrics).filter(f"as_of = '{FRIDAY}'").collect()}
    published = {
        r.recommender
        for r in shop.read(Registry)
        .selectExpr("engine AS recommender", "model")
        .filter("model = 'recommender'")
        .collect()
    }
    best = max(figures["ndcg@10", f"{r}:keep"] for r in ("als", "blend", "buy_again", "popularity", "ranked"))
    assert figures["ndcg@10", "published"] == best
    assert figures["ndcg@10", "ranked"] > figures["ndcg@10", "popularity"]
    assert figures["auc", "ranking"] > 0.7
    assert published <= {"als", "blend", "buy_again", "popularity", "ranked"}

    models = shop.read(RankingModels).orderBy("as_of").collect()
    assert [(m.as_of, m.trained_on) for m in models] == [(FRIDAY, FRIDAY), (SATURDAY, FRIDAY)]
    assert models[0].text == models[1].text
    [fit] = shop.read(Registry).filter("model = 'ranking'").collect()
    assert (fit.as_of, fit.sha256) == (FRIDAY, models[0].sha256)


def test_lists_are_the_likeliest_whatever_the_partitions(spark: SparkSession, shop: Lake, run_job: RunJob) -> None:
    """G14, G20: probabilities that fall with the rank; a user who bought nothing has what is popular of late."""
    only_ranked = (*SMALL, 'recommend.bought="keep"', "recommend.repeat_weight=0.0", "recommend.alpha=0.001")
    run_job(recommend, FRIDAY, *only_ranked)
    found = lists(shop, FRIDAY)
    by_user = {user: [r for r in found if r.user_id == user] for user in {r.user_id for r in found}}
    assert len(by_user) == USERS + 1
    assert all([r.rank for r in rows] == [1, 2, 3, 4, 5] for rows in by_user.values())
    assert "p19" not in {r.product_id for r in found}  # not promotable
    shop.write(OrderLines, OrderLines.frame(spark, orders()[::-1]).repartition(5))
    run_job(recommend, FRIDAY, *only_ranked)
    assert lists(shop, FRIDAY) == found
