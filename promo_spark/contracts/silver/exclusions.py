"""What marketers keep out of all offers."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, WriteMode
from promo_spark.contracts.silver.sourced import (
    ENDS_BEFORE_START,
    LEVEL_KNOWN,
    LEVEL_UNKNOWN,
    PRODUCT_LEVELS,
    Sourced,
    control_character,
)

_TEXT = T.StringType()


class PromotionExclusions(Sourced):
    """One row per product, brand or group of products that no offer is made of: the list as it was delivered last.

    What must not be promoted by law (tobacco, infant formula), by a contract with its maker, or by taste. A coupon for
    the whole basket names no product, and is not stopped: leave these products out where it is redeemed.
    """

    name = "promotion_exclusions"
    key = ("level", "value")
    write_mode = WriteMode.OVERWRITE
    checks = (LEVEL_KNOWN,)
    source_checks = (control_character("value"), LEVEL_UNKNOWN, ENDS_BEFORE_START)
    level = Col(_TEXT, f"what is named: {', '.join(PRODUCT_LEVELS)}", required=True)
    value = Col(_TEXT, "its id or name, written as in silver.products; a tag in any case", required=True)
    start_date = Col(T.DateType(), "first day on which no offer may hold; null: since ever")
    end_date = Col(T.DateType(), "last such day, included; null: for good")
    why = Col(_TEXT, "the marketer's own words")
