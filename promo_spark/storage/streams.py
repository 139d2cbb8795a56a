"""What arrives, in micro-batches of Structured Streaming: which rows belong to a batch is written down before they are
taken, so that a batch that was cut off comes again as it was.

Of folders of files Spark's own log says which files a batch has; they are then read as any delivery is. A checkpoint
lies in a folder of its own for each source and date.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.errors import SourceError
from promo_spark.secret_references import resolved
from promo_spark.settings.stream import StreamSourceSettings
from promo_spark.settings.topics import kafka_options
from promo_spark.storage.files import Files
from promo_spark.storage.jvm import SparkFailure, in_session

_PATH, _LENGTH = "path", "length"
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
        there = rows.filter(F.col(_LENGTH) > 0).collect()  # as many as a batch has files
        return Batch(number, _checkpoint_id(spark, checkpoint), sorted(row[0] for row in there))

    if not Files(spark).matches(path):  # the folder may come later in the day
        return
    reader = reader.option("recursiveFileLookup", "true")
    _take(
        f"{name} ({path})", lambda: reader.load(path).select(_PATH, _LENGTH), checkpoint, of_files, take
    )  # no content is read


def take_rows(
    spark: SparkSession, name: str, path: str, checkpoint: str, files_per_batch: int, take: Callable[[Batch], None]
) -> None:
    """Hands over the rows that were appended to the Delta table at a path since the last batch, in batches.

    Rows that are changed or deleted there say nothing new. Raises as take_files does.
    """

    def of_rows(rows: DataFrame, number: int) -> Batch:
        return Batch(number, _checkpoint_id(spark, checkpoint), rows=in_session(spark, rows))

    reader = spark.readStream.format("delta").option("skipChangeCommits", "true")
    reader = reader.option("maxFilesPerTrigger", files_per_batch)
    _take(f"{name} ({path})", lambda: reader.load(path), checkpoint, of_rows, take)


def take_messages(
    spark: SparkSession,
    name: str,
    source: StreamSourceSettings,
    checkpoint: str,
    messages_per_batch: int,
    take: Callable[[Batch], None],
) -> None:
    """Hands over the messages of a topic since the last batch, in batches; at first from the oldest that is there.

    Raises as take_files does: for a topic or brokers that cannot be reached, and where messages are gone that no batch
    has had.
    """

    def of_messages(rows: DataFrame, number: int) -> Batch:
        return Batch(number, _checkpoint_id(spark, checkpoint), rows=in_session(spark, rows))

    secrets = {
        option: resolved(reference, f"stream.sources.{name}.options_secret.{option}")
        for option, reference in source.options_secret.items()
    }
    options = kafka_options({**_PATIENCE, **source.options, **secrets})
    reader = spark.readStream.format("kafka").options(**options, subscribe=source.topic, startingOffsets="earliest")
    reader = reader.option("kafka.bootstrap.servers", source.servers).option("maxOffsetsPerTrigger", messages_per_batch)
    _take(f"{name} ({source.topic})", reader.load, checkpoint, of_messages, take, tuple(secrets.values()))


_PATIENCE = {"default.api.timeout.ms": "30000", "request.timeout.ms": "20000"}  # with brokers that do not answer


def _take(
    name: str,
    opened: Callable[[], DataFrame],
    checkpoint: str,
    batch_of: Callable[[DataFrame, int], Batch],
    take: Callable[[Batch], None],
    secrets: Sequence[str] = (),
) -> None:
    """Runs one query over all that is there. What `take` raises comes out as it is."""
    raised: list[BaseException] = []

    def taken(rows: DataFrame, number: int) -> None:
        try:
            take(batch_of(rows, number))
        except BaseException as error:  # noqa: BLE001 - Ctrl-C and SIGTERM too: raised again below
            raised.append(error)
            # An exception that Python takes for the end of the thread would leave the JVM waiting for an answer.
            raise RuntimeError("the batch was not taken") from None

    query, said = None, ""
    logger = logging.getLogger("py4j.clientserver")  # what `take` raises, with its stack: who gets it, tells of it
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        writer = opened().writeStream.option("checkpointLocation", checkpoint).trigger(availableNow=True)
        query = writer.foreachBatch(taken).start()
        query.awaitTermination()
    except SparkFailure as error:
        if raised:
            raise raised[0] from None
        said = _said(error, secrets)
    finally:
        logger.setLevel(level)
        if query is not None:
            query.stop()
    if said:
        raise SourceError(f"source {name} cannot be read: {said}. Run again when it can be")


def _checkpoint_id(spark: SparkSession, checkpoint: str) -> str:
    """Tells one checkpoint from another in its place: Spark's own id of the query, which it writes at the start."""
    return str(json.loads(Files(spark).text(f"{checkpoint}/metadata"))["id"])[:8]


def _said(error: BaseException, secrets: Sequence[str]) -> str:
    text = f"{error}\n{getattr(error, '_cause', '')}"
    for secret in secrets:
        text = text.replace(secret, "***")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "Exception: " in line), lines[0] if lines else type(error).__name__)[:300]
