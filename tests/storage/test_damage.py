"""A damaged table is named in one sentence, with the version that is whole and the command that brings it back."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Budget, Explored
from promo_spark.errors import MissingDataError, SettingsError
from promo_spark.flows.restore import restored
from promo_spark.storage.damage import damage_of, versions_left
from promo_spark.storage.erasure import delete_earlier_versions
from promo_spark.storage.lake import Lake

DAY = datetime.date(2024, 4, 8)
NEXT = datetime.date(2024, 4, 9)


@pytest.fixture
def table(spark: SparkSession, lake: Lake) -> Path:
    """decisions.budget with two versions: the first day at 0, the second day too at 1."""
    for day in (DAY, NEXT):
        lake.write(Budget, Budget.frame(spark, [{"date": day, "constraint": "daily", "planned": 5}]), {"date": day})
    return Path(lake.path(Budget))


def cut_off(table: Path) -> None:
    commit = table / "_delta_log" / f"{1:020d}.json"
    commit.write_text(commit.read_text()[:-40])
    commit.with_suffix(".crc").unlink(missing_ok=True)


def without_a_file(table: Path) -> None:
    [file] = (table / f"date={NEXT}").glob("*.parquet")
    file.unlink()


DAMAGES: list[Callable[[Path], None]] = [cut_off, without_a_file]


def fresh(spark: SparkSession, lake: Lake) -> Lake:
    """The lake as another process meets it: nothing of its logs is remembered."""
    jvm: Any = spark._jvm
    jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    return Lake(spark, lake.root)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_is_named_and_brought_back(
    spark: SparkSession, lake: Lake, table: Path, damage: Callable[[Path], None]
) -> None:
    damage(table)
    lake = fresh(spark, lake)
    with pytest.raises((PySparkException, Py4JError)) as failed:
        lake.read(Budget).collect()
    found = damage_of(lake, failed.value, [Budget])
    assert found is not None
    assert "\n" not in str(found)
    assert str(found).startswith("decisions.budget is damaged at version 1")
    assert "scripts/submit.sh restore decisions.budget --version 0 brings it back" in str(found)

    assert restored(lake, "decisions.budget", "0").startswith("decisions.budget is as it was at version 0")
    assert [r.date for r in fresh(spark, lake).read(Budget).collect()] == [DAY]
    # The lost day is written again as any other.
    lake.write(Budget, Budget.frame(spark, [{"date": NEXT, "constraint": "daily", "planned": 6}]), {"date": NEXT})
    assert sorted(r.planned for r in fresh(spark, lake).read(Budget).collect()) == [5, 6]


def test_another_error_is_no_damage(spark: SparkSession, lake: Lake, table: Path) -> None:
    assert damage_of(lake, ValueError("FILE_NOT_EXIST"), [Budget]) is None
    without_a_file(table)
    with pytest.raises(PySparkException) as failed:
        spark.sql("SELECT raise_error('no such thing')").collect()
    assert damage_of(lake, failed.value, [Budget]) is None


def test_files_of_an_earlier_version_that_were_deleted_are_no_damage(
    spark: SparkSession, lake: Lake, table: Path
) -> None:
    """As an erasure deletes them: the newest version is whole, and who read the other is told to go by it."""
    lake.write(Budget, Budget.frame(spark, [{"date": NEXT, "constraint": "daily", "planned": 6}]), {"date": NEXT})
    delete_earlier_versions(lake, Budget)
    lake = fresh(spark, lake)
    with pytest.raises(MissingDataError, match=r"files of version 1 were deleted, .* The newest version, 2, is whole$"):
        restored(lake, "decisions.budget", "1")
    assert lake.version(Budget) == 2
    with pytest.raises((PySparkException, Py4JError)) as failed:
        lake.read(Budget, version=1).collect()
    read = {"decisions.budget": 1, "decisions.explored": 0}
    assert versions_left(lake, failed.value, [Explored, Budget], read) == {Budget: 2}
    assert versions_left(lake, failed.value, [Budget], {"decisions.budget": 2}) == {}  # that is not what failed
    without_a_file(table)
    assert versions_left(lake, failed.value, [Budget], read) == {}  # the newest is damaged: that is said instead


@pytest.mark.parametrize(
    ("name", "version", "error", "message"),
    [
        ("decisions.budgets", "0", SettingsError, "there is no such table"),
        ("decisions.budget", "last", SettingsError, "--version 'last' is not a version"),
        ("decisions.budget", "7", MissingDataError, "has no version 7: its versions are 0 to 1"),
        ("decisions.promotions", "0", MissingDataError, "there is no such table yet"),
    ],
)
@pytest.mark.usefixtures("table")
def test_what_cannot_be_restored_is_refused_by_name(
    lake: Lake, name: str, version: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        restored(lake, name, version)
