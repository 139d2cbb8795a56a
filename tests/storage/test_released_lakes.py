"""A lake that a released version wrote opens: it is read, and the next run writes into it."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.catalogue import ALL_TABLES
from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Metrics
from promo_spark.contracts.silver import OrderLines
from promo_spark.runtime.run_log import RunLog
from promo_spark.storage.commits import Mark
from promo_spark.storage.lake import Lake

LAKES = sorted((Path(__file__).parent / "lakes").glob("*.zip"))
DAY, NEXT = datetime.date(2017, 12, 1), datetime.date(2017, 12, 2)


@pytest.fixture(params=LAKES, ids=lambda file: file.stem)
def released(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> Lake:
    """A lake of 12 households and their 40 days, as the version decided for 2017-12-01."""
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path / "lake")
    return Lake(spark, str(tmp_path / "lake"))


def test_every_table_of_a_released_lake_is_read_by_todays_contracts(released: Lake) -> None:
    there = [table for table in ALL_TABLES if released.exists(table)]
    assert {OrderLines, UserProfile, Promotions, Budget, Metrics} <= set(there)
    rows = {table.full_name(): released.read(table).count() for table in there}
    assert rows["silver.users"] == 13
    assert rows["decisions.budget"] == 4  # the day, and three mechanics
    assert rows["features.user_profile"] == 13  # twelve households, and one that was only written to
    assert {r.job for r in RunLog(released).succeeded()} >= {"ingest", "profile", "promote"}


def test_the_next_date_is_written_beside_the_rows_of_a_released_lake(released: Lake, spark: SparkSession) -> None:
    """0.1.0 wrote no run_id into most tables: it is null in its rows, and stands in those of today."""
    before = released.read(Budget).count()
    row = {"date": NEXT, "constraint": "daily", "planned": 5, "run_id": "r1"}
    released.write(Budget, Budget.frame(spark, [row]), {"date": NEXT}, mark=Mark(run="r1"))
    rows = released.read(Budget)
    assert rows.count() == before + 1
    assert [r.run_id for r in rows.filter(F.col(Budget.date) == F.lit(NEXT)).collect()] == ["r1"]
    assert {r.run_id for r in rows.filter(F.col(Budget.date) == F.lit(DAY)).collect()} == {None}
