"""What is bought together: frequent itemsets, and the rules that follow.

On dates without a fit (baskets.refit) no set is mined: the sets of an earlier date are counted, by adding the baskets
that came and taking off those that left. Baskets of users who may not be profiled are left out. Where there are no
baskets, the tables are left empty for the date.
"""

from __future__ import annotations

from promo_spark.contracts.models import BasketRules, FrequentItemsets, ItemsetCounts, Metrics, Registry
from promo_spark.contracts.silver import OrderLines, Products, Users
from promo_spark.flows.baskets.itemsets import counted_itemsets, fit_of_date
from promo_spark.flows.baskets.level import with_filled_level
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
        Earlier(ItemsetCounts),
    ],
    writes=[ItemsetCounts, FrequentItemsets, BasketRules, Registry, Metrics],
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
    counts |= counted.baskets.figures()
    figures = [Figure(metric, settings.level, float(count), counted.baskets.kept) for metric, count in counts.items()]
    ctx.metrics(figure_entries([*figures, *counted.figures]))


if __name__ == "__main__":
    main(run)
