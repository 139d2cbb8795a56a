"""Tables taken in hand as files: days taken out, small files merged, files that no version needs deleted.

No row that stays is changed by it, and every commit says that it keeps the content. Files are deleted only while no run
of the suite is open: whoever calls these functions holds the lake alone. In a catalog, whose tables lie where it says,
files are left to VACUUM.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.housekeeping import RemovedRuns
from promo_spark.contracts.schema import Table
from promo_spark.storage import pages
from promo_spark.storage.commits import Mark, marked
from promo_spark.storage.files import Files, FileStatus
from promo_spark.storage.lake import Lake
from promo_spark.storage.literals import literal

CHECKPOINTS = ".checkpoints"  # a folder of the lake, on a cluster
_LOG = "/_delta_log/"
_PATH, _ROWS = "path", "rows_of_run"
_HOUR = 3_600_000  # in milliseconds
_NAMED = T.StructType([T.StructField(_PATH, T.StringType())])
_ACTIONS = ("add", "remove", "cdc")  # of a commit: those that name a file


@dataclass(frozen=True)
class Stored:
    """The data files of a table: all that lie in its folder, and the names of those that the newest version needs."""

    files: Sequence[FileStatus]
    current: Collection[str]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)

    def of_newest(self) -> Stored:
        """Those that the newest version needs."""
        return Stored([f for f in self.files if _name(f.path) in self.current], self.current)

    def not_needed(self, since: int) -> list[FileStatus]:
        """Files of earlier versions, and of none, that were written before a time in milliseconds."""
        return [f for f in self.files if _name(f.path) not in self.current and f.modified < since]


def stored(lake: Lake, table: type[Table]) -> Stored:
    """The table's files. In a catalog those of the newest version alone, of unknown size."""
    current = {_name(unquote(path)): path for path in lake.files(table)}
    if lake.catalog:
        return Stored([FileStatus(path, 0, 0) for path in current.values()], set(current))
    below = (f for f in Files(lake.spark).below(lake.path(table)) if _LOG not in f.path and f.path.endswith(".parquet"))
    return Stored(list(below), set(current))


def rows_of_runs(table: type[Table], rows: DataFrame) -> DataFrame:
    """One row per day, job and run of the rows of a table: day, job, removed_run, and their number."""
    day = F.col(table.day_column() or "").cast("string") if table.day_column() else F.lit("")
    job = F.col(table.written_by) if table.written_by else F.lit("")
    run = F.col(RemovedRuns.run_id) if RemovedRuns.run_id in table.columns() else F.lit("")
    named = {RemovedRuns.day: day, RemovedRuns.job: job, RemovedRuns.removed_run: F.coalesce(run, F.lit(""))}
    grouped = rows.select(*[column.alias(name) for name, column in named.items()]).groupBy(*named)
    return grouped.agg(F.count(F.lit(1)).alias(_ROWS))


def number_of(rows: Iterable[Row]) -> int:
    """How many rows there are of all runs of `rows_of_runs`."""
    return sum(row[_ROWS] for row in rows)


def run_of(row: Row) -> tuple[str, str, str]:
    """The day, job and run of a row of `rows_of_runs`."""
    return row.day, row.job, row.removed_run


def without_days_before(lake: Lake, table: type[Table], limit: datetime.date, mark: Mark, step: str) -> int:
    """Takes the days or dates before the limit out of a table; how many rows these were.

    The runs that wrote them are noted in ops.removed_runs first: a date that read them stays current.
    """
    column = table.day_column() or ""
    old = rows_of_runs(table, lake.read(table).filter(F.col(column) < F.lit(limit))).collect()  # a row per day and run
    if old:
        note_removed(lake, table, [run_of(r) for r in old], mark, step)
        with marked(lake.spark, mark):
            lake.spark.sql(f"DELETE FROM {lake.address(table)} WHERE {column} < {literal(table, limit)}")
    return number_of(old)


def note_removed(lake: Lake, table: type[Table], runs: Sequence[tuple[str, str, str]], mark: Mark, step: str) -> None:
    """Writes down which runs' rows, by day and job, are about to be taken out of a table."""
    same = {RemovedRuns.table: table.full_name(), RemovedRuns.step: step, RemovedRuns.run_id: mark.run}
    keys = (RemovedRuns.day, RemovedRuns.job, RemovedRuns.removed_run)
    lake.write(RemovedRuns, [same | dict(zip(keys, run, strict=True)) for run in sorted(set(runs))], mark=mark)


def merge_files(lake: Lake, table: type[Table], found: Stored, from_files: int, mark: Mark) -> bool:
    """Merges the small files of a table, if a day or date of it has so many files or more; whether it did."""
    needed = [f.path for f in found.files if _name(f.path) in found.current]
    by_folder = Counter(path.rsplit("/", 1)[0] for path in needed)
    if not from_files or max(by_folder.values(), default=0) < max(from_files, 2):
        return False
    if not lake.small.files_merged(table, mark):
        with marked(lake.spark, mark):
            lake.spark.sql(f"OPTIMIZE {lake.address(table)}")
    return True


def delete_orphans(lake: Lake, table: type[Table], found: Stored, hours: int, now: int) -> list[FileStatus]:
    """Deletes files that no version ever named, as killed runs leave; which these were.

    A file of an earlier version stays, as does one that was written in the last hours: others may write, too.
    """
    unnamed = [] if lake.catalog else found.not_needed(now - hours * _HOUR)
    if unnamed:
        named = _named_in_log(lake, table)
        unnamed = [file for file in unnamed if _name(file.path) not in named]
    for file in unnamed:
        Files(lake.spark).delete(file.path)
    return unnamed


def delete_leftovers(lake: Lake, hours: int, now: int) -> None:
    """Deletes what killed runs left beside the tables: what fits iterate on, and pages that were half written."""
    if lake.catalog:
        return
    files, checkpoints = Files(lake.spark), f"{lake.root}/{CHECKPOINTS}"
    own = lake.spark.sparkContext.getCheckpointDir() or ""
    for name in files.names(checkpoints):
        if not own.endswith(f"/{name}"):
            files.delete_folder(f"{checkpoints}/{name}")
    for file in list(files.below(f"{lake.root}/{pages.FOLDER}")):
        if file.path.endswith(pages.UNFINISHED) and file.modified < now - hours * _HOUR:
            files.delete(file.path)


def delete_own_checkpoints(spark: SparkSession) -> None:
    """Deletes what the session's jobs computed once, or iterated on: rows of users stand in it."""
    if folder := spark.sparkContext.getCheckpointDir():
        Files(spark).delete_folder(folder)


def vacuum(lake: Lake, table: type[Table], found: Stored, hours: int, now: int, mark: Mark) -> bool:
    """Deletes files that have not been needed for so many hours; whether there can have been any."""
    if not lake.catalog and not found.not_needed(now - hours * _HOUR):
        return False
    if not lake.small.vacuumed(table, hours, mark):
        lake.spark.sql(f"VACUUM {lake.address(table)} RETAIN {hours} HOURS").count()
    return True


def _named_in_log(lake: Lake, table: type[Table]) -> set[str]:
    """The names of all files that the commits and checkpoints of the table's log name."""
    spark, log = lake.spark, f"{lake.path(table)}{_LOG}"
    below = [f.path for f in Files(spark).below(log)]
    commits, checkpoints = ([p for p in below if p.endswith(ending)] for ending in (".json", ".parquet"))
    named: set[str] = set()
    if commits:
        actions = T.StructType([T.StructField(action, _NAMED) for action in _ACTIONS])
        named |= _names(spark.read.schema(actions).json(commits))
    for checkpoint in checkpoints:  # each has columns of its own
        named |= _names(spark.read.parquet(checkpoint))
    return named


def _names(actions: DataFrame) -> set[str]:
    """The names of the files that actions of a log name; a log does not grow with the users."""
    paths = [F.col(f"{action}.path") for action in _ACTIONS if action in actions.columns]
    if not paths:
        return set()
    rows = actions.select(F.explode(F.array(*paths)).alias(_PATH)).filter(F.col(_PATH).isNotNull()).collect()
    return {_name(unquote(row[_PATH])) for row in rows}


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]
