"""Damaged tables: what is broken said in one sentence, with the last version that is whole, and brought back to it."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping

from promo_spark.contracts.schema import Table
from promo_spark.errors import ContractError, MissingDataError
from promo_spark.installation import launcher
from promo_spark.storage.commits import Mark, marked
from promo_spark.storage.files import Files
from promo_spark.storage.jvm import SparkFailure
from promo_spark.storage.lake import Lake

_DAMAGE = re.compile(
    r"FILE_NOT_EXIST|FileNotFoundException|does not exist|FAILED_READ_FILE|DELTA_TRUNCATED|DELTA_LOG_FILE|"
    r"DELTA_VERSIONS_NOT_CONTIGUOUS|DELTA_STATE_RECOVER|DELTA_MISSING|JsonEOF|JsonParse|end-of-input|is not a Parquet|"
    r"MalformedInput|ChecksumException|DELTA_FAILED"
)
_VERSIONS_TRIED = 50


def damage_of(lake: Lake, error: BaseException, tables: Iterable[type[Table]]) -> ContractError | None:
    """What is broken, if the error comes of a damaged table among these; None: it does not."""
    if lake.catalog or not isinstance(error, SparkFailure) or not _DAMAGE.search(str(error)):
        return None
    for table in dict.fromkeys(tables):
        versions = versions_of(lake, table)
        if versions and not _is_whole(lake, table, versions[-1]):
            return ContractError(_sentence(lake, table, versions))
    return None


def versions_left(
    lake: Lake, error: BaseException, tables: Iterable[type[Table]], versions: Mapping[str, int]
) -> dict[type[Table], int]:
    """The newest version of the tables of which files of these versions have been deleted, if the error comes of that.

    Erasing persons deletes them, and vacuum. None is there where the newest version is damaged itself.
    """
    if lake.catalog or not _DAMAGE.search(str(error)):
        return {}
    found: dict[type[Table], int] = {}
    for table in tables:
        read, there = versions.get(table.full_name()), versions_of(lake, table)
        if read is None or not there or _is_whole(lake, table, read):
            continue
        newest = there[-1]
        if newest == read or not _is_whole(lake, table, newest):
            return {}
        found[table] = newest
    return found


def bring_back(lake: Lake, table: type[Table], version: int) -> int:
    """Sets the table to the version; how many commits that were cut off were moved aside for it.

    Raises MissingDataError where the table has no such version, or the version lacks files.
    """
    name, versions = table.full_name(), versions_of(lake, table)
    if version not in versions:
        there = f"its versions are {versions[0]} to {versions[-1]}" if versions else "there is no such table yet"
        raise MissingDataError(f"{name} has no version {version}: {there}")
    moved = _without_cut_off_commits(lake, table, versions, version)
    if not _is_whole(lake, table, version):
        left = versions_of(lake, table)
        if version < left[-1] and _is_whole(lake, table, left[-1]):
            raise MissingDataError(
                f"{name}: files of version {version} were deleted, as erasing persons and vacuum do, so nothing was "
                f"changed. The newest version, {left[-1]}, is whole"
            )
        raise MissingDataError(f"{name}: version {version} lacks files, too. {_sentence(lake, table, left)}")
    if lake.version(table) != version:
        with marked(lake.spark, Mark(run="restore", job="restore")):
            lake.restore(table, version)
    return moved


def _sentence(lake: Lake, table: type[Table], versions: list[int]) -> str:
    whole = next((v for v in reversed(versions[-_VERSIONS_TRIED:]) if _is_whole(lake, table, v)), None)
    name = table.full_name()
    if whole is None:
        return (
            f"{name} is damaged: its log or its files are broken, and none of its last versions is whole. Move its "
            f"folder {lake.path(table)} away and run the job that writes it again with --force"
        )
    return (
        f"{name} is damaged at version {versions[-1]}: its log is cut off, or files are missing. Version {whole} is "
        f"whole: {launcher()} restore {name} --version {whole} brings it back"
    )


def _is_whole(lake: Lake, table: type[Table], version: int) -> bool:
    """Whether every commit up to the version can be read and every file of the version is there."""
    if any(_cut_off(lake, table, v) for v in versions_of(lake, table) if v <= version):
        return False
    try:
        files = lake.files(table, version)
    except SparkFailure:
        return not _newest_is_readable(lake, table)  # a later commit is cut off: this one cannot be looked into
    return all(Files(lake.spark).exists(_path(file)) for file in files)


def files_of_day_are_there(lake: Lake, table: type[Table], version: int, partition: str) -> bool:
    """Whether the files of a version that hold a day, as `order_date=2024-06-03`, have not been deleted."""
    files = [file for file in lake.files(table, version) if f"/{partition}/" in file]
    return all(Files(lake.spark).exists(_path(file)) for file in files)


def _newest_is_readable(lake: Lake, table: type[Table]) -> bool:
    return not any(_cut_off(lake, table, v) for v in versions_of(lake, table))


def _without_cut_off_commits(lake: Lake, table: type[Table], versions: list[int], wanted: int) -> int:
    """Moves commits after the wanted version aside from the first that cannot be read on; how many these were."""
    broken = next((v for v in versions if v > wanted and _cut_off(lake, table, v)), None)
    if broken is None:
        return 0
    later = [v for v in versions if v >= broken]
    for v in later:
        for ending in ("json", "crc", "checkpoint.parquet"):
            Files(lake.spark).move_aside(f"{lake.path(table)}/_delta_log/{v:020d}.{ending}")
    Files(lake.spark).move_aside(f"{lake.path(table)}/_delta_log/_last_checkpoint")
    return len(later)


def versions_of(lake: Lake, table: type[Table]) -> list[int]:
    """The versions whose commits lie in the log, ascending."""
    names = Files(lake.spark).names(f"{lake.path(table)}/_delta_log")
    return sorted(int(n.removesuffix(".json")) for n in names if re.fullmatch(r"\d{20}\.json", n))


def _cut_off(lake: Lake, table: type[Table], version: int) -> bool:
    """Whether a commit's file is not lines of whole JSON objects."""
    try:
        text = Files(lake.spark).text(f"{lake.path(table)}/_delta_log/{version:020d}.json")
    except SparkFailure:  # it does not fit its checksum
        return True
    lines = [line for line in text.split("\n") if line.strip()]
    return not lines or not all(_is_json(line) for line in lines)


def _path(file: str) -> str:
    """A file as Spark names it, a URI, as a path."""
    return urllib.parse.unquote(file)


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
