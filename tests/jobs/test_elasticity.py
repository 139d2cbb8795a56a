"""The elasticity job on a real lake: what is planted is found, the profit adds up, and what is missing is said."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.elasticity import run
from promo_spark.contracts.effects import Elasticity
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.measurement import PromotionPnl
from promo_spark.contracts.models import Metrics
from promo_spark.contracts.silver import Inventory, OrderLines, Users
from promo_spark.runtime.job import Context
from promo_spark.storage.lake import Lake
from tests.jobs.reduced_shop import DATE, MONDAY, PLANTED, SHARES, WEEKS, depth, shop, units

RunJob = Callable[..., Context[Any]]


def found(lake: Lake) -> dict[tuple[str, int], Any]:
    return {(r.category, r.segment_id): r for r in lake.read(Elasticity).collect()}


def test_planted_elasticities_are_found_of_categories_and_segments(
    spark: SparkSession, lake: Lake, run_job: RunJob
) -> None:
    """At 20 % off tea's units are 0.5 · 1.25^3 + 0.5 · 1.25^1 = 1.602 of the usual: log 1.602 / log 1.25 = 2.11."""
    shop(lake, spark)
    run_job(run, DATE)
    rows = found(lake)
    assert rows["tea", -1].elasticity == pytest.approx(2.11, abs=0.1)
    assert rows["milk", -1].elasticity == pytest.approx(1.03, abs=0.1)  # 0.5 · 1.25^1.5 + 0.5 · 1.25^0.5
    assert rows["tea", 1].elasticity == pytest.approx(3.0, abs=0.2)
    assert rows["tea", 2].elasticity == pytest.approx(1.0, abs=0.2)
    assert rows["milk", 1].elasticity == pytest.approx(1.5, abs=0.2)
    assert rows["tea", -1].basis == "observed"
    assert rows["tea", -1].cells == 6 * WEEKS
    assert rows["tea", -1].note is None
    assert rows["tea", -1].display is None, "no display was seen"
    assert rows["tea", -1].cannibalisation is None, "each product is alone in its subcategory"


def test_the_profit_is_that_of_the_same_weeks_without_promotions(
    spark: SparkSession, lake: Lake, run_job: RunJob
) -> None:
    """Margin with promotions, at 10 · (1 − depth) − 6 a piece, less that of the usual units at 10 − 6."""
    shop(lake, spark)
    run_job(run, DATE)
    margin = 0.0
    for elasticity in PLANTED.values():
        for product in range(6):
            for week in range(WEEKS):
                for user in SHARES:
                    earned = 10 * (1 - depth(product, week)) - 6
                    margin += units(elasticity, product, week, user) * earned
                    margin -= units(elasticity, product, week, user, promoted=False) * 4
    rows = lake.read(PromotionPnl)
    total = rows.agg(F.sum("incremental_margin"), F.sum("incremental_units"), F.count("*")).collect()[0]
    assert total[0] == pytest.approx(margin, rel=0.05)
    assert total[2] == sum(depth(p, w) > 0 for p in range(6) for w in range(WEEKS)) * 2
    parts = F.col("gross_units") - F.col("cannibalised") - F.col("pulled_forward")
    assert rows.filter(F.abs(parts - F.col("incremental_units")) > 1e-5).count() == 0
    assert rows.filter("halo IS NOT NULL").count() == 0, "no mailer was seen"
    assert rows.filter("ci_low > incremental_margin OR ci_high < incremental_margin").count() == 0
    told = {r.metric: r.value for r in lake.read(Metrics).collect()}
    assert told["promotion_margin"] == pytest.approx(total[0], abs=0.01)


def test_the_same_rows_come_of_any_partitions(spark: SparkSession, lake: Lake, run_job: RunJob) -> None:
    shop(lake, spark)
    run_job(run, DATE)
    before = [lake.read(table).localCheckpoint() for table in (Elasticity, PromotionPnl)]
    lake.write(OrderLines, lake.read(OrderLines).localCheckpoint().repartition(7, "order_id"))
    spark.conf.set("spark.sql.shuffle.partitions", "5")
    try:
        run_job(run, DATE)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", "2")
    for table, rows in zip((Elasticity, PromotionPnl), before, strict=True):
        assert_df_equality(lake.read(table), rows, ignore_row_order=True)


def test_where_no_price_has_moved_the_prior_is_said_to_be_one(spark: SparkSession, lake: Lake, run_job: RunJob) -> None:
    shop(lake, spark, promoted=False)
    run_job(run, DATE, "elasticity.prior_elasticity=1.7")
    rows = lake.read(Elasticity).collect()
    assert {(r.elasticity, r.elasticity_se, r.basis, r.display) for r in rows} == {(1.7, None, "prior", None)}
    assert {r.note for r in rows} == {"no price has moved in the weeks looked at"}
    assert lake.read(PromotionPnl).count() == 0


def test_without_calendar_inventory_segments_and_users_prices_paid_tell(
    spark: SparkSession, lake: Lake, run_job: RunJob
) -> None:
    shop(lake, spark, calendar=False)
    run_job(run, DATE)
    assert found(lake)["tea", -1].elasticity == pytest.approx(2.11, abs=0.1)


def test_users_who_may_not_be_profiled_count_in_the_sums_and_in_no_segment(
    spark: SparkSession, lake: Lake, run_job: RunJob
) -> None:
    shop(lake, spark)
    lake.write(Users, [{"user_id": "calm", "consent_profiling": False}])
    run_job(run, DATE)
    rows = found(lake)
    assert rows["tea", -1].elasticity == pytest.approx(2.11, abs=0.1)
    assert {segment for _, segment in rows} == {-1, 1}


def test_days_without_stock_are_no_lack_of_demand(spark: SparkSession, lake: Lake, run_job: RunJob) -> None:
    """In each reduced week tea-0 is sold out on three of seven days and sells 4/7: by days in stock all is as ever."""
    shop(lake, spark)
    lines = lake.read(OrderLines).localCheckpoint()
    cut = (F.col("product_id") == "tea-0") & (F.col("discount_retail") > 0)
    for column in ("quantity", "list_amount", "amount_paid", "discount_retail"):
        left = F.when(cut, F.col(column) * 4 / 7).otherwise(F.col(column))
        lines = lines.withColumn(column, left.cast(OrderLines.type_of(column)))
    lake.write(OrderLines, lines)
    run_job(run, DATE)
    biased = found(lake)["tea", -1].elasticity
    out = []
    for week in range(WEEKS):
        if depth(0, week):
            for day in range(7):
                stock = {"product_id": "tea-0", "store_id": "1", "on_hand": 0 if day >= 4 else 5}
                out.append(stock | {"day": MONDAY + datetime.timedelta(week * 7 + day)})
    lake.write(Inventory, Inventory.frame(spark, out))
    run_job(run, DATE)
    assert abs(found(lake)["tea", -1].elasticity - 2.11) < abs(biased - 2.11)
    assert found(lake)["tea", -1].elasticity == pytest.approx(2.11, abs=0.15)


def test_one_product_of_one_user_has_an_elasticity_of_its_own_or_of_the_prior(
    spark: SparkSession, lake: Lake, run_job: RunJob
) -> None:
    line = {"line_no": 1, "user_id": "u", "product_id": "tea", "amount_paid": 10, "list_amount": 10, "quantity": 1}
    days = [MONDAY + datetime.timedelta(7 * week) for week in range(WEEKS)]
    rows = [line | {"order_id": f"o{n}", "order_date": day} for n, day in enumerate(days)]
    lake.write(OrderLines, OrderLines.frame(spark, rows))
    known = {"as_of": DATE, "product_id": "tea", "first_sale": MONDAY, "unit_cost": 7, "cost_is_assumed": True}
    lake.write(ProductProfile, [known], {"as_of": DATE})
    run_job(run, DATE)
    (row,) = lake.read(Elasticity).collect()
    assert (row.category, row.basis, row.elasticity) == ("unknown", "prior", 2.0)


def test_a_date_without_a_whole_week_before_it_has_no_rows(spark: SparkSession, lake: Lake, run_job: RunJob) -> None:
    wednesday = MONDAY + datetime.timedelta(2)
    known = {"as_of": wednesday, "product_id": "tea", "first_sale": MONDAY}
    lake.write(ProductProfile, [known], {"as_of": wednesday})
    line = {"order_id": "o", "line_no": 1, "product_id": "tea", "quantity": 1}
    lake.write(OrderLines, OrderLines.frame(spark, [line]))
    run_job(run, wednesday)
    assert lake.read(Elasticity).count() == lake.read(PromotionPnl).count() == 0
