"""What ran: one row per attempt of a job, with everything needed to trace and to resume."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Check, Col, Table, WriteMode

_TEXT = T.StringType()
_LONG = T.LongType()

COUNTS = T.StructType(
    [
        T.StructField("rows_in", _LONG),
        T.StructField("accepted", _LONG),
        T.StructField("quarantined", _LONG),
        T.StructField("blank", _LONG),
        T.StructField("reasons", T.MapType(_TEXT, _LONG)),
    ]
)


class Runs(Table):
    """One row per attempt of a job: the latest succeeded row of a job and date says what its tables hold."""

    layer, name = "ops", "runs"
    key = ("run_id", "job", "started_at")
    write_mode = WriteMode.APPEND
    run_id = Col(_TEXT, "same for the same job, date, settings, code and input runs", required=True)
    job = Col(_TEXT, "the job", required=True)
    date = Col(T.DateType(), "the date it ran for", required=True)
    started_at = Col(T.TimestampType(), "start of the attempt, UTC", required=True)
    seconds = Col(T.DoubleType(), "wall time", unit="s", required=True)
    outcome = Col(
        _TEXT, "succeeded, failed, or alarm: it did what was asked, and found what needs attention", required=True
    )
    message = Col(_TEXT, "the error of a failed attempt, or the alarms; null otherwise")
    settings = Col(_TEXT, "resolved settings as JSON; secrets are references only", required=True)
    code_version = Col(_TEXT, "package version and digest of its source", required=True)
    input_runs = Col(T.MapType(_TEXT, _TEXT), "table → run that last wrote what was read", required=True)
    input_versions = Col(T.MapType(_TEXT, _LONG), "table → Delta version read", required=True)
    output_versions = Col(T.MapType(_TEXT, _LONG), "table → Delta version written", required=True)
    rows_out = Col(T.MapType(_TEXT, _LONG), "table → rows written", required=True)
    sources = Col(
        T.MapType(_TEXT, COUNTS), "source → rows in = accepted + quarantined + blank, by reason", required=True
    )


class DataQuality(Table):
    """One row per date, source and rule that judged it: how many rows it judged, how many failed it."""

    layer, name = "ops", "data_quality"
    key = ("date", "source", "rule")
    partition = ("date",)
    dated_by = "date"
    checks = (Check("criticality_known", "criticality", "in", ("reject", "warn", "gate")),)
    date = Col(T.DateType(), "the date that ingest ran for", required=True)
    source = Col(_TEXT, "the configured source", required=True)
    table = Col(_TEXT, "the silver table it feeds", required=True)
    rule = Col(_TEXT, "the check, or the rule of the gate", required=True)
    criticality = Col(
        _TEXT,
        "reject: a row that fails is quarantined; warn: kept and flagged; gate: the source is refused",
        required=True,
    )
    rows = Col(_LONG, "rows judged; days, for a rule about days", required=True)
    failed = Col(_LONG, "rows that failed; a row may fail several rules", required=True)
    value = Col(T.DoubleType(), "what was compared with the threshold: the failed share, or the rule's own measure")
    threshold = Col(T.DoubleType(), "the limit set for it; null: none")
    passed = Col(T.BooleanType(), "false: a limit was broken", required=True)
    run_id = Col(_TEXT, "the ingest run", required=True)


class SourceColumns(Table):
    """One row per source and column that its files or tables have: since when, and whether the mapping uses it."""

    layer, name = "ops", "source_columns"
    key = ("source", "column_name")
    write_mode = WriteMode.MERGE
    source = Col(_TEXT, "the configured source", required=True)
    column_name = Col(_TEXT, "the column, as the source names it", required=True)
    type = Col(_TEXT, "its type where it is stored; text: it stands in lines of text", required=True)
    mapped = Col(T.BooleanType(), "whether the mapping uses it; if not, it stays in the source", required=True)
    first_seen = Col(T.DateType(), "the first date for which ingest found it", required=True)
    last_seen = Col(T.DateType(), "the last date for which ingest found it", required=True)
    run_id = Col(_TEXT, "the ingest run that last found something new here", required=True)


class SourceFiles(Table):
    """One row per source and file that ingest took in: what the file was then, and what became of its rows.

    A table of a database that is read by a watermark stands here too: how far it was read.

    Written after the rows, so that a file that stands here has its rows in silver and quarantine. What does not stand
    here is read again, which gives the same rows.
    """

    layer, name = "ops", "files"
    key = ("source", "file")
    write_mode = WriteMode.MERGE
    source = Col(_TEXT, "the configured source", required=True)
    file = Col(_TEXT, "the file's name below the source's folder; the database's table", required=True)
    source_file = Col(_TEXT, "the file as silver and quarantine name it; of a table, how that begins", required=True)
    table = Col(_TEXT, "the silver table it feeds", required=True)
    size = Col(_LONG, "its size; null: no file", unit="bytes")
    modified_at = Col(T.TimestampType(), "its time by the clock of its file system, UTC; null: no file")
    checksum = Col(
        _TEXT, "SHA-256 of its content; of a Delta table, which of its rows are deleted; null: its size and time tell"
    )
    taken_to = Col(_TEXT, "of a table, the newest watermark that was read; null: a file, or no watermark yet")
    read_as = Col(_TEXT, "digest of the mapping, the settings and the code that it was read with", required=True)
    rows_in = Col(_LONG, "rows that it gave: accepted + quarantined + blank", required=True)
    accepted = Col(_LONG, "rows in silver", required=True)
    quarantined = Col(_LONG, "rows in quarantine", required=True)
    blank = Col(_LONG, "empty lines, repeated headers, rows that the mapping leaves out", required=True)
    run_id = Col(_TEXT, "the ingest run that took it in", required=True)


class IdKey(Table):
    """One row per lake: with which key the ids of the lake's users are made, or that they are kept as they are.

    It stands here and not in restricted: a lake whose restricted tables were emptied still holds to its key.
    """

    layer, name = "ops", "id_key"
    key = ("key_id",)
    write_mode = WriteMode.MERGE
    key_id = Col(_TEXT, "a fingerprint of the key, which tells nothing of it; raw ids: there is none", required=True)
    run_id = Col(_TEXT, "the ingest run that first wrote ids here", required=True)


OPS: tuple[type[Table], ...] = (Runs, DataQuality, SourceColumns, SourceFiles, IdKey)
