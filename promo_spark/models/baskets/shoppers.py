"""Baskets by shopper: what a shopper's habits alone would put together is told apart from what belongs together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.models.baskets.baskets import BASKET, BasketItem, CodedBasket, coded_baskets

MOST_BASKETS = 2000  # of one shopper in a row: of more, among them all baskets of nobody known, chance makes parts

_OF_BASKET = (CodedBasket.basket_items, CodedBasket.codes)
_PART = "part"  # a column of a single step below


class ShopperBaskets(Frame):
    """One row per shopper, or part of one who has very many baskets."""

    baskets = Col(
        T.ArrayType(T.StructType([T.StructField(name, CodedBasket.columns()[name].type) for name in _OF_BASKET])),
        "the baskets: different items in each, and the codes of those that are counted, ascending",
        required=True,
    )


def shopper_baskets(items: DataFrame, codes: Mapping[str, int], *, of: Sequence[str] = ()) -> DataFrame:
    """The baskets by shopper. BasketItem, code of each item that is counted → ShopperBaskets.

    A basket that holds none of these items has no codes, and counts for how much its shopper buys at once. `of` are
    columns that name a slice of the baskets, if there are slices: they come first.
    """
    baskets = coded_baskets(items, codes, of)
    of_user = F.count("*").over(Window.partitionBy(*of, BasketItem.user_id))
    parts = F.ceil(of_user / MOST_BASKETS).cast("long")
    return (
        baskets.withColumn(_PART, F.pmod(F.xxhash64(*BASKET), parts))
        .groupBy(*of, BasketItem.user_id, _PART)
        .agg(F.collect_list(F.struct(*_OF_BASKET)).alias(ShopperBaskets.baskets))
        .select(*of, ShopperBaskets.baskets)
    )
