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
from promo_spark.storage.locks import held


def newest(ctx: Context[Any], table: type[Table]) -> DataFrame:
    """All rows of a table as it stands now, also where others have written it since the run began; empty: none."""
    declared = (*ctx.job.refreshes, *ctx.job.optional, *ctx.job.by_hand)
    if table not in declared:
        raise ContractError(f"job {ctx.job.name} reads {table.full_name()}, which its declaration does not name")
    return ctx.whole_lake.read(table) if ctx.whole_lake.exists(table) else table.frame(ctx.spark)


def add_rows(ctx: Context[Any], table: type[Table], rows: DataFrame) -> None:
    """Rows beside those of others, merged by their key: a run that was cut off writes them again, and once."""
    _declared(ctx, table)
    ctx.whole_lake.write(table, rows, mark=Mark(ctx.run_id, ctx.job.name, ctx.date.isoformat()))


def refresh(
    ctx: Context[Any], table: type[Table], date: datetime.date, writer: str, change: Callable[[DataFrame], DataFrame]
) -> None:
    """The rows of a date changed, in a commit that says that they are still those of the job that writes them.

    That job does not run meanwhile: the other waits, and raises BusyError in the end.
    """
    _declared(ctx, table)
    lake, run = ctx.whole_lake, f"{ctx.job.name} for {ctx.date}"
    mark = Mark(ctx.run_id, ctx.job.name, date.isoformat(), keeps_content=True)
    alone: contextlib.AbstractContextManager[int] = contextlib.nullcontext(0)  # in a catalog Delta's own check remains
    if not lake.catalog:
        alone = held(lake.spark, lake.root, f"{writer} {date}", run, ctx.wait_seconds, ctx.say)
    with alone:
        lake.write(table, change(lake.read(table, date=date)), {str(table.dated_by): date}, mark=mark)


def _declared(ctx: Context[Any], table: type[Table]) -> None:
    if table not in ctx.job.refreshes:
        raise ContractError(f"job {ctx.job.name} changes {table.full_name()}, which its refreshes do not declare")
