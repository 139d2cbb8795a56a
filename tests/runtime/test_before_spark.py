"""What is known to be wrong, or to be done already, is said before Spark starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promo_spark.runtime import command_line
from promo_spark.runtime.registry import all_commands, all_jobs

SHOP = """
[business.privacy]
pseudonymise = {pseudonymise}
key_secret = "env:NO_SUCH_KEY"
[ingest.sources.order_lines]
path = "/data/orders.csv"
format = "csv"
columns = {{ order_id = "o", line_no = "l", product_id = "p", quantity = "q", {paid} = "a", ts = "t" }}
"""


def _no_session(*_arguments: Any, **_named: Any) -> Any:
    raise AssertionError("Spark is not needed for that")


@pytest.mark.parametrize("job", ["ingest", "pipeline"])
@pytest.mark.parametrize(
    ("pseudonymise", "paid", "message"),
    [
        ("false", "amount_payed", "silver.order_lines has no column amount_payed; did you mean amount_paid?"),
        ("true", "amount_paid", "NO_SUCH_KEY"),
    ],
)
def test_a_wrong_mapping_and_a_missing_key_are_said_before_spark_starts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    job: str,
    pseudonymise: str,
    paid: str,
    message: str,
) -> None:
    monkeypatch.setattr(command_line, "session_of", _no_session)
    (tmp_path / "shop.toml").write_text(SHOP.format(pseudonymise=pseudonymise, paid=paid), encoding="utf-8")
    words = [job, "--env", "shop", "--conf", str(tmp_path), "--date", "2024-06-01"]
    assert command_line.run_job(all_jobs(), words) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["restore", "decisions.budgets", "--version", "1"], 2, "did you mean decisions.budget, "),
        (["restore", "decisions.budget", "--version", "last"], 2, "--version 'last' is not a version"),
        (
            ["revert", "decisions.promotion", "--date", "2024-06-03", "--run", "r"],
            2,
            "no such table as decisions.promo",
        ),
        (["revert", "models.bundle", "--date", "2024-06-03", "--run", "r"], 2, "no such table"),
        (["rank", "--ratings", "nowhere.csv"], 3, "--ratings: there is no file or folder nowhere.csv"),
        (["rank", "--ratings", "nowhere.csv", "--top", "few"], 2, "--top 'few': write a whole number"),
    ],
)
def test_a_command_that_cannot_be_right_is_refused_before_spark_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    monkeypatch.setattr(command_line, "session_of", _no_session)
    assert command_line.run_job(all_commands(), words) == code
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_dry_run_is_refused_where_nothing_is_submitted(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.run_job(all_jobs(), ["baskets", "--date", "2024-06-01", "--dry-run"]) == 2
    assert "--dry-run shows what scripts/submit.sh would start" in capsys.readouterr().err
