"""Takes generated dirty files in and proves that nothing of them is lost, against what the generator knows.

    PYTHONPATH=. .venv/bin/python scripts/fuzz.py [--files 1000] [--seed 1] [--keep FOLDER]

Every file is made from a seed, with several kinds of dirt at once: CSV with four delimiters, JSON lines,
Parquet. The generator knows of each physical line whether it is good (and what must stand in silver), bad, or
blank. One run of the ingest job takes all files in; then each file's rows in silver and quarantine are compared
with that. Files that can only be refused (cut off, damaged) are opened one by one: each must be refused by name.
Prints a table, a row per kind of dirt; ends with exit code 1 if a row was lost, altered, wrongly taken in or
wrongly rejected, or anything crashed.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import json
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dirty_files import BAD, BLANK, GOOD, PRODUCTS, SHAPES, DirtyFile, dirty_files, refused_files
from pyspark.sql import SparkSession

from jobs.ingest import run as ingest
from promo_spark.contracts.silver import QUARANTINE
from promo_spark.errors import SourceError
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.run_log import RunLog
from promo_spark.runtime.session import started_session
from promo_spark.settings import load, validated
from promo_spark.storage import landing
from promo_spark.storage.lake import Lake

DATE = datetime.date(2018, 1, 1)


@dataclass
class Tally:
    """What became of the rows of some files."""

    files: int = 0
    rows_in: int = 0
    accepted: int = 0
    quarantined: int = 0
    blank: int = 0
    refused: int = 0
    lost: int = 0
    altered: int = 0
    wrong: int = 0
    crashes: int = 0

    def add(self, other: Tally) -> None:
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def clean(self) -> bool:
        return not (self.lost or self.altered or self.wrong or self.crashes)


def fuzz(spark: SparkSession, folder: Path, files: int, seed: int) -> tuple[dict[str, Tally], list[str]]:
    """A tally per kind of dirt and in all, and what is wrong, in words."""
    made = list(dirty_files(files, seed))
    write(made, folder)
    lake = Lake(spark, str(folder / "lake"))
    base = load(None, ["business.privacy.pseudonymise=false"]).model_dump(mode="json")
    settings = validated(base | {"ingest": ingest_settings(folder)})
    problems: list[str] = []
    tallies: dict[str, Tally] = defaultdict(Tally)
    try:
        run_in_order([ingest], lake, settings, DATE, Progress())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a crash, and told
        problems.append(f"ingest failed: {type(error).__name__}: {error}"[:3000])
        tallies["all"] = Tally(files=files, rows_in=sum(len(f.lines) for f in made), crashes=files)
        return tallies, problems
    silver, quarantine = _found(lake)
    for file in made:
        tally = judged(file, silver.pop(file.name, {}), quarantine.pop(file.name, []), problems)
        for kind in ("all", *(file.dirt or {"clean"})):
            tallies[kind].add(tally)
    for name in {*silver, *quarantine} - {"products.csv"}:
        problems.append(f"rows of {name}, which is no file of the source")
        tallies["all"].wrong += 1
    counted = RunLog(lake).succeeded()[-1].sources
    by_run = [sum(getattr(counted[s], c) for s in SHAPES) for c in ("rows_in", "accepted", "quarantined", "blank")]
    in_all = tallies["all"]
    if by_run != [in_all.rows_in, in_all.accepted, in_all.quarantined, in_all.blank]:
        problems.append(f"ops.runs counts {by_run}, the files have {vars(in_all)}")
        in_all.wrong += 1
    for file in refused_files(max(4, files // 20), seed):
        tally = _refused(spark, folder, file, problems)
        for kind in ("all", *file.dirt):
            tallies[kind].add(tally)
    return tallies, problems


def write(files: list[DirtyFile], folder: Path) -> None:
    """The files as a retailer's landing zone has them, with what other programs leave beside."""
    for source in SHAPES:
        (folder / source).mkdir(parents=True, exist_ok=True)
        (folder / source / "_SUCCESS").write_bytes(b"")
        (folder / source / ".hidden.csv").write_bytes(b"not,for,us\n1,2,3\n")
        (folder / source / ".old.csv.crc").write_bytes(b"crc\0\1\2")
    for file in files:
        data = gzip.compress(file.data, mtime=0) if file.name.endswith(".gz") else file.data
        (folder / file.source / file.name).write_bytes(data)
    (folder / "products.csv").write_text("sku\n" + "".join(f"{p}\n" for p in PRODUCTS), encoding="utf-8")


def ingest_settings(folder: Path) -> dict[str, Any]:
    """Every source mapped; nothing refused for its share of dirt."""
    base = load().ingest.model_dump(mode="json")
    sources: dict[str, Any] = {
        "products": {"path": str(folder / "products.csv"), "format": "csv", "columns": {"product_id": "sku"}}
    }
    for source, shape in SHAPES.items():
        constants = {ours: {"constant": value} for ours, value in shape.constants.items()}
        sources[source] = {
            "path": str(folder / source),
            "format": shape.file_format,
            "delimiter": shape.delimiter,
            "columns": {c.ours: c.theirs for c in shape.columns()} | constants,
            "timestamp_format": "yyyy-MM-dd'T'HH:mm:ss[.SSSSSS][XXX]",
        }
    gate = base["gate"] | {"max_rejected_share": 1.0, "max_missing_days": 10_000}
    return base | {"adapter": "files", "sources": sources, "gate": gate, "policies": {"unknown_user": "off"}}


def _found(lake: Lake) -> tuple[dict[str, dict[str, dict[str, Any]]], dict[str, list[tuple[str, list[str]]]]]:
    """Per file: rows of silver by key, and what is in quarantine."""
    silver: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    quarantine: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for shape in SHAPES.values():
        for row in lake.read(shape.table).collect():
            key = row[shape.key.ours]
            silver[_name(row["source_file"])][key] = row.asDict()
        for row in lake.read(QUARANTINE[shape.table]).collect():
            quarantine[_name(row["source_file"])].append((row["raw"], row["reasons"]))
    return silver, quarantine


def _name(path: str) -> str:
    return unquote(path).rsplit("/", 1)[-1]


def judged(
    file: DirtyFile, silver: dict[str, dict[str, Any]], quarantine: list[tuple[str, list[str]]], problems: list[str]
) -> Tally:
    """What became of the file's lines, against what they are."""
    tally = Tally(
        files=1,
        rows_in=len(file.lines),
        accepted=len(silver),
        quarantined=len(quarantine),
        blank=sum(line.truth == BLANK for line in file.lines),
    )
    told = f"{file.name} ({', '.join(sorted(file.dirt))})"
    missing = tally.rows_in - tally.accepted - tally.quarantined - tally.blank
    if missing:
        tally.lost += abs(missing)
        problems.append(f"{told}: {missing} rows lost")
    for line in file.lines:
        if line.truth != GOOD:
            continue
        row = silver.pop(line.key, None)
        if row is None:
            tally.wrong += 1
            reasons = [r for raw, r in quarantine if raw == expected_text(line.raw)]
            problems.append(f"{told}: good line rejected for {reasons}: {line.raw[:300]!r}")
        else:
            other = {n: (row[n], v) for n, v in line.values if row[n] != v}
            tally.altered += bool(other)
            if other:
                problems.append(f"{told}: {line.key} altered: {str(other)[:300]}")
    for key in silver:
        tally.wrong += 1
        problems.append(f"{told}: accepted, but no good line has it: {key[:300]!r}")
    typed = SHAPES[file.source].file_format == "parquet"
    kept = Counter(json.loads(raw)["category"] if typed else raw for raw, _ in quarantine)
    expected = Counter(expected_text(line.raw) for line in file.lines if line.truth == BAD)
    for raw in (expected - kept).elements():
        tally.altered += 1
        problems.append(f"{told}: not kept as it came: {raw[:200]!r}; kept: {[r[:100] for r in (kept - expected)]}")
    reasons_of = {json.loads(raw)["category"] if typed else raw: reasons for raw, reasons in quarantine}
    for line in file.lines:
        found = reasons_of.get(expected_text(line.raw), [])
        if line.truth == BAD and line.reason and found and line.reason not in found:
            tally.wrong += 1
            problems.append(f"{told}: {line.raw[:200]!r} rejected for {found}, not for {line.reason}")
    return tally


def expected_text(raw: bytes) -> str:
    """The line as quarantine keeps it: text, or every byte as a character where it is none."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
    return text.removeprefix("\ufeff")


def _refused(spark: SparkSession, folder: Path, file: DirtyFile, problems: list[str]) -> Tally:
    path = folder / "refused" / file.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(file.data)
    tally = Tally(files=1)
    try:
        with landing.refusing_unreadable(str(path), only="FAILED_READ_FILE"):
            if file.source == "market":
                rows = landing.typed_rows(spark, str(path), "parquet", ["category", "sales"])
            else:
                rows = landing.csv_rows(spark, str(path), ["order", "customer"])
            rows.write.format("noop").mode("overwrite").save()
    except SourceError as error:
        tally.refused = int(file.name in str(error))
        if not tally.refused:
            problems.append(f"{file.name}: refused without its name: {error}")
            tally.crashes = 1
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a crash, and told
        tally.crashes = 1
        problems.append(f"{file.name} ({file.dirt}): {type(error).__name__}: {error}"[:500])
    else:
        tally.wrong = 1
        problems.append(f"{file.name} ({file.dirt}): read as if it were whole")
    return tally


def table(tallies: dict[str, Tally]) -> str:
    """The tallies as Markdown, a row per kind of dirt, all files last."""
    names = list(vars(Tally()))
    rows = [["dirt", *names]]
    rows += [[kind, *(f"{getattr(tallies[kind], n):,}" for n in names)] for kind in sorted(tallies, key=_all_last)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows.insert(1, ["-" * w for w in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows)


def _all_last(kind: str) -> tuple[bool, str]:
    return kind == "all", kind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the files and the lake, kept afterwards")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="promo_spark_fuzz_"))
    folder.mkdir(parents=True, exist_ok=True)
    spark = started_session("fuzz", load())
    try:
        tallies, problems = fuzz(spark, folder.resolve(), given.files, given.seed)
    finally:
        spark.stop()
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(table(tallies))
    for problem in problems[:100]:
        print(problem, file=sys.stderr)
    return 0 if all(t.clean() for t in tallies.values()) and not problems else 1


if __name__ == "__main__":
    sys.exit(main())
