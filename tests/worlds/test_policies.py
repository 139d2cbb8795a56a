"""The benchmark of policies, at its smallest size: what must hold of its rows whatever the world is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_policies_keep_the_limits_and_none_is_better_than_the_oracle(tmp_path: Path) -> None:
    told = tmp_path / "rows.json"
    command = [sys.executable, "benchmarks/policies.py", "--seeds", "4", "--users", "400", "--json", str(told)]
    command += ["--set", "generate.products=120", "--set", "generate.days=90", "--budgets", "0.1,1.0"]
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    rows = json.loads(told.read_text("utf-8"))
    columns = {"seed", "form", "budget", "policy", "margin", "share_of_oracle", "share_of_ceiling", "violations"}
    assert columns | {"played_margin", "played_se"} <= set(rows[0])
    assert {row["policy"] for row in rows} >= {"none", "random", "today", "ceiling", "oracle"}
    for budget in (0.1, 1.0):
        margin = {row["policy"]: row["margin"] for row in rows if row["budget"] == budget}
        assert margin["none"] == 0 and max(margin, key=margin.__getitem__) == "oracle"
        assert margin["ceiling"] > max(margin["random"], margin["today"])
    assert {row["violations"] for row in rows} == {0}
    oracle = [row["margin"] for row in rows if row["policy"] == "oracle"]
    assert oracle[0] < oracle[1]  # more budget, more margin
    for row in rows:  # where enough users got one for an error to mean something, the played week agrees
        if row["offers"] > 200:
            assert abs(row["played_margin"] - row["margin"]) <= 4 * row["played_se"], row["policy"]
