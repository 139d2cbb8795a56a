"""What arrives, in micro-batches of Structured Streaming: which rows belong to a batch is written down before they are
taken, so that a batch that was cut off comes again as it was.

Of folders of files Spark's own log says which files a batch has; they are then read as any delivery is. A checkpoint
lies in a folder of its own for each source and date.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession

from promo_spark.errors import SourceError
from promo_spark.storage.files import Files
from promo_spark.storage.jvm import SparkFailure, in_session

_FILE = "path string, modificationTime timestamp, length long, content binary"


@dataclass(frozen=True)
class Batch:
    """One micro-batch: its number, the checkpoint that counts, and its files, or its rows where these are no files."""

    number: int
    checkpoint: str
    files: Sequence[str] = ()
    rows: DataFrame | None = field(default=None, repr=False)


def take_files(
    spark: SparkSession, name: str, path: str, checkpoint: str, files_per_batch: int, take: Callable[[Batch], None]
) -> None:
    """Hands over the files that came since the last batch, in batches, oldest first; empty files are left out.

    A file counts as whole once it is seen: write it elsewhere, or under a name that begins with `_` or `.`, and rename
    it. Raises what `take` raises, or SourceError for what cannot be read.
    """
    reader = spark.readStream.format("binaryFile").schema(_FILE).option("maxFilesPerTrigger", files_per_batch)

    def of_files(rows: DataFrame, number: int) -> Batch:
        there = rows.filter("length > 0").collect()  # as many as a batch has files
        return Batch(number, _checkpoint_id(spark, checkpoint), sorted(row[0] for row in there))

    if not Files(spark).matches(path):  # the folder may come later in the day
        return
    files = reader.option("recursiveFileLookup", "true").load(path).select("path", "length")  # no content is read
    _take(name, files, checkpoint, of_files, take)


def take_rows(
    spark: SparkSession, name: str, path: str, checkpoint: str, files_per_batch: int, take: Callable[[Batch], None]
) -> None:
    """Hands over the rows that were appended to the Delta table at a path since the last batch, in batches.

    Rows that are changed or deleted there say nothing new. Raises as take_files does.
    """

    def of_rows(rows: DataFrame, number: int) -> Batch:
        return Batch(number, _checkpoint_id(spark, checkpoint), rows=in_session(spark, rows))

    reader = spark.readStream.format("delta").option("skipChangeCommits", "true")
    _take(name, reader.option("maxFilesPerTrigger", files_per_batch).load(path), checkpoint, of_rows, take)


def _take(
    name: str,
    stream: DataFrame,
    checkpoint: str,
    batch_of: Callable[[DataFrame, int], Batch],
    take: Callable[[Batch], None],
) -> None:
    """Runs one query over all that is there. What `take` raises comes out as it is."""
    raised: list[BaseException] = []

    def taken(rows: DataFrame, number: int) -> None:
        try:
            take(batch_of(rows, number))
        except BaseException as error:
            raised.append(error)
            raise

    query = None
    try:
        writer = stream.writeStream.option("checkpointLocation", checkpoint).trigger(availableNow=True)
        query = writer.foreachBatch(taken).start()
        query.awaitTermination()
    except SparkFailure as error:
        if raised:
            raise raised[0] from None
        raise SourceError(f"source {name} cannot be read: {_said(error)}. Run again when it can be") from error
    finally:
        if query is not None:
            query.stop()


def _checkpoint_id(spark: SparkSession, checkpoint: str) -> str:
    """Tells one checkpoint from another in its place: Spark's own id of the query, which it writes at the start."""
    return str(json.loads(Files(spark).text(f"{checkpoint}/metadata"))["id"])[:8]


def _said(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "Exception: " in line), lines[0] if lines else type(error).__name__)[:300]
