"""Shops that lack what some job works on: the others run, and every user has a decision."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import functions as F

from jobs.pipeline import run as pipeline
from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import BasketRules, Forecasts, Recommendations
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load, validated
from promo_spark.storage.lake import Lake

DATE = datetime.date(2024, 4, 8)
SMALL = [
    "business.privacy.pseudonymise=false",
    "promote.unknown_consent=eligible",
    "promote.holdout_share=0",
    "segment.k=[2]",
    "segment.starts=1",
    "baskets.min_baskets=2",
    "recommend.rank=4",
    "recommend.iterations=2",
    "forecast.partitions=2",
    "forecast.top_series=0",
]
ORDERS = [  # every day for ten days one user buys bread and milk together
    f"o{n},{'abcd'[n % 4]},{product},1,{paid},2024-04-0{n % 7 + 1} 10:00:00"
    for n in range(21)
    for product, paid in (("bread", 2), ("milk", 1))
]


def files(folder: Path, **tables: list[str]) -> Any:
    """Settings that take in CSV files, each given as its header and its rows, with our names of columns."""
    values = load(None, SMALL).model_dump(mode="json")
    for table, lines in tables.items():
        (folder / f"{table}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        values["ingest"]["sources"][table] = {
            "path": str(folder / f"{table}.csv"),
            "format": "csv",
            "columns": {name: name for name in lines[0].split(",")},
        }
    return validated(values)


def run_daily(lake: Lake, settings: Any, date: datetime.date = DATE) -> dict[str, str]:
    """The daily run; job → how it ended."""
    jobs = list(pipeline.named(settings).values())
    return {name: done.outcome for name, done in run_in_order(jobs, lake, settings, date, Progress()).items()}


def decisions(lake: Lake) -> dict[str, set[str]]:
    """user → the reasons of all rows of decisions.promotions."""
    rows = lake.read(Promotions).groupBy(Promotions.user_id).agg(F.flatten(F.collect_list(Promotions.reason_codes)))
    return {user: set(reasons) for user, reasons in rows.collect()}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_three_users_and_one_product_have_a_decision_each(lake: Lake, tmp_path: Path) -> None:
    settings = files(
        tmp_path,
        products=["product_id,category,list_price", "only,c,10.00"],
        users=["user_id", "ann", "bob", "cem"],
        order_lines=[
            "order_id,user_id,product_id,quantity,amount_paid,ts",
            "a1,ann,only,1,10.00,2024-04-01 10:00:00",
            "a2,bob,only,2,20.00,2024-04-02 10:00:00",
            "a3,cem,only,1,10.00,2024-04-07 10:00:00",
        ],
    )
    assert set(run_daily(lake, settings).values()) == {"written"}
    assert set(decisions(lake)) == {"ann", "bob", "cem"}
    assert set(run_daily(lake, settings).values()) == {"current"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_shop_that_knows_no_user_has_forecasts_and_rules_and_the_reason_is_said(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = files(
        tmp_path,
        products=["product_id,category,list_price", "bread,c,2.00", "milk,d,1.00"],
        order_lines=[
            "order_id,user_id,product_id,quantity,amount_paid,ts",
            *[",".join(["" if i == 1 else field for i, field in enumerate(line.split(","))]) for line in ORDERS],
        ],
    )
    assert set(run_daily(lake, settings).values()) == {"written"}
    said = capsys.readouterr().err
    assert said.count("no user has a profile, as silver.order_lines and silver.users name none: map user_id") == 1
    assert not lake.read(Forecasts).isEmpty() and not lake.read(BasketRules).isEmpty()
    for of_users in (UserProfile, Recommendations, Promotions):
        assert lake.read(of_users).isEmpty()
    assert set(run_daily(lake, settings).values()) == {"current"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_where_nobody_may_be_profiled_every_user_has_one_none_that_says_so(lake: Lake, tmp_path: Path) -> None:
    """As docs/privacy.md promises; sums over all users, such as forecasts, stand."""
    settings = files(
        tmp_path,
        products=["product_id,category,list_price", "bread,c,2.00", "milk,d,1.00"],
        users=["user_id,consent_profiling,consent_marketing", *[f"{user},false,true" for user in "abcd"]],
        order_lines=["order_id,user_id,product_id,quantity,amount_paid,ts", *ORDERS],
    )
    assert set(run_daily(lake, settings).values()) == {"written"}
    assert decisions(lake) == {user: {"not_profiled"} for user in "abcd"}
    assert lake.read(Promotions).count() == 4
    assert not lake.read(Forecasts).isEmpty() and lake.read(BasketRules).isEmpty()
