"""Rows that are computed once, and that what is made of them begins with."""

from __future__ import annotations

from pyspark.sql import DataFrame


def computed(df: DataFrame) -> DataFrame:
    """The frame computed now, once, without the plan that led to it: what is made of it is planned from here.

    So what was checked is what is written. A persisted frame would do that too, but its whole plan stands in the plan
    of every frame that uses it, twice at each use; after some steps plans outgrow the driver.

    On one machine the rows stay with the process. On a cluster a lost executor would take its own along, and the job
    would fail: there they are files in the session's checkpoint folder, which Spark deletes when nothing refers to
    them. Without such a folder it is as on one machine.
    """
    context = df.sparkSession.sparkContext
    master = str(context.master)
    one_machine = master == "local" or master.startswith("local[")
    if one_machine or not context.getCheckpointDir():
        return df.localCheckpoint(eager=True)
    return df.checkpoint(eager=True)
