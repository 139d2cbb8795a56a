"""Two products together at a discount, where baskets show that they belong together."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import RATE
from promo_spark.decisions.offers.candidates import shaped
from promo_spark.decisions.offers.pricing import item_prices
from promo_spark.decisions.offers.texts import item_text
from promo_spark.decisions.scenarios.inputs import World

PARTNERS = 3  # rules tried per item: the strongest ones

_FACTS = ("product_id", "title", "category", "list_price", "unit_cost", "cost_is_assumed")


def candidates(world: World) -> DataFrame:
    """One row per user and bundle: the user's own product of a rule's left side with one of its right side.

    The user's product of an item (rules may be on products, subcategories or categories) is what the user buys
    repeatedly, else what is recommended, else, for the right side only, the most bought. Conversion: observed
    response of the left product × confidence of the rule. Appeal: lift.
    """
    items = products_by_item(world)
    own = own_products(world, items)
    left = own.select("user_id", "level", F.col("item").alias("left"), _facts("a"))
    right = own.select("user_id", "level", F.col("item").alias("right"), _facts("b"))
    popular = most_bought(items).select("level", F.col("item").alias("right"), _facts("popular"))
    pairs = (
        left.join(F.broadcast(strong_pairs(world)), ["level", "left"], "inner")
        .join(right, ["user_id", "level", "right"], "left")
        .join(F.broadcast(popular), ["level", "right"], "left")
        .withColumn("b", F.coalesce("b", "popular"))
        .filter(F.col("a.product_id") != F.col("b.product_id"))
        .withColumn("product_ids", F.array_sort(F.array("a.product_id", "b.product_id")))
    )
    best = Window.partitionBy("user_id", "product_ids").orderBy(F.desc("lift"), "level", "left", "right")
    once = pairs.withColumn("place", F.row_number().over(best)).filter(F.col("place") == 1)
    priced = item_prices(
        once.join(world.users.select("user_id", "discounted_lines_share"), "user_id", "inner").withColumns(
            {
                "list_price": F.col("a.list_price") + F.col("b.list_price"),
                "unit_cost": F.col("a.unit_cost") + F.col("b.unit_cost"),
            }
        ),
        F.col("discounted_lines_share"),
        world.bounds("bundle"),
        world.settings.min_margin,
    )
    return _shaped(priced, world)


def strong_pairs(world: World) -> DataFrame:
    """One row per rule of one item on each side that is fit for a bundle: the strongest per left item."""
    strongest = Window.partitionBy("level", "left").orderBy(F.desc("lift"), F.desc("confidence"), "right")
    return (
        world.rules.filter(
            F.col("is_bundle") & (F.col("lift") > 1) & (F.size("antecedent") == 1) & (F.size("consequent") == 1)
        )
        .select(
            "level",
            F.col("antecedent")[0].alias("left"),
            F.col("consequent")[0].alias("right"),
            "confidence",
            "lift",
        )
        .withColumn("strength", F.row_number().over(strongest))
        .filter(F.col("strength") <= PARTNERS)
    )


def products_by_item(world: World) -> DataFrame:
    """One row per product and level at which a rule may name it: item is the product, subcategory or category."""
    levels = {"product": "product_id", "subcategory": "subcategory", "category": "category"}
    named = F.array(*[F.struct(F.lit(k).alias("level"), F.col(c).alias("item")) for k, c in levels.items()])
    ruled = world.rules.select("level", F.explode(F.concat("antecedent", "consequent")).alias("item")).distinct()
    return (
        world.products.withColumn("named", F.explode(named))
        .select("*", "named.level", "named.item")
        .join(F.broadcast(ruled), ["level", "item"], "left_semi")
    )


def own_products(world: World, items: DataFrame) -> DataFrame:
    """One row per user and item: the user's product of it. Repeatedly bought first, then by recommendation."""
    again = world.users.select("user_id", F.explode("repurchases").alias("again")).select(
        "user_id", "again.product_id", F.lit(0).alias("source_place"), (-F.col("again.orders")).alias("source_rank")
    )
    recommended = world.recommendations.join(world.users.select("user_id"), "user_id", "left_semi").select(
        "user_id", "product_id", F.lit(1).alias("source_place"), F.col("rank").cast("long").alias("source_rank")
    )
    first = Window.partitionBy("user_id", "level", "item").orderBy("source_place", "source_rank", "product_id")
    return (
        again.unionByName(recommended)
        .join(items, "product_id", "inner")
        .withColumn("place", F.row_number().over(first))
        .filter(F.col("place") == 1)
    )


def most_bought(items: DataFrame) -> DataFrame:
    """One row per item: its product with most units in the last 28 days, then most buyers ever."""
    order = Window.partitionBy("level", "item").orderBy(F.desc("units_28d"), F.desc("buyers"), "product_id")
    return items.withColumn("place", F.row_number().over(order)).filter(F.col("place") == 1)


def _facts(name: str) -> Column:
    return F.struct(*_FACTS).alias(name)


def _shaped(priced: DataFrame, world: World) -> DataFrame:
    text = item_text("bundle", world.valid_to.isoformat(), world.currency, partner=F.col("b.title"))
    rule = F.concat(F.lit("bought_together:"), F.col("left"), F.lit(" with "), F.col("right"))
    return shaped(
        priced.withColumn("title", F.col("a.title")).withColumns(
            {
                "category": F.lit(None).cast(T.StringType()),
                "categories": F.array_distinct(F.array("a.category", "b.category")),
                "coupon_amount": F.lit(None),
                "min_spend": F.lit(None),
                "margin_is_assumed": F.col("a.cost_is_assumed") | F.col("b.cost_is_assumed"),
                "saving": F.col("list_price") - F.col("offer_price"),
                "margin_if_used": F.col("offer_price") - F.col("unit_cost"),
                "anchor": F.col("a.product_id"),
                "response_factor": F.round(F.col("confidence"), 6).cast(RATE),
                "appeal": F.col("lift"),
                "reason_codes": F.array(rule),
                "text": text,
            }
        ),
        "bundle",
        "bundle",
    )
