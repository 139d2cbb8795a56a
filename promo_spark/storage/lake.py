"""The Delta tables of the suite: read by contract, written atomically and idempotently.

A write replaces exactly what its contract's WriteMode says, in one Delta commit: a killed job leaves the
old rows or the new ones, never a mixture, and a repeated job leaves the same rows.
"""

from __future__ import annotations

import datetime
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.schema import Col, Table, WriteMode
from promo_spark.errors import ContractError, MissingDataError, SettingsError
from promo_spark.storage.arrow_tables import folder_of
from promo_spark.storage.commits import Commit, Mark, commit, commit_of, marked, touched_partitions
from promo_spark.storage.driver_rows import Rows
from promo_spark.storage.files import Files
from promo_spark.storage.gained_columns import gained, refuse_newer, with_gained
from promo_spark.storage.jvm import SparkFailure, delta_log, jvm, newest_snapshot
from promo_spark.storage.literals import SliceValue, days_in_slice, literal, text_literal
from promo_spark.storage.merges import ROW, STAYS, compared, merged
from promo_spark.storage.refused_rows import readable, refusing_others
from promo_spark.storage.repetition import changed_days, holds
from promo_spark.storage.small_tables import SmallTables

_GONE = "_gone"
REMOVED_BY = "promo_spark.removed_by"  # a property of the table


@dataclass(frozen=True)
class Written:
    """What a write left behind: the table's Delta version, and the frame's rows that the table holds by it.

    Days whose rows were there already are not written again, but counted.
    """

    version: int
    rows: int


class Lake:
    """All tables under one root path, or in one catalog."""

    def __init__(self, spark: SparkSession, root: str, catalog: str = "", schema_prefix: str = "") -> None:
        if not root and not catalog:
            raise SettingsError("lake.root is empty and no lake.catalog is set: say where the tables lie")
        if ".." in root.split("/"):
            raise SettingsError(f"lake.root is {root!r}: '..' is not allowed, write the path out")
        self.spark = spark
        self.root = root.rstrip("/") or "/"
        self.catalog = catalog
        self.schema_prefix = schema_prefix
        self.small = SmallTables(spark, "" if catalog else folder_of(root))
        self._locks: defaultdict[type[Table], threading.Lock] = defaultdict(threading.Lock)

    def path(self, table: type[Table]) -> str:
        return f"{self.root}/{table.layer}/{table.name}"

    def address(self, table: type[Table]) -> str:
        """The table as SQL names it."""
        return f"{self._schema(table)}.{table.name}" if self.catalog else f"delta.`{self.path(table)}`"

    def _schema(self, table: type[Table]) -> str:
        return f"{self.catalog}.{self.schema_prefix}{table.layer}"

    def exists(self, table: type[Table]) -> bool:
        if self.catalog:
            return bool(self.spark.catalog.tableExists(self.address(table)))
        here = self.small.exists(table)
        return bool(DeltaTable.isDeltaTable(self.spark, self.path(table))) if here is None else here

    def read(self, table: type[Table], version: int | None = None, date: datetime.date | None = None) -> DataFrame:
        """All rows, conformed, of the newest or the given version; a column that the contract gained since is null.

        With `date`, of a table by date, the rows of it alone. Raises MissingDataError or ContractError.
        """
        if not self.exists(table):
            raise MissingDataError(f"{table.full_name()} is not in the lake {self.catalog or self.root}")
        rows = self.small.frame(table, version, date)
        if rows is None:
            rows = self._stored(table, version)
            if date is not None and table.dated_by:
                rows = rows.filter(F.col(table.dated_by) == F.lit(date))
        refuse_newer(table, rows.schema)
        return table.conform(with_gained(table, rows))

    def version(self, table: type[Table]) -> int | None:
        """The newest Delta version, or None where there is no table."""
        local = self.small.version(table)
        return local if local is not None else self._newest(table) if self.exists(table) else None

    def write(
        self,
        table: type[Table],
        df: DataFrame | Rows,
        slice_values: Mapping[str, SliceValue] | None = None,
        by_key: bool = False,
        gone: DataFrame | None = None,
        mark: Mark | None = None,
    ) -> Written:
        """The rows, of a frame or of the driver, in place of those its WriteMode says, in one commit.

        `slice_values` names the value of each partition column for REPLACE_DATE and REPLACE_SLICE; a list for
        another column narrows what is replaced to the rows that have one of its values. For REPLACE_DAYS a list of days
        names those that are replaced, also where the frame has no row of them. With `by_key` rows are
        merged by their key whatever the WriteMode: the other rows of their days stay, and a row whose day has
        changed moves. `gone` are keys whose rows are deleted in the same commit. `mark` is what the commit says of
        itself.
        Raises ContractError, with the row's key, when a row breaks the contract; nothing is then written.
        """
        # Two jobs of one pipeline may write the same table, such as models.metrics: one after the other.
        with self._locks[table]:
            merges = by_key or gone is not None
            if not isinstance(df, DataFrame):
                committed = None if merges else self.small.committed(table, df, slice_values or {}, mark)
                if committed is not None:
                    return Written(*committed)
                df = table.frame(self.spark, df).coalesce(1)
            exists = self.exists(table)
            before = None
            if exists:
                stored = self.small.schema(table) or self._stored(table).schema
                refuse_newer(table, stored)
                self._add_columns(table, gained(table, stored))
                before = self._newest(table)
            rows = table.enforced(df)
            try:
                taken = None if merges else self.small.taken(table, rows, slice_values or {}, mark)
                if taken is not None:
                    return Written(*taken)
                there = 0
                if exists and (merges or table.write_mode is WriteMode.MERGE):
                    self._merge(table, rows, gone, mark)
                elif exists and table.layer == "silver" and table.write_mode is WriteMode.REPLACE_DAYS:
                    given = days_in_slice(table, slice_values or {})
                    days, there = changed_days(table, rows, self._conformed(table), given)
                    if days:
                        rows = rows.filter(F.col(table.partition[0]).isin(days))
                        self._replace(table, rows, {table.partition[0]: days}, exists, mark)
                elif exists and table.layer == "silver" and holds(table, rows, self._conformed(table)):
                    there = self.read(table).count()
                else:
                    self._replace(table, rows, slice_values or {}, exists, mark)
            except SparkFailure as error:
                raise readable(error) from error
            version = self._newest(table)
            if version == before:  # there was nothing to write
                return Written(version, there)
            return Written(version, there + self._commit(table, version).rows_written)

    def take_back(
        self, table: type[Table], version: int | None, slice_values: Mapping[str, SliceValue], run: str
    ) -> None:
        """The table as it was at a version before the run wrote it; without one, as an empty table.

        Where others have written their own dates or slices since, only the run's slice is put back.
        """
        if not self.exists(table) or self.version(table) == version:
            return
        mark = Mark(run=run)
        with self._locks[table]:
            since = self.commits_since(table, -1 if version is None else version)
            of_others = [c for c in since if c is None or c.mark is None or c.mark.run != run]
            condition = " AND ".join(f"{c} = {literal(table, v)}" for c, v in slice_values.items())
            if condition and of_others and version is not None:
                earlier = self._stored(table, version).filter(condition)
                writer = earlier.write.format("delta").mode("overwrite").option("replaceWhere", condition)
                self._save(table, writer.option("userMetadata", mark.text()))
                return
            if version is not None and self.small.restored(table, version, mark):  # no query, as Delta makes several
                return
            with marked(self.spark, mark):
                if version is None:
                    self._delta(table).delete(condition or None)
                else:
                    self._delta(table).restoreToVersion(version)

    def restore(self, table: type[Table], version: int) -> None:
        """The table as it was at a version, in a commit of its own."""
        self._delta(table).restoreToVersion(version)

    def files(self, table: type[Table], version: int | None = None) -> list[str]:
        """The files that hold the rows of a version."""
        here = self.small.files(table) if version is None else None
        return list(self._stored(table, version).inputFiles()) if here is None else here

    def make_room(self, table: type[Table], since: int) -> int:
        """Deletes files that a write which did not end left; how many bytes these were.

        No commit names them. Only files count that are no older than `since`, in milliseconds by the clock of the
        lake's file system. To be called by the only run that writes the table.
        """
        if self.catalog or not self.exists(table):
            return 0
        current = {file.rsplit("/", 1)[-1] for file in self.files(table)}
        files, freed = Files(self.spark), 0
        jvm(self.spark).System.gc()  # closes what failed writers left open: an open file keeps its room when deleted
        # The largest first: also to empty a file takes a little room, of its checksum.
        for file in sorted(files.below(self.path(table)), key=lambda file: -file.size):
            name = file.path.rsplit("/", 1)[-1]
            if "/_delta_log/" not in file.path and file.modified >= since and quote(name) not in current:
                if file.size:
                    files.write(file.path, "")  # emptied first, should it still be open
                files.delete(file.path)
                freed += file.size
        return freed

    def runs_of(self, table: type[Table], version: int | None, condition: Column | None = None) -> DataFrame:
        """One row per run that wrote rows of the table, or the rows that meet a condition: run_id."""
        rows = self._stored(table, version)
        if condition is not None:
            rows = rows.filter(condition)
        run = F.col("run_id") if "run_id" in rows.columns else F.lit(None).cast("string")
        return rows.select(run.alias("run_id")).distinct()

    def removed_by(self, table: type[Table]) -> str:
        """The newest run that only took rows out of the table; empty: none. No row that is left says so."""
        snapshot = self.log(table).unsafeVolatileSnapshot()
        found = snapshot.metadata().configuration().get(REMOVED_BY)
        return str(found.get()) if found.isDefined() else ""

    def changed_by_others(
        self, table: type[Table], since: int, concerns: Callable[[Mapping[str, str]], bool]
    ) -> Commit | None:
        """The newest commit after a version with which somebody outside the suite may have changed rows.

        Only commits that touch a partition which `concerns` names count. What Delta has cleaned up of its log is not
        looked at.
        """
        for one in reversed(self.commits_since(table, since)):
            if one is not None and one.may_change_rows:
                touched = touched_partitions(self.log(table), jvm(self.spark), one.version)
                if any(concerns(partition) for partition in touched):
                    return one
        return None

    def commits_since(self, table: type[Table], since: int) -> list[Commit | None]:
        """The commits after a version, oldest first; None for those that Delta has cleaned up."""
        newest = self._newest(table)
        return [self._commit_if_there(table, v) for v in range(since + 1, newest + 1)]

    def _replace(
        self,
        table: type[Table],
        rows: DataFrame,
        slice_values: Mapping[str, SliceValue],
        exists: bool,
        mark: Mark | None,
    ) -> None:
        """Writes, if there is anything to write; a table that is not there yet is made, if need be empty."""
        if table.partition:  # few whole files: small days share a task, a large one is cut into several
            rows = rows.hint("rebalance", *table.partition)
        finds_days = table.write_mode is WriteMode.REPLACE_DAYS  # in a pass over the rows, for nothing in a new table
        predicate = self._predicate(table, rows, slice_values) if exists or not finds_days else None
        if predicate == "" and exists:
            return
        # Where nothing is to be replaced, Delta need not look for it.
        added = not exists or table.write_mode is WriteMode.APPEND
        if predicate and exists and self.small.is_empty(table, slice_values):
            added, rows = True, rows.filter(refusing_others(table, predicate))
        writer = rows.write.format("delta").mode("append" if added else "overwrite")
        if table.partition:
            writer = writer.partitionBy(*table.partition)
        if not exists:
            named = {"delta.dataSkippingStatsColumns": ",".join(table.statistics)}
            writer = writer.options(**(named if table.statistics else {"delta.dataSkippingNumIndexedCols": "0"}))
        if predicate and not added:
            writer = writer.option("replaceWhere", predicate)
        if mark is not None:
            writer = writer.option("userMetadata", mark.text())
        self._save(table, writer)

    def _save(self, table: type[Table], writer: DataFrameWriter) -> None:
        if self.catalog:
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {self._schema(table)}")
            writer.saveAsTable(self.address(table))
        else:
            writer.save(self.path(table))

    def _predicate(self, table: type[Table], rows: DataFrame, slice_values: Mapping[str, SliceValue]) -> str | None:
        """The replaceWhere text; None: the whole table or an append; empty: there is nothing to write."""
        if table.write_mode in (WriteMode.REPLACE_DATE, WriteMode.REPLACE_SLICE):
            missing = [p for p in table.partition if p not in slice_values]
            if missing:
                raise ContractError(f"{table.full_name()}: a write must say which {', '.join(missing)} it replaces")
            parts = [f"{p} = {literal(table, slice_values[p])}" for p in table.partition]
            for column, values in slice_values.items():
                if not isinstance(values, (str, datetime.date)):
                    if not values:
                        return ""
                    parts.append(f"{column} IN ({', '.join(text_literal(str(v)) for v in values)})")
            return " AND ".join(parts)
        if table.write_mode is WriteMode.REPLACE_DAYS:
            day = table.partition[0]
            days = days_in_slice(table, slice_values) or self._days_in(rows.select(day))
            return f"{day} IN ({', '.join(literal(table, d) for d in days)})" if days else ""
        return None

    def _merge(self, table: type[Table], rows: DataFrame, gone: DataFrame | None, mark: Mark | None) -> None:
        """New keys in, changed rows updated, gone keys out; where only the run differs, the row stays as it was."""
        if gone is None and not table.partition and self.small.is_rewritten(table):
            self._rewrite_merged(table, rows, mark)
            return
        on = " AND ".join(f"old.{k} = new.{k}" for k in table.key)
        if table.partition:
            keys = rows.select(*table.key)
            days = self._days_of(table, rows, keys if gone is None else keys.unionByName(gone.select(*table.key)))
            if not days:
                return
            on = f"old.{table.partition[0]} IN ({', '.join(literal(table, d) for d in days)}) AND {on}"
        if gone is not None:
            gone = gone.select(*table.key).withColumn(_GONE, F.lit(True))
            rows = rows.withColumn(_GONE, F.lit(False)).unionByName(gone, allowMissingColumns=True)
        changed = " OR ".join(f"NOT (old.{c} <=> new.{c})" for c in compared(table)) or "false"
        merge = self._delta(table).alias("old").merge(rows.alias("new"), on)
        if gone is not None:
            merge = merge.whenMatchedDelete(condition=f"new.{_GONE}")
        merge = merge.whenMatchedUpdateAll(condition=changed)
        merge = merge.whenNotMatchedInsertAll(condition=None if gone is None else f"NOT new.{_GONE}")
        if gone is not None and mark is not None and not mark.replaces:
            # First, so that a run which is killed between the two is run again and not taken for done.
            properties = f"'{REMOVED_BY}' = '{mark.run}'"
            with marked(self.spark, mark):
                self.spark.sql(f"ALTER TABLE {self.address(table)} SET TBLPROPERTIES ({properties})")
        with marked(self.spark, mark):
            merge.execute()

    def _rewrite_merged(self, table: type[Table], rows: DataFrame, mark: Mark | None) -> None:
        """A merge in one query; nothing is written where nothing changed."""
        rows = merged(table, self._conformed(table), rows).persist()
        try:
            if not rows.filter(~F.col(STAYS)).isEmpty():
                self._replace(table, rows.select(f"{ROW}.*"), {}, True, mark)
        finally:
            rows.unpersist()

    def _days_of(self, table: type[Table], rows: DataFrame, keys: DataFrame) -> list[datetime.date]:
        """The days that a merge touches: those of the rows, and those on which their keys stand now.

        Looking for the keys reads only them and their days, where the merge itself reads every column of its days.
        """
        day = table.partition[0]
        stored = self._stored(table).join(keys, on=list(table.key), how="left_semi").select(day)
        return self._days_in(rows.select(day).unionByName(stored))

    def _days_in(self, days: DataFrame) -> list[datetime.date]:
        return sorted(r[0] for r in days.distinct().collect())

    def _stored(self, table: type[Table], version: int | None = None) -> DataFrame:
        reader = self.spark.read if version is None else self.spark.read.option("versionAsOf", version)
        if self.catalog:
            return reader.table(self.address(table))
        return reader.format("delta").load(self.path(table))

    def _conformed(self, table: type[Table]) -> DataFrame:
        """All rows; a column that the contract gained since is null."""
        rows = self.small.frame(table, None, None)
        return table.conform(with_gained(table, self._stored(table) if rows is None else rows))

    def _delta(self, table: type[Table]) -> DeltaTable:
        if self.catalog:
            return DeltaTable.forName(self.spark, self.address(table))
        return DeltaTable.forPath(self.spark, self.path(table))

    def _newest(self, table: type[Table]) -> int:
        """The newest version, from the log itself: its history would be a Spark job, for one number."""
        local = self.small.version(table)
        return local if local is not None else int(newest_snapshot(self._delta(table)).version())

    def _commit(self, table: type[Table], version: int) -> Commit:
        """What a commit says of itself. A catalog may keep new commits elsewhere: there the history is asked."""
        read = self._commit_if_there(table, version)
        if read is not None:
            return read
        history = self._delta(table).history().filter(F.col("version") == version)
        row = history.select("operation", "operationMetrics", "userMetadata").collect()[0]
        return commit_of(row.asDict(), version)

    def _commit_if_there(self, table: type[Table], version: int) -> Commit | None:
        return self.small.commit(table, version) or commit(self.log(table), jvm(self.spark), version)

    def log(self, table: type[Table]) -> Any:
        """Delta's own log of the table, by py4j, for modules of storage."""
        return delta_log(self._delta(table))

    def _add_columns(self, table: type[Table], new: Mapping[str, Col]) -> None:
        """The stored table with columns that its contract gained since it was made: null in the rows it has."""
        if new:
            told = [f"{n} {c.type.simpleString()} COMMENT {text_literal(c.comment)}" for n, c in new.items()]
            self.spark.sql(f"ALTER TABLE {self.address(table)} ADD COLUMNS ({', '.join(told)})")
