"""What a delivery holds: all rows of its days, or single rows; and of a change feed, each key's last word."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from promo_spark.contracts.raw_rows import Change, RawRow
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import OrderLines
from promo_spark.errors import SettingsError

_THERE_NOW = ("insert", "update_postimage")


def checked_rows_delivery(name: str, table: type[Table], columns: Iterable[str]) -> None:
    """Raises SettingsError where rows delivered one by one could not be told apart by the source's own key.

    Numbers that ingest counts out itself depend on which other lines are delivered along.
    """
    if table is OrderLines and OrderLines.line_no not in set(columns):
        raise SettingsError(
            f'ingest.sources.{name}: a delivery of rows (delivery = "rows", or a change feed) needs line_no from the '
            "source: lines numbered at each delivery anew would replace other lines of their order. "
            'Map a column that numbers the lines, or deliver whole days (delivery = "whole_days")'
        )


def latest_changes(table: type[Table], changes: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Rows as they are now, and the keys that are gone. Candidates of a change feed → candidates, keys.

    Of each key the newest version counts. Where a version has the row before and after an update, the row after
    counts; a row before whose key no row of the version has is gone: its key was changed. Rows without a whole
    key are nobody's last word: as they are now they go on to be rejected by name, as they were they never came in.
    """
    now = F.col(f"{RawRow.raw}.{Change.kind}").isin(*_THERE_NOW)
    keyed = F.lit(True)
    for column in table.key:
        keyed = keyed & F.col(column).isNotNull()
    by_key = Window.partitionBy(*table.key).orderBy(F.col(f"{RawRow.raw}.{Change.version}").desc(), now.desc())
    # Of two rows with one key in one version neither is dropped here: that is a doubled key, to be judged as such.
    ranked = changes.withColumn("_nth", F.rank().over(by_key))
    last = ranked.filter(~keyed | (F.col("_nth") == 1)).drop("_nth")
    gone = last.filter(keyed & ~now).select(*table.key).distinct()
    return last.filter(now), gone


def no_longer_there(table: type[Table], silver: DataFrame, rows: DataFrame, path: str) -> DataFrame:
    """Keys that silver has from the table at the path, and that it no longer has. Silver, all its rows → keys.

    What a run took that was killed before it could say so, or one of the source's earlier name.
    """
    of_feed = silver.filter(F.col("source_file").startswith(f"{path}@"))
    return of_feed.select(*table.key).join(rows.select(*table.key), on=list(table.key), how="left_anti")
