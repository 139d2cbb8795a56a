"""At which level items are named."""

from __future__ import annotations

from pyspark.sql import DataFrame

from promo_spark.models.baskets.baskets import filled_level
from promo_spark.runtime.job import Context
from promo_spark.settings.baskets import BasketsSettings


def with_filled_level(ctx: Context[BasketsSettings], products: DataFrame) -> BasketsSettings:
    """The settings with a level that products have; where it is another than the one set, that is said."""
    asked, level = ctx.settings.level, filled_level(products, ctx.settings.level)
    if level == asked:
        return ctx.settings
    ctx.note(f"no product in silver.products has a {asked}, so baskets.level is {level}")
    return ctx.settings.model_copy(update={"level": level})
