"""The data-quality report: one row per source and rule, those that nothing failed included."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from promo_spark.contracts.ops import DataQuality
from promo_spark.contracts.schema import Table
from promo_spark.sources.checks.rules import BROKEN_ROW, DUPLICATE_KEY, DUPLICATE_ROW, Rule
from promo_spark.sources.gate.verdicts import Delivered, Verdict


def quality_rows(
    source: str,
    table: type[Table],
    delivered: Delivered,
    by: Sequence[Rule],
    failed: Mapping[str, int],
    verdicts: Sequence[Verdict],
    date: datetime.date,
    run_id: str,
) -> list[dict[str, Any]]:
    """Rows of ops.data_quality: what each rule judged and found, then what the gate did.

    A rule judges what the rules before it left: values those rows that are of the file's shape, the search for
    repeated keys those that no other rule rejects.
    """
    shaped = delivered.rows_in - delivered.blank
    valued = shaped - failed.get(BROKEN_ROW.name, 0)
    twice = failed.get(DUPLICATE_ROW.name, 0) + failed.get(DUPLICATE_KEY.name, 0)
    unique = shaped - delivered.rejected + twice
    common = {
        DataQuality.date: date,
        DataQuality.source: source,
        DataQuality.table: table.full_name(),
        DataQuality.run_id: run_id,
    }
    report = []
    for rule in by:
        rows = {BROKEN_ROW.name: shaped, DUPLICATE_ROW.name: unique, DUPLICATE_KEY.name: unique}.get(rule.name, valued)
        failures = failed.get(rule.name, 0)
        report.append(
            common
            | {
                DataQuality.rule: rule.name,
                DataQuality.criticality: rule.criticality,
                DataQuality.rows: rows,
                DataQuality.failed: failures,
                DataQuality.value: failures / rows if rows else 0.0,
                DataQuality.threshold: None,
                DataQuality.passed: True,
            }
        )
    for verdict in verdicts:
        report.append(
            common
            | {
                DataQuality.rule: verdict.rule,
                DataQuality.criticality: "gate",
                DataQuality.rows: verdict.rows,
                DataQuality.failed: verdict.failed,
                DataQuality.value: verdict.value,
                DataQuality.threshold: verdict.threshold,
                DataQuality.passed: verdict.passed,
            }
        )
    return report
