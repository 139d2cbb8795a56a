"""What is bought together: frequent itemsets, mined once, and the rules that follow.

Baskets of users who may not be profiled are left out. Where there are none, both tables are left empty for the date.
"""

from __future__ import annotations

from promo_spark.contracts.models import BasketRules, FrequentItemsets, Metrics
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.flows import baskets as flow
from promo_spark.measures.metric_rows import Figure, figure_rows
from promo_spark.models.baskets.itemsets import BasketCounts, basket_items, basket_sizes, frequent_itemsets
from promo_spark.models.baskets.rules import basket_rules, best_rules, improving_rules, item_names, with_sentences
from promo_spark.runtime.job import Context, job, main
from promo_spark.settings.baskets import BasketsSettings


@job(
    reads=[OrderLines, Products],
    writes=[FrequentItemsets, BasketRules, Metrics],
    settings=BasketsSettings,
)
def run(ctx: Context[BasketsSettings]) -> None:
    products, lines = ctx.read(Products), ctx.read(OrderLines)
    settings = flow.with_filled_level(ctx, products)
    items = ctx.keep(basket_items(lines, products, as_of=ctx.date, settings=settings, business=ctx.business))
    baskets = BasketCounts.of(basket_sizes(items), settings)
    flow.say_what_is_mined(ctx, baskets)
    itemsets = ctx.keep(frequent_itemsets(items, baskets=baskets, settings=settings, keep=ctx.keep))
    mined = ctx.write(FrequentItemsets, itemsets).rows

    ctx.say(f"deriving rules from {mined:,} itemsets")
    rules = ctx.keep(basket_rules(itemsets, all_baskets=baskets.kept, settings=settings))
    strongest = ctx.keep(best_rules(improving_rules(rules, settings.min_improvement), settings.max_rules))
    sentences = with_sentences(strongest, item_names(products, settings.level))
    written = ctx.write(BasketRules, sentences).rows
    bundles = strongest.filter(BasketRules.is_bundle).count()
    counts = {**baskets.figures(), "itemsets": mined, "rules": written, "bundles": bundles}
    figures = [Figure(metric, settings.level, float(count), baskets.kept) for metric, count in counts.items()]
    ctx.metrics(figure_rows(ctx.spark, figures))


if __name__ == "__main__":
    main(run)
