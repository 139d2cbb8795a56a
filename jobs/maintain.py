"""Keep house: what is older than it may be goes, small files are merged, files that nobody needs are deleted.

It runs by itself, while no other run is open, and not in the pipeline: every night, say. How long rows of a table are
kept stands in [maintain.retention], for how long earlier versions can be read in maintain.vacuum_hours. The dates that
were computed stay as they are, and current. What was done stands in ops.maintenance; docs/maintain.md says more.
"""

from __future__ import annotations

from promo_spark.contracts.housekeeping import Maintenance, RemovedRuns
from promo_spark.flows.maintain.housekeeping import kept_house, refuse_unknown_tables
from promo_spark.runtime.job import Context, job, main
from promo_spark.settings.maintain import MaintainSettings


@job(
    reads=[],
    writes=[Maintenance, RemovedRuns],
    settings=MaintainSettings,
    refuse=refuse_unknown_tables,
    keeps_house=True,
)
def run(ctx: Context[MaintainSettings]) -> None:
    kept_house(ctx)


if __name__ == "__main__":
    main(run)
