"""The benchmark of effects, at its smallest size: what must hold of its rows whatever the world is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--set", "generate.products=120", "--set", "generate.days=90"]


def rows_of(told: Path, *asked: str) -> list[dict[str, Any]]:
    command = [sys.executable, "benchmarks/effects.py", *asked, "--json", str(told), *SMALL]
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    rows: list[dict[str, Any]] = json.loads(told.read_text("utf-8"))
    return rows


def test_nobody_orders_users_better_than_the_truth_and_the_ceiling_is_calibrated(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "rows.json", "--seeds", "4", "--users", "600")
    assert {row["learner"] for row in rows} == {
        *("ours", "only the mean", "S-learner", "T-learner", "X-learner", "DR-learner", "ceiling", "oracle")
    }
    for offers in ("coupons", "any offer"):
        of = {row["learner"]: row for row in rows if row["offers"] == offers}
        assert of["oracle"]["qini"] == of["oracle"]["positive_oracle"] == 1.0
        assert max(row["qini"] for row in of.values()) == 1.0
        assert of["ceiling"]["qini"] > of["only the mean"]["qini"]
        assert 0.8 < of["ceiling"]["slope"] < 1.25


def test_intervals_are_told_of_each_mechanic_and_saving(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "rows.json", "--intervals", "1", "--users", "600")
    arms = {row["arm"] for row in rows if row["offers"] == "coupons"}
    assert arms == {"coupon 10 %", "coupon 20 %", "coupon 30 %"}
    assert len({row["arm"] for row in rows if row["offers"] == "any offer"}) > 50
    assert all(row["se"] > 0 for row in rows if row["mean"] != 0)
