"""What keeping house did: to which table, and which runs no row tells of any more."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Check, Col, Table, WriteMode

_TEXT, _LONG = T.StringType(), T.LongType()

RETENTION, ORPHANS, OPTIMIZE, VACUUM, ERASURE = "retention", "orphans", "optimize", "vacuum", "erasure"
TAKING_OUT = (RETENTION, ERASURE)
STEPS = (RETENTION, ORPHANS, OPTIMIZE, VACUUM, ERASURE)


class Maintenance(Table):
    """One row per attempt, step and table in which it changed something: what was taken out and merged."""

    layer, name = "ops", "maintenance"
    key = ("run_id", "began_at", "step", "table")
    write_mode = WriteMode.APPEND
    checks = (Check("step_known", "step", "in", STEPS),)
    date = Col(T.DateType(), "the date that maintain ran for", required=True)
    began_at = Col(_LONG, "when the attempt began, by the clock of the lake's files", unit="ms", required=True)
    step = Col(_TEXT, "one of: " + ", ".join(STEPS), required=True)
    table = Col(_TEXT, "the table, as layer.table; or a folder of the lake that holds none", required=True)
    rows_removed = Col(_LONG, "rows taken out", required=True)
    files_before = Col(_LONG, "files before the step; for retention and optimize, those that the newest version names")
    files_after = Col(_LONG, "files after it")
    bytes_before = Col(_LONG, "their size before it", unit="bytes")
    bytes_after = Col(_LONG, "their size after it", unit="bytes")
    run_id = Col(_TEXT, "the run of maintain", required=True)


class RemovedRuns(Table):
    """One row per table, day and run whose rows were taken out: to whoever read them, they count as read.

    So a date that was computed from rows which were taken out stays as it is, and is not computed again for it.
    """

    layer, name = "ops", "removed_runs"
    key = ("table", "day", "job", "removed_run", "step")
    write_mode = WriteMode.MERGE
    table = Col(_TEXT, "the table, as layer.table", required=True)
    day = Col(_TEXT, "the day or date of the rows, as YYYY-MM-DD; empty: the table has none", required=True)
    job = Col(_TEXT, "which of several jobs wrote the rows; empty: one job writes the table", required=True)
    removed_run = Col(_TEXT, "the run that had written the rows; empty: they named none", required=True)
    step = Col(_TEXT, "what took them out: " + " or ".join(TAKING_OUT), required=True)
    run_id = Col(_TEXT, "the run of maintain that took them out", required=True)


HOUSEKEEPING: tuple[type[Table], ...] = (Maintenance, RemovedRuns)
