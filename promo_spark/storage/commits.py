"""What the commits of a Delta table say of themselves: who made them, and whether they changed rows."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from promo_spark.storage.jvm import JvmError, exception_class

_OWN = "promo_spark"  # in a commit's user metadata: the suite made it
_USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
# Operations that leave every row as it is. Anything else that the suite did not make may have changed rows.
_KEEPING_ROWS = frozenset(
    {
        "OPTIMIZE",
        "REORG",
        "VACUUM START",
        "VACUUM END",
        "SET TBLPROPERTIES",
        "UNSET TBLPROPERTIES",
        "ADD COLUMNS",
        "CHANGE COLUMN",
        "CHANGE COLUMNS",
        "UPDATE COLUMN METADATA",
        "CLUSTER BY",
        "UPGRADE PROTOCOL",
        "ADD CONSTRAINT",
        "DROP CONSTRAINT",
        "COMPUTE STATS",
        "FSCK",
    }
)
_session_conf = threading.Lock()


class TableVersion(NamedTuple):
    """A version of a table. The id is Delta's own: a table that is made anew in its place has another."""

    version: int
    table_id: str


@dataclass(frozen=True)
class Mark:
    """What a commit of the suite says of itself.

    `keeps_content`: rows were rewritten or taken out in a way that leaves the results of the dates as they are,
    such as an erasure. `replaces`: in place of the rows that are taken out come others, which name the run.
    `made_by` and `inputs` are there where a later run may go on from the rows: a digest of the code and the settings
    that made them, and the versions of the tables that they were made of.
    """

    run: str = ""
    job: str = ""
    date: str = ""
    keeps_content: bool = False
    replaces: bool = False
    made_by: str = ""
    inputs: Mapping[str, TableVersion] = field(default_factory=dict)

    def text(self) -> str:
        return json.dumps({_OWN: asdict(self)}, sort_keys=True)


@dataclass(frozen=True)
class Commit:
    """One commit of a table: its version, its operation, and its mark if the suite made it."""

    version: int
    operation: str
    mark: Mark | None
    metrics: Mapping[str, Any]

    @property
    def may_change_rows(self) -> bool:
        """Whether somebody else may have changed rows with it."""
        return self.mark is None and self.operation.split(" ")[0] != "VACUUM" and self.operation not in _KEEPING_ROWS

    @property
    def rows_written(self) -> int:
        """The rows that it brought: Delta counts those that stay too, where others of their file are replaced."""
        return int(self.metrics.get("numOutputRows", 0)) - int(self.metrics.get("numCopiedRows", 0))


def commit_of(info: Mapping[str, Any], version: int) -> Commit:
    """A commit from its commitInfo.

    >>> made = commit_of({"operation": "WRITE", "userMetadata": Mark(run="r1", job="promote").text()}, 3)
    >>> made.mark.job, made.may_change_rows
    ('promote', False)
    >>> made.mark == Mark(run="r1", job="promote", inputs={})
    True
    >>> commit_of({"operation": "UPDATE"}, 4).may_change_rows, commit_of({"operation": "OPTIMIZE"}, 5).may_change_rows
    (True, False)
    """
    mark = None
    try:
        own = json.loads(info.get("userMetadata") or "{}")
        if isinstance(own, dict) and _OWN in own:
            known = {f.name: own[_OWN][f.name] for f in fields(Mark) if f.name in own[_OWN]}
            inputs = {name: TableVersion(*version) for name, version in known.get("inputs", {}).items()}
            mark = Mark(**{**known, "inputs": inputs})
    except (ValueError, TypeError, AttributeError):
        mark = None  # somebody else's words
    return Commit(version, str(info.get("operation", "")), mark, info.get("operationMetrics") or {})


def commit(log: Any, jvm: Any, version: int) -> Commit | None:
    """The commit as the first line of its file tells it; None where Delta has cleaned the file up.

    `log` is Delta's own log of the table, by py4j: its history would cost a Spark job.
    """
    try:
        with _lines(log, jvm, version) as lines:
            return commit_in(lines, version)
    except JvmError as error:
        if "FileNotFound" in exception_class(error):
            return None
        raise


def touched_partitions(log: Any, jvm: Any, version: int) -> list[Mapping[str, str]]:
    """The partitions of the files that a commit added or removed, each once; of a table without partitions: {}."""
    with _lines(log, jvm, version) as lines:
        return partitions_in(lines)


def commit_in(lines: Iterator[str], version: int) -> Commit:
    """The commit by the lines of its file, of which the first tells it."""
    return commit_of(json.loads(next(lines))["commitInfo"], version)


def partitions_in(lines: Iterator[str]) -> list[Mapping[str, str]]:
    """The partitions that a commit touched, by the lines of its file."""
    found: dict[str, Mapping[str, str]] = {}
    for line in lines:
        action = json.loads(line)
        changed = action.get("add") or action.get("remove")
        if changed and changed.get("dataChange", True):
            values = changed.get("partitionValues") or {}
            found[json.dumps(values, sort_keys=True)] = values
    return list(found.values())


@contextmanager
def _lines(log: Any, jvm: Any, version: int) -> Iterator[Iterator[str]]:
    """The lines of a commit's file, one action each."""
    file = jvm.org.apache.hadoop.fs.Path(log.logPath(), f"{version:020d}.json")
    lines = log.store().readAsIterator(file, log.newDeltaHadoopConf())
    try:
        yield (lines.next() for _ in iter(lines.hasNext, False))
    finally:
        lines.close()


@contextmanager
def marked(spark: SparkSession, mark: Mark | None) -> Iterator[None]:
    """Marks the commits of operations that take no option for it, such as MERGE and RESTORE: one at a time."""
    if mark is None:
        yield
        return
    with _session_conf:
        spark.conf.set(_USER_METADATA, mark.text())
        try:
            yield
        finally:
            spark.conf.unset(_USER_METADATA)
