"""Tables of a retailer's database, read by JDBC as raw rows: in several partitions, credentials by reference.

No SQL text comes from the settings: names are checked identifiers, quoted; conditions are (column, operator,
literal), applied to the frame, from where Spark hands them to the database. User and password are looked up
on the driver when a read starts and go to the database's driver alone; no message shows them.
"""

from __future__ import annotations

import datetime
import decimal
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.contracts.schema import COMPARISONS
from promo_spark.errors import SettingsError, SourceError
from promo_spark.secret_references import resolved
from promo_spark.settings.sources import ConnectionSettings, Extraction
from promo_spark.storage.jdbc import DRIVER, PROPERTIES, explained, quoted
from promo_spark.storage.jvm import SparkFailure
from promo_spark.storage.watermarks import CLOCK_TIME, INSTANT, NUMBER, NUMBERS_IN_A_RANGE, TIME, Watermark, kind_of

R = TypeVar("R")


def table_rows(
    spark: SparkSession,
    name: str,
    source: Extraction,
    connection: ConnectionSettings,
    columns: Sequence[str],
    since: Watermark | None = None,
) -> DataFrame:
    """Rows of a table or view with the named columns as stored, plus the whole raw row. Nothing is read yet.

    Given a watermark, the rows from there on and those that have none. A row's file says, of a source with a
    watermark, of which day or range of numbers it is. Timestamps without a zone count as UTC. Each partition is read
    in a transaction of its own, so keep the frame: a second reading of a table that is written to meanwhile may give
    other rows.
    Raises SourceError for a server, user, table or column that is not there, SettingsError for a literal that
    its column cannot have.
    """
    whole = _reached(spark, name, source, connection, since)
    missing = [c for c in columns if c not in whole.columns]
    if missing:
        raise SourceError(
            f"source {name}: {source.db_table} lacks the columns {', '.join(missing)}; "
            f"it has: {', '.join(whole.columns)}"
        )
    return whole.select(
        *[F.col(f"`{c}`") for c in columns],
        F.struct(*[F.col(f"`{c}`") for c in whole.columns]).alias(RawRow.raw),
        _file(source, whole).alias(RawRow.file),
        F.lit(False).alias(RawRow.blank),
        F.lit(False).alias(RawRow.broken),
    )


def table_digest(spark: SparkSession, name: str, source: Extraction, connection: ConnectionSettings) -> str:
    """Changes when a row of what the source reads does.

    A database tells of no change, so all rows are read; with a watermark those that the next run reads again.
    """
    newest = newest_watermark(spark, name, source, connection) if source.watermark_column else None
    rows = _reached(spark, name, source, connection, newest and newest.before(name, source.overlap))
    sums = rows.select(F.count(F.lit(1)), F.sum(F.xxhash64(*rows.columns).cast("decimal(38,0)")))
    count, total = refusing_unreadable(name, source, connection, sums.first) or (0, None)
    read = f"{rows.schema.simpleString()}\0{count}\0{total}\0{newest and newest.text}"
    return hashlib.sha256(read.encode()).hexdigest()[:16]


def newest_watermark(
    spark: SparkSession, name: str, source: Extraction, connection: ConnectionSettings
) -> Watermark | None:
    """The largest value of the watermark's column; of times, none later than now by the database's clock.

    None where no row has one. Raises SourceError for a column that is not there or is neither a time nor a number.
    """
    column, table = source.watermark_column, quoted(source.db_table, connection.database)
    name_of_column = quoted(column, connection.database)

    def load(query: Mapping[str, str]) -> DataFrame:
        reader = spark.read.format("jdbc").options(**_options(source, connection), **query)
        return refusing_unreadable(name, source, connection, reader.load)

    schema = load({"dbtable": table}).schema
    if column not in schema.names:
        raise SourceError(
            f"source {name}: {source.db_table} lacks the watermark_column {column}; it has: {', '.join(schema.names)}"
        )
    kind = kind_of(name, column, schema[column].dataType)
    until = "" if kind == NUMBER else f" WHERE {name_of_column} <= CURRENT_TIMESTAMP"
    highest = load({"query": f"SELECT MAX({name_of_column}) AS highest FROM {table}{until}"})
    value = F.date_format("highest", TIME) if kind in (INSTANT, CLOCK_TIME) else F.col("highest").cast("string")
    found = refusing_unreadable(name, source, connection, highest.select(value).first)
    return Watermark(found[0], kind) if found and found[0] is not None else None


def origin(source: Extraction) -> str:
    """What stands for the source's file: connection, table, and which of its rows."""
    conditions = " and ".join(" ".join(str(part) for part in c) for c in source.db_where)
    return f"{source.connection}/{source.db_table}{' where ' if conditions else ''}{conditions}"


def refusing_unreadable(name: str, source: Extraction, connection: ConnectionSettings, read: Callable[[], R]) -> R:
    """What `read` gives. What the database or its driver refuses becomes a SourceError that shows no secret."""
    try:
        return read()
    except SparkFailure as error:
        why = explained(error, _credentials(source, connection).values())
    # Outside the handler: the error itself, which may hold what was just taken out, is not to be seen behind it.
    raise SourceError(
        f"source {name}: {source.db_table} cannot be read by ingest.connections.{source.connection}: {why}"
    )


def _reached(
    spark: SparkSession,
    name: str,
    source: Extraction,
    connection: ConnectionSettings,
    since: Watermark | None = None,
) -> DataFrame:
    """The table's rows that `db_where` and the watermark let through; timestamps without a zone as UTC."""
    options = _options(source, connection)

    def load(more: Mapping[str, str]) -> DataFrame:
        reader = spark.read.format("jdbc").options(**options, **more)
        return refusing_unreadable(name, source, connection, reader.load)

    rows = quoted(source.db_table, connection.database)
    if since is not None:
        column = quoted(source.watermark_column, connection.database)
        newer = f"{column} IS NULL OR {column} >= {since.literal(connection.database)}"
        rows = f"(SELECT * FROM {rows} WHERE {newer}) AS newer"
    df = load({"dbtable": rows})
    if source.partition_column:
        df = load({"dbtable": rows} | _partitioning(name, source, connection, df, load, rows))
    for condition in source.db_where:
        df = df.filter(_condition(name, df.schema, condition))
    zoneless = {f.name for f in df.schema.fields if isinstance(f.dataType, T.TimestampNTZType)}
    return df.select(
        [F.col(f"`{c}`").cast("timestamp").alias(c) if c in zoneless else F.col(f"`{c}`") for c in df.columns]
    )


def _options(source: Extraction, connection: ConnectionSettings) -> dict[str, str]:
    own = {k: v for k, v in PROPERTIES[connection.database].items() if f"{k}=" not in connection.url}
    return {
        **own,
        "url": connection.url,
        "driver": DRIVER[connection.database],
        "fetchsize": str(connection.fetch_rows),
        "preferTimestampNTZ": "true",  # else a time without a zone is taken in the zone of each machine
        **_credentials(source, connection),
    }


def _credentials(source: Extraction, connection: ConnectionSettings) -> dict[str, str]:
    key = f"ingest.connections.{source.connection}"
    return {
        "user": resolved(connection.user_secret, f"{key}.user_secret"),
        "password": resolved(connection.password_secret, f"{key}.password_secret"),
    }


def _partitioning(
    name: str,
    source: Extraction,
    connection: ConnectionSettings,
    df: DataFrame,
    load: Callable[[Mapping[str, str]], DataFrame],
    rows: str,
) -> dict[str, str]:
    """How rows are cut into ranges of the partition column; what is null or beyond the bounds is in one of them too."""
    column = source.partition_column
    if column not in df.columns:
        raise SourceError(
            f"source {name}: {source.db_table} lacks the partition_column {column}; it has: {', '.join(df.columns)}"
        )
    kind = df.schema[column].dataType
    if not isinstance(kind, (T.IntegralType, T.DecimalType, T.DoubleType, T.FloatType, T.DateType, T.TimestampType)):
        raise SourceError(
            f"source {name}: the partition_column {column} is {kind.simpleString()}; "
            "choose a number, a date or a timestamp with a time zone"
        )
    bounds: tuple[str, str] | None = (source.lower_bound, source.upper_bound)
    if not source.lower_bound:
        if source.db_where:  # of the rows that are wanted, or they would all lie in one range
            wanted = df
            for condition in source.db_where:
                wanted = wanted.filter(_condition(name, df.schema, condition))
            ends = wanted.agg(F.min(f"`{column}`"), F.max(f"`{column}`"))
        else:  # the database knows its ends by an index
            bounded = quoted(column, connection.database)
            ends = load({"query": f"SELECT MIN({bounded}) AS lowest, MAX({bounded}) AS highest FROM {rows}"})
        both = refusing_unreadable(name, source, connection, ends.first)
        bounds = _bounds(both) if both else None
    if bounds is None:
        return {}
    return {
        "partitionColumn": column,
        "lowerBound": bounds[0],
        "upperBound": bounds[1],
        "numPartitions": str(source.partitions),
    }


def _bounds(ends: Sequence[Any]) -> tuple[str, str] | None:
    """The ends of the ranges as Spark reads them; None where there is no row, or but one value."""
    lowest, highest = ends
    if lowest is None or lowest == highest:
        return None
    if isinstance(lowest, (int, float, decimal.Decimal)):
        return str(math.floor(lowest)), str(math.ceil(highest))
    if isinstance(lowest, datetime.datetime):
        return lowest.isoformat(" "), highest.isoformat(" ")
    return lowest.isoformat(), highest.isoformat()


def _condition(name: str, schema: T.StructType, condition: Sequence[str | int]) -> Column:
    """A triple (column, operator, literal) as a condition, with the literal in the column's type."""
    column, comparison, literal = condition
    if comparison not in COMPARISONS:
        known = ", ".join(COMPARISONS)
        raise SettingsError(f"source {name}, db_where: operator {comparison!r} is unknown; use {known}")
    if column not in schema.names:
        raise SourceError(f"source {name}, db_where: there is no column {column}; there are: {', '.join(schema.names)}")
    kind = schema[str(column)].dataType
    try:
        value = _typed(literal, kind)
    except (ValueError, decimal.InvalidOperation):
        raise SettingsError(
            f"source {name}, db_where: {literal!r} is no value of {column}, which is {kind.simpleString()}"
        ) from None
    compared: Column = COMPARISONS[str(comparison)](F.col(f"`{column}`"), F.lit(value))
    return compared


def _typed(literal: str | int, kind: T.DataType) -> Any:
    if isinstance(kind, (T.TimestampType, T.TimestampNTZType)):
        instant = datetime.datetime.fromisoformat(str(literal))
        if isinstance(kind, T.TimestampNTZType):
            return instant.replace(tzinfo=None)
        return instant if instant.tzinfo else instant.replace(tzinfo=datetime.timezone.utc)
    if isinstance(kind, T.DateType):
        return datetime.date.fromisoformat(str(literal))
    if isinstance(kind, T.IntegralType):
        return int(literal)
    if isinstance(kind, (T.DecimalType, T.FloatType, T.DoubleType)):
        return decimal.Decimal(str(literal))
    return str(literal)


def _file(source: Extraction, rows: DataFrame) -> Column:
    """What stands for a row's file; with a watermark, its day or range of numbers, which is read as a whole."""
    if not source.watermark_column:
        return F.lit(origin(source))
    value, number = F.col(f"`{source.watermark_column}`"), F.lit(NUMBERS_IN_A_RANGE)
    if isinstance(rows.schema[source.watermark_column].dataType, (T.DateType, T.TimestampType)):
        part = value.cast("date").cast("string")
    else:
        part = (F.floor(value / number) * number).cast("string")
    return F.concat(F.lit(f"{origin(source)}@"), F.coalesce(part, F.lit("null")))
