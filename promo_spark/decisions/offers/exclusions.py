"""Products that marketers keep out of all offers."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import PromotionExclusions
from promo_spark.decisions.offers.names import listed_names, names_of_products


class ExcludedProduct(Frame):
    """One row per product that no offer may be made of."""

    product_id = Col(T.StringType(), "the product", required=True)


def excluded_products(
    products: DataFrame, exclusions: DataFrame, *, date: datetime.date, valid_to: datetime.date
) -> DataFrame:
    """One row per product that is excluded while offers hold. ProductProfile, PromotionExclusions → ExcludedProduct.

    Also what is excluded only from a later day on, but before the offers end: they would hold on into it.
    """
    begins, ends = F.col(PromotionExclusions.start_date), F.col(PromotionExclusions.end_date)
    in_force = exclusions.filter(
        F.coalesce(begins <= F.lit(valid_to), F.lit(True)) & F.coalesce(ends >= F.lit(date), F.lit(True))
    ).select(PromotionExclusions.level, PromotionExclusions.value)
    keys = [PromotionExclusions.level, PromotionExclusions.value]
    excluded = names_of_products(products).join(F.broadcast(listed_names(in_force)), keys, "left_semi")
    return ExcludedProduct.shaped(excluded.select(ProductProfile.product_id).distinct())
