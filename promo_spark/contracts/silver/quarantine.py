"""What was rejected: the raw row with every reason, a table beside each that is delivered."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Table, WriteMode

_TEXT = T.StringType()


class Quarantined(Table):
    """One row per rejected row of a source: kept as it came, with every reason."""

    layer = "quarantine"
    partition = ("source",)
    write_mode = WriteMode.REPLACE_SLICE
    source = Col(_TEXT, "the configured source the row came from", required=True)
    raw = Col(
        _TEXT,
        "the row as it came, the line of text or its columns as JSON; where ids are pseudonyms, the digest "
        "under which restricted.raw_rows has it",
        required=True,
    )
    reasons = Col(T.ArrayType(_TEXT), "the names of all checks that rejected it", required=True)
    source_file = Col(_TEXT, "the file or table the row came from")
    source_line = Col(T.LongType(), "its line in the file, from 1; null for formats without lines")
    run_id = Col(_TEXT, "the ingest run that rejected it", required=True)


def quarantine_of(table: type[Table]) -> type[Quarantined]:
    """The contract of the table's rejected rows."""
    return type(
        f"Quarantined{table.__name__}",
        (Quarantined,),
        {
            "name": table.name,
            "__doc__": f"One row per rejected row on its way to {table.full_name()}, raw and with every reason.",
            "__module__": __name__,
        },
    )
