"""Changes how the next date is decided, by what earlier offers brought and gave, and says why of each change.

Every day: factors of what offers are told to bring and to give, towards what was seen, by a tenth at most; pauses of
what loses margin for sure or is disliked; the day's budget, and how many users are explored. Once a week: the greatest
depth of scenarios, and a draw of each mechanic's factor within what is believed of it. Nothing is changed by what is
too little to tell from, by arms that checks doubt, nor for some days after `rollback`. `promote` reads the version the
day after.
"""

from __future__ import annotations

from promo_spark.contracts.measurement import Checks, Effects, KpiDaily
from promo_spark.contracts.policy import Policy
from promo_spark.flows.adjust import next_version
from promo_spark.runtime.job import Context, Earlier, job, main
from promo_spark.settings.adjust import AdjustSettings
from promo_spark.settings.promote import PromoteSettings


@job(
    reads=[Effects, KpiDaily],
    optional=[Checks, Policy, Earlier(Effects), Earlier(Policy)],
    writes=[Policy],
    settings=AdjustSettings,
    beside=[PromoteSettings],
)
def run(ctx: Context[AdjustSettings]) -> None:
    ctx.write(Policy, next_version(ctx))


if __name__ == "__main__":
    main(run)
