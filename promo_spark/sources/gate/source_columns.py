"""Which columns a source has, against those that it had: new ones are told, other types stop the load."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Row
from pyspark.sql import types as T

from promo_spark.contracts.ops import SourceColumns
from promo_spark.contracts.raw_rows import TEXT
from promo_spark.contracts.schema import widens
from promo_spark.errors import printable
from promo_spark.settings.ingest import GateSettings
from promo_spark.sources.gate.verdicts import Verdict


@dataclass(frozen=True)
class Columns:
    """The columns that a source has, each with its type, and those of them that its mapping uses."""

    types: Mapping[str, str]
    mapped: frozenset[str]


def new_columns(columns: Columns, earlier: Mapping[str, Row]) -> list[str]:
    """Columns that no earlier load had and that no mapping uses; none at the first load."""
    return [c for c in columns.types if earlier and c not in earlier and c not in columns.mapped]


def verdicts(columns: Columns, earlier: Mapping[str, Row], limits: GateSettings) -> list[Verdict]:
    """What the gate thinks of the columns. `known`: column → its row of ops.source_columns."""
    new, changed = new_columns(columns, earlier), _changed_types(columns, earlier)
    finding = f"{', '.join(changed)}: the column's type is another than at the last load"
    return [
        Verdict("new_columns", len(columns.types), len(new), float(len(new)), None, True),
        Verdict(
            "max_changed_types",
            len(columns.mapped),
            len(changed),
            float(len(changed)),
            float(limits.max_changed_types),
            len(changed) <= limits.max_changed_types,
            finding,
        ),
    ]


def seen(
    source: str, columns: Columns, earlier: Mapping[str, Row], date: datetime.date, run_id: str
) -> list[dict[str, Any]]:
    """Rows of ops.source_columns, one per column that the source has."""
    rows = []
    for column, kind in columns.types.items():
        before = earlier.get(column)
        rows.append(
            {
                SourceColumns.source: source,
                SourceColumns.column_name: column,
                SourceColumns.type: kind,
                SourceColumns.mapped: column in columns.mapped,
                SourceColumns.first_seen: min(before.first_seen, date) if before else date,
                SourceColumns.last_seen: max(before.last_seen, date) if before else date,
                SourceColumns.run_id: run_id,
            }
        )
    return rows


def _changed_types(columns: Columns, earlier: Mapping[str, Row]) -> Sequence[str]:
    """Mapped columns whose values may not be what they were, with both types; a type that only widened is none."""
    changed = []
    for column in sorted(columns.mapped & earlier.keys() & columns.types.keys()):
        was, now = earlier[column].type, columns.types[column]
        if was != now and TEXT not in (was, now) and not widens(T.DataType.fromDDL(was), T.DataType.fromDDL(now)):
            changed.append(printable(f"{column} was {was} and is {now}"))
    return changed
