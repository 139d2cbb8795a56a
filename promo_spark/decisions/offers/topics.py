"""What an offer is about: its products and their categories, or the whole shop. A user gets one offer about each.

A gift is about its product, so that nobody is offered it twice, and about the whole shop, which earns it.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from promo_spark.decisions.mechanics import ON_BASKETS

WHOLE_SHOP = "shop"  # such an offer stands alone: on top of another one, the price would fall below the margin floor


def topics_of(mechanic: Column, product_ids: Column, categories: Column) -> Column:
    """The topics of an offer, as an array of texts."""
    return F.array_compact(
        F.concat(
            F.transform(product_ids, lambda product: F.concat(F.lit("product:"), product)),
            F.when(mechanic.isin(list(ON_BASKETS)), F.array(F.lit(WHOLE_SHOP))).otherwise(
                F.transform(categories, lambda category: F.concat(F.lit("category:"), category))
            ),
        )
    )
