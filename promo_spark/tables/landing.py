"""Raw files as their owner left them: read as text or typed columns, never inferred, never changed."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from promo_spark.errors import SourceError
from promo_spark.sources.candidates import BLANK, BROKEN, FILE, POSITION, RAW


def no_other(_: str) -> bool:
    """Wants no column but the named ones."""
    return False


def typed_rows(
    spark: SparkSession, path: str, file_format: str, columns: Sequence[str],
    also: Callable[[str], bool] = no_other, shares: int = 1,
) -> DataFrame:  # fmt: skip
    """Rows of Parquet, ORC or Delta files with the named columns as stored, plus the whole raw row.

    `also` tells of any other column whether it is wanted too. A file that was written as one piece is read by
    one task, with all that is then done to its rows. With `shares` as many tasks read it, each keeping its
    share of the rows: decoding is the cheap part.
    Raises SourceError when the path is missing or unreadable (a truncated file has no footer), or lacks
    a column; all before a row is read.
    """
    reader = spark.read.format(file_format)
    if file_format != "delta":
        reader = reader.option("recursiveFileLookup", "true")
    df = _opened(path, lambda: reader.load(path))
    _require(path, columns, df.columns)
    file = F.col("_metadata.file_path") if file_format != "delta" else F.lit(path)
    rows = df.select(
        *[F.col(f"`{c}`") for c in _wanted(columns, df.columns, also)],
        F.struct(*[F.col(f"`{c}`") for c in df.columns]).alias(RAW),
        file.alias(FILE),
        F.lit(False).alias(BLANK),
        F.lit(False).alias(BROKEN),
    )
    if shares == 1:
        return rows
    share = F.pmod(F.xxhash64(f"`{columns[0]}`"), F.lit(shares))
    return functools.reduce(DataFrame.unionAll, [rows.filter(share == i) for i in range(shares)])


def csv_rows(
    spark: SparkSession, path: str, columns: Sequence[str], delimiter: str = ",",
    also: Callable[[str], bool] = no_other,
) -> DataFrame:  # fmt: skip
    """Lines of CSV files as text columns; a line of the wrong shape or with open quotes is marked broken.

    Every line stands for itself, so that one stray quote cannot swallow its neighbours. Empty lines and
    repetitions of the header are marked blank. Raises SourceError for a missing path, an empty file, or
    a header without the named columns.
    """
    lines = _lines(spark, path)
    first = lines.select("value").head(1)
    if not first or not (first[0][0] or "").strip():
        raise SourceError(f"{path} is empty: not even a header line")
    header_line = first[0][0]
    header = [h.strip().strip('"') for h in header_line.lstrip("\ufeff").rstrip("\r").split(delimiter)]
    _require(path, columns, header)
    doubled = sorted({h for h in header if header.count(h) > 1})
    if doubled:
        raise SourceError(f"{path}: the header names {', '.join(doubled)} more than once")
    schema = ", ".join(f"`{h}` STRING" for h in header) + f", `{BROKEN}` STRING"
    value = F.regexp_replace("value", "\r$", "")
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": BROKEN, "delimiter": delimiter, "escape": '"'}
    parsed = lines.select(
        value.alias(RAW),
        F.col(FILE),
        F.col(POSITION),
        ((F.trim(value) == "") | (F.col("value") == F.lit(header_line))).alias(BLANK),
        F.from_csv(value, schema, options).alias("line"),
    )
    open_quotes = F.length(F.regexp_replace(RAW, '[^"]', "")) % 2 == 1
    return parsed.select(
        *[F.col(f"line.`{c}`").alias(c) for c in _wanted(columns, header, also)],
        RAW,
        FILE,
        POSITION,
        BLANK,
        (F.col(f"line.{BROKEN}").isNotNull() | open_quotes | F.col("line").isNull()).alias(BROKEN),
    )


def json_rows(spark: SparkSession, path: str, columns: Sequence[str]) -> DataFrame:
    """Lines of JSON-lines files with the named fields as text; a line that is no JSON object is broken."""
    lines = _lines(spark, path)
    schema = ", ".join(f"`{c}` STRING" for c in columns) + f", `{BROKEN}` STRING"
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": BROKEN}
    parsed = lines.select(
        F.col("value").alias(RAW),
        FILE,
        POSITION,
        (F.trim("value") == "").alias(BLANK),
        F.from_json("value", schema, options).alias("line"),
    )
    return parsed.select(
        *[F.col(f"line.`{c}`").alias(c) for c in columns],
        RAW,
        FILE,
        POSITION,
        BLANK,
        (F.col(f"line.{BROKEN}").isNotNull() | F.col("line").isNull()).alias(BROKEN),
    )


def files_digest(spark: SparkSession, paths: Sequence[str]) -> str:
    """A digest of the names, sizes and times of the files under the paths: changes when a source does."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        listing = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
        found = _opened(path, functools.partial(listing.load, path))
        for row in found.select("path", "length", "modificationTime").orderBy("path").collect():
            digest.update(f"{row[0]}\0{row[1]}\0{row[2].isoformat()}\n".encode())
    return digest.hexdigest()[:16]


def numbered(spark: SparkSession, path: str, rows: DataFrame, name: str) -> DataFrame:
    """The rows of the text files under the path, with the number of each row's line in its file, from 1.

    A row knows its line only within the block of the file that its task read. So the lines of all blocks are
    counted, in one pass that reads nothing but line ends: worth it for the few rows that are rejected.
    """
    blocks = (
        _lines(spark, path)
        .groupBy(F.col(FILE).alias("_block_file"), F.col(f"{POSITION}.block").alias("_block"))
        .agg(F.count(F.lit(1)).alias("_lines"), F.min(f"{POSITION}.nth").alias("_block_nth"))
    )
    before = Window.partitionBy("_block_file").orderBy("_block").rowsBetween(Window.unboundedPreceding, -1)
    blocks = blocks.withColumn("_before", F.coalesce(F.sum("_lines").over(before), F.lit(0))).drop("_lines")
    here = (F.col(FILE) == F.col("_block_file")) & (F.col(f"{POSITION}.block") == F.col("_block"))
    line = F.col("_before") + F.col(f"{POSITION}.nth") - F.col("_block_nth") + 1
    placed = rows.join(F.broadcast(blocks), here, how="left").withColumn(name, line)
    return placed.drop("_block_file", "_block", "_block_nth", "_before")


def _lines(spark: SparkSession, path: str) -> DataFrame:
    """One row per line: its text, file and position, which is the same in every reading of the same files."""
    reader = spark.read.option("recursiveFileLookup", "true")
    position = F.struct(
        F.col("_metadata.file_block_start").alias("block"), F.monotonically_increasing_id().alias("nth")
    )
    return _opened(path, lambda: reader.text(path)).select(
        "value", F.col("_metadata.file_path").alias(FILE), position.alias(POSITION)
    )


def _opened(path: str, load: Callable[[], DataFrame]) -> DataFrame:
    try:
        return load()
    except (PySparkException, Py4JJavaError) as error:  # a footer's error comes as the JVM's own
        told = next((line for line in str(error).splitlines() if "Exception: " in line), str(error).splitlines()[0])
        raise SourceError(f"source {path} cannot be read, so nothing was loaded: {told.strip(': ')}") from error


def _wanted(columns: Sequence[str], found: Sequence[str], also: Callable[[str], bool]) -> list[str]:
    return [*columns, *[c for c in found if c not in columns and also(c)]]


def _require(path: str, wanted: Sequence[str], found: Sequence[str]) -> None:
    missing = [c for c in wanted if c not in found]
    if missing and len(missing) == len(wanted):  # then what stands there may be no header, but somebody's data
        raise SourceError(
            f"source {path} has none of the columns {', '.join(missing)}; what it has instead is not shown: does its "
            "first line name the columns?"
        )
    if missing:
        raise SourceError(f"source {path} lacks the columns {', '.join(missing)}; it has: {', '.join(found)}")
