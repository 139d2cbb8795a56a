"""What belongs together in a slice of the shop, and what stands in for each other: counted when sets are mined."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.bundles import SliceBundles, Substitutes
from promo_spark.contracts.models import Segments
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Events
from promo_spark.flows.baskets.itemsets import CountedItemsets
from promo_spark.models.baskets.baskets import events_in_window, product_items, visit_items
from promo_spark.models.baskets.rules import item_names
from promo_spark.models.baskets.slices import (
    EVENT_TYPE_OF,
    OTHER_ORDERS,
    SliceItem,
    order_slices,
    slice_bundles,
    slice_pairs,
    with_of_all,
)
from promo_spark.models.baskets.substitutes import item_kinds, substitutes
from promo_spark.runtime.job import Context
from promo_spark.settings.baskets import BasketsSettings


@dataclass(frozen=True)
class SliceRows:
    """SliceBundles and Substitutes of a date."""

    bundles: DataFrame
    substitutes: DataFrame


def slice_rows(
    ctx: Context[BasketsSettings],
    products: DataFrame,
    counted: CountedItemsets,
    rules: DataFrame,
    settings: BasketsSettings,
) -> SliceRows:
    """Bundles of each slice, and substitutes. Products, the date's sets, BasketRules → SliceRows.

    Counted where the sets are mined on the date; else the rows stand that were counted when they were.
    """
    if counted.items is None:
        bundles = with_of_all(_of_fit(ctx, SliceBundles, counted), rules)
        return SliceRows(bundles, _of_fit(ctx, Substitutes, counted))
    ctx.say("counting pairs in slices: " + ", ".join(["orders", *settings.slices]))
    pairs = slice_pairs(_items(ctx, products, counted.items, settings), settings, ctx.keep)
    if pairs is None:
        return SliceRows(SliceBundles.frame(ctx.spark), Substitutes.frame(ctx.spark))
    names, counted_on = item_names(products, settings.level), F.lit(ctx.date)
    bundles = slice_bundles(pairs, rules, names, settings).withColumn(SliceBundles.counted_on, counted_on)
    found = substitutes(pairs, item_kinds(products, settings.level), names, settings)
    return SliceRows(bundles, found.withColumn(Substitutes.counted_on, counted_on))


def _items(
    ctx: Context[BasketsSettings], products: DataFrame, of_orders: DataFrame, settings: BasketsSettings
) -> DataFrame:
    """Every basket of every slice. Products, BasketItem of orders → SliceItem."""
    orders = of_orders.withColumn(SliceItem.slice, F.lit(OTHER_ORDERS))
    if "segments" in settings.slices:
        orders = order_slices(of_orders, ctx.read_optional(Segments))
    frames = [orders.select(*SliceItem.columns())]
    items = product_items(products, settings.level, ctx.business)
    for name, event_type in EVENT_TYPE_OF.items():
        if name in settings.slices:
            events = events_in_window(ctx.read_optional(Events), ctx.date, settings.history_days)
            visits = visit_items(events, items, event_type).withColumn(SliceItem.slice, F.lit(name))
            frames.append(visits.select(*SliceItem.columns()))
    return reduce(DataFrame.unionByName, frames)


def _of_fit(ctx: Context[BasketsSettings], table: type[Table], counted: CountedItemsets) -> DataFrame:
    """The rows of the date on which the sets were mined."""
    earlier = ctx.earlier(table)
    if earlier is None:
        return table.frame(ctx.spark)
    return earlier.filter(F.col(SliceBundles.as_of) == F.lit(counted.trained_on)).drop(SliceBundles.as_of)
