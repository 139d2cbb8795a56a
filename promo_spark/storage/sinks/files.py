"""Files for other systems, in a folder of this machine or an object store: CSV or JSON lines, with a manifest.

A date has a folder. Its files are written beside one another under names that no other export has, then the manifest
takes the place of the one before, in one step. Whoever reads what the manifest names sees a whole export, whatever
becomes of a run. Files of the export before stay for whoever is reading them; older ones are deleted.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.exports import SCHEMA_VERSION
from promo_spark.errors import TargetError
from promo_spark.settings.export import TargetSettings
from promo_spark.storage.arrow_tables import folder_of
from promo_spark.storage.files import Files
from promo_spark.storage.jvm import SparkFailure
from promo_spark.storage.sinks.batch import INSTANT, Batch, Sent, flat

MANIFEST = "manifest.json"
_UNFINISHED = "_unfinished"  # readers of folders skip what begins with _
_PART = re.compile(r"part-(\d+)-")
_ENDING = {"csv": "csv", "jsonl": "jsonl"}
EXPORTED = re.compile(rf"-[0-9a-f]{{16}}-\d{{5}}\.({'|'.join(_ENDING.values())})$")  # how names of exported files end

# A spreadsheet takes a cell that begins so for a formula; with a ' before, and so is a ' itself, for text.
FORMULA = r"^[=+\-@\t\r\n']"
_NUMBER = r"^[+-]?\d+([.,]\d+)?$"


def send(spark: SparkSession, batch: Batch, target: TargetSettings) -> Sent:
    """Writes the files of the date, then its manifest. Raises TargetError where that failed; nothing is seen then."""
    folder = _folder(target, batch)
    try:
        return _written(Files(spark), batch, target, folder)
    except (*SparkFailure, OSError) as error:
        why = _said(error)
    raise TargetError(
        f"target {batch.target}: {folder} cannot be written: {why}. The files that its {MANIFEST} names are as before"
    )


def holds(spark: SparkSession, batch: Batch, target: TargetSettings) -> bool:
    """Whether the files of this very export lie there."""
    try:
        files, folder = Files(spark), _folder(target, batch)
        manifest = _manifest(files, folder)
        named = {entry["name"]: entry["bytes"] for entry in manifest.get("files", ())}
        there = set(files.names(folder))
        return (
            manifest.get("digest") == batch.digest
            and named.keys() <= there
            and all(files.size(f"{folder}/{name}") == size for name, size in named.items())
        )
    except (*SparkFailure, OSError):
        return False


def defused(column: Column) -> Column:
    """The text as a cell that no spreadsheet takes for a formula; numbers stay. Without its first ' it is the text."""
    risky = column.rlike(FORMULA) & ~column.rlike(_NUMBER)
    return F.when(risky, F.concat(F.lit("'"), column)).otherwise(column)


def _written(files: Files, batch: Batch, target: TargetSettings, folder: str) -> Sent:
    unfinished = f"{folder}/{_UNFINISHED}"
    files.delete_folder(unfinished)  # of a run that was killed
    before = _manifest(files, folder)
    rows = _in_parts(batch, target.parts)
    counts = {int(r[0]): int(r[1]) for r in rows.groupBy(F.spark_partition_id()).count().collect()}  # one per file
    if target.kind == "csv":
        cells = flat(rows).select([_cell(f) for f in flat(rows).schema.fields])
        writer = cells.write.options(
            header="true",
            escape='"',
            emptyValue='""',
            timestampFormat=INSTANT,
            ignoreLeadingWhiteSpace="false",
            ignoreTrailingWhiteSpace="false",
        )
        writer.csv(unfinished)
    else:
        rows.write.options(ignoreNullFields="false", timestampFormat=INSTANT).json(unfinished)
    entries: list[dict[str, Any]] = []
    for name in sorted(n for n in files.names(unfinished) if _PART.match(n)):
        number = int(_PART.match(name).group(1))  # type: ignore[union-attr]  # matched above
        if counts.get(number):
            path = f"{unfinished}/{name}"
            new = f"{batch.target}-{batch.digest}-{number:05d}.{_ENDING[target.kind]}"
            entries.append(
                {"name": new, "rows": counts[number], "bytes": files.size(path), "sha256": files.sha256(path)}
            )
            files.rename(path, f"{folder}/{new}")
    came = sum(e["rows"] for e in entries)
    if came != batch.count:
        raise TargetError(
            f"target {batch.target}: {came} of {batch.count} rows came to {folder}: do all machines reach it?"
        )
    files.put(f"{folder}/{MANIFEST}", _text(batch, target, entries))
    files.delete_folder(unfinished)
    kept = {e["name"] for e in (*entries, *before.get("files", ()))} | {MANIFEST}
    for name in files.names(folder):
        if name not in kept and name.startswith(f"{batch.target}-"):
            files.delete(f"{folder}/{name}")
    together = hashlib.sha256("".join(str(e["sha256"]) for e in entries).encode()).hexdigest()
    return Sent(len(entries), sum(int(e["bytes"]) for e in entries), together)


def _in_parts(batch: Batch, parts: int) -> DataFrame:
    """The rows in files: those of a user in one of them, in an order that follows from the rows alone."""
    key = list(batch.shape.key)
    together = batch.shape.partition_by
    return batch.rows.repartition(parts, F.col(together)).sortWithinPartitions(together, *key)


def _cell(field: T.StructField) -> Column:
    column = F.col(field.name)
    return defused(column).alias(field.name) if isinstance(field.dataType, T.StringType) else column


def _text(batch: Batch, target: TargetSettings, entries: list[dict[str, Any]]) -> str:
    told = {
        "date": batch.date.isoformat(),
        "target": batch.target,
        "what": batch.what,
        "ids": batch.ids,
        "format": target.kind,
        "schema_version": SCHEMA_VERSION,
        "columns": list(batch.shape.rows.columns()),
        "rows": batch.count,
        "files": entries,
        "digest": batch.digest,
        "run_id": batch.run_id,
    }
    return json.dumps(told, indent=2) + "\n"


def _manifest(files: Files, folder: str) -> dict[str, Any]:
    """What the manifest says; nothing where there is none."""
    path = f"{folder}/{MANIFEST}"
    if not files.exists(path):
        return {}
    try:
        found = json.loads(files.text(path))
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _folder(target: TargetSettings, batch: Batch) -> str:
    root = (folder_of(target.path) or target.path).rstrip("/")
    return f"{root}/{batch.date}"


def _said(error: BaseException) -> str:
    """The line that tells most: what the file system said, before the layers around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    own = [line for line in lines if re.search(r"No space|denied|AccessDenied|NoSuch|Exception: \S", line)]
    return re.sub(r"^(Caused by: |: )+", "", (own or lines or [type(error).__name__])[-1])[:300]
