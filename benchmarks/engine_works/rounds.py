"""Runs of all engines of a work, in turn, and the row that each gets."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine_works.one_run import BEGINS
from engine_works.processes import resident_bytes
from engine_works.work import OURS, Engine, Verdict, Work

PROJECT = Path(__file__).resolve().parents[2]
THREADS = 2
NOT_INSTALLED = "not installed"
_LIMITED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS")
_SAMPLED = 0.05  # seconds from one look at the memory to the next
_MEBIBYTE = 1 << 20


class FailedRunError(Exception):
    """An engine ended without a result; the end of what it said."""


def rows_of(work: Work, size: str, rounds: int, *, warmed: bool) -> list[dict[str, Any]]:
    """One row per engine. Engines take turns, round after round; results are judged before any figure is told."""
    with tempfile.TemporaryDirectory(prefix=f"engines-{work.name}-") as folder:
        return _rows(work, Path(folder), size, rounds, warmed)


def _rows(work: Work, folder: Path, size: str, rounds: int, warmed: bool) -> list[dict[str, Any]]:
    data, warm_up = folder / "data", folder / "warm_up"
    data_rows = work.prepare(data, size)
    if warmed:
        work.prepare(warm_up, "tiny")
    runs: dict[str, list[dict[str, float]]] = defaultdict(list)
    notes: dict[str, str] = {}
    results: dict[str, Path] = {}
    for number in range(rounds):
        for engine in work.engines:
            if not installed(engine) or engine.name in notes:
                continue
            left = folder / f"{engine.name}-{number}"
            try:
                run = one_run(work.name, engine.name, data, left, warm_up if warmed else None)
            except FailedRunError as error:
                notes[engine.name] = f"failed: {error}"
                continue
            runs[engine.name].append(run)
            results.setdefault(engine.name, left)
            print(f"  {work.name} {engine.name}, round {number + 1}: {run['wall_s']:.2f} s", flush=True)
    limit = one_run(work.name, "limit", data, folder / "limit", None)["limit_s"]
    verdicts = _verdicts(work, data, results)
    peers = [name for name, verdict in verdicts.items() if _is_peer(name) and verdict.equal]
    best = min((_median(runs[name]) for name in peers), default=None)
    return [
        _about(work, engine, size, data_rows, warmed)
        | _figures(runs[engine.name], limit)
        | _judged(verdicts.get(engine.name), engine, notes)
        | {"ratio_to_best_peer": _ratio(best, runs[engine.name]) if not _is_peer(engine.name) else None}
        for engine in work.engines
    ]


def _verdicts(work: Work, data: Path, results: Mapping[str, Path]) -> Mapping[str, Verdict]:
    if not results or (work.reference and work.reference not in results):
        return {name: Verdict(None, note=f"{work.reference} left nothing to compare with") for name in results}
    return work.judged(data, results)


def one_run(work: str, engine: str, data: Path, left: Path, warm_up: Path | None) -> dict[str, float]:
    """What the process says of its run, and its peak memory in MiB. Raises FailedRunError."""
    environment = os.environ | dict.fromkeys(_LIMITED, str(THREADS))
    environment |= {"PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "benchmarks")]), "TQDM_DISABLE": "1"}
    command = [sys.executable, "-m", "engine_works.one_run", work, engine, str(data), str(left)]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [*command, *([str(warm_up)] if warm_up else [])],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        memory, told = _Memory(process.pid), {}
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == BEGINS:
                memory.start()
            elif line.startswith("{"):
                told = json.loads(line)
                memory.ended.set()
        memory.ended.set()
        if process.wait() != 0 or not told:
            said.seek(0)
            raise FailedRunError(_reason(said.read().decode(errors="replace")))
    return told | {"peak_mb": memory.peak / _MEBIBYTE}


def _reason(said: str) -> str:
    """The last line that names an error, else the last one."""
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
    return ([*lines[-1:], *errors[-1:]] or ["it said nothing"])[-1][:300]


class _Memory(threading.Thread):
    """The largest sum of the memory of the processes below one."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak, self.ended = root, 0, threading.Event()

    def run(self) -> None:
        while True:
            self.peak = max(self.peak, resident_bytes(self.root))
            if self.ended.wait(_SAMPLED):
                return


def installed(engine: Engine) -> bool:
    return all(importlib.util.find_spec(module.partition(".")[0]) is not None for module in engine.modules)


def _about(work: Work, engine: Engine, size: str, data_rows: int, warmed: bool) -> dict[str, Any]:
    packages = [*engine.packages, *(["pyspark"] if engine.spark else [])]
    return {
        "work": work.name,
        "engine": engine.name,
        "size": size,
        "data_rows": data_rows,
        "warmed": warmed,
        "machine": f"{_processor()}, {os.cpu_count()} cores",
        "threads": THREADS,
        "versions": {name: importlib.metadata.version(name) for name in packages if installed(engine)},
    }


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _figures(runs: list[dict[str, float]], limit: float) -> dict[str, Any]:
    walls = [run["wall_s"] for run in runs]
    of_all = {key: _rounded(statistics.median([run[key] for run in runs]) if runs else None) for key in _MEDIANS}
    first = [run["first_s"] for run in runs if run.get("first_s") is not None]
    return of_all | {
        "rounds": len(runs),
        "wall_min_s": _rounded(min(walls, default=None)),
        "wall_max_s": _rounded(max(walls, default=None)),
        "first_s": _rounded(statistics.median(first) if first else None),
        "limit_s": _rounded(limit),
        "ratio_to_limit": _rounded(_median(runs) / limit) if runs else None,
    }


_MEDIANS = ("wall_s", "cpu_s", "peak_mb", "others_cores")


def _judged(verdict: Verdict | None, engine: Engine, notes: Mapping[str, str]) -> dict[str, Any]:
    if verdict is None:
        reason = notes.get(engine.name, "") if installed(engine) else NOT_INSTALLED
        return {"equal": None, "quality": None, "note": reason}
    note = "; ".join(filter(None, (engine.note, verdict.note)))
    return {"equal": verdict.equal, "quality": _rounded(verdict.quality), "note": note}


def _is_peer(engine: str) -> bool:
    return not engine.startswith(OURS)


def _median(runs: list[dict[str, float]]) -> float:
    return statistics.median(run["wall_s"] for run in runs)


def _ratio(best: float | None, runs: list[dict[str, float]]) -> float | None:
    return _rounded(best / _median(runs)) if best is not None and runs else None


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else float(f"{figure:.4g}")
