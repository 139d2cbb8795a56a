"""What tables and files hold about persons: found by their ids, and taken out so that no byte of it is left.

Rows are deleted by a join, never by a predicate: a predicate would stand in the log, with the ids in it. Delta keeps no
statistics of personal columns, so that the log names nobody. What an earlier version still needs is deleted with its
files: whoever calls these functions holds the lake alone.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable, Sequence

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.housekeeping import RemovedRuns
from promo_spark.contracts.schema import Personal, Table
from promo_spark.measures.computed import computed
from promo_spark.storage.arrow_tables import folder_of
from promo_spark.storage.commits import Mark, marked
from promo_spark.storage.files import Files
from promo_spark.storage.lake import Lake
from promo_spark.storage.maintenance import note_removed, number_of, rows_of_runs, run_of, stored

ID, PATTERN = "_id", "_pattern"


def id_columns(table: type[Table]) -> list[str]:
    """The columns that say whom a row is about."""
    return [c for c, kind in table.personal().items() if kind is Personal.IDENTIFIER]


def rows_about(lake: Lake, table: type[Table], ids: Sequence[str]) -> DataFrame:
    """The rows of a table that are about these persons. The ids stand in no plan."""
    listed = lake.spark.createDataFrame([(i,) for i in ids], f"{ID} string")
    rows = lake.read(table)
    named = functools.reduce(Column.__or__, [F.col(c) == F.col(ID) for c in id_columns(table)])
    return rows.join(F.broadcast(listed), named, "left_semi")


def named_in(lake: Lake, table: type[Table], ids: Sequence[str]) -> set[str]:
    """Which of these ids a table names: as many at most as were asked for."""
    listed = lake.spark.createDataFrame([(i,) for i in ids], f"{ID} string")
    columns = F.explode(F.array(*[F.col(c) for c in id_columns(table)]))
    named = lake.read(table).select(columns.alias(ID)).join(F.broadcast(listed), ID, "left_semi")
    return {row[ID] for row in named.distinct().collect()}


def rows_with_texts(rows: DataFrame, column: str, texts: Iterable[str]) -> DataFrame:
    """The rows in whose column one of these texts stands, as a word of its own."""
    patterns = [(pattern_of(text),) for text in sorted(set(texts))]
    listed = rows.sparkSession.createDataFrame(patterns, f"{PATTERN} string")
    return rows.join(F.broadcast(listed), F.rlike(F.col(column), F.col(PATTERN)), "left_semi")


def pattern_of(text: str) -> str:
    """A pattern, read alike by Java and Python, of the text where no letter or digit goes on before or after it.

    >>> bool(re.search(pattern_of("12.5"), '{"id":"12.5"}')), bool(re.search(pattern_of("12"), "2012"))
    (True, False)
    """
    return rf"(?<![A-Za-z0-9]){re.escape(text)}(?![A-Za-z0-9])"


def delete_rows(lake: Lake, table: type[Table], rows: DataFrame, by: Sequence[str], mark: Mark, step: str) -> int:
    """Deletes these rows of a table, and all others with the same values in the columns `by`; how many there were.

    A run of which no row is left on a day is noted first, so that dates that read its rows stay current.
    """
    # They are asked twice, and to find them is a pass over the table. Of what stands in them only this is put aside.
    kept = (*by, table.day_column(), table.written_by, RemovedRuns.run_id)
    found = computed(rows.select(*dict.fromkeys(c for c in kept if c in rows.columns)))
    gone = rows_of_runs(table, found).collect()  # a row per day and run
    if not gone:
        return 0
    keys = found.select(*by).distinct()
    left = {run_of(r) for r in rows_of_runs(table, lake.read(table).join(keys, list(by), "left_anti")).collect()}
    lost = [run for run in map(run_of, gone) if run not in left]
    if lost:
        note_removed(lake, table, lost, mark, step)
    if lake.small.without(table, keys, mark):
        return number_of(gone)
    on = " AND ".join(f"old.`{c}` <=> gone.`{c}`" for c in by)
    with marked(lake.spark, mark):
        delta = DeltaTable.forPath(lake.spark, lake.path(table))
        delta.alias("old").merge(keys.alias("gone"), on).whenMatchedDelete().execute()
    return number_of(gone)


def delete_earlier_versions(lake: Lake, table: type[Table]) -> None:
    """Deletes every file that the newest version does not need."""
    delete_files(lake, [file.path for file in stored(lake, table).not_needed(sys.maxsize)])


def files_with_texts(lake: Lake, folder: str, texts: Iterable[str], named: re.Pattern[str] | None = None) -> list[str]:
    """The files of text in a folder, or those that are named so, in which one of these stands as a word of its own."""
    files, patterns = Files(lake.spark), [re.compile(pattern_of(text)) for text in sorted(set(texts))]
    found = []
    for file in files.below(folder):
        if named and not named.search(file.path):
            continue
        text = files.text(file.path)
        if any(pattern.search(text) for pattern in patterns):
            found.append(file.path)
    return found


def is_below(lake: Lake, path: str) -> bool:
    """Whether a folder lies in the lake's."""
    inner, outer = (folder_of(p) or p for p in (path, lake.root))
    return f"{inner}/".startswith(f"{outer}/")


def delete_files(lake: Lake, paths: Iterable[str]) -> None:
    for path in paths:
        Files(lake.spark).delete(path)
