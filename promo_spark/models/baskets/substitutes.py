"""Items of one kind of which a customer buys the one or the other."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.bundles import Substitutes
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Products
from promo_spark.models.baskets.baskets import LEVELS
from promo_spark.models.baskets.bitmaps import PARTS
from promo_spark.models.baskets.chance import chance_of_as_few, with_false_discovery
from promo_spark.models.baskets.rules import ItemName
from promo_spark.models.baskets.slices import EVENT_TYPE_OF, SlicePair, SlicePairs
from promo_spark.settings.baskets import BasketsSettings

_NAME, _OTHER_NAME, _PRODUCTS = "name", "other_name", "products"  # columns of single steps below


class ItemKind(Frame):
    """One row per item: what it is part of."""

    item = Col(T.StringType(), "the item", required=True)
    within = Substitutes.columns()[Substitutes.within]


def item_kinds(products: DataFrame, level: str) -> DataFrame:
    """One row per item that is part of something. Products → ItemKind.

    A subcategory is part of a category, a category of a department, a product of a subcategory or else of a category:
    the one in which most of its products are.
    """
    within = {
        "subcategory": F.col(Products.category),
        "category": F.col(Products.department),
        "product": F.coalesce(Products.subcategory, Products.category),
    }[level]
    counts = (
        products.select(F.col(LEVELS[level]).alias(ItemKind.item), within.alias(ItemKind.within))
        .dropna()
        .groupBy(ItemKind.item, ItemKind.within)
        .agg(F.count("*").alias(_PRODUCTS))
    )
    return counts.groupBy(ItemKind.item).agg(
        F.max_by(ItemKind.within, F.struct(_PRODUCTS, ItemKind.within)).alias(ItemKind.within)
    )


def substitutes(counted: SlicePairs, kinds: DataFrame, names: DataFrame, settings: BasketsSettings) -> DataFrame:
    """One row per item and substitute. SlicePairs, ItemKind, ItemName → Substitutes, without counted_on.

    Of all orders, of two items of one kind that at least `min_baskets` baskets would hold by habit: those that are
    together in at most `max_lift_of_substitutes` times as many, and so few that of all pairs called so at most
    `max_q_value` are expected to be chance. Items of different kinds that meet seldom are bought on different trips: a
    meal at noon, the week's shopping. They do not stand in for each other.
    """
    spark = kinds.sparkSession
    coded = spark.createDataFrame(list(enumerate(counted.items)), "code long, item string")
    known = coded.join(kinds, ItemKind.item).join(names, ItemName.item, "left")
    one = known.select(
        F.col("code").alias(SlicePair.first),
        F.col(ItemKind.item).alias(Substitutes.item),
        Substitutes.within,
        F.coalesce(ItemName.name, ItemKind.item).alias(_NAME),
    )
    other = known.select(
        F.col("code").alias(SlicePair.second),
        F.col(ItemKind.item).alias(Substitutes.substitute),
        Substitutes.within,
        F.coalesce(ItemName.name, ItemKind.item).alias(_OTHER_NAME),
    )
    orders = counted.pairs.filter(~F.col(SlicePair.slice).isin(*EVENT_TYPE_OF))
    pairs = (
        orders.groupBy(SlicePair.first, SlicePair.second)
        .agg(
            F.sum(SlicePair.baskets).alias(Substitutes.baskets),
            (F.sum(SlicePair.expected) / PARTS).alias(Substitutes.expected_baskets),
        )
        .filter(F.col(Substitutes.expected_baskets) >= settings.min_baskets)
        .join(F.broadcast(one), SlicePair.first)
        .join(F.broadcast(other), [SlicePair.second, Substitutes.within])
        .withColumn(Substitutes.level, F.lit(settings.level))
        .withColumn(Substitutes.p_value, chance_of_as_few(Substitutes.baskets, Substitutes.expected_baskets))
        .withColumn(Substitutes.lift_within_users, F.col(Substitutes.baskets) / F.col(Substitutes.expected_baskets))
    )
    tried = F.count("*").over(Window.partitionBy(Substitutes.level))
    few = F.col(Substitutes.lift_within_users) <= settings.max_lift_of_substitutes
    judged = with_false_discovery(pairs, tried, [Substitutes.level])
    found = judged.filter(few & (F.col(Substitutes.q_value) <= settings.max_q_value))
    same_name = F.col(_NAME) == F.col(_OTHER_NAME)
    sentence = F.format_string(
        "Customers buy %s or %s: together in %d baskets, where their habits would put %.0f.",
        F.when(same_name, F.format_string("%s (%s)", _NAME, Substitutes.item)).otherwise(F.col(_NAME)),
        F.when(same_name, F.format_string("%s (%s)", _OTHER_NAME, Substitutes.substitute)).otherwise(
            F.col(_OTHER_NAME)
        ),
        Substitutes.baskets,
        Substitutes.expected_baskets,
    )
    both = found.unionByName(
        found.withColumns(
            {
                Substitutes.item: F.col(Substitutes.substitute),
                Substitutes.substitute: F.col(Substitutes.item),
                _NAME: F.col(_OTHER_NAME),
                _OTHER_NAME: F.col(_NAME),
            }
        )
    )
    return both.withColumn(Substitutes.sentence, sentence).select(
        Substitutes.level,
        Substitutes.item,
        Substitutes.substitute,
        Substitutes.within,
        Substitutes.baskets,
        Substitutes.expected_baskets,
        Substitutes.lift_within_users,
        Substitutes.p_value,
        Substitutes.q_value,
        Substitutes.sentence,
    )
