"""Keep house: what is older than it may be goes, small files are merged, files that nobody needs are deleted.

With --persons FILE it erases the persons of the file instead, from every table, page and export below lake.root, and
no delivery brings them back before --readmit FILE.

It runs by itself, while no other run is open, and not in the pipeline: every night, say. How long rows of a table are
kept stands in [maintain.retention], for how long earlier versions can be read in maintain.vacuum_hours. The dates that
were computed stay as they are, and current. What was done stands in ops.maintenance; docs/maintain.md says more.
"""

from __future__ import annotations

from promo_spark.contracts.housekeeping import Maintenance, RemovedRuns
from promo_spark.contracts.restricted import Suppressed
from promo_spark.flows.maintain.erasure import erased, readmitted
from promo_spark.flows.maintain.housekeeping import kept_house, refuse_impossible
from promo_spark.runtime.job import Context, job, main
from promo_spark.settings.export import ExportSettings
from promo_spark.settings.maintain import MaintainSettings


@job(
    reads=[],
    writes=[Maintenance, RemovedRuns, Suppressed],
    settings=MaintainSettings,
    beside=[ExportSettings],
    refuse=refuse_impossible,
    keeps_house=True,
)
def run(ctx: Context[MaintainSettings]) -> None:
    if ctx.settings.persons:
        erased(ctx)
    elif ctx.settings.readmit:
        readmitted(ctx)
    else:
        kept_house(ctx)


if __name__ == "__main__":
    main(run)
