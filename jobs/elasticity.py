"""Measure what a price changes: order lines by product and week → models.elasticity, measurement.promotion_pnl.

By category and segment: elasticity, display, mailer, what is taken from rivals and from the week after; then what each
promotion of the last weeks brought beyond the same week without it. A promo calendar, inventory, campaigns and
segments are used where they are there. Where no price has moved, the elasticity is the settings' prior, and says so.
"""

from __future__ import annotations

from promo_spark.contracts.effects import Elasticity
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.measurement import PromotionPnl
from promo_spark.contracts.models import Metrics, Segments
from promo_spark.contracts.silver import Campaigns, Inventory, OrderLines, PromoCalendar
from promo_spark.flows.elasticity import effects_of_date, elasticities, figures, notes, profits, shelves_of_date
from promo_spark.measures.metric_rows import figure_entries
from promo_spark.runtime.job import Context, Everyone, job, main
from promo_spark.settings.elasticity import ElasticitySettings


@job(
    reads=[
        OrderLines,
        Everyone(OrderLines, why="units and prices by product and week, and orders by day, are sums over all users"),
        ProductProfile,
    ],
    optional=[Segments, PromoCalendar, Inventory, Campaigns],
    writes=[Elasticity, PromotionPnl, Metrics],
    settings=ElasticitySettings,
)
def run(ctx: Context[ElasticitySettings]) -> None:
    shelves = shelves_of_date(ctx)
    if shelves is None:
        ctx.write(Elasticity, [])
        ctx.write(PromotionPnl, [])
        ctx.metrics(figure_entries([]))
        return
    effects = effects_of_date(ctx, shelves)
    ctx.write(Elasticity, elasticities(ctx, effects))
    ctx.say("measuring what promotions brought")
    ctx.write(PromotionPnl, profits(shelves, effects))
    ctx.metrics(figure_entries(figures(effects)))
    for note in notes(effects):
        ctx.note(note)


if __name__ == "__main__":
    main(run)
