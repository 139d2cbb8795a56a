"""A first look at sources: how each column is understood and what would be rejected, by their first rows.

Nothing is written, and no key is needed: ids are shown to nobody.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import tempfile
from collections.abc import Iterator
from pathlib import Path

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.errors import SourceError, printable
from promo_spark.flows.ingest import loading
from promo_spark.flows.ingest.deliveries import Delivery, deliveries
from promo_spark.flows.ingest.judgement import Judged, judged
from promo_spark.flows.ingest.paths import in_folder
from promo_spark.flows.ingest.rejections import why_rejected
from promo_spark.runtime.job import Context
from promo_spark.settings.ingest import IngestSettings
from promo_spark.settings.sources import ColumnMapping, SourceSettings
from promo_spark.sources.checks import rules
from promo_spark.storage.samples import beginning

_LOOKED_AT = ("csv", "json", "parquet", "orc", "delta")
_LONGEST = 40
_ALL = 99  # reasons
_PERSONAL = "(personal, not shown)"


def first_look(ctx: Context[IngestSettings]) -> str:
    """What ingest would make of the first rows of every source, as text for a person.

    Raises SourceError for a source that cannot be read at all, SettingsError for a mapping that cannot be right.
    """
    with tempfile.TemporaryDirectory(prefix="promo_spark_look_") as folder:
        sampled = _sampled(ctx, Path(folder))
        looking = dataclasses.replace(ctx, settings=sampled)
        with _naming_the_files_themselves(ctx.settings, sampled, ctx.date):
            delivered = deliveries(looking, None)
            loading.refuse_missing_tables(delivered.tables)
            found = "\n\n".join(
                _told(looking, judgement, name)
                for judgement in judged(looking, delivered.deliveries)
                for name in judgement.delivery.sources
            )
    skipped = sorted(set(ctx.settings.sources) - set(sampled.sources))
    return found + (f"\n\nNot looked at, as they are no files: {', '.join(skipped)}" if skipped else "")


def _sampled(ctx: Context[IngestSettings], folder: Path) -> IngestSettings:
    """The settings with samples in the place of the sources. Rules that compare sources are off: ids lack partners."""
    settings = ctx.settings
    if not settings.sources:
        raise SourceError("--check looks at [ingest.sources]; the settings name none")
    sources: dict[str, SourceSettings] = {}
    for name, source in settings.sources.items():
        if source.format in _LOOKED_AT:
            path, file_format = beginning(
                ctx.spark, in_folder(settings, source.path, ctx.date), source.format, folder, name
            )
            lookups = [
                one.model_copy(update={"path": in_folder(settings, one.path, ctx.date)}) for one in source.lookups
            ]
            changed = {"path": path, "format": file_format, "lookups": lookups, "read": "all"}
            sources[name] = source.model_copy(update=changed)
    compared = {f"unknown_{name}": rules.OFF for name in ("product", "user")}
    policies = {**settings.policies, **compared}
    return settings.model_copy(update={"sources": sources, "policies": policies})


@contextlib.contextmanager
def _naming_the_files_themselves(
    settings: IngestSettings, sampled: IngestSettings, date: datetime.date
) -> Iterator[None]:
    """An error about a sample, as one about the source that it was taken from."""
    try:
        yield
    except SourceError as error:
        text = str(error)
        for name, source in sampled.sources.items():
            text = text.replace(source.path, f"{in_folder(settings, settings.sources[name].path, date)} ({name})")
        raise SourceError(text) from None


def _told(ctx: Context[IngestSettings], judgement: Judged, name: str) -> str:
    delivery, source, counted = judgement.delivery, ctx.settings.sources[name], judgement.counted[name]
    rows = counted.delivered.rows_in - counted.delivered.blank
    lines = [f"{name} → {delivery.table.full_name()}: the first {rows:,} rows of {Path(source.path).name}"]
    lines += _columns(delivery, source)
    aside = [c for c in delivery.columns[name].types if c not in delivery.columns[name].mapped]
    if aside:
        lines.append(f"  left aside, as no mapping uses them: {', '.join(map(printable, aside))}")
    if counted.delivered.rejected:
        why = why_rejected(judgement, name, counted, named=_ALL)
        lines.append(f"  would be rejected: {counted.delivered.rejected:,} of {rows:,} rows. {why}")
    else:
        lines.append("  no row would be rejected")
    return "\n".join(lines)


def _columns(delivery: Delivery, source: SourceSettings) -> list[str]:
    """A line per mapped column: ours, where it comes from, its type, and the value of the first row."""
    first = delivery.rows.filter(~delivery.rows[RawRow.blank]).select(*source.columns).head()
    told = []
    for ours, mapping in source.columns.items():
        column = delivery.table.columns()[ours]
        value = None if first is None else first[ours]
        shown = _PERSONAL if column.personal else "(empty)" if value is None else printable(str(value))[:_LONGEST]
        told.append(f"  {ours:22} ← {_origin(mapping):24} {column.type.simpleString():14} {shown}")
    return told


def _origin(mapping: ColumnMapping) -> str:
    """Where a value comes from, in a few words.

    >>> _origin(ColumnMapping(column="sku")), _origin(ColumnMapping(product_of=["pieces", "price"]))
    ('sku', 'pieces × price')
    """
    if mapping.column is not None:
        return mapping.column
    if mapping.constant is not None:
        return f"always {mapping.constant!r}"
    joined = {" or ": mapping.first_of, f" {mapping.separator} ": mapping.concat, " × ": mapping.product_of}
    return next(sign.join(names) for sign, names in joined.items() if names)
