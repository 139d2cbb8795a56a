"""What all silver tables share: columns that tell where a row came from, and checks of deliveries."""

from __future__ import annotations

from typing import ClassVar

from pyspark.sql import types as T

from promo_spark.contracts.schema import Check, Col, Criticality, SourceCheck, Table

_TEXT = T.StringType()


_DATE = T.DateType()


CHANGE = T.StructType([T.StructField("column", T.StringType()), T.StructField("was", T.StringType())])
CLEANED_TYPE = T.ArrayType(CHANGE)


UNKNOWN_USER = SourceCheck("unknown_user", "the user is not in the user list delivered with it", "warn", "user_id")


TEST_USER = SourceCheck("test_user", "the user is one of ingest.test_users", "reject", "user_id")


ENDS_BEFORE_START = SourceCheck("ends_before_start", "it ends before it starts", "reject", "end_date")


# By what a marketer's list may name products: the product itself, a group that it is in, or one of its tags.
TAG = "tag"
PRODUCT_LEVELS = ("product", "brand", "subcategory", "category", "department", TAG)


LEVEL_KNOWN = Check("level_known", "level", "in", PRODUCT_LEVELS)


LEVEL_UNKNOWN = SourceCheck(
    "level_unknown", f"the level is none of {', '.join(PRODUCT_LEVELS)}", "reject", "level", "in", PRODUCT_LEVELS
)


def control_character(column: str) -> SourceCheck:
    """Judges every id of the row; the column is the one that stands for it."""
    return SourceCheck(
        "control_character_in_id", "an id has a line break or another control character in it", "reject", column
    )


def unknown_product(criticality: Criticality) -> SourceCheck:
    return SourceCheck("unknown_product", "the product is not in the product list", criticality, "product_id")


def future_timestamp(column: str) -> SourceCheck:
    return SourceCheck("future_timestamp", "it is dated later than the day that ingest ran for", "warn", column)


def future_day(column: str) -> SourceCheck:
    return SourceCheck("future_day", "its day is later than the one that ingest ran for", "warn", column)


class Sourced(Table):
    """Columns that every silver table ends with."""

    layer = "silver"
    trailing: ClassVar[tuple[str, ...]] = ("source_file", "run_id")
    source_file = Col(_TEXT, "the file or table the row came from")
    run_id = Col(_TEXT, "the ingest run that wrote the row")


class Cleanable(Sourced):
    """Tables with values that settings may clean; what a cleaned value was stays in the row."""

    trailing = ("cleaned", *Sourced.trailing)
    cleaned = Col(
        CLEANED_TYPE,
        "columns whose value ingest.cleaning filled or changed, with what it was (null: missing); null: nothing was",
    )
