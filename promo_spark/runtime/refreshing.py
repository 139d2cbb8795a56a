"""Rows of others' tables that a job changes without making them anew, such as the status of offers."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from typing import Any

from pyspark.sql import DataFrame

from promo_spark.contracts.schema import Table
from promo_spark.errors import ContractError
from promo_spark.runtime.context import Context
from promo_spark.storage.commits import Mark
from promo_spark.storage.driver_rows import Rows
from promo_spark.storage.locks import held


def newest(ctx: Context[Any], table: type[Table]) -> DataFrame:
    """All rows of a table as it stands now, also where others have written it since the run began; empty: none."""
    declared = (*ctx.job.refreshes, *ctx.job.optional, *ctx.job.by_hand)
    if table not in declared:
        raise ContractError(f"job {ctx.job.name} reads {table.full_name()}, which its declaration does not name")
    return ctx.whole_lake.read(table) if ctx.whole_lake.exists(table) else table.frame(ctx.spark)


def refresh(
    ctx: Context[Any], table: type[Table], date: datetime.date, writer: str, change: Callable[[DataFrame], DataFrame]
) -> None:
    """The rows of a date changed, in a commit that says that they are still those of the job that writes them.

    That job does not run meanwhile, see `alone`.
    """
    _declared(ctx, table)
    lake = ctx.whole_lake
    mark = Mark(ctx.run_id, ctx.job.name, date.isoformat(), keeps_content=True)
    with alone(ctx, date, writer):
        lake.write(table, change(lake.read(table, date=date)), {str(table.dated_by): date}, mark=mark)


def alone(ctx: Context[Any], date: datetime.date, writer: str) -> contextlib.AbstractContextManager[int]:
    """While the job that writes the rows of a date does not run: the other waits, and raises BusyError in the end."""
    lake = ctx.whole_lake
    if lake.catalog:
        return contextlib.nullcontext(0)  # Delta's own check remains
    run = f"{ctx.job.name} for {ctx.date}"
    return held(lake.spark, lake.root, f"{writer} {date}", run, ctx.wait_seconds, ctx.say)


def replace_date(ctx: Context[Any], table: type[Table], date: datetime.date, rows: Rows) -> None:
    """The few rows of a date in place of those that stand there."""
    _declared(ctx, table)
    mark = Mark(ctx.run_id, ctx.job.name, date.isoformat())
    ctx.whole_lake.write(table, rows, {str(table.dated_by): date}, mark=mark)


def merge_rows(ctx: Context[Any], table: type[Table], rows: DataFrame, gone: DataFrame | None = None) -> None:
    """Rows beside those that stand, by their key, in one commit: written again, they change nothing.

    `gone`: keys of rows that are taken out by the same commit, in whose place some of the rows come.
    """
    _declared(ctx, table)
    mark = Mark(ctx.run_id, ctx.job.name, ctx.date.isoformat(), replaces=gone is not None)
    ctx.whole_lake.write(table, rows, by_key=True, gone=gone, mark=mark)


def _declared(ctx: Context[Any], table: type[Table]) -> None:
    if table not in ctx.job.refreshes:
        raise ContractError(f"job {ctx.job.name} changes {table.full_name()}, which its refreshes do not declare")
