"""Products by the names that marketers' lists call them: their own id, a group that they are in, or a tag."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import PRODUCT_LEVELS, TAG
from promo_spark.decisions.offers.targets import OfferedProduct, OfferTarget
from promo_spark.measures.tags import tag

_TEXT = T.StringType()


class ProductName(Frame):
    """One row per product and name that a list may call it by."""

    product_id = Col(_TEXT, "the product", required=True)
    level = Col(_TEXT, "one of PRODUCT_LEVELS", required=True)
    value = Col(_TEXT, "its id or name there; null: not known")


def names_of_products(products: DataFrame) -> DataFrame:
    """One row per product and level, and one per tag. ProductProfile → ProductName."""
    groups = [level for level in PRODUCT_LEVELS if level != TAG]
    of_group = [_name(level, F.col(f"{level}_id" if level == "product" else level)) for level in groups]
    of_tags = F.transform(F.coalesce(ProductProfile.tags, F.array().cast(T.ArrayType(_TEXT))), lambda t: _name(TAG, t))
    names = F.concat(F.array(*of_group), of_tags)
    return ProductName.shaped(products.select(ProductProfile.product_id, F.inline(names)))


def listed_names(listed: DataFrame) -> DataFrame:
    """The rows of a list as products are named. Rows with level and value → the same, tags written as products' are."""
    level, value = F.col(ProductName.level), F.col(ProductName.value)
    return listed.withColumn(ProductName.value, F.when(level == TAG, tag(value)).otherwise(value))


def _name(level: str, value: Column) -> Column:
    return F.struct(F.lit(level).alias(ProductName.level), value.alias(ProductName.value))


def entries_by_product(products: DataFrame, listed: DataFrame, entry: Column, name: str) -> DataFrame:
    """One row per product that a list names: its entries, sorted, as an array of that name.

    ProductProfile, rows with level and value → product_id, array.
    """
    keys = [ProductName.level, ProductName.value]
    rows = listed_names(listed.select(*keys, entry.alias(_ENTRY)))
    named = names_of_products(products).join(F.broadcast(rows), keys, "inner")
    return named.groupBy(ProductName.product_id).agg(F.array_sort(F.collect_set(_ENTRY)).alias(name))


def with_entries_of_all_products(targets: DataFrame, by_product: DataFrame, name: str) -> DataFrame:
    """The targets with the entries that name each of their products, in order; null: no such entry, or no products.

    OfferTarget, rows of `entries_by_product` → the targets and the array.
    """
    entries = []
    for place, column in enumerate(_PLACES):
        product = F.get(F.col(OfferTarget.parts), F.lit(place))[OfferedProduct.product_id]
        own = by_product.select(F.col(ProductName.product_id).alias(_PRODUCT), F.col(name).alias(column))
        targets = targets.withColumn(_PRODUCT, product).join(F.broadcast(own), _PRODUCT, "left").drop(_PRODUCT)
        entries.append(F.when(product.isNotNull(), F.coalesce(column, F.array().cast(own.schema[column].dataType))))
    return targets.withColumn(name, _common(entries)).drop(*_PLACES)


def _common(entries: Sequence[Column]) -> Column:
    first, second = entries
    return F.coalesce(F.array_intersect(first, second), first)


_ENTRY, _PRODUCT = "entry", "product_of_part"
_PLACES = ("entries_of_first", "entries_of_second")  # an offer is about two products at most
