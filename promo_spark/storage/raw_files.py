"""Raw files: of a synthetic retailer, written where its owner would deliver them; and lists that somebody asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from promo_spark.errors import SourceError
from promo_spark.storage.file_digests import listed, local_path

_ROWS = "rows"
_OURS = ("part-", "_", ".")  # how names begin of what Spark writes into a folder


def what_would_be_lost(spark: SparkSession, folder: str, inputs: Sequence[str]) -> str:
    """What is lost if a folder is written anew: what this suite did not write, or what is read; empty: nothing."""
    place = _plain(folder)
    read = [path for path in inputs if path and f"{_plain(path)}/".startswith(f"{place}/")]
    return next(iter([*read, *_names_at(spark, place)]), "")


def _names_at(spark: SparkSession, place: str) -> list[str]:
    """Names of files and folders that Spark did not write; of a file its own."""
    if ":/" not in place:
        here = Path(place)
        if here.is_file():
            return [here.name]
        names = sorted(one.name for one in here.iterdir()) if here.is_dir() else []
        return [name for name in names if not name.startswith(_OURS)]
    try:
        found = [uri.rsplit("/", 1)[-1] for uri, _, _ in listed(spark, place)]
    except SourceError:
        return []  # there is nothing yet
    return [name for name in found if not name.startswith(_OURS)]


def _plain(path: str) -> str:
    """The path without a slash at its end, whole where it is on this machine."""
    here = local_path(path) or path
    return here.rstrip("/") if ":/" in here else str(Path(here).resolve())


def write_raw(rows: DataFrame, folder: str, name: str, file_format: str) -> int:
    """The rows as the only content of `folder/name`, in place of whatever is there; gives their number.

    Spark moves the files into place when all are written: a killed run leaves none, not half of them.
    """
    seen = Observation(name.replace("/", "_"))
    writer = rows.observe(seen, F.count(F.lit(1)).alias(_ROWS)).write.mode("overwrite")
    if file_format == "csv":
        writer = writer.option("header", "true").option("escape", '"').option("emptyValue", "")
    writer.format(file_format).save(f"{folder.rstrip('/')}/{name}")
    return int(seen.get[_ROWS])
