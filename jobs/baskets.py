"""What is bought together: frequent itemsets, mined once, and the rules that follow.

Baskets of users who may not be profiled are left out.
"""

from __future__ import annotations

from pyspark.sql import functions as F

from promo_spark.contracts.models import BasketRules, FrequentItemsets, Metrics
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.errors import MissingDataError
from promo_spark.models.baskets import itemsets as mining
from promo_spark.models.baskets import rules
from promo_spark.runtime.job import Context, job
from promo_spark.settings import BasketsSettings


@job(
    reads=[OrderLines, Products],
    writes=[FrequentItemsets, BasketRules, Metrics],
    settings=BasketsSettings,
)
def run(ctx: Context[BasketsSettings]) -> None:
    chosen, products, as_of = ctx.settings, ctx.read(Products), F.lit(ctx.date)
    lines = ctx.read(OrderLines)
    items = ctx.keep(
        mining.basket_items(
            lines,
            products,
            as_of=ctx.date,
            level=chosen.level,
            history_days=chosen.history_days,
            excluded_departments=ctx.business.excluded_departments,
            excluded_categories=ctx.business.excluded_categories,
        )
    )
    sizes = mining.basket_sizes(items)
    cut = mining.largest_kept(sizes, chosen.max_items_quantile)
    if cut == 0:
        raise MissingDataError(
            f"silver.order_lines has no basket in the {chosen.history_days} days before {ctx.date}: "
            "check --date, baskets.history_days and business.excluded_*"
        )
    count = sum(n for size, n in sizes.items() if size <= cut)
    ctx.say(f"mining {count:,} baskets of up to {cut} items")
    items = items.filter(F.col("basket_items") <= cut)
    fewest = mining.fewest_baskets(count, min_support=chosen.min_support, min_baskets=chosen.min_baskets)
    itemsets = ctx.keep(
        mining.frequent_itemsets(
            items,
            fewest=fewest,
            all_baskets=count,
            largest=chosen.max_antecedent + 1,
            level=chosen.level,
            miner=chosen.miner,
            keep=ctx.keep,
        )
    )
    mined = ctx.write(FrequentItemsets, itemsets.withColumn(FrequentItemsets.as_of, as_of)).rows

    ctx.say(f"deriving rules from {mined:,} itemsets")
    found = ctx.keep(
        rules.basket_rules(
            itemsets,
            all_baskets=count,
            min_confidence=chosen.min_confidence,
            max_antecedent=chosen.max_antecedent,
            max_p_value=chosen.max_p_value,
        )
    )
    best = ctx.keep(rules.best_rules(rules.improving_rules(found, chosen.min_improvement), chosen.max_rules))
    told = rules.with_sentence(best, rules.item_names(products, chosen.level))
    kept = ctx.write(BasketRules, told.withColumn(BasketRules.as_of, as_of)).rows
    bundles = best.filter(BasketRules.is_bundle).count()
    figures = {
        "baskets": count,
        "giant_baskets_cut": sum(sizes.values()) - count,
        "largest_basket_kept": cut,
        "fewest_baskets_of_an_itemset": fewest,
        "itemsets": mined,
        "rules": kept,
        "bundles": bundles,
    }
    ctx.metrics(
        Metrics.frame(
            ctx.spark,
            [
                {"metric": metric, "slice": chosen.level, "value": float(value), "n": count}
                for metric, value in figures.items()
            ],
        )
    )
