"""What is bought together: frequent itemsets, and the rules that follow; what instead of each other.

On dates without a fit (baskets.refit) no set is mined: the sets of an earlier date are counted, by adding the baskets
that came and taking off those that left. What belongs together in slices (segments, visits, carts), and substitutes,
stand as they were counted at the fit. Baskets of users who may not be profiled are left out. Where there are no
baskets, the tables are left empty for the date.
"""

from __future__ import annotations

from promo_spark.contracts.bundles import SliceBundles, Substitutes
from promo_spark.contracts.models import BasketRules, FrequentItemsets, ItemsetCounts, Metrics, Registry, Segments
from promo_spark.contracts.silver import Events, OrderLines, Products, Users
from promo_spark.flows.baskets.itemsets import counted_itemsets, fit_of_date
from promo_spark.flows.baskets.level import with_filled_level
from promo_spark.flows.baskets.slices import slice_rows
from promo_spark.flows.registry import registry_rows
from promo_spark.measures.metric_rows import Figure, figure_entries
from promo_spark.models.baskets.counts import itemsets_of
from promo_spark.models.baskets.rules import basket_rules, best_rules, improving_rules, item_names, with_sentences
from promo_spark.runtime.job import Context, Earlier, Everyone, job, main
from promo_spark.settings.baskets import BasketsSettings


@job(
    reads=[
        OrderLines,
        Everyone(OrderLines, why="whose baskets counted on the date that it goes on from"),
        Products,
    ],
    optional=[
        Everyone(Users, why="whose consent changed since the date that it goes on from"),
        Events,
        Segments,
        Earlier(ItemsetCounts),
        Earlier(SliceBundles),
        Earlier(Substitutes),
    ],
    writes=[ItemsetCounts, FrequentItemsets, BasketRules, SliceBundles, Substitutes, Registry, Metrics],
    settings=BasketsSettings,
    follows=True,
)
def run(ctx: Context[BasketsSettings]) -> None:
    products = ctx.keep(ctx.read(Products))
    settings = with_filled_level(ctx, products)
    counted = counted_itemsets(ctx, products, settings)
    ctx.write(ItemsetCounts, counted.rows)
    ctx.write(Registry, registry_rows(ctx, fit_of_date(ctx, counted)))
    itemsets = ctx.keep(itemsets_of(counted.rows, counted.baskets))
    written = ctx.write(FrequentItemsets, itemsets).rows

    ctx.say(f"deriving rules from {written:,} itemsets")
    rules = ctx.keep(basket_rules(itemsets, all_baskets=counted.baskets.kept, settings=settings))
    strongest = ctx.keep(best_rules(improving_rules(rules, settings.min_improvement), settings.max_rules))
    sentences = with_sentences(strongest, item_names(products, settings.level))
    counts = {"itemsets": written, "rules": ctx.write(BasketRules, sentences).rows}
    counts["bundles"] = strongest.filter(BasketRules.is_bundle).count()
    of_slices = slice_rows(ctx, products, counted, strongest, settings)
    counts["slice_bundles"] = ctx.write(SliceBundles, of_slices.bundles).rows
    counts["substitutes"] = ctx.write(Substitutes, of_slices.substitutes).rows
    counts |= counted.baskets.figures()
    figures = [Figure(metric, settings.level, float(count), counted.baskets.kept) for metric, count in counts.items()]
    ctx.metrics(figure_entries([*figures, *counted.figures]))


if __name__ == "__main__":
    main(run)
