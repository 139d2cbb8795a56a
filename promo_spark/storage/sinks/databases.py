"""A table of PostgreSQL, MySQL or MariaDB that holds the rows of every date: taken in by one transaction each.

Spark fills a staging table, by several connections at a time. Then one transaction brings its rows into the target by
their key and takes out the rows of the date that it does not have. Who reads the target sees the date before the export
or after it. No SQL comes from the settings: statements are made of the contract's columns and quoted names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import types as T

from promo_spark.contracts.exports import Outgoing
from promo_spark.errors import TargetError
from promo_spark.secret_references import resolved
from promo_spark.settings.export import TargetSettings
from promo_spark.storage.jdbc import DRIVER, PROPERTIES, explained, quoted
from promo_spark.storage.jvm import SparkFailure, jdbc_connection
from promo_spark.storage.sinks.batch import Batch, Sent, flat

_ROWS_AT_A_TIME = "2000"
# Of java.sql.Types, by what a column of ours may be stored as.
_TEXT, _NUMBER, _WHOLE, _DATE, _TIME = {-16, -15, -9, -1, 1, 12}, {2, 3}, {-5, 4}, {91}, {93, 2014}
_TYPES: dict[str, dict[type[T.DataType], str]] = {
    "postgresql": {
        T.StringType: "text",
        T.DateType: "date",
        T.TimestampType: "timestamp with time zone",
        T.IntegerType: "integer",
        T.LongType: "bigint",
    },
    "mysql": {
        T.StringType: "text",
        T.DateType: "date",
        T.TimestampType: "datetime(6)",  # in UTC
        T.IntegerType: "int",
        T.LongType: "bigint",
    },
}
_KEY_TEXT = {"postgresql": "text", "mysql": "varchar(255)"}  # MySQL indexes no text
# Ids that differ in capitals are different ids; MySQL takes them for the same unless it is told.
_TABLE_OPTIONS = {"postgresql": "", "mysql": " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"}


@dataclass(frozen=True)
class _Table:
    """The target, and the staging table beside it, as the database names them."""

    database: str
    name: str
    staging: str
    shape: Outgoing

    def quoted(self, column: str) -> str:
        return quoted(column, self.database)

    @property
    def target(self) -> str:
        return quoted(self.name, self.database)

    @property
    def staged(self) -> str:
        return quoted(self.staging, self.database)


def check(spark: SparkSession, batch: Batch, target: TargetSettings) -> None:
    """Raises TargetError where the database cannot be reached, or its table cannot take the rows. Writes nothing."""
    with _connected(spark, batch, target) as connection:
        _refuse_other_columns(connection, batch, _table(batch, target))


def send(spark: SparkSession, batch: Batch, target: TargetSettings) -> Sent:
    """Brings the rows into the table. Raises TargetError where that failed: the table is then as it was."""
    table = _table(batch, target)
    with _connected(spark, batch, target) as connection:
        _refuse_other_columns(connection, batch, table)
        _run(connection, _created(table, table.target, with_key=True))
        _run(connection, f"DROP TABLE IF EXISTS {table.staged}")  # of a run that was killed
        _run(connection, _created(table, table.staged, with_key=False))
        rows = flat(batch.rows)
        rows = rows.repartition(target.parts) if target.parts > 1 else rows.coalesce(1)
        options = {"dbtable": table.staged, "batchsize": _ROWS_AT_A_TIME, **connection_options(batch.target, target)}
        rows.write.format("jdbc").options(**options).mode("append").save()
        _taken_in(connection, batch, table)
        _run(connection, f"DROP TABLE {table.staged}")
    return Sent()


def _taken_in(connection: Any, batch: Batch, table: _Table) -> None:
    """Brings what was staged into the target, in one transaction. Equal rows of a task that ran twice count once."""
    columns = [table.quoted(name) for name in table.shape.rows.columns()]
    key = [table.quoted(name) for name in table.shape.key]
    listed = ", ".join(columns)
    same = " AND ".join(f"s.{name} = t.{name}" for name in key)
    staged = f"SELECT DISTINCT {listed} FROM {table.staged}"
    if table.database == "postgresql":
        changed = ", ".join(f"{name} = EXCLUDED.{name}" for name in columns if name not in key)
        taken = f"INSERT INTO {table.target} ({listed}) {staged} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"
        gone = f"DELETE FROM {table.target} AS t"
    else:
        changed = ", ".join(f"{name} = VALUES({name})" for name in columns if name not in key)
        taken = f"INSERT INTO {table.target} ({listed}) {staged} ON DUPLICATE KEY UPDATE {changed}"
        gone = f"DELETE t FROM {table.target} AS t"
    of_date = f"t.{table.quoted(table.shape.key[0])} = DATE '{batch.date.isoformat()}'"
    connection.setAutoCommit(False)
    try:
        count = _number(connection, f"SELECT COUNT(*) FROM ({staged}) AS s")
        if count != batch.count:
            raise TargetError(
                f"target {batch.target}: {count} of {batch.count} rows came to {table.staging}; the target is as before"
            )
        _run(connection, taken)
        _run(connection, f"{gone} WHERE {of_date} AND NOT EXISTS (SELECT 1 FROM {table.staged} AS s WHERE {same})")
        connection.commit()
    except BaseException:
        with contextlib.suppress(*SparkFailure):  # of a connection that is lost the database takes it back by itself
            connection.rollback()
        raise
    connection.setAutoCommit(True)


def _refuse_other_columns(connection: Any, batch: Batch, table: _Table) -> None:
    """Raises TargetError for a table that lacks a column, has it of another kind, needs one more, or lacks the key."""
    found = _columns(connection, table)
    if not found:
        return  # there is no such table yet
    wanted = {name: _kinds(column.type) for name, column in table.shape.rows.columns().items()}
    problems = [f"it has no column {name}" for name in wanted if name not in found]
    problems += [f"its column {n} is {c.kind}" for n, c in found.items() if n in wanted and c.code not in wanted[n]]
    more = sorted(name for name, column in found.items() if name not in wanted and column.needed)
    problems += [f"its column {name} needs a value, which an export has not" for name in more]
    if not problems and set(table.shape.key) not in _unique_keys(connection, table):
        problems = [f"it has no primary key or unique index on {', '.join(table.shape.key)}"]
    if problems:
        raise TargetError(
            f"target {batch.target}: the table {table.name} cannot take the rows: {'; '.join(problems)}. Rename it or "
            "give another table, and the export makes its own; see docs/export.md for the columns. Nothing was written"
        )


@dataclass(frozen=True)
class _Column:
    code: int
    kind: str
    needed: bool  # may not be null, and has no value of its own


def _columns(connection: Any, table: _Table) -> dict[str, _Column]:
    found = {}
    of = connection.getMetaData()
    rows = of.getColumns(*_place(connection, table, of.getSearchStringEscape()), None)
    while rows.next():
        generated = rows.getString("IS_AUTOINCREMENT") == "YES" or rows.getString("COLUMN_DEF") is not None
        needed = rows.getString("IS_NULLABLE") == "NO" and not generated
        found[str(rows.getString("COLUMN_NAME"))] = _Column(
            int(rows.getInt("DATA_TYPE")), str(rows.getString("TYPE_NAME")), needed
        )
    rows.close()
    return found


def _unique_keys(connection: Any, table: _Table) -> list[set[str]]:
    """The columns of each index, the primary key's too, that lets no two rows have the same values in them."""
    rows = connection.getMetaData().getIndexInfo(*_place(connection, table, ""), True, True)
    keys: dict[str, set[str]] = {}
    while rows.next():
        if rows.getString("COLUMN_NAME") is not None and rows.getString("FILTER_CONDITION") is None:
            keys.setdefault(str(rows.getString("INDEX_NAME")), set()).add(str(rows.getString("COLUMN_NAME")))
    rows.close()
    return list(keys.values())


def _place(connection: Any, table: _Table, escape: str) -> tuple[str | None, str | None, str]:
    """Catalog, schema and table, as JDBC asks for them; where it takes patterns, what would be one is escaped."""

    def name(text: str) -> str:
        return text.replace("_", f"{escape}_") if escape else text

    schema, _, last = table.name.rpartition(".")
    if table.database == "mysql":
        return schema or str(connection.getCatalog()), None, name(last)
    return str(connection.getCatalog()), name(schema or str(connection.getSchema())), name(last)


def _created(table: _Table, name: str, *, with_key: bool) -> str:
    columns = []
    for column, col in table.shape.rows.columns().items():
        needed = " NOT NULL" if column in table.shape.key else ""
        columns.append(f"{table.quoted(column)} {_type(table, column, col.type)}{needed}")
    if with_key:
        columns.append(f"PRIMARY KEY ({', '.join(table.quoted(name) for name in table.shape.key)})")
    return f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(columns)}){_TABLE_OPTIONS[table.database]}"


def _type(table: _Table, column: str, kind: T.DataType) -> str:
    if isinstance(kind, T.DecimalType):
        return f"decimal({kind.precision}, {kind.scale})"
    if isinstance(kind, T.StringType) and column in table.shape.key:
        return _KEY_TEXT[table.database]
    return _TYPES[table.database][T.StringType if isinstance(kind, T.ArrayType) else type(kind)]


def _kinds(kind: T.DataType) -> set[int]:
    if isinstance(kind, T.DecimalType):
        return _NUMBER
    if isinstance(kind, (T.IntegerType, T.LongType)):
        return _WHOLE
    return _DATE if isinstance(kind, T.DateType) else _TIME if isinstance(kind, T.TimestampType) else _TEXT


def _table(batch: Batch, target: TargetSettings) -> _Table:
    return _Table(target.kind, target.table, f"{target.table}_staging_{batch.date:%Y%m%d}", batch.shape)


@contextlib.contextmanager
def _connected(spark: SparkSession, batch: Batch, target: TargetSettings) -> Iterator[Any]:
    """A connection of the driver's; what the database or the way to it refuses becomes a TargetError."""
    options = connection_options(batch.target, target)
    why = ""
    try:
        connection = jdbc_connection(spark, options.pop("driver"), options.pop("url"), options)
        try:
            yield connection
        finally:
            with contextlib.suppress(*SparkFailure):
                connection.close()
    except SparkFailure as error:
        why = explained(error, (options["user"], options["password"]))
    if why:  # outside the handler: the error itself may hold what was just taken out
        raise TargetError(
            f"target {batch.target}: {target.table} cannot be written: {why}. {target.table} is as before"
        )


def connection_options(name: str, target: TargetSettings) -> dict[str, str]:
    """What reaches the database of a target, user and password too: for Spark's reader and writer, and for a driver."""
    key = f"export.targets.{name}"
    own: Mapping[str, str] = PROPERTIES[target.kind]
    return {
        **{name: value for name, value in own.items() if f"{name}=" not in target.url},
        "url": target.url,
        "driver": DRIVER[target.kind],
        "user": resolved(target.user_secret, f"{key}.user_secret"),
        "password": resolved(target.password_secret, f"{key}.password_secret"),
    }


def _run(connection: Any, sql: str) -> None:
    statement = connection.createStatement()
    try:
        statement.execute(sql)
    finally:
        statement.close()


def _number(connection: Any, sql: str) -> int:
    statement = connection.createStatement()
    try:
        rows = statement.executeQuery(sql)
        rows.next()
        return int(rows.getLong(1))
    finally:
        statement.close()
