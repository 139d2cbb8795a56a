"""The data-quality report as a page: one self-contained HTML file, every figure from ops.data_quality.

Made for who has to say whether a delivery is fit: first the verdict, then per source what came of its rows,
what failed and what that means in words, and the limits with what was found.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from promo_spark.contracts.ops import DataQuality
from promo_spark.reports.rendering import page_templates

Row = Mapping[str, Any]


def quality_page(
    rows: Sequence[Row], meanings: Mapping[tuple[str, str], str], date: datetime.date, run_id: str, where: str
) -> str:
    """The page from the rows of one date. `meanings`: (source, rule) → what is wrong with what fails it."""
    sources = told_sources(rows, meanings)
    environment = page_templates()
    environment.filters.update(count=lambda n: f"{n:,}", share=_shown_share)
    return environment.get_template("data_quality.html.j2").render(
        language="en",
        date=date.isoformat(),
        run_id=run_id,
        where=where,
        sources=sources,
        refused=[s["name"] for s in sources if not s["passed"]],
    )


def told_sources(rows: Sequence[Row], meanings: Mapping[tuple[str, str], str]) -> list[dict[str, Any]]:
    """What is told of each source, those that need attention first. Rows of DataQuality of one date → a source each."""
    sources = [
        _source(name, [r for r in rows if r[DataQuality.source] == name], meanings)
        for name in sorted({r[DataQuality.source] for r in rows})
    ]
    return sorted(sources, key=lambda s: (s["passed"], not s["failed"], s["name"]))


def _source(name: str, rows: Sequence[Row], meanings: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """What the page tells of one source: its balance, what failed, the limits."""
    by_rule = {r[DataQuality.rule]: r for r in rows}
    checks = [_described(r, meanings) for r in rows if r[DataQuality.criticality] != "gate"]
    gate = [
        _described(r, meanings)
        for rule, r in by_rule.items()
        if r[DataQuality.criticality] == "gate" and rule != "blank_rows"
    ]
    rows_in, blank = by_rule["blank_rows"][DataQuality.rows], by_rule["blank_rows"][DataQuality.failed]
    rejected = by_rule["max_rejected_share"][DataQuality.failed]
    return {
        "name": name,
        "table": rows[0][DataQuality.table],
        "rows_in": rows_in,
        "accepted": rows_in - blank - rejected,
        "rejected": rejected,
        "rejected_share": by_rule["max_rejected_share"][DataQuality.value],
        "blank": blank,
        "failed": sorted((c for c in checks if c["failed"]), key=lambda c: (-c["failed"], c["rule"])),
        "silent": [c["rule"] for c in checks if not c["failed"]],
        "gate": gate,
        "passed": all(g["passed"] for g in gate),
    }


def _described(row: Row, meanings: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    described = dict(row)
    days = row[DataQuality.rule] in ("max_missing_days", "day_before_expected")
    shown = (lambda n: "" if n is None else f"{n:g}") if days else _shown_share
    described["found"], described["limit"] = shown(row[DataQuality.value]), shown(row[DataQuality.threshold])
    described["meaning"] = meanings.get((row[DataQuality.source], row[DataQuality.rule]), "")
    return described


def _shown_share(share: float | None) -> str:
    """A share as a person reads it; what is not zero is never shown as zero.

    >>> _shown_share(0.1234), _shown_share(0.00001), _shown_share(0.0), _shown_share(None)
    ('12.34%', '< 0.01%', '0.00%', '')
    """
    if share is None:
        return ""
    return "< 0.01%" if 0 < share < 0.0001 else f"{share:.2%}"
