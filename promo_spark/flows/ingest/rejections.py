"""Why most rows of a source were rejected: the rule, a value that failed it, and the setting that mends it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import IncomingRow, UnreadValue
from promo_spark.errors import printable
from promo_spark.flows.ingest.judgement import Counted, Judged
from promo_spark.runtime.job import Context
from promo_spark.settings.ingest import IngestSettings
from promo_spark.sources.checks import rules
from promo_spark.sources.gate.mending import mending_setting
from promo_spark.sources.mapping.mappings import DERIVED

_NAMED = 3  # rules that are named
_LONGEST_VALUE = 40
_ROWS = "rows"


def why_rejected(judged: Judged, source: str, counted: Counted, named: int = _NAMED) -> str:
    """The rules that most rows of the source failed, as text, each with the value that most of these rows have.

    A value that one row alone has may be a person's, put into the wrong column: only its shape is shown.
    """
    told = []
    for rule in _rejecting(judged, counted, named):
        value, rows = _most_frequent_value(judged, source, rule)
        example = value if rows > 1 else shape(value)
        masked = " (each 9 stands for a digit)" if rows == 1 and "9" in example else ""
        shown = f", such as '{printable(example)[:_LONGEST_VALUE]}'{masked}" if value else ""
        readable = value if rows > 1 or re.search(r"\d", value) else None
        told.append(_reason(judged, source, rule, counted, shown, readable))
    return ". ".join(told)


def say_what_is_rejected(ctx: Context[IngestSettings], judgements: Sequence[Judged]) -> None:
    """Says of every source with rejected rows how many they are, why, and which setting takes them in."""
    for judged in judgements:
        for source, counted in judged.counted.items():
            delivered = counted.delivered
            if delivered.rejected:
                why = ". ".join(
                    _reason(judged, source, rule, counted, "", None) for rule in _rejecting(judged, counted)
                )
                rows = delivered.rows_in - delivered.blank
                ctx.note(f"source {source}: {delivered.rejected:,} of {rows:,} rows were rejected ({why})")


def _rejecting(judged: Judged, counted: Counted, named: int = _NAMED) -> list[rules.Rule]:
    """The rules that most rows failed, most first, causes before what follows from them.

    A column that is derived from others is missing where one of them could not be read: that one is the cause.
    """
    rejecting = [r for r in judged.rules if r.criticality == rules.REJECT and counted.failed[r.name]]
    rejecting.sort(key=lambda r: (-counted.failed[r.name], not r.name.startswith("unparsable_"), r.name))
    if any(r.name.startswith("unparsable_") for r in rejecting):
        derived = {f"missing_{column}" for column in DERIVED.get(judged.delivery.table, ())}
        rejecting = [r for r in rejecting if r.name not in derived]
    return rejecting[:named]


def _reason(judged: Judged, source: str, rule: rules.Rule, counted: Counted, shown: str, value: str | None) -> str:
    by_mapping = source in judged.delivery.unread  # the demo's adapter has no mapping to be changed
    setting = mending_setting(judged.delivery.table, rule, source, value) if by_mapping else ""
    return f"{counted.failed[rule.name]:,} {rule.name}: {rule.meaning}{shown}{setting and '; '}{setting}"


def shape(value: str) -> str:
    """The value with 9 for every digit and x for every letter.

    >>> shape("31.12.2024 Ann")
    '99.99.9999 xxx'
    """
    return re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "9", value))


def _most_frequent_value(judged: Judged, source: str, rule: rules.Rule) -> tuple[str, int]:
    """The value of the rule's column that most rows have that it rejects, and how many have it; "": none to show."""
    table = judged.delivery.table
    if rule.column not in table.columns() or rule.column in table.personal():
        return "", 0
    if rule.name == f"unparsable_{rule.column}":
        if source not in judged.delivery.unread:
            return "", 0
        unread = judged.delivery.unread[source]()
        texts = unread.filter(F.col(UnreadValue.column) == rule.column).select(UnreadValue.text)
    else:
        failed = F.array_contains(rules.REASONS, rule.name) & (F.col(IncomingRow.source) == source)
        texts = judged.screened.filter(failed).select(F.col(rule.column).cast("string").alias(UnreadValue.text))
    counts = texts.filter(F.col(UnreadValue.text).isNotNull()).groupBy(UnreadValue.text).agg(F.count("*").alias(_ROWS))
    most = counts.orderBy(F.desc(_ROWS), UnreadValue.text).head()
    return (str(most[0]), int(most[1])) if most else ("", 0)
