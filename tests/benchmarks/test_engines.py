"""benchmarks/engines.py: rows of engines that each ran in a process of their own, and the page made of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
KEYS = {
    *("work", "engine", "size", "data_rows", "rounds", "warmed", "machine", "threads", "versions", "note"),
    *("wall_s", "wall_min_s", "wall_max_s", "cpu_s", "peak_mb", "first_s", "others_cores"),
    *("ratio_to_best_peer", "limit_s", "ratio_to_limit", "equal", "quality"),
}
BROUGHT_BY_DEV = {"ours", "duckdb", "polars", "scipy", "scikit-learn"}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A work of Spark, and one of arrays, with a few rows each."""
    file = tmp_path_factory.mktemp("engines") / "rows.json"
    asked = ["--size", "tiny", "--works", "user_profiles,item_neighbours", "--json", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    subprocess.run(
        [sys.executable, "benchmarks/engines.py", *asked], cwd=PROJECT, env=environment, check=True, capture_output=True
    )
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def test_every_engine_has_a_whole_row_and_the_same_result(rows: list[dict[str, Any]]) -> None:
    assert {row["work"] for row in rows} == {"user_profiles", "item_neighbours"}
    assert all(set(row) == KEYS for row in rows)
    for row in rows:
        if row["engine"] in BROUGHT_BY_DEV:
            assert row["equal"], row
            assert row["wall_s"] > 0 and row["peak_mb"] > 0 and row["ratio_to_limit"] > 0
        else:  # of the extra bench, which may be missing
            assert row["equal"] or row["note"] == "not installed"
        assert (row["ratio_to_best_peer"] is not None) == (row["engine"] == "ours")


def test_the_page_says_each_engine_and_what_loses(rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    from engine_works.page import page

    # ours twice as slow as the peer, whose result is equal; the faster one has another result
    ours = rows[0] | {"engine": "ours", "wall_s": 4.0, "ratio_to_best_peer": 0.5}
    peer = rows[0] | {"engine": "duckdb", "wall_s": 2.0, "ratio_to_best_peer": None}
    wrong = peer | {"engine": "polars", "wall_s": 1.0, "equal": False}
    said = page([ours, peer, wrong])
    assert "`ours` takes 4 s where duckdb takes 2 s, 2 times as long;" in said
    assert said.index("| polars | 1 |") < said.index("| duckdb | 2 |") < said.index("| ours | 4 |")
    assert "**no**" in next(line for line in said.splitlines() if line.startswith("| polars"))
