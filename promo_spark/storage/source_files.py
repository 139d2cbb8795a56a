"""The files of a source one by one: name, size, time and checksum, and whether a file is still the one it was."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import SparkSession

from promo_spark.settings.dated_paths import PATTERN, fixed_folder
from promo_spark.storage import file_digests
from promo_spark.storage.file_digests import checksum_of, listed, local_path

_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:(//[^/]*)?(?=/)")


@dataclass(frozen=True)
class SourceFile:
    """A file of a source. `path` is as Spark opens it, `name` what of it lies below the source's folder."""

    name: str
    path: str
    size: int
    modified_at: datetime.datetime
    checksum: str | None = None  # None: of another file system

    def is_same_as(self, other: SourceFile) -> bool:
        """Whether it holds what the other held: by size and checksum, without a checksum by size and time.

        >>> now = SourceFile("a.csv", "", 9, datetime.datetime(2024, 6, 2), "c0")
        >>> now.is_same_as(SourceFile("a.csv", "", 9, datetime.datetime(2024, 6, 1), "c0"))
        True
        >>> now.is_same_as(SourceFile("a.csv", "", 9, datetime.datetime(2024, 6, 2), "d1"))
        False
        """
        if self.checksum and other.checksum:
            return (self.size, self.checksum) == (other.size, other.checksum)
        return (self.size, self.modified_at) == (other.size, other.modified_at)


@dataclass(frozen=True)
class Listing:
    """The files of a source by their names, and whether its path is one of them: a single file, not a folder."""

    files: Mapping[str, SourceFile]
    single: bool


def listing(spark: SparkSession, path: str, known: Mapping[str, SourceFile], below: str = "") -> Listing:
    """The files at a path, a folder, a pattern or a single file; `known`: those that were there before, by name.

    Names are given below the part of `below`, or else of the path, that is no pattern.

    Local files have checksums of their content. Where they are together larger than 1 GiB, one whose size and time
    are those of a known file is not read again, and has that file's checksum. Raises SourceError for a path that is
    not there.
    """
    rows = listed(spark, path)
    single = len(rows) == 1 and not PATTERN.search(path) and _ends_alike(rows[0][0], path)
    folder = _without_scheme(fixed_folder(below or path))
    alone = single and below in ("", path)
    hashed = all(local_path(row[0]) for row in rows) and sum(row[1] for row in rows) <= file_digests.HASHED_BYTES
    files: dict[str, SourceFile] = {}
    for place, size, changed in rows:
        modified_at = in_utc(changed)
        name = place.rsplit("/", 1)[-1] if alone else _below(folder, _without_scheme(place))
        before, local = known.get(name), local_path(place)
        repeated = before is not None and (before.size, before.modified_at) == (size, modified_at)
        checksum = None
        if local:
            checksum = before.checksum if before and repeated and not hashed else checksum_of(local)
        files[name] = SourceFile(name, place, size, modified_at, checksum)
    return Listing(files, single)


def in_utc(time: datetime.datetime) -> datetime.datetime:
    """The time with its zone: one without it is, as Spark hands times over, of this machine's zone."""
    return time.astimezone(datetime.timezone.utc)


def without_pattern(path: str) -> str:
    """The path as Spark takes it for one file, whatever signs are in its name.

    >>> without_pattern("file:/in/orders [1].csv")
    'file:/in/orders \\\\[1\\\\].csv'
    """
    return PATTERN.sub(lambda sign: f"\\{sign.group()}", path)


def _below(folder: str, path: str) -> str:
    """What of a path lies below the folder.

    >>> _below("/in/orders", "/in/orders/2024/a.csv"), _below("orders", "/home/shop/orders/a.csv")
    ('2024/a.csv', 'a.csv')
    """
    inner = f"{folder.strip('/')}/"
    return path.split(inner, 1)[1] if inner in path else path.lstrip("/")


def _without_scheme(path: str) -> str:
    """The path without file system and server.

    >>> _without_scheme("hdfs://name:8020/in/a.csv"), _without_scheme("file:/in/a.csv"), _without_scheme("in/a.csv")
    ('/in/a.csv', '/in/a.csv', 'in/a.csv')
    """
    return _SCHEME.sub("", path)


def _ends_alike(place: str, path: str) -> bool:
    return _without_scheme(place).endswith(_without_scheme(path).removeprefix("./").rstrip("/"))
