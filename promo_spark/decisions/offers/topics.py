"""What an offer is about: its products and their categories, or the whole shop. A user gets one offer about each."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

WHOLE_SHOP = "shop"  # such an offer stands alone: on top of another one, the price would fall below the margin floor


def topics_of(product_ids: Column, categories: Column) -> Column:
    """The topics of an offer, as an array of texts."""
    return F.array_compact(
        F.concat(
            F.transform(product_ids, lambda product: F.concat(F.lit("product:"), product)),
            F.transform(categories, lambda category: F.concat(F.lit("category:"), category)),
            F.array(F.when(F.size(product_ids) == 0, WHOLE_SHOP)),
        )
    )
