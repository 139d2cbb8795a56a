"""Which rows a delivery of single rows brings: of a change feed the newest version of each key."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from promo_spark.contracts.raw_rows import Change, RawRow
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import OrderLines, Sourced
from promo_spark.errors import SettingsError

_RANK = "_nth"
_CURRENT = ("insert", "update_postimage")


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
    """Change feed → current rows and deleted keys. The newest version of a key wins.

    Where a version has the row before and after an update, the row after counts. A row before an update whose key
    no row of the version has is deleted: its key was changed. A row with a null in its key cannot be matched to older
    versions: inserts and updates go on, and the checks reject them by name; deletes are ignored.
    """
    now = F.col(f"{RawRow.raw}.{Change.kind}").isin(*_CURRENT)
    keyed = F.lit(True)
    for column in table.key:
        keyed = keyed & F.col(column).isNotNull()
    by_key = Window.partitionBy(*table.key).orderBy(F.col(f"{RawRow.raw}.{Change.version}").desc(), now.desc())
    # Of two rows with one key in one version neither is dropped here: that is a doubled key, to be judged as such.
    ranked = changes.withColumn(_RANK, F.rank().over(by_key))
    last = ranked.filter(~keyed | (F.col(_RANK) == 1)).drop(_RANK)
    gone = last.filter(keyed & ~now).select(*table.key).distinct()
    return last.filter(now), gone


def no_longer_there(table: type[Table], silver: DataFrame, rows: DataFrame, path: str) -> DataFrame:
    """One row per key that silver has from the table at the path and that the table no longer has. Silver → keys.

    Such rows came by a run that was killed before it was recorded, or under an earlier name of the source.
    """
    of_feed = silver.filter(F.col(Sourced.source_file).startswith(f"{path}@"))
    return of_feed.select(*table.key).join(rows.select(*table.key), on=list(table.key), how="left_anti")
