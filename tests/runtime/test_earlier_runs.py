"""From which earlier date a job goes on, on a real lake with a toy job that adds to yesterday's total."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Table, WriteMode
from promo_spark.errors import ContractError
from promo_spark.runtime.job import Context, Job
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.settings.baskets import BasketsSettings
from promo_spark.storage.jvm import jvm
from promo_spark.storage.lake import Lake

MONDAY = datetime.date(2017, 12, 4)


class Receipts(Table):
    """One row per receipt."""

    layer, name = "silver", "receipts"
    key = ("n",)
    partition = ("day",)
    write_mode = WriteMode.REPLACE_DAYS
    n = Col(T.LongType(), "the receipt", required=True)
    day = Col(T.DateType(), "its day", required=True)
    run_id = Col(T.StringType(), "the run")


class Totals(Table):
    """One row per date."""

    layer, name = "features", "totals"
    key = ("as_of",)
    partition = ("as_of",)
    dated_by = "as_of"
    as_of = Col(T.DateType(), "the date", required=True)
    run_id = Col(T.StringType(), "the run")
    receipts = Col(T.LongType(), "receipts before the date", required=True)


class Marks(Totals):
    """One row per date, too: a second table of the job."""

    name = "marks"


class Till:
    """Counts receipts; `went_on` has what each run went on from, and the days that changed since."""

    def __init__(self, lake: Lake, follows: bool = True) -> None:
        self.lake = lake
        self.went_on: list[tuple[datetime.date | None, list[int] | None]] = []
        self.job = Job(
            "baskets", "Counts.", (Receipts,), (), (Totals, Marks), BasketsSettings, self._count, follows=follows
        )

    def _count(self, ctx: Context[BasketsSettings]) -> None:
        since = ctx.earlier_run(7)
        days = ctx.days_changed(Receipts, since) if since else None
        self.went_on.append((since.date if since else None, None if days is None else [day.day for day in days]))
        counted = ctx.read(Receipts).filter(F.col("day") < F.lit(ctx.date)).agg(F.count("*").alias("receipts"))
        ctx.write(Totals, counted)
        ctx.write(Marks, counted)

    def last(self) -> tuple[datetime.date | None, list[int] | None]:
        return self.went_on[-1]

    def receive(self, *days: int) -> None:
        rows = [{"n": day, "day": MONDAY.replace(day=day), "run_id": "r"} for day in days]
        self.lake.write(Receipts, Receipts.frame(self.lake.spark, rows))

    def run(self, date: datetime.date, *overrides: str, force: bool = False) -> tuple[str, str]:
        ended = run_in_order([self.job], self.lake, load(None, overrides), date, Progress(), force)
        return ended["baskets"].outcome, ended["baskets"].run_id


def after(days: int) -> datetime.date:
    return MONDAY + datetime.timedelta(days)


def test_a_run_goes_on_from_the_newest_date_and_knows_the_days_that_changed(lake: Lake) -> None:
    """C09: days written since, whatever their order; the run's id does not say which way was gone."""
    till = Till(lake)
    till.receive(1, 2, 3)
    till.run(MONDAY)
    till.receive(4)
    lake.spark.sql(f"OPTIMIZE {lake.address(Receipts)}")  # moves rows, changes none
    till.receive(2, 5)  # the 2nd holds the same row as before: it is not written
    till.run(after(1))
    till.run(after(4))
    assert till.went_on == [(None, None), (MONDAY, [4, 5]), (after(1), [])]

    _, followed = till.run(after(4), force=True)
    assert till.last() == (None, None)
    assert till.run(after(4)) == ("current", followed)
    # The date before is made anew, of other settings: neither the id nor the rows of the date depend on it.
    till.run(after(1), "baskets.min_baskets=7")
    assert till.run(after(4)) == ("current", followed)
    till.run(after(5))
    assert till.last() == (after(4), [])


@pytest.mark.parametrize(
    "overrides", [("baskets.min_baskets=7",), ("business.assumed_margin=0.9",)], ids=["own setting", "business"]
)
def test_rows_of_other_settings_are_not_gone_on_from(lake: Lake, overrides: tuple[str, ...]) -> None:
    till = Till(lake)
    till.receive(1)
    till.run(MONDAY)
    till.run(after(1), *overrides)
    assert till.went_on == [(None, None), (None, None)]


def test_rows_that_somebody_else_changed_are_not_gone_on_from(lake: Lake) -> None:
    till = Till(lake)
    till.receive(1)
    till.run(MONDAY)
    till.run(after(1))
    till.receive(5)
    lake.spark.sql(f"UPDATE {lake.address(Marks)} SET receipts = 9 WHERE as_of = '{after(1)}'")
    till.run(after(2))
    assert till.last() == (MONDAY, [5])
    assert till.run(after(9))[0] == "written"
    assert till.last() == (after(2), [])
    till.run(after(30))
    assert till.last() == (None, None)  # more than seven days


def test_a_log_that_was_cut_off_and_a_table_made_anew_begin_anew(lake: Lake) -> None:
    till = Till(lake)
    till.receive(1)
    till.run(MONDAY)
    till.receive(2)
    till.receive(3)
    lake.log(Receipts).checkpoint()
    (Path(lake.path(Receipts)) / "_delta_log" / f"{1:020d}.json").unlink()  # the one of the 2nd
    till.run(after(1))
    assert till.last() == (MONDAY, None)  # the run is known, but not what changed since
    till.run(after(2))
    assert till.last() == (after(1), [])

    shutil.rmtree(lake.path(Receipts))
    jvm(lake.spark).org.apache.spark.sql.delta.DeltaLog.clearCache()
    for day in (1, 2, 3, 4):  # as many versions as before
        till.receive(day)
    till.run(after(3))
    assert till.last() == (None, None)


def test_a_job_that_does_not_say_that_it_follows_cannot(lake: Lake) -> None:
    till = Till(lake, follows=False)
    till.receive(1)
    with pytest.raises(ContractError, match="job baskets goes on from an earlier date, but is not declared"):
        till.run(MONDAY)
