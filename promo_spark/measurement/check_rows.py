"""Rows of measurement.checks, without the date and the run, which a write adds."""

from __future__ import annotations

from typing import Any

from promo_spark.contracts.measurement import Checks

OK, ALARM, INSUFFICIENT = "ok", "alarm", "insufficient"
CheckRow = dict[str, Any]
_DECIMALS = 6


def check_row(
    check: str,
    of: str,
    *,
    value: float | None,
    threshold: float | None,
    n: int,
    outcome: str = OK,
    message: str | None = None,
) -> CheckRow:
    """One row of Checks; `of` is its slice. Where all is well there is no message."""
    return {
        Checks.check: check,
        Checks.slice: of,
        Checks.value: None if value is None else round(value, _DECIMALS),
        Checks.threshold: threshold,
        Checks.n: n,
        Checks.outcome: outcome,
        Checks.message: message,
    }
