"""Dirty files through the ingest job: what the generator knows of every line is what became of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from pyspark.sql import SparkSession


def script() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "scripts" / "fuzz.py"
    spec = importlib.util.spec_from_file_location("fuzz", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault("fuzz", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


def test_the_same_seed_gives_the_same_files() -> None:
    fuzz = script()
    first, second = ([(f.name, f.data) for f in fuzz.dirty_files(60, seed=7)] for _ in range(2))
    assert first == second
    assert first != [(f.name, f.data) for f in fuzz.dirty_files(60, seed=8)]


def test_nothing_of_a_hundred_dirty_files_is_lost_or_altered(spark: SparkSession, tmp_path: Path) -> None:
    """A01, A12, A13, B01, B06: in = accepted + quarantined + blank per file, values exact, bad rows never accepted."""
    fuzz = script()
    tallies, problems = fuzz.fuzz(spark, tmp_path, files=120, seed=1)
    assert problems == []
    in_all = tallies["all"]
    assert in_all.clean() and in_all.files == 120 + 6 and in_all.refused == 6  # 120 // 20 cut or damaged files
    assert in_all.rows_in == in_all.accepted + in_all.quarantined + in_all.blank
    assert min(in_all.accepted, in_all.quarantined, in_all.blank) > 50
