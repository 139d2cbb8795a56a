"""The Delta tables of the suite: read by contract, written atomically and idempotently.

A write replaces exactly what its contract's WriteMode says, in one Delta commit: a killed job leaves the
old rows or the new ones, never a mixture, and a repeated job leaves the same rows.
"""

from __future__ import annotations

import datetime
import json
import re
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.schema import CONTRACT_VERSION_KEY, Col, Table, WriteMode
from promo_spark.errors import ContractError, MissingDataError, SettingsError

SliceValue = str | datetime.date | Sequence[str]

_SAFE_VALUE = re.compile(r"[A-Za-z0-9_.:-]+")
_NOT_COMPARED = {"run_id", "source_file"}
_GONE = "_gone"


@dataclass(frozen=True)
class Written:
    """What a write left behind: the table's Delta version and the rows the commit wrote."""

    version: int
    rows: int


class Lake:
    """All tables under one root path, or in one catalog."""

    def __init__(self, spark: SparkSession, root: str, catalog: str = "") -> None:
        if not root and not catalog:
            raise SettingsError("lake.root is empty and no lake.catalog is set: say where the tables lie")
        if ".." in root.split("/"):
            raise SettingsError(f"lake.root is {root!r}: '..' is not allowed, write the path out")
        self.spark = spark
        self.root = root.rstrip("/") or "/"
        self.catalog = catalog
        self._locks: defaultdict[type[Table], threading.Lock] = defaultdict(threading.Lock)

    def path(self, table: type[Table]) -> str:
        return f"{self.root}/{table.layer}/{table.name}"

    def address(self, table: type[Table]) -> str:
        """The table as SQL names it."""
        return f"{self.catalog}.{table.full_name()}" if self.catalog else f"delta.`{self.path(table)}`"

    def exists(self, table: type[Table]) -> bool:
        if self.catalog:
            return bool(self.spark.catalog.tableExists(self.address(table)))
        return bool(DeltaTable.isDeltaTable(self.spark, self.path(table)))

    def read(self, table: type[Table]) -> DataFrame:
        """All rows, conformed; a column that the contract gained since is null. Raises MissingDataError or
        ContractError.
        """
        if not self.exists(table):
            raise MissingDataError(f"{table.full_name()} is not in the lake {self.catalog or self.root}")
        df = self._stored(table)
        self._refuse_newer(table, df)
        gained = {n: F.lit(None).cast(c.type) for n, c in _gained(table, df).items()}
        return table.conform(df.withColumns(gained) if gained else df)

    def version(self, table: type[Table]) -> int | None:
        """The newest Delta version, or None where there is no table."""
        return self._newest(table) if self.exists(table) else None

    def write(
        self,
        table: type[Table],
        df: DataFrame,
        slice_values: Mapping[str, SliceValue] | None = None,
        by_key: bool = False,
        gone: DataFrame | None = None,
    ) -> Written:
        """The frame's rows in place of those its WriteMode says, in one commit.

        `slice_values` names the value of each partition column for REPLACE_DATE and REPLACE_SLICE; a list for
        another column narrows what is replaced to the rows that have one of its values. With `by_key` rows are
        merged by their key whatever the WriteMode: the other rows of their days stay, and a row whose day has
        changed moves. `gone` are keys whose rows are deleted in the same commit.
        Raises ContractError, with the row's key, when a row breaks the contract; nothing is then written.
        """
        # Two jobs of one pipeline may write the same table, such as models.metrics: one after the other.
        with self._locks[table]:
            exists = self.exists(table)
            before = None
            if exists:
                stored = self._stored(table)
                self._refuse_newer(table, stored)
                self._add_columns(table, _gained(table, stored))
                before = self._newest(table)
            rows = table.enforced(df)
            try:
                if exists and (by_key or gone is not None or table.write_mode is WriteMode.MERGE):
                    self._merge(table, rows, gone)
                else:
                    self._replace(table, rows, slice_values or {}, exists)
            except (PySparkException, Py4JJavaError) as error:
                raise _readable(error) from error
            version = self._newest(table)
            if version == before:  # there was nothing to write
                return Written(version, 0)
            return self._written(table, version)

    def restore(self, table: type[Table], version: int | None) -> None:
        """The table as it was at a version; without one, as an empty table."""
        if not self.exists(table):
            return
        delta = self._delta(table)
        if version is None:
            delta.delete()
        elif self.version(table) != version:
            delta.restoreToVersion(version)

    def _replace(
        self, table: type[Table], rows: DataFrame, slice_values: Mapping[str, SliceValue], exists: bool
    ) -> None:
        """Writes, if there is anything to write; a table that is not there yet is made, if need be empty."""
        if table.partition:  # few whole files: small days share a task, a large one is cut into several
            rows = rows.hint("rebalance", *table.partition)
        writer = rows.write.format("delta").mode("append" if table.write_mode is WriteMode.APPEND else "overwrite")
        if table.partition:
            writer = writer.partitionBy(*table.partition)
        if not exists:
            named = {"delta.dataSkippingStatsColumns": ",".join(table.statistics)}
            writer = writer.options(**(named if table.statistics else {"delta.dataSkippingNumIndexedCols": "0"}))
        predicate = self._predicate(table, rows, slice_values)
        if predicate == "" and exists:
            return
        if predicate and exists:
            writer = writer.option("replaceWhere", predicate)
        if self.catalog:
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {self.catalog}.{table.layer}")
            writer.saveAsTable(self.address(table))
        else:
            writer.save(self.path(table))

    def _predicate(self, table: type[Table], rows: DataFrame, slice_values: Mapping[str, SliceValue]) -> str | None:
        """The replaceWhere text; None: the whole table or an append; empty: there is nothing to write."""
        if table.write_mode in (WriteMode.REPLACE_DATE, WriteMode.REPLACE_SLICE):
            missing = [p for p in table.partition if p not in slice_values]
            if missing:
                raise ContractError(f"{table.full_name()}: a write must say which {', '.join(missing)} it replaces")
            parts = [f"{p} = {_literal(table, slice_values[p])}" for p in table.partition]
            for column, values in slice_values.items():
                if isinstance(values, Sequence) and not isinstance(values, str):
                    if not values:
                        return ""
                    parts.append(f"{column} IN ({', '.join(_text(v) for v in values)})")
            return " AND ".join(parts)
        if table.write_mode is WriteMode.REPLACE_DAYS:
            day = table.partition[0]
            days = sorted(r[0] for r in rows.select(F.col(day)).distinct().collect())
            return f"{day} IN ({', '.join(_literal(table, d) for d in days)})" if days else ""
        return None

    def _merge(self, table: type[Table], rows: DataFrame, gone: DataFrame | None) -> None:
        """New keys in, changed rows updated, gone keys out; where only the run differs, the row stays as it was."""
        on = " AND ".join(f"old.{k} = new.{k}" for k in table.key)
        if table.partition:
            keys = rows.select(*table.key)
            days = self._days_of(table, rows, keys if gone is None else keys.unionByName(gone.select(*table.key)))
            if not days:
                return
            on = f"old.{table.partition[0]} IN ({', '.join(_literal(table, d) for d in days)}) AND {on}"
        if gone is not None:
            gone = gone.select(*table.key).withColumn(_GONE, F.lit(True))
            rows = rows.withColumn(_GONE, F.lit(False)).unionByName(gone, allowMissingColumns=True)
        compared = [c for c in table.columns() if c not in table.key and c not in _NOT_COMPARED]
        changed = " OR ".join(f"NOT (old.{c} <=> new.{c})" for c in compared) or "false"
        merge = self._delta(table).alias("old").merge(rows.alias("new"), on)
        if gone is not None:
            merge = merge.whenMatchedDelete(condition=f"new.{_GONE}")
        merge = merge.whenMatchedUpdateAll(condition=changed)
        merge.whenNotMatchedInsertAll(condition=None if gone is None else f"NOT new.{_GONE}").execute()

    def _days_of(self, table: type[Table], rows: DataFrame, keys: DataFrame) -> list[SliceValue]:
        """The days that a merge touches: those of the rows, and those on which their keys stand now.

        Looking for the keys reads only them and their days, where the merge itself reads every column of its days.
        """
        day = table.partition[0]
        stored = self._stored(table).join(keys, on=list(table.key), how="left_semi").select(day)
        return sorted(r[0] for r in rows.select(day).unionByName(stored).distinct().collect())

    def _stored(self, table: type[Table]) -> DataFrame:
        if self.catalog:
            return self.spark.read.table(self.address(table))
        return self.spark.read.format("delta").load(self.path(table))

    def _delta(self, table: type[Table]) -> DeltaTable:
        if self.catalog:
            return DeltaTable.forName(self.spark, self.address(table))
        return DeltaTable.forPath(self.spark, self.path(table))

    def _newest(self, table: type[Table]) -> int:
        """The newest version, from the log itself: its history would be a Spark job, for one number."""
        nothing = self._jvm().scala.Option.empty()
        return int(self._log(table).update(False, nothing, nothing).version())

    def _written(self, table: type[Table], version: int) -> Written:
        """What a commit of this program says of itself, in the first line of its file.

        A catalog may keep new commits elsewhere: there the history is asked, which costs a Spark job.
        """
        if self.catalog:
            commit = self._delta(table).history(1).select("version", "operationMetrics").collect()[0]
            return Written(int(commit.version), _rows_written(commit.operationMetrics))
        log = self._log(table)
        file = self._jvm().org.apache.hadoop.fs.Path(log.logPath(), f"{version:020d}.json")
        lines = log.store().readAsIterator(file, log.newDeltaHadoopConf())
        try:
            return Written(version, _rows_written(json.loads(lines.next())["commitInfo"].get("operationMetrics")))
        finally:
            lines.close()

    def _log(self, table: type[Table]) -> Any:
        return self._delta(table)._jdt.deltaLog()

    def _jvm(self) -> Any:
        return self.spark._jvm

    def _add_columns(self, table: type[Table], gained: Mapping[str, Col]) -> None:
        """The stored table with columns that its contract gained since it was made: null in the rows it has."""
        if gained:
            told = [f"{n} {c.type.simpleString()} COMMENT {_text(c.comment)}" for n, c in gained.items()]
            self.spark.sql(f"ALTER TABLE {self.address(table)} ADD COLUMNS ({', '.join(told)})")

    def _refuse_newer(self, table: type[Table], df: DataFrame) -> None:
        found = max((int(f.metadata.get(CONTRACT_VERSION_KEY, 1)) for f in df.schema.fields), default=1)
        if found > table.version:
            raise ContractError(
                f"{table.full_name()} was written by contract version {found}, this code knows version "
                f"{table.version}: update promo_spark, or point lake.root at another lake"
            )


def _gained(table: type[Table], stored: DataFrame) -> dict[str, Col]:
    """Columns that rows may lack and the stored table does not have yet."""
    return {n: c for n, c in table.columns().items() if not c.required and n not in stored.columns}


def _literal(table: type[Table], value: SliceValue) -> str:
    text = value.isoformat() if isinstance(value, datetime.date) else value
    if not isinstance(text, str) or not _SAFE_VALUE.fullmatch(text):
        raise ContractError(
            f"{table.full_name()}: {text!r} cannot be a partition value; use letters, digits and _ . : -"
        )
    return f"'{text}'"


def _rows_written(metrics: Mapping[str, Any] | None) -> int:
    return int((metrics or {}).get("numOutputRows", 0))


def _text(value: str) -> str:
    """A text such as a file's name, whatever it contains, as one literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _readable(error: PySparkException | Py4JJavaError) -> Exception:
    """A contract failure raised inside a query, as the ContractError it is; any other error as it came."""
    text = str(error)
    found = re.search(r"\[contract\] ([^\n]*)", text)
    if found:
        return ContractError(re.sub(r" SQLSTATE: .*", "", found.group(1)).strip())
    if isinstance(error, AnalysisException):
        return ContractError(f"the write was refused: {text.splitlines()[0]}")
    return error
