"""A Delta table as its data files: what a version has that an earlier one had not, without a change feed.

Data files are never changed: rows that are updated or deleted lead to other files, or to a file's list of deleted rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.errors import SourceError
from promo_spark.storage.jvm import data_files, newest_snapshot, rows_of_data_files
from promo_spark.storage.landing import refusing_unreadable
from promo_spark.storage.source_files import SourceFile, in_utc

_FILE_NAME = "_metadata.file_name"
_NAME, _SIZE, _TIME, _DELETED = "name", "size", "time", "deleted"


@dataclass(frozen=True)
class DeltaFiles:
    """The newest version of a table, held: what is written there meanwhile is not in it."""

    path: str
    files: Mapping[str, SourceFile]
    _table: DeltaTable = field(repr=False)
    _snapshot: Any = field(repr=False)

    def rows(self, names: Collection[str]) -> DataFrame:
        """The rows of these files, all of them or some, and of each row its file as `address` names it."""
        chosen = None if len(names) == len(self.files) else F.element_at(F.split("path", "/"), -1).isin(sorted(names))
        with refusing_unreadable(self.path):
            return rows_of_data_files(self._table, self._snapshot, chosen)

    def address(self, name: str) -> str:
        """The file as rows of silver name it."""
        return f"{self.path}/{name}"


def row_file(path: str) -> Any:
    """The column that says which file a row of the table at the path is of."""
    return F.concat(F.lit(f"{path}/"), F.col(_FILE_NAME))


def delta_files(spark: SparkSession, path: str) -> DeltaFiles:
    """The data files of the table at a path. Raises SourceError where there is no Delta table."""
    with refusing_unreadable(path):
        table = DeltaTable.forPath(spark, path)
        snapshot = newest_snapshot(table)
        deleted = F.concat_ws(":", *[F.col(f"deletionVector.{c}") for c in ("storageType", "pathOrInlineDv", "offset")])
        rows = data_files(spark, snapshot).select(
            F.element_at(F.split("path", "/"), -1).alias(_NAME),
            F.col("size").alias(_SIZE),
            F.timestamp_millis("modificationTime").alias(_TIME),
            F.coalesce(deleted, F.lit("")).alias(_DELETED),
        )
        listed = sorted(tuple(row) for row in rows.collect())  # as many as the table has files
    files = {
        name: SourceFile(name, f"{path}/{name}", size, in_utc(time), f"{name} {deleted}".strip())
        for name, size, time, deleted in listed
    }
    if len(files) < len(listed):
        raise SourceError(f'source {path} has data files of the same name in several folders; set read = "all" for it')
    return DeltaFiles(path, files, table, snapshot)
