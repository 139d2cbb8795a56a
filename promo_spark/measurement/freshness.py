"""How old the newest rows of what the shop delivers are: effects of days that nobody delivered would be none."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Events, Inventory, OrderLines
from promo_spark.measurement.check_rows import ALARM, OK, CheckRow, check_row

CHECK = "freshness"
_ROWS = "rows"


def freshness(
    lines: DataFrame,
    events: DataFrame | None,
    inventory: DataFrame | None,
    *,
    date: datetime.date,
    oldest_days: int,
) -> list[CheckRow]:
    """One row per table that has rows: days from its newest day to the day before the date. Silver → Checks.

    n is how many rows that day has. Days from the date on do not count. A shop need not deliver events or stock: where
    there are none, nothing is said; without order lines it is an alarm.
    """
    tables: list[tuple[type[Table], DataFrame | None]] = [(OrderLines, lines), (Events, events), (Inventory, inventory)]
    told = (_of_table(table, rows, date, oldest_days) for table, rows in tables if rows is not None)
    return [row for row in told if row is not None]


def _of_table(table: type[Table], rows: DataFrame, date: datetime.date, oldest_days: int) -> CheckRow | None:
    name, (day, *_) = table.full_name(), table.partition
    days = rows.filter(F.col(day) < F.lit(date)).groupBy(day).agg(F.count(F.lit(1)).alias(_ROWS))
    newest = days.orderBy(F.desc(day)).limit(1).collect()
    if not newest:
        if table is not OrderLines:
            return None
        message = f"{name} has no row before {date}: see what ingest took in (ops.files) and what it refused"
        return check_row(CHECK, name, value=None, threshold=oldest_days, n=0, outcome=ALARM, message=message)
    last, count = newest[0]
    age = (date - last).days - 1
    stale = age > oldest_days
    message = (
        f"the newest rows of {name} are of {last}, {age} days before the last day that could be there; more than "
        f"{oldest_days} is an alarm: see whether the shop delivers, and whether ingest took it in (ops.files, "
        "quarantine)"
    )
    return check_row(
        CHECK,
        name,
        value=float(age),
        threshold=oldest_days,
        n=count,
        outcome=ALARM if stale else OK,
        message=message if stale else None,
    )
