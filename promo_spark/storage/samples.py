"""The beginning of a source, laid beside it as a source of its own: what a first look needs."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession

from promo_spark.storage.files import Files
from promo_spark.storage.landing import opened

BYTES = 256 << 10  # some thousand lines
ROWS = 2000


def beginning(spark: SparkSession, path: str, file_format: str, folder: Path, name: str) -> tuple[str, str]:
    """The path and the format of a sample: the first lines of the first file, or the first rows of typed files.

    Raises SourceError for a path that is not there.
    """
    if file_format not in ("csv", "json"):
        rows = opened(path, lambda: spark.read.format(file_format).load(path)).limit(ROWS)
        rows.coalesce(1).write.parquet(str(folder / name))
        return str(folder / name), "parquet"
    listed = opened(path, lambda: spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(path))
    first = min(row[0] for row in listed.select("path").collect())  # as many as the source has files
    content = Files(spark).beginning(first, BYTES)
    whole_lines = content[: content.rfind(b"\n") + 1] if len(content) == BYTES else content
    sample = folder / name / Path(first).name
    sample.parent.mkdir()
    sample.write_bytes(whole_lines)
    return str(sample), file_format
