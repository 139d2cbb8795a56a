"""The baskets job, from order lines to rules and figures, on a real lake."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.baskets import run
from promo_spark.contracts.models import BasketRules, FrequentItemsets, Metrics
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.runtime.job import Context
from promo_spark.storage.lake import Lake

DAY = datetime.date(2017, 12, 1)
SMALL = (
    "baskets.level=product",
    "baskets.min_baskets=4",
    "baskets.min_support=0.0",
    "baskets.max_items_quantile=0.98",
)
RunJob = Callable[..., Context[Any]]


def orders() -> list[dict[str, object]]:
    """60 baskets: pasta in 20, 12 of them with sauce, which is in 15; milk in every second; one giant."""
    baskets = [{"pasta"} if i < 20 else {"bread"} for i in range(60)]
    for i in (*range(12), 30, 31, 32):
        baskets[i].add("sauce")
    for i in range(0, 60, 2):
        baskets[i].add("milk")
    baskets.append({"pasta", "sauce", "milk", "bread", *(f"p{i}" for i in range(30))})
    return [
        {"order_id": f"o{i}", "line_no": n, "product_id": item, "quantity": 1, "order_date": "2017-11-30"}
        for i, basket in enumerate(baskets)
        for n, item in enumerate(sorted(basket), start=1)
    ]


def test_planted_rules_are_found_and_any_partitioning_gives_the_same_rows(
    spark: SparkSession, lake: Lake, run_job: RunJob
) -> None:
    sold = sorted({str(line["product_id"]) for line in orders()})
    lake.write(Products, [{"product_id": item, "title": item} for item in sold])
    lake.write(OrderLines, OrderLines.frame(spark, orders()).coalesce(1))
    run_job(run, DAY, *SMALL)
    before = {table: lake.read(table).localCheckpoint() for table in (FrequentItemsets, BasketRules, Metrics)}
    best = lake.read(BasketRules).filter("size(antecedent) = 1").orderBy(F.desc("lift"), "antecedent").collect()[0]
    assert (best.antecedent, best.consequent, best.baskets, best.all_baskets) == (["pasta"], ["sauce"], 12, 60)
    assert best.sentence == "Customers who buy pasta: 60% also buy sauce, 2.4 times the usual."  # 12/20, ÷ 15/60
    figures = {r.metric: r.value for r in lake.read(Metrics).collect()}
    assert (figures["baskets"], figures["giant_baskets_cut"]) == (60, 1)
    assert figures["rules"] == lake.read(BasketRules).count() > figures["bundles"] >= 2  # pasta and sauce, both ways

    lake.write(OrderLines, OrderLines.frame(spark, orders()[::-1]).repartition(5))
    run_job(run, DAY, *SMALL, "baskets.miner=fpgrowth")
    for table, rows in before.items():  # the other miner, too, changes nothing
        assert_df_equality(lake.read(table), rows, ignore_row_order=True)


def test_a_level_that_no_product_has_gives_way_to_the_next_one_up(
    spark: SparkSession, lake: Lake, run_job: RunJob, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shipped level is subcategory: a shop without any has rules of its categories, without any, of products."""
    sold = sorted({str(line["product_id"]) for line in orders()})
    lake.write(OrderLines, OrderLines.frame(spark, orders()))
    for category, level in (("kind of {}", "category"), (None, "product")):
        names = [{"product_id": p, "category": category and category.format(p)} for p in sold]
        lake.write(Products, names)
        run_job(run, DAY, *SMALL[1:])
        assert (
            f"no product in silver.products has a subcategory, so baskets.level is {level}" in capsys.readouterr().err
        )
        [found] = lake.read(BasketRules).select("level").distinct().collect()
        assert found.level == level
        assert {r.slice for r in lake.read(Metrics).select("slice").collect()} == {level}


def test_a_window_without_sales_is_said(
    spark: SparkSession, lake: Lake, run_job: RunJob, capsys: pytest.CaptureFixture[str]
) -> None:
    lake.write(Products, [{"product_id": "milk"}])
    lake.write(
        OrderLines,
        OrderLines.frame(
            spark, [{"order_id": "o1", "line_no": 1, "product_id": "milk", "quantity": 1, "order_date": "2017-12-01"}]
        ),
    )
    run_job(run, DAY, *SMALL)
    said = capsys.readouterr().err
    assert "no basket of users who may be profiled in the 365 days before 2017-12-01" in said
    assert lake.read(BasketRules).isEmpty() and lake.read(FrequentItemsets).isEmpty()
