"""ops.runs: what ran, on what, with what result; and from it, what need not run again."""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import Row

import promo_spark
from promo_spark.contracts.ops import Runs
from promo_spark.contracts.schema import Table, WriteMode
from promo_spark.contracts.schema.personal import redacted
from promo_spark.runtime.job import Context, Job
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake

SUCCEEDED, FAILED = "succeeded", "failed"
_FEED = "feed "  # before the name of a change feed, among the versions of tables


@dataclass(frozen=True)
class Inputs:
    """What a run reads: which run last wrote each table, and the table's version."""

    runs: Mapping[str, str]
    versions: Mapping[str, int]


class RunLog:
    """The runs of a lake, read once and kept up to date."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        attempts = self._read()
        self._runs = [r for r in attempts if r.outcome == SUCCEEDED]
        newest = {(r.job, r.date): r.outcome for r in attempts}
        self._failed_last = {attempt for attempt, outcome in newest.items() if outcome == FAILED}

    def _read(self) -> list[Row]:
        """All attempts, oldest first; one per job and day or few more: never grows with the users."""
        if not self.lake.exists(Runs):
            return []
        return self.lake.read(Runs).orderBy(Runs.started_at).collect()

    def succeeded(self) -> list[Row]:
        """All succeeded attempts, oldest first."""
        return list(self._runs)

    def latest(self, job: str, date: datetime.date) -> Row | None:
        return next((r for r in reversed(self._runs) if r.job == job and r.date == date), None)

    def writer(self, table: type[Table], date: datetime.date, dated: bool) -> Row | None:
        """The newest run that wrote the table: for its date, or whenever for tables without one."""
        name = table.full_name()
        wrote = (r for r in reversed(self._runs) if name in r.output_versions and (not dated or r.date == date))
        return next(wrote, None)

    def earlier_rows(self, job: Job, date: datetime.date) -> dict[str, list[int]]:
        """source → the rows, blank ones left out, that the newest run of each other date took in; newest last."""
        newest = {r.date: r for r in self._runs if r.job == job.name and r.date != date}
        found: dict[str, list[int]] = {}
        for run in sorted(newest.values(), key=lambda r: r.started_at):
            for source, counts in run.sources.items():
                found.setdefault(source, []).append(counts.rows_in - counts.blank)
        return found

    def taken(self, job: Job) -> dict[str, int]:
        """change feed → the version that the newest succeeded run took, for whatever date it ran."""
        found: dict[str, int] = {}
        for run in self._runs:
            if run.job == job.name:
                found |= {k.removeprefix(_FEED): v for k, v in run.input_versions.items() if k.startswith(_FEED)}
        return found

    def inputs(self, job: Job, date: datetime.date) -> Inputs:
        """Where the job's inputs stand now."""
        runs, versions = {}, {}
        for table in (*job.reads, *job.optional):
            if table in job.writes:  # its own earlier dates: the newest of them is what it builds on
                earlier = [r for r in self._runs if r.job == job.name and r.date < date]
                runs[table.full_name()] = max(earlier, key=lambda r: r.date).run_id if earlier else "none"
                continue
            wrote = self.writer(table, date, job.date_dependent(table))
            version = self.lake.version(table)
            runs[table.full_name()] = wrote.run_id if wrote else f"version {version}"
            if version is not None and not job.date_dependent(table):
                versions[table.full_name()] = version
        return Inputs(runs, versions)

    def is_current(self, job: Job, date: datetime.date, run_id: str, inputs: Inputs) -> bool:
        """Whether the tables already hold what the run would write.

        Not after a failed attempt: what it says of itself, such as its data-quality report, stands in the lake.
        """
        done = self.latest(job.name, date)
        if (job.name, date) in self._failed_last:
            return False
        if done is None or done.run_id != run_id or _tables(done.input_versions) != dict(inputs.versions):
            return False
        for table in job.writes:
            recorded = done.output_versions.get(table.full_name())
            if recorded is None:
                continue
            version = self.lake.version(table)
            if version is None or version < recorded:
                return False
            if table.write_mode is WriteMode.REPLACE_SLICE:
                continue  # others write their own slices of it, such as their metrics
            wrote = self.writer(table, date, job.date_dependent(table))
            if wrote is None or wrote.run_id != run_id:
                return False
        return True

    def record(
        self,
        ctx: Context[Any],
        settings: Settings,
        inputs: Inputs,
        started: datetime.datetime,
        error: BaseException | None = None,
    ) -> None:
        """Appends the attempt."""
        now = datetime.datetime.now(datetime.timezone.utc)
        row = {
            Runs.run_id: ctx.run_id,
            Runs.job: ctx.job.name,
            Runs.date: ctx.date,
            Runs.started_at: started,
            Runs.seconds: (now - started).total_seconds(),
            Runs.outcome: FAILED if error else SUCCEEDED,
            Runs.message: redacted(str(error))[:2000] if error else None,
            Runs.settings: json.dumps(_logged_settings(ctx.job, settings), sort_keys=True),
            Runs.code_version: code_version(),
            Runs.input_runs: dict(inputs.runs),
            Runs.input_versions: {**inputs.versions, **{_FEED + feed: version for feed, version in ctx.takes.items()}},
            Runs.output_versions: dict(ctx.versions_out),
            Runs.rows_out: dict(ctx.rows_out),
            Runs.sources: {
                name: (c.rows_in, c.accepted, c.quarantined, c.blank, dict(c.reasons))
                for name, c in ctx.sources.items()
            },
        }
        frame = Runs.frame(self.lake.spark, [row]).coalesce(1)
        self.lake.write(Runs, frame)
        if error:
            self._failed_last.add((ctx.job.name, ctx.date))
        else:
            self._failed_last.discard((ctx.job.name, ctx.date))
            self._runs.extend(frame.collect())


def _tables(versions: Mapping[str, int]) -> dict[str, int]:
    """The versions of tables of the lake alone."""
    return {name: version for name, version in versions.items() if not name.startswith(_FEED)}


def run_id(job: Job, date: datetime.date, settings: Settings, inputs: Inputs, outside: str) -> str:
    """The same for the same job, date, settings, code and inputs, so that a repeated run writes the same bytes."""
    parts = {
        "job": job.name,
        "date": date.isoformat(),
        "settings": _logged_settings(job, settings),
        "code": code_version(),
        "inputs": dict(inputs.runs),
        "outside": outside,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@functools.cache
def code_version() -> str:
    """The package's version and a digest of its source, the jobs included."""
    digest = hashlib.sha256()
    package = Path(promo_spark.__file__).parent
    for root in (package, package.parent / "jobs"):
        for name, content in _sources(root):
            digest.update(f"{root.name}/{name}".encode() + b"\0" + content + b"\0")
    return f"{promo_spark.__version__}+{digest.hexdigest()[:12]}"


def _sources(root: Path) -> list[tuple[str, bytes]]:
    """Every module's text, from a folder or from the zip that a cluster was sent."""
    if root.is_dir():
        return [(str(p.relative_to(root)), p.read_bytes()) for p in sorted(root.rglob("*.py"))]
    import zipfile

    archive = next(p for p in root.parents if p.is_file())
    inside = root.relative_to(archive).as_posix() + "/"
    with zipfile.ZipFile(archive) as package:
        names = sorted(n for n in package.namelist() if n.startswith(inside) and n.endswith(".py"))
        return [(n.removeprefix(inside), package.read(n)) for n in names]


def _logged_settings(job: Job, settings: Settings) -> dict[str, Any]:
    """What of the settings the job's result depends on; secrets are references and stay so."""
    return {
        "business": settings.business.model_dump(mode="json"),
        job.name: getattr(settings, job.name).model_dump(mode="json"),
    }
