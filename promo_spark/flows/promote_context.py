"""The context in which commands decide a date as promote does: explain a past decision again, preview a new one."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from promo_spark.contracts.schema import Table
from promo_spark.flows.promote_inputs import Ctx
from promo_spark.runtime.declaration import Job
from promo_spark.runtime.job import Context
from promo_spark.runtime.progress import Progress, Step
from promo_spark.runtime.run_log import PastRuns
from promo_spark.settings.business import BusinessSettings
from promo_spark.settings.promote import PromoteSettings
from promo_spark.storage.lake import Lake
from promo_spark.storage.local_logs import logs_of


def promote_context(
    lake: Lake,
    promote: Job,
    date: datetime.date,
    *,
    settings: PromoteSettings,
    business: BusinessSettings,
    versions: Mapping[str, int],
    command: str,
) -> Ctx:
    """What the steps of promote need to decide the date at these versions of the tables that it reads.

    As in promote itself, a table in which the run for the date wrote no row is empty, not missing. `command` names what
    is shown as running, and stands where a run has its id.
    """
    return Context(
        promote,
        date,
        settings,
        business,
        command,
        lake,
        Step(Progress(), command),
        versions_in=versions,
        left_empty=PastRuns(logs_of(lake)).left_empty(date),
    )


def newest_versions(lake: Lake, job: Job) -> dict[str, int]:
    """The newest version of every table that the job reads, without those that are not there."""
    logs = logs_of(lake)
    versions = {table.full_name(): logs.version(table) for table in tables_decided_by(job)}
    return {name: version for name, version in versions.items() if version is not None}


def tables_decided_by(job: Job) -> tuple[type[Table], ...]:
    """The tables that a job reads, of the date or of earlier ones."""
    return tuple(dict.fromkeys((*job.reads, *job.optional, *job.earlier)))
