"""Makes the page of a date for people: what was decided and why, what came of it, who the customers are.

One HTML file, <lake.root>/reports/<date>.html, that needs nothing from elsewhere: it opens on a telephone, and can be
printed or sent on. Every figure is that of a table; of people only groups of report.least_group or more are told of.
A section whose table is missing or empty says so. Beside it lies models-<date>.html, a card of each model in use: what
it is for and not for, when and on what it was fitted, how good it was, by which features and settings.
"""

from __future__ import annotations

from promo_spark.contracts.decisions import Budget, Frontier, Promotions
from promo_spark.contracts.features import DailySales, ProductProfile, UserProfile
from promo_spark.contracts.measurement import Checks, Effects, Fairness, KpiDaily, PromotionPnl, SegmentResponses
from promo_spark.contracts.models import BasketRules, Forecasts, Metrics, Registry, Segments
from promo_spark.contracts.ops import DataQuality
from promo_spark.contracts.policy import Policy
from promo_spark.contracts.risk import Risk, RiskActions
from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.contracts.silver import Users
from promo_spark.contracts.supply import DemandTrends, InventoryPlan, SupplyAlerts
from promo_spark.flows.report.cards import FITTED_BY
from promo_spark.flows.report.page import pages_of_date
from promo_spark.runtime.job import Ahead, Context, Earlier, job, main
from promo_spark.settings.promote import PromoteSettings
from promo_spark.settings.report import ReportSettings


@job(
    reads=[],
    optional=[
        Promotions,
        Budget,
        Frontier,
        Effects,
        SegmentResponses,
        Checks,
        KpiDaily,
        Fairness,
        PromotionPnl,
        SegmentPortraits,
        Segments,
        Users,
        UserProfile,
        ProductProfile,
        BasketRules,
        DailySales,
        Forecasts,
        InventoryPlan,
        SupplyAlerts,
        DemandTrends,
        Metrics,
        Registry,
        Risk,
        RiskActions,
        DataQuality,
        Policy,
        Earlier(KpiDaily),
        Earlier(Segments),
        Earlier(Forecasts),
        Earlier(Metrics),
        Earlier(Registry),
        Earlier(Policy),
        Ahead(Policy),
    ],
    writes=[],
    pages=["{date}", "models-{date}"],
    settings=ReportSettings,
    beside=[PromoteSettings, *FITTED_BY.values()],
)
def run(ctx: Context[ReportSettings]) -> None:
    why_not = ctx.why_no_pages()
    if why_not:
        ctx.note(f"no page is written, as {why_not}")
        return
    for name, html in pages_of_date(ctx).items():
        ctx.note(f"written: {ctx.write_page(name, html)}")


if __name__ == "__main__":
    main(run)
