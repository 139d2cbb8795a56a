"""What ran: one row per attempt of a job, with everything needed to trace and to resume."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.table import Col, Table, WriteMode

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
    outcome = Col(_TEXT, "succeeded or failed", required=True)
    message = Col(_TEXT, "the error of a failed attempt; null otherwise")
    settings = Col(_TEXT, "resolved settings as JSON; secrets are references only", required=True)
    code_version = Col(_TEXT, "package version and digest of its source", required=True)
    input_runs = Col(T.MapType(_TEXT, _TEXT), "table → run that last wrote what was read", required=True)
    input_versions = Col(T.MapType(_TEXT, _LONG), "table → Delta version read", required=True)
    output_versions = Col(T.MapType(_TEXT, _LONG), "table → Delta version written", required=True)
    rows_out = Col(T.MapType(_TEXT, _LONG), "table → rows written", required=True)
    sources = Col(
        T.MapType(_TEXT, COUNTS), "source → rows in = accepted + quarantined + blank, by reason", required=True
    )


OPS: tuple[type[Table], ...] = (Runs,)
