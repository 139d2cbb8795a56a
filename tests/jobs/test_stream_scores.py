"""Who orders is judged anew within the day: as job risk does, and by the models that job propensity has stored."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.propensity import run as propensity
from promo_spark.contracts.intraday import IntradayOrderLines, IntradayPropensity, IntradayRisk
from promo_spark.contracts.predictions import Propensity
from promo_spark.contracts.silver import OrderLines
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from tests.jobs import test_propensity, test_risk
from tests.jobs.stream_rows import LINES, arrive, rows_of, settings_of, take


def order(number: int, user: str, product: str, at: str, pieces: int = 1) -> str:
    return f"{user}-{number},1,{user},{product},{pieces},10.00,0,,{at}"


@pytest.fixture(scope="module")
def sold(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """What customers bought between 8 and 20 h in the ninety days before the date, here and there giving it back."""
    return test_risk.fill(Lake(spark, str(tmp_path_factory.mktemp("sold") / "lake")), spark, test_risk.customers(), [])


def test_an_account_that_cheats_since_this_morning_is_told_by_the_next_batch(
    sold: Lake, lake: Lake, tmp_path: Path
) -> None:
    """J08: a new file is scored within one trigger; low → level 0, high → a step up. O01 (part): three = one."""
    shutil.copytree(sold.root, lake.root)
    # Ten orders when nobody orders, each given back at once: five in the first file, five in the second.
    night = [order(n, "h1", "p3", f"2024-06-01 02:{n:02}:00", 1 - 2 * (n % 2)) for n in range(20)]
    files = [night[:10], night[10:], [order(1, "h2", "p1", "2024-06-01 12:00:00")]]
    settings = settings_of(lake, tmp_path / "in", **{"risk.trees": 20, "risk.history_days": 120})
    for number, rows in enumerate(files):
        arrive(tmp_path / "in", "order_lines", f"{number}.csv", *rows)
        take(lake, settings, test_risk.DAY)
    found = {row["user_id"]: row for row in rows_of(lake, IntradayRisk)}
    assert sorted(found) == ["h1", "h2"]
    assert (found["h2"]["tier"], found["h2"]["verification_level"]) == ("low", 0)
    assert found["h1"]["tier"] in ("high", "blocked") and found["h1"]["verification_level"] >= 2
    assert any("in hours in which nearly nobody orders" in reason for reason in found["h1"]["reasons"])

    other = Lake(lake.spark, str(tmp_path / "at_once"))
    shutil.copytree(sold.root, other.root)
    take(other, settings_of(other, tmp_path / "in", **{"risk.trees": 20, "risk.history_days": 120}), test_risk.DAY)
    assert rows_of(other, IntradayRisk) == rows_of(lake, IntradayRisk)


def test_a_stored_model_says_of_a_batch_what_it_says_the_next_morning(
    spark: SparkSession, lake: Lake, tmp_path: Path
) -> None:
    """O02: the model that was trained in batch scores what streamed in with identical results."""
    day, after = test_propensity.DAY, test_propensity.DAY + datetime.timedelta(1)
    test_propensity.prepare(spark, lake, test_propensity.lines(test_propensity.bought()), (day, after))
    of_lake = {"lake.root": lake.root}
    few: dict[str, Any] = dict(one.split("=") for one in test_propensity.FEW)
    changes = of_lake | {name: int(value) for name, value in few.items()}
    run_in_order([propensity], lake, load(None, changes), day, Progress())

    assert LINES.startswith("order_id,line_no,user_id,product_id")
    bought = [order(1, f"u{n:03}", "p01", f"{day} 12:00:00") for n in (0, 2, 7)]
    arrive(tmp_path / "in", "order_lines", "1.csv", *bought)
    take(lake, settings_of(lake, tmp_path / "in", **changes), day)
    streamed = pl.DataFrame(rows_of(lake, IntradayPropensity)).drop("date")
    assert sorted(streamed["user_id"].unique()) == ["u000", "u002", "u007"]

    today = OrderLines.conform(lake.read(IntradayOrderLines))
    lake.write(OrderLines, today)  # the day is loaded
    run_in_order([propensity], lake, load(None, changes), after, Progress())
    batch = lake.read(Propensity).filter(F.col("as_of") == F.lit(after)).join(today, "user_id", "left_semi")
    scored = pl.DataFrame([row.asDict() for row in batch.collect()]).select(streamed.columns)
    assert scored.sort("user_id", "target").to_dicts() == streamed.sort("user_id", "target").to_dicts()
