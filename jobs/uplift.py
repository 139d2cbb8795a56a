"""What an offer changes: of every user and mechanic, how much more often, or less, the user comes for it.

How users answered to earlier offers puts them into classes that nobody has named; experiments (silver.assignments), and
what chance drew for explored users on earlier dates (decisions.explored), say how large the effect is, and for which
savings. Users whom somebody chose are no evidence, and are refused by name.
Without experiments earlier answers are believed as they stand, and the rows say so (basis).
"""

from __future__ import annotations

from promo_spark.contracts.decisions import Explored, Promotions
from promo_spark.contracts.models import Metrics, Registry
from promo_spark.contracts.responses import ResponseModels, Uplift, UpliftCurves
from promo_spark.contracts.silver import (
    Assignments,
    Campaigns,
    Contacts,
    Coupons,
    Exposures,
    OrderLines,
    Redemptions,
    Users,
)
from promo_spark.flows.registry import registry_rows
from promo_spark.flows.uplift import (
    curve_rows,
    figures_of_date,
    fit_of_date,
    histories_of_date,
    model_rows,
    responses_of_date,
    uplift,
)
from promo_spark.measures.metric_rows import figure_entries
from promo_spark.runtime.job import Context, Earlier, job, main
from promo_spark.settings.uplift import UpliftSettings


@job(
    reads=[OrderLines],
    optional=[
        Assignments,
        Campaigns,
        Contacts,
        Coupons,
        Exposures,
        Redemptions,
        Users,
        Earlier(Explored),
        Earlier(Promotions),
        Earlier(ResponseModels),
    ],
    writes=[Uplift, UpliftCurves, ResponseModels, Registry, Metrics],
    settings=UpliftSettings,
)
def run(ctx: Context[UpliftSettings]) -> None:
    histories = histories_of_date(ctx)
    of_date = responses_of_date(ctx, histories)
    ctx.say("scoring users")
    ctx.write(Uplift, uplift(ctx, histories, of_date))
    ctx.write(UpliftCurves, curve_rows(ctx, of_date))
    ctx.write(ResponseModels, model_rows(ctx, of_date))
    ctx.write(Registry, registry_rows(ctx, fit_of_date(ctx, of_date)))
    ctx.metrics(figure_entries(figures_of_date(of_date)))


if __name__ == "__main__":
    main(run)
