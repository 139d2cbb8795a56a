"""What was adjusted of how offers are decided, and what for: a version per date on which something was looked at."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.parameters import ALL, BY_HAND, BY_NAME, CLOSED, NONE, PARAMETERS, PAUSED, Parameter, fault
from promo_spark.contracts.schema import Check, Col, Table, WriteMode

__all__ = [
    "ALL",
    "BY_HAND",
    "BY_NAME",
    "CLOSED",
    "NONE",
    "PARAMETERS",
    "PAUSED",
    "POLICIES",
    "Parameter",
    "Policy",
    "fault",
]

_TEXT = T.StringType()
_DOUBLE = T.DoubleType()
_MEANINGS = "; ".join(f"{p.name} ({p.meaning})" for p in PARAMETERS)


class Policy(Table):
    """One row per date, version, parameter and scope: what differs from the settings, all of it, and why.

    From valid_from on, until a later date has a version, promote decides by the settings with these values in their
    place. A version says everything: what it does not name is as in the settings. No version is ever changed.
    """

    layer, name = "decisions", "policy"
    key = ("valid_from", "job", "version_id", "parameter", "scope")
    partition = ("valid_from", "job")
    dated_by = "valid_from"
    days_ahead = 1
    written_by = "job"
    write_mode = WriteMode.REPLACE_SLICE
    checks = (
        Check("parameter_known", "parameter", "in", (*(p.name for p in PARAMETERS), NONE)),
        Check("value_not_negative", "value", ">=", 0.0),
    )
    valid_from = Col(T.DateType(), "first date that is decided by it", required=True)
    job = Col(_TEXT, f"who wrote it: a job, or {BY_HAND}, a person, who has the last word on a date", required=True)
    version_id = Col(_TEXT, "valid_from and a digest of the values and of the version before", required=True)
    parent = Col(_TEXT, "the version that was in force before; null: the settings alone were")
    parameter = Col(_TEXT, f"{_MEANINGS}; {NONE}: nothing differs from the settings", required=True)
    scope = Col(
        _TEXT,
        "of what: all, mechanic:<name>, scenario:<name>; factors of an offer's mechanic and scenario multiply",
        required=True,
    )
    value = Col(_DOUBLE, f"the value; null: of {NONE}")
    previous = Col(_DOUBLE, "the value of the version before; null: as in the settings")
    evidence = Col(
        _TEXT, "what it rests on: estimate, interval, n, method, table and date; or who said it", required=True
    )
    reason = Col(_TEXT, "why, in a sentence", required=True)
    run_id = Col(_TEXT, "the run that wrote the row; of what a person said, the version", required=True)


POLICIES: tuple[type[Table], ...] = (Policy,)
