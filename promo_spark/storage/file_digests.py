"""Whether the files of a source are still the same, wherever they lie."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from promo_spark.settings.dated_paths import PATTERN
from promo_spark.storage.landing import opened

_LISTED = ("path", "length", "modificationTime")
HASHED_BYTES = 1 << 30  # of local files: their content is read where it is no more than this


class SparkNeededError(Exception):
    """What was asked is known by Spark only, and there is none yet."""


def required(spark: SparkSession | None) -> SparkSession:
    """The session. Raises SparkNeededError where there is none yet."""
    if spark is None:
        raise SparkNeededError
    return spark


def files_digest(spark: SparkSession | None, path: str) -> str:
    """A digest of the files under the path, or of its pattern: changes when a source does.

    A file counts by its name below the folder that all of them lie in, its size, and its checksum or, where files are
    remote or together larger than 1 GiB, the time of its last change. The folder itself counts for nothing: a copied
    checkout has the same digest. Raises SourceError for a path that is not there; SparkNeededError without Spark,
    where files are not a plain path of this machine.
    """
    rows = listed(spark, path)
    hashed = all(local_path(row[0]) for row in rows) and sum(row[1] for row in rows) <= HASHED_BYTES
    digest = hashlib.sha256()
    for (uri, size, changed), name in zip(rows, names_below([row[0] for row in rows]), strict=True):
        content = checksum_of(local_path(uri)) if hashed else changed.isoformat()
        digest.update(f"{name}\0{size}\0{content}\n".encode())
    return digest.hexdigest()[:16]


def listed(spark: SparkSession | None, path: str) -> list[tuple[str, int, datetime.datetime]]:
    """Address, size and time of the files at a path, a folder or a pattern, sorted.

    Raises SourceError for a path that is not there; SparkNeededError without Spark, where only Spark can list it.
    """
    return _listed_here(path) or _listed_by_spark(spark, path)


def _listed_here(path: str) -> list[tuple[str, int, datetime.datetime]]:
    """Address, size and time of the files at a plain path of this machine, as Spark sees them; else none.

    As for Spark, what begins with a dot or an underscore is no file of a source.
    """
    place = local_path(path) if path.startswith("file:") else path
    if not place or ":/" in place or PATTERN.search(place):
        return []
    root = Path(place).absolute()
    files = [root] if root.is_file() else [Path(folder) / name for folder, name in _walked(root)]
    listed = [(f"file:{file}", file.stat()) for file in files]
    utc = datetime.timezone.utc
    return sorted((uri, s.st_size, datetime.datetime.fromtimestamp(int(s.st_mtime), utc)) for uri, s in listed)


def _walked(root: Path) -> Iterator[tuple[str, str]]:
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if not name.startswith((".", "_"))]
        yield from ((folder, name) for name in names if not name.startswith((".", "_")))


def _listed_by_spark(spark: SparkSession | None, path: str) -> list[tuple[str, int, datetime.datetime]]:
    listing = required(spark).read.format("binaryFile").option("recursiveFileLookup", "true")
    files = opened(path, lambda: listing.load(path)).select(*_LISTED)
    return sorted(tuple(row) for row in files.collect())  # as many as the source has files


def names_below(paths: Sequence[str]) -> list[str]:
    """The files' names below the folder that all of them lie in.

    >>> names_below(["file:/data/2024/a.csv", "file:/data/b.csv"]), names_below(["file:/data/a.csv"])
    (['2024/a.csv', 'b.csv'], ['a.csv'])
    """
    parts = [path.split("/") for path in paths]
    folders = zip(*[names[:-1] for names in parts], strict=False)
    shared = sum(1 for _ in itertools.takewhile(lambda level: len(set(level)) == 1, folders))
    return ["/".join(names[shared:]) for names in parts]


def local_path(uri: str) -> str:
    """The path on this machine; empty for a file of another file system.

    >>> local_path("file:/data/a b.csv"), local_path("s3a://shop/a.csv")
    ('/data/a b.csv', '')
    """
    matched = re.fullmatch(r"file:(?://)?(/.*)", uri, re.DOTALL)
    return matched.group(1) if matched else ""


def checksum_of(path: str) -> str:
    """SHA-256 of a file of this machine."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
