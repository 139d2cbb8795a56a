"""What scripts say when there is nothing to do for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def test_promises_of_a_date_without_promotions_are_not_called_kept(tmp_path: Path) -> None:
    script = [sys.executable, str(PROJECT / "scripts" / "check_promotions.py")]
    ran = subprocess.run(
        [*script, str(tmp_path), "--date", "2024-06-02"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2 and "ok" not in ran.stdout
    assert f"{tmp_path} holds no promotions for 2024-06-02: nothing can be checked" in ran.stderr
