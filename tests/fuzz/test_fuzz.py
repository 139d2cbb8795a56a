"""Dirty files through the ingest job: what the generator knows of every line is what became of it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from pyspark.sql import SparkSession


@pytest.fixture(autouse=True)
def _scripts_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "scripts"))


def test_the_same_seed_gives_the_same_files() -> None:
    dirty_files = importlib.import_module("dirty_files").dirty_files
    first, second = ([(f.name, f.data) for f in dirty_files(60, seed=7)] for _ in range(2))
    assert first == second
    assert first != [(f.name, f.data) for f in dirty_files(60, seed=8)]


def test_nothing_of_a_hundred_dirty_files_is_lost_or_altered(spark: SparkSession, tmp_path: Path) -> None:
    """A01, A12, A13, B01, B06: in = accepted + quarantined + blank per file, values exact, bad rows never accepted."""
    fuzz = importlib.import_module("fuzz")
    tallies, problems = fuzz.fuzz(spark, tmp_path, files=120, seed=1)
    assert problems == []
    in_all = tallies["all"]
    assert in_all.clean() and in_all.files == 120 + 6 and in_all.refused == 6  # 120 // 20 cut or damaged files
    assert in_all.rows_in == in_all.accepted + in_all.quarantined + in_all.blank
    assert min(in_all.accepted, in_all.quarantined, in_all.blank) > 50
