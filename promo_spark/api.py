"""What Python programs and notebooks call: read the tables of a lake, run a job.

import promo_spark

lake = promo_spark.open_lake(env="demo")
offers = lake.pandas("decisions.promotions", date="2017-12-01")
promo_spark.run("segment", "2017-12-01", env="demo", settings={"segment.seed": 7})
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from promo_spark.contracts.catalogue import table_named
from promo_spark.errors import MissingDataError, SettingsError
from promo_spark.settings import Settings, load, parsed_date
from promo_spark.storage.arrow_tables import arrow_table, flat, folder_of

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

    from promo_spark.runtime.invocation import Ran

Date = datetime.date | str


def open_lake(path: str | None = None, *, env: str | None = None, conf: str | None = None) -> LakeTables:
    """The tables of a lake: at a path, or where the settings of an environment say.

    Raises SettingsError if there is no such environment, MissingDataError if a path of this machine leads nowhere.
    """
    if path is not None:
        if (folder := folder_of(path)) and not Path(folder).is_dir():
            raise MissingDataError(f"there is no lake at {path}: {folder} is no folder")
        return LakeTables(path)
    lake = load(env, (), conf).lake
    return LakeTables(lake.root, lake.catalog, lake.schema_prefix)


class LakeTables:
    """The tables of one lake, by name, such as "decisions.promotions". Names and columns: docs/tables.md."""

    def __init__(self, root: str, catalog: str = "", schema_prefix: str = "") -> None:
        self.root = root
        self.catalog = catalog
        self.schema_prefix = schema_prefix

    def arrow(self, name: str, date: Date | None = None, *, flat_columns: bool = False) -> pa.Table:
        """All rows of a table, or those of a date, without Spark. `flat_columns` leaves none nested, as for CSV.

        Raises SettingsError for an unknown name, MissingDataError where there is no such table.
        """
        table = table_named(name)
        if self.catalog:
            raise MissingDataError(f"lake.catalog is {self.catalog!r}: its tables are found by Spark only, use frame()")
        rows = arrow_table(self.root, table, _date(date) if date is not None else None)
        return flat(rows) if flat_columns else rows

    def pandas(self, name: str, date: Date | None = None, *, flat_columns: bool = False) -> pd.DataFrame:
        """As `arrow`, as a pandas frame."""
        frame: pd.DataFrame = self.arrow(name, date, flat_columns=flat_columns).to_pandas()
        return frame

    def frame(self, name: str, spark: SparkSession, date: Date | None = None) -> DataFrame:
        """A table, or its rows of a date, as a frame of a Spark session. Raises RequirementError if it lacks Delta."""
        from promo_spark.runtime.session import refuse_without_delta
        from promo_spark.storage.lake import Lake

        table = table_named(name)
        refuse_without_delta(spark, load().spark)
        rows = Lake(spark, self.root, self.catalog, self.schema_prefix).read(table)
        if date is None:
            return rows
        if table.dated_by is None:
            raise MissingDataError(f"{name} has no rows by date: read it without one")
        return rows.filter(rows[table.dated_by] == _date(date))


def run(
    job: str,
    date: Date | None = None,
    *,
    env: str | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    conf: str | None = None,
    spark: SparkSession | None = None,
    force: bool = False,
) -> Ran:
    """Runs a job, or the pipeline, for a date in this process; what it did.

    `settings` are those of an environment with other values by key, or whole settings. Without `date` that of
    pipeline.date counts. `spark` is a session to run beside, else the active one: neither is changed or stopped.
    Without any the job starts a Spark of its own, and ends it. Raises the errors of promo_spark.errors.
    """
    from promo_spark.runtime.invocation import invoked, refuse_settings
    from promo_spark.runtime.progress import Progress
    from promo_spark.runtime.registry import all_jobs
    from promo_spark.runtime.session import session_of

    jobs = all_jobs()
    if job not in jobs:
        raise SettingsError(f"there is no job {job!r}; there are: {', '.join(jobs)}")
    resolved = settings if isinstance(settings, Settings) else load(env, settings or {}, conf)
    if date is None and not resolved.pipeline.date:
        raise SettingsError("say for which date to decide, such as run('pipeline', '2017-12-01')")
    dates = [_date(date or resolved.pipeline.date)]
    refuse_settings(jobs[job], resolved)
    with session_of(job, resolved, spark) as session:
        return invoked(jobs[job], resolved, session, dates=dates, force=force, progress=Progress())


def _date(date: Date) -> datetime.date:
    return date if isinstance(date, datetime.date) else parsed_date(date)
