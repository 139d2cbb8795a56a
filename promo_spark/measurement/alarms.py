"""What of a date's measurements needs somebody's attention, each in one line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from promo_spark.contracts.measurement import Checks, Effects, Fairness
from promo_spark.errors import ALARM_CODES, printable
from promo_spark.measurement.check_rows import ALARM

MONEY_METRICS = ("margin", "roi")  # of these an effect below 0 is an alarm
_EFFECT, _FAIRNESS, _ALL, _STOP = "effect", "fairness", "all", "stop"
_ORDER = list(ALARM_CODES)


@dataclass(frozen=True)
class Finding:
    """One alarm: which check of what, what was found, from where on it is an alarm, and what to do."""

    check: str
    slice: str
    value: float | None
    threshold: float | None
    message: str

    def line(self) -> str:
        """
        >>> Finding("freshness", "silver.events", 3.0, 2.0, "the newest rows are of 2024-06-01").line()
        'alarm: freshness of silver.events: 3, limit 2: the newest rows are of 2024-06-01'
        """
        found = "" if self.value is None else f": {self.value:.4g}"
        limit = "" if self.threshold is None else f", limit {self.threshold:.4g}"
        return printable(f"alarm: {self.check} of {self.slice}{found}{limit}: {self.message}")

    def fields(self) -> dict[str, Any]:
        """The same for JSON, which has no number that is none."""
        return {
            "check": self.check,
            "slice": self.slice,
            "value": _finite(self.value),
            "threshold": _finite(self.threshold),
            "message": self.message,
        }


def findings(
    checks: DataFrame, effects: DataFrame | None, fairness: DataFrame | None = None, least_ratio: float | None = None
) -> list[Finding]:
    """The alarms of a date, those with the lowest exit code first. Checks, Effects, Fairness of the date → alarms.

    A group that gets offers too seldom for sure is an alarm. A metric of money whose effect is below 0 for sure is one
    alarm, however many windows and methods say so, and however often: where a check says it of the metric already, that
    is it.
    """
    rows = checks.filter(F.col(Checks.outcome) == ALARM).collect()  # a row per check and slice
    found = [
        Finding(r[Checks.check], r[Checks.slice], r[Checks.value], r[Checks.threshold], r[Checks.message] or "")
        for r in rows
    ]
    if effects is not None:
        told = {f.slice for f in found if f.check == _EFFECT}
        found += [f for f in _losses(effects) if f.slice not in told]
    if fairness is not None:
        found += _unequal(fairness, least_ratio)
    return sorted(found, key=lambda f: (_ORDER.index(f.check) if f.check in _ORDER else len(_ORDER), f.check, f.slice))


def _unequal(fairness: DataFrame, least_ratio: float | None) -> list[Finding]:
    """One alarm per group that is treated too unequally for sure. Fairness → alarms."""
    rows = fairness.filter(F.col(Fairness.outcome) == _STOP).collect()  # 51 groups of an attribute at most
    return [
        Finding(
            _FAIRNESS,
            f"{r[Fairness.attribute]}={r[Fairness.group_name]}",
            r[Fairness.estimate],
            least_ratio,
            r[Fairness.message] or "",
        )
        for r in rows
    ]


def _losses(effects: DataFrame) -> list[Finding]:
    """One alarm per metric of money that fell for sure, over all users. Effects → alarms."""
    fell = effects.filter(
        (F.col(Effects.verdict) == _STOP)
        & (F.col(Effects.slice) == _ALL)
        & F.col(Effects.metric).isin(list(MONEY_METRICS))
    )
    rows = fell.orderBy(F.desc(Effects.window_days), Effects.method).collect()  # a row per window, metric and method
    of_metrics = {m: [r for r in rows if r[Effects.metric] == m] for m in MONEY_METRICS}
    return [
        Finding(_EFFECT, metric, own[0][Effects.estimate], 0.0, f"offers lowered {metric}: {_each(own)}")
        for metric, own in of_metrics.items()
        if own
    ]


def _each(effects: Iterable[Row]) -> str:
    return "; ".join(_in_words(row) for row in effects) + "; see measurement.effects, and stop what loses"


def _in_words(row: Row) -> str:
    interval = (row[Effects.ci_low], row[Effects.ci_high])
    around = "" if None in interval else f" ({interval[0]:.4g} to {interval[1]:.4g})"
    estimate = row[Effects.estimate]
    by = "" if estimate is None else f" by {estimate:.4g} per user{around}"
    return f"in {row[Effects.window_days]} days{by}, {row[Effects.method]}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
