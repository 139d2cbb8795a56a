"""Orders become baskets: the different items that were bought with an order on a day."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Events, OrderLines, Products
from promo_spark.measures.exclusions import is_excluded
from promo_spark.measures.order_lines import is_purchase
from promo_spark.settings.baskets import BasketsSettings
from promo_spark.settings.business import BusinessSettings

LEVELS = {"product": Products.product_id, "subcategory": Products.subcategory, "category": Products.category}


class Item(Frame):
    """One row per product that can stand in a basket, with the item that it counts as."""

    product_id = Products.columns()[Products.product_id]
    item = Col(T.StringType(), "the item: a product, subcategory or category", required=True)


class BasketItem(Frame):
    """One row per basket and different item in it. A basket is what was bought with an order on a day.

    So a day's baskets can be counted without the other days, also where an order has lines of several.
    """

    order_id = Col(T.StringType(), "the order", required=True)
    order_date = Col(T.DateType(), "the day", required=True)
    item = Col(T.StringType(), "the item: a product, subcategory or category", required=True)
    user_id = Col(T.StringType(), "whose basket it is; null: not known")
    basket_items = Col(T.LongType(), "different items in the basket", required=True)


BASKET = (BasketItem.order_id, BasketItem.order_date)
_CODE = "code"  # a column of a single step below


class CodedBasket(Frame):
    """One row per basket."""

    order_id = BasketItem.columns()[BasketItem.order_id]
    order_date = BasketItem.columns()[BasketItem.order_date]
    user_id = BasketItem.columns()[BasketItem.user_id]
    basket_items = BasketItem.columns()[BasketItem.basket_items]
    codes = Col(T.ArrayType(T.IntegerType()), "the codes of its items that are counted, ascending", required=True)


def coded_baskets(items: DataFrame, codes: Mapping[str, int], of: Sequence[str] = ()) -> DataFrame:
    """BasketItem, code of each item that is counted → CodedBasket. A basket that holds none of these has no codes.

    `of` are columns that name a slice of the baskets, if there are slices: they stay.
    """
    schema = T.StructType([T.StructField(BasketItem.item, T.StringType()), T.StructField(_CODE, T.IntegerType())])
    code_of = items.sparkSession.createDataFrame(list(codes.items()), schema)
    return (
        items.join(F.broadcast(code_of), BasketItem.item, "left")
        .groupBy(*of, *BASKET)
        .agg(
            F.max(BasketItem.user_id).alias(CodedBasket.user_id),
            F.max(BasketItem.basket_items).alias(CodedBasket.basket_items),
            F.sort_array(F.collect_list(_CODE)).alias(CodedBasket.codes),
        )
    )


def lines_in_window(lines: DataFrame, as_of: datetime.date, history_days: int) -> DataFrame:
    """One row per order line of the days before a date that baskets are made of. OrderLines → OrderLines."""
    return lines.filter(_in_window(OrderLines.order_date, as_of, history_days))


def events_in_window(events: DataFrame, as_of: datetime.date, history_days: int) -> DataFrame:
    """One row per event of the same days. Events → Events."""
    return events.filter(_in_window(Events.event_date, as_of, history_days))


def _in_window(day: str, as_of: datetime.date, history_days: int) -> Column:
    return F.col(day).between(as_of - datetime.timedelta(history_days), as_of - datetime.timedelta(1))


def basket_items(lines: DataFrame, items: DataFrame) -> DataFrame:
    """One row per basket and different item in it. OrderLines, Item → BasketItem.

    Bought twice in a basket an item counts once, as MLlib's FPGrowth refuses a basket with a repeated item. Returns
    do not count; an order of nothing but products that are no item is no basket.
    """
    bought = lines.filter(is_purchase()).select(*BASKET, OrderLines.user_id, OrderLines.product_id)
    return _different_items(bought, items)


def visit_items(events: DataFrame, items: DataFrame, event_type: str) -> DataFrame:
    """One row per visit and different item that was looked at in it, or put into the cart. Events, Item → BasketItem.

    The basket is the visit on a day; where the shop does not say visits, all that a user did on the day.
    """
    of_kind = events.filter(F.col(Events.event_type) == event_type).select(
        F.coalesce(Events.session_id, Events.user_id).alias(BasketItem.order_id),
        F.col(Events.event_date).alias(BasketItem.order_date),
        Events.user_id,
        Events.product_id,
    )
    return _different_items(of_kind.filter(F.col(BasketItem.order_id).isNotNull()), items)


def _different_items(rows: DataFrame, items: DataFrame) -> DataFrame:
    """The different items of each basket. order_id, order_date, user_id, product_id; Item → BasketItem."""
    basket = Window.partitionBy(*BASKET)
    return (
        rows.join(items, on=Products.product_id, how="inner")
        .repartition(*BASKET)  # serves the two steps below and the collection of baskets
        .groupBy(*BASKET, BasketItem.item)
        .agg(F.max(OrderLines.user_id).alias(BasketItem.user_id))
        .withColumn(BasketItem.user_id, F.max(BasketItem.user_id).over(basket))
        .withColumn(BasketItem.basket_items, F.count("*").over(basket))
    )


def product_items(products: DataFrame, level: str, business: BusinessSettings) -> DataFrame:
    """One row per product that is an item. Products → Item.

    An item is a product, subcategory or category, as the level says. Products without a value at the level, or of an
    excluded department or category, are none.
    """
    item = F.col(LEVELS[level])
    eligible = products.filter(~is_excluded(business) & item.isNotNull())
    return eligible.select(Products.product_id, item.alias(Item.item))


def moved_items(then: DataFrame, now: DataFrame) -> DataFrame:
    """One row per product that is an item and was none before, or none any more, or another. Two Items → product_id."""
    item_then = "item_then"
    both = now.join(then.withColumnRenamed(Item.item, item_then), Item.product_id, "outer")
    return both.filter(~F.col(Item.item).eqNullSafe(F.col(item_then))).select(Item.product_id)


def filled_level(products: DataFrame, level: str) -> str:
    """The level at which items are named: the given one, or the next one up or else `product`, if no product has it.

    Products → subcategory, category or product.
    """
    levels = ("subcategory", "category", "product")
    tried = levels[levels.index(level) :]
    filled = products.agg(*[F.count(LEVELS[name]).alias(name) for name in tried]).collect()[0]
    return next((name for name in tried if filled[name]), "product")


def basket_sizes(items: DataFrame) -> dict[int, int]:
    """BasketItem → number of items in a basket, with how many baskets hold so many: bounded by the largest basket."""
    counts = items.groupBy(BasketItem.basket_items).agg(F.count("*")).collect()
    return {int(size): int(rows) // int(size) for size, rows in counts}


def largest_kept(sizes: Mapping[int, int], quantile: float) -> int:
    """The exact quantile of basket sizes: the smallest size that at least that share of baskets does not exceed.

    Baskets above it hold everything and say nothing, but cost most (n items have n(n−1)/2 pairs). As the
    quantile is a size that occurs, a handful of baskets never loses its largest. 0 without baskets.

    >>> largest_kept({2: 994, 9: 1, 80: 5}, 0.995)  # 995 of 1,000 baskets hold 9 items or fewer
    9
    """
    needed, seen = Decimal(str(quantile)) * sum(sizes.values()), 0
    for size in sorted(sizes):
        seen += sizes[size]
        if seen >= needed:
            return size
    return 0


def fewest_baskets(all_baskets: int, *, min_support: float, min_baskets: int) -> int:
    """Baskets that an itemset needs: the share, inclusive and free of float noise, and the floor beside it.

    >>> fewest_baskets(100, min_support=0.07, min_baskets=1)  # though 0.07 * 100 > 7 in floats
    7
    >>> fewest_baskets(100, min_support=0.07, min_baskets=50)
    50
    """
    return max(min_baskets, math.ceil(Decimal(str(min_support)) * all_baskets), 1)


@dataclass(frozen=True)
class BasketCounts:
    """How many baskets are mined: `kept`, up to the `largest` size; `giants` are cut; `fewest` make an itemset."""

    kept: int
    giants: int
    largest: int
    fewest: int

    @staticmethod
    def of(sizes: Mapping[int, int], settings: BasketsSettings) -> BasketCounts:
        """From the number of baskets of each size."""
        largest = largest_kept(sizes, settings.max_items_quantile)
        kept = sum(n for size, n in sizes.items() if size <= largest)
        fewest = fewest_baskets(kept, min_support=settings.min_support, min_baskets=settings.min_baskets)
        return BasketCounts(kept, sum(sizes.values()) - kept, largest, fewest)

    def figures(self) -> dict[str, int]:
        """Metric → value, for models.metrics."""
        return {
            "baskets": self.kept,
            "giant_baskets_cut": self.giants,
            "largest_basket_kept": self.largest,
            "fewest_baskets_of_an_itemset": self.fewest,
        }
