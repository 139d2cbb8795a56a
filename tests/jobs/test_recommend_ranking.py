"""The second stage of recommend: candidates by the probability that they are bought, on a real lake."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from pyspark.sql import Row, SparkSession

from jobs.recommend import run as recommend
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import BasketRules, Metrics, Recommendations, Registry, Segments
from promo_spark.contracts.predictions import ItemPropensity, RankingModels
from promo_spark.contracts.silver import OrderLines, Users
from promo_spark.contracts.vocabulary import FIRST_STAGE_MODELS
from promo_spark.measures.metric_rows import Figure
from promo_spark.models.recommenders import holdout
from promo_spark.models.recommenders.user_batches import Policy
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
    regions = [{"user_id": u, "region": ("North", "South")[n % 2]} for n, u in enumerate(users[:USERS])]
    lake.write(Users, Users.frame(spark, regions))
    return lake


def lists(lake: Lake, day: datetime.date) -> list[Row]:
    return lake.read(Recommendations).filter(f"as_of = '{day}'").orderBy("user_id", "rank").drop("run_id").collect()


def test_the_second_stage_is_measured_published_and_kept(shop: Lake) -> None:
    """G09: staples are said to be bought again, and are; on Saturday the model of Friday ranks."""
    settings = load(None, (*SMALL, 'recommend.bought="keep"'))
    outcomes = [
        run_in_order([recommend], shop, settings, day, Progress())["recommend"].outcome for day in (FRIDAY, SATURDAY)
    ]
    assert outcomes == ["written", "written"]

    figures = {(r.metric, r.slice): r.value for r in shop.read(Metrics).filter(f"as_of = '{FRIDAY}'").collect()}
    best = max(figures["ndcg@10", f"{r}:keep"] for r in ("als", "blend", "buy_again", "popularity", "ranked"))
    assert figures["ndcg@10", "published"] == best
    assert figures["ndcg@10", "ranked"] > figures["ndcg@10", "popularity"]
    assert figures["auc", "item_28d"] > 0.7
    assert figures["training_share", "item_28d:region=South"] == pytest.approx(0.5, abs=0.02)  # half of the users

    models = shop.read(RankingModels).filter("model = 'item_28d'").orderBy("as_of").collect()
    assert [(m.as_of, m.trained_on) for m in models] == [(FRIDAY, FRIDAY), (SATURDAY, FRIDAY)]
    assert models[0].text == models[1].text
    fits = {r.model: r for r in shop.read(Registry).collect()}
    assert set(fits) == {"recommender", "item_offer", "item_28d", "item_units", "item_28d_rival"}
    assert {r.as_of for r in fits.values()} == {FRIDAY}
    assert [name for name, r in fits.items() if not r.champion] == ["item_28d_rival"]
    assert fits["item_28d"].sha256 == models[0].sha256


def test_lists_are_the_likeliest_whatever_the_partitions(
    spark: SparkSession, shop: Lake, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G14, G20: lists by the probabilities of models.item_propensity; who bought nothing has what is popular."""
    monkeypatch.setattr(holdout, "best_recommender", lambda *_, **__: "ranked")
    settings = (*SMALL, 'recommend.bought="keep"')
    run_job(recommend, FRIDAY, *settings)
    found = lists(shop, FRIDAY)
    by_user = {user: [r for r in found if r.user_id == user] for user in {r.user_id for r in found}}
    assert len(by_user) == USERS + 1
    assert all([r.rank for r in rows] == [1, 2, 3, 4, 5] for rows in by_user.values())
    assert "p19" not in {r.product_id for r in found}  # not promotable
    pairs = {(r.user_id, r.product_id): r for r in shop.read(ItemPropensity).drop("run_id").collect()}
    listed = {(r.user_id, r.product_id) for r in found}
    assert listed - {("new", r.product_id) for r in by_user["new"]} <= set(pairs)  # of `new` there is no history
    assert {pair for pair, r in pairs.items() if r.source == "recommended"} <= listed
    of_fans = [r for r in found if r.user_id != "new"]
    assert {r.source for r in of_fans} <= {"buy_again", "ranked"}
    assert {r.source for r in by_user["new"]} <= {"popular_in_segment", "popular"}
    assert all(r.score == pairs[r.user_id, r.product_id].p_28d for r in of_fans)
    assert all([r.score for r in rows] == sorted([r.score for r in rows], reverse=True) for rows in by_user.values())
    assert "p19" not in {product for _, product in pairs}
    assert all(0 <= r.p_offer <= r.p_28d <= 1 and r.units_28d >= 0 for r in pairs.values())
    staple = [r.p_28d for (u, p), r in pairs.items() if p == PRODUCTS[int(u[1:]) % 10]]
    other = [r.p_28d for (u, p), r in pairs.items() if p != PRODUCTS[int(u[1:]) % 10] and r.source == "own"]
    assert len(staple) == USERS and np.mean(staple) > np.mean(other) + 0.2
    shop.write(OrderLines, OrderLines.frame(spark, orders()[::-1]).repartition(5))
    run_job(recommend, FRIDAY, *settings)
    assert lists(shop, FRIDAY) == found
    assert {(r.user_id, r.product_id): r for r in shop.read(ItemPropensity).drop("run_id").collect()} == pairs


def test_recommenders_of_the_first_stage_are_measured_and_one_is_published(
    shop: Lake, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G09, G19: all contend on one holdout; the best is stored, and makes the next day's lists, too.

    The rule says that who has p00, the staple of every tenth user, gets p01, and p19, which is not promotable.
    """
    rule = {"level": "product", "antecedent": ["p00"], "confidence": 0.9}
    for day in (FRIDAY, SATURDAY):
        rules = [{**rule, "as_of": day, "consequent": [p]} for p in ("p01", "p19")]
        shop.write(BasketRules, rules, {"as_of": day})
    models = f"recommend.models={list(FIRST_STAGE_MODELS)}".replace("'", '"')
    settings = (*SMALL, 'recommend.bought="exclude"', models, "recommend.ranking.sample_users=40")
    measured = holdout.best_recommender
    chosen: list[str] = []

    def best(figures: list[Figure], policy: Policy, **_: object) -> str:
        chosen.append(measured(figures, policy))
        return "rules"

    monkeypatch.setattr(holdout, "best_recommender", best)
    run_job(recommend, FRIDAY, *settings)
    figures = {(r.metric, r.slice): r.value for r in shop.read(Metrics).filter(f"as_of = '{FRIDAY}'").collect()}
    under_policy = {r: figures["ndcg@10", f"{r}:exclude"] for r in (*FIRST_STAGE_MODELS, "als", "ranked", "popularity")}
    assert under_policy[chosen[0]] == max(under_policy.values())
    assert figures["ndcg@10", "hybrid"] > figures["ndcg@10", "popularity"]

    run_job(recommend, SATURDAY, *settings)
    for day in (FRIDAY, SATURDAY):
        found = lists(shop, day)
        assert len(found) == 5 * (USERS + 1)
        assert {r.source for r in found} <= {"rules", "popular", "popular_in_segment"}
        by_rule = {(r.user_id, r.rank, r.product_id, r.reason) for r in found if r.source == "rules"}
        assert by_rule == {(f"u{n:02}", 1, "p01", "Goes with P00") for n in range(0, USERS, 10)}
    fit = shop.read(Registry).filter("model = 'recommender'").collect()
    assert [(r.as_of, r.engine) for r in fit] == [(FRIDAY, "rules")]
