"""Changes of a Delta table since a run last took them: inserts, updates and deletes, as raw rows.

The first time all rows of the newest version are taken, later the change data of the versions since. Where a run
left off is kept with the run (ops.runs), so that a killed run leaves no position: the next one takes the same
changes again, and merging them by key gives the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import Change, RawRow
from promo_spark.errors import SourceError
from promo_spark.storage.jvm import JvmError, SparkFailure

R = TypeVar("R")

_COMMITTED_AT = "_commit_timestamp"
ENABLED = "delta.enableChangeDataFeed"


@dataclass(frozen=True)
class Position:
    """A version of a table, and the table's own id: one that was made anew counts its versions anew."""

    table_id: str
    version: int


def newest(spark: SparkSession, name: str, path: str) -> Position:
    """The table's newest version. Raises SourceError where there is no Delta table, or none with a change feed."""

    def detail_and_version() -> tuple[str, dict[str, str], int]:
        table = DeltaTable.forPath(spark, path)
        detail, last = table.detail().first(), table.history(1).first()
        assert detail is not None and last is not None
        return detail.id, detail.properties, int(last.version)

    table_id, properties, version = refusing_unreadable(name, path, detail_and_version)
    if str(properties.get(ENABLED, "false")).lower() != "true":
        raise SourceError(
            f"source {name}: {path} keeps no change feed; have its owner run "
            f'ALTER TABLE delta.`{path}` SET TBLPROPERTIES ({ENABLED} = true), or read it with format = "delta"'
        )
    return Position(table_id, version)


def changed_rows(
    spark: SparkSession, name: str, path: str, taken: int | None, to: Position, columns: Sequence[str]
) -> DataFrame:
    """One row per row inserted, updated (before and after) or deleted since version `taken`, up to `to`.

    Without `taken` each row of version `to`, as an insert. The raw row carries what kind of change it is and of
    which version. Raises SourceError where change data of a version in between is gone, or a column missing.
    """
    if taken is not None and taken > to.version:
        raise SourceError(
            f"source {name}: {path} is at version {to.version}, but version {taken} of it was taken before: it was put "
            "back to an older copy. Give the source another name to begin with all of its rows again"
        )
    reader = spark.read.format("delta")
    if taken is None or taken == to.version:
        df = refusing_unreadable(name, path, lambda: reader.option("versionAsOf", str(to.version)).load(path))
        df = df.withColumns({Change.kind: F.lit("insert"), Change.version: F.lit(to.version).cast("long")})
        df = df.filter(F.lit(taken is None))
    else:
        feed = reader.option("readChangeFeed", "true").option("startingVersion", str(taken + 1))
        df = refusing_unreadable(name, path, lambda: feed.option("endingVersion", str(to.version)).load(path))
        df = df.drop(_COMMITTED_AT)
    missing = [c for c in columns if c not in df.columns]
    if missing:
        raise SourceError(
            f"source {name}: {path} lacks the columns {', '.join(missing)}; it has: {', '.join(df.columns)}"
        )
    return df.select(
        *[F.col(f"`{c}`") for c in columns],
        F.struct(*[F.col(f"`{c}`") for c in df.columns]).alias(RawRow.raw),
        F.concat(F.lit(f"{path}@"), F.col(Change.version).cast("string")).alias(RawRow.file),
        F.lit(False).alias(RawRow.blank),
        F.lit(False).alias(RawRow.broken),
    )


def refusing_unreadable(name: str, path: str, read: Callable[[], R]) -> R:
    """What `read` gives. What Delta refuses becomes a SourceError that says what to do."""
    try:
        return read()
    except SparkFailure as error:
        text = str(error)
        line = next((x.strip() for x in text.splitlines() if x.strip()), "")
        gone = ("CHANGE_DATA", "CDC", "CHANGE_TABLE_FEED", "Change.version", "FILE_NOT", "FileNotFound", "not exist")
        if isinstance(error, JvmError):
            line = next((x.strip(": ") for x in text.splitlines() if "Exception: " in x), line)
        why = "cannot be read"
        if any(mark in text for mark in gone) and "PATH_NOT_FOUND" not in text and "MISSING_DELTA_TABLE" not in text:
            why = (
                "no longer has all changes since they were last taken (its change feed was off for a while, or VACUUM "
                "or the clean-up of its log removed them). Give the source another name to begin with all of its rows "
                "again"
            )
        raise SourceError(f"source {name}: {path} {why}; nothing was loaded. What Delta said: {line[:300]}") from error
