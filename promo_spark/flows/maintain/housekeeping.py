"""Keeping house of every table: days that are too old, small files, files that nobody needs."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from promo_spark.contracts.catalogue import ALL_TABLES, table_named
from promo_spark.contracts.housekeeping import OPTIMIZE, ORPHANS, RETENTION, VACUUM, Maintenance
from promo_spark.contracts.schema import Table
from promo_spark.errors import MissingDataError, SettingsError
from promo_spark.flows.maintain.persons import no_such_file
from promo_spark.runtime.context import Context
from promo_spark.settings.business import BusinessSettings
from promo_spark.settings.maintain import MaintainSettings
from promo_spark.sources.persons.suppression import suppression_key
from promo_spark.storage.commits import Mark
from promo_spark.storage.maintenance import (
    Stored,
    delete_leftovers,
    delete_orphans,
    merge_files,
    stored,
    vacuum,
    without_days_before,
)

_JOB = "maintain"


def refuse_impossible(settings: MaintainSettings, business: BusinessSettings) -> None:
    """Raises SettingsError where retention names no table by days, or a file of persons cannot be made sense of."""
    if settings.persons and settings.readmit:
        raise SettingsError(
            "maintain.persons and maintain.readmit: erase and readmit persons in two runs, one after the other"
        )
    for setting, path in {"maintain.persons": settings.persons, "maintain.readmit": settings.readmit}.items():
        if path and ":/" not in path and not Path(path).is_file():
            raise no_such_file(setting, path)
    if settings.persons or settings.readmit:
        suppression_key(business.privacy.suppression_key_secret)
    for name in settings.retention:
        try:
            table = table_named(name)
        except SettingsError as unknown:
            raise SettingsError(f"maintain.retention: {unknown}") from None
        if table.day_column() is None:
            raise SettingsError(f"maintain.retention: {name} has no rows by day or date; none is older than others")


def kept_house(ctx: Context[MaintainSettings]) -> None:
    """Takes each table that there is in hand, and writes down what was done where something was."""
    lake, done = ctx.every_table, list[dict[str, Any]]()
    there = [table for table in ALL_TABLES if lake.exists(table)]
    if not there:
        raise MissingDataError(f"the lake {lake.catalog or lake.root} has no table: there is no house to keep")
    for table in there:
        ctx.say(table.full_name())
        done += _kept(ctx, table)
    delete_leftovers(lake, ctx.settings.orphan_hours, ctx.began)
    rows = sum(row[Maintenance.rows_removed] for row in done)
    freed = sum((row[Maintenance.bytes_before] - row[Maintenance.bytes_after]) for row in done if _deletes(row))
    merged = sum(row[Maintenance.step] == OPTIMIZE for row in done)
    ctx.note(f"{rows:,} rows taken out, {merged} tables merged, {freed / 1e6:,.1f} MB of files deleted")
    if done:
        ctx.write(Maintenance, done)


def mark_of(ctx: Context[MaintainSettings]) -> Mark:
    """What the commits of maintain say of themselves: that the results of the dates stay as they are."""
    return Mark(run=ctx.run_id, job=_JOB, keeps_content=True)


def _kept(ctx: Context[MaintainSettings], table: type[Table]) -> list[dict[str, Any]]:
    lake, settings, mark, done = ctx.every_table, ctx.settings, mark_of(ctx), []
    before = stored(lake, table)
    days = settings.retention.get(table.full_name())
    if days is not None:
        rows = without_days_before(lake, table, ctx.date - datetime.timedelta(days), mark, RETENTION)
        if rows:
            after = stored(lake, table)
            done.append(row_of(ctx, RETENTION, table, before.of_newest(), after.of_newest(), rows))
            before = after
    if merge_files(lake, table, before, settings.optimize_files, mark):
        after = stored(lake, table)
        done.append(row_of(ctx, OPTIMIZE, table, before.of_newest(), after.of_newest()))
        before = after
    if delete_orphans(lake, table, before, settings.orphan_hours, ctx.began):
        after = stored(lake, table)
        done.append(row_of(ctx, ORPHANS, table, before, after))
        before = after
    if vacuum(lake, table, before, settings.vacuum_hours, ctx.began, mark):
        after = stored(lake, table)
        if after.files != before.files:
            done.append(row_of(ctx, VACUUM, table, before, after))
    return done


def row_of(
    ctx: Context[MaintainSettings], step: str, table: type[Table], before: Stored, after: Stored, rows: int = 0
) -> dict[str, Any]:
    """What a step did to a table, as a row of ops.maintenance."""
    return {
        Maintenance.date: ctx.date,
        Maintenance.began_at: ctx.began,
        Maintenance.step: step,
        Maintenance.table: table.full_name(),
        Maintenance.rows_removed: rows,
        Maintenance.files_before: len(before.files),
        Maintenance.files_after: len(after.files),
        Maintenance.bytes_before: before.bytes,
        Maintenance.bytes_after: after.bytes,
    }


def _deletes(row: dict[str, Any]) -> bool:
    return row[Maintenance.step] in (ORPHANS, VACUUM)
