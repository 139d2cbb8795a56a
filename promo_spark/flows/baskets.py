"""The steps of baskets: at which level items are named, and what is said of it."""

from __future__ import annotations

from pyspark.sql import DataFrame

from promo_spark.models.baskets.itemsets import BasketCounts, filled_level
from promo_spark.runtime.job import Context
from promo_spark.settings.baskets import BasketsSettings


def with_filled_level(ctx: Context[BasketsSettings], products: DataFrame) -> BasketsSettings:
    """The settings with a level that products have; where it is another than the one set, that is said."""
    asked, level = ctx.settings.level, filled_level(products, ctx.settings.level)
    if level == asked:
        return ctx.settings
    ctx.note(f"no product in silver.products has a {asked}, so baskets.level is {level}")
    return ctx.settings.model_copy(update={"level": level})


def say_what_is_mined(ctx: Context[BasketsSettings], baskets: BasketCounts) -> None:
    """Says how much there is to mine; where there is nothing, why, and what to check."""
    if baskets.kept:
        ctx.say(f"mining {baskets.kept:,} baskets of up to {baskets.largest} items")
        return
    ctx.note(
        "no rules: silver.order_lines has no basket of users who may be profiled in the "
        f"{ctx.settings.history_days} days before {ctx.date}; check --date, baskets.history_days and "
        "business.excluded_*"
    )
