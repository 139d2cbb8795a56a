"""Which series are parts of which, and what the parts leave."""

from __future__ import annotations

import datetime

from pyspark.sql import SparkSession

from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.models.forecasts.batches import sales_series
from promo_spark.models.forecasts.hierarchy import other_series, series_parts, with_other_parts

AS_OF = datetime.date(2017, 6, 4)


def days(series: str, first: int, units: list[int]) -> list[dict[str, object]]:
    """From a day of June to the 3rd, each piece for 2.00."""
    level, item = series.split(":", 1)
    of = {"series_id": series, "level": level, "item_id": item}
    return [{**of, "day": datetime.date(2017, 6, first + n), "units": u, "revenue": 2 * u} for n, u in enumerate(units)]


SALES = [
    *days("all:all", 1, [10, 12, 20]),
    *days("category:hot:tea", 1, [4, 7, 9]),  # an item with a colon
    *days("product:green", 1, [4, 2, 3]),
    *days("product:black", 2, [4, 5]),  # others begin on the 2nd: 7 − 2 − 4 = 1, 9 − 3 − 5 = 1
    *days("category:jam", 2, [3, 3]),
    *days("product:plum", 2, [3, 3]),  # all that the category sells
    *days("product:gift", 3, [2]),  # in no category: part of nothing, and of what categories leave of all
    *days("store:s1", 1, [10, 2, 1]),
]
CATALOGUE = [
    {"product_id": product, "category": category}
    for product, category in {
        "green": "hot:tea",
        "black": "hot:tea",
        "plum": "jam",
        "gift": None,
        "none": "salt",
    }.items()
]


def test_parts_and_what_they_leave_add_up_day_by_day(spark: SparkSession) -> None:
    """On the 1st 10 of all are 4 tea and 6 of no category, and all 10 are sold in store s1. A piece costs 2.00."""
    series = sales_series(DailySales.frame(spark, SALES), as_of=AS_OF, partitions=2)
    parts = series_parts(series, ProductProfile.frame(spark, CATALOGUE))
    assert {(r.series_id, r.whole_id, r.parts) for r in parts.collect()} == {
        ("product:green", "category:hot:tea", "product"),
        ("product:black", "category:hot:tea", "product"),
        ("product:plum", "category:jam", "product"),
        ("category:hot:tea", "all:all", "category"),
        ("category:jam", "all:all", "category"),
        ("store:s1", "all:all", "store"),
    }
    found = {r.series_id: r for r in other_series(series, parts).collect()}
    assert {name: (r.level, r.item_id, r.units, int(r.revenue), r.days_before) for name, r in found.items()} == {
        "other_products:hot:tea": ("other_products", "hot:tea", [1, 1], 40 - 18 - 18, 1),
        "other_categories:all": ("other_categories", "all", [6, 2, 8], 84 - 40 - 12, 0),
        "other_stores:all": ("other_stores", "all", [10, 19], 84 - 26, 1),
    }
    others = {(r.series_id, r.whole_id, r.parts) for r in with_other_parts(parts).subtract(parts).collect()}
    assert others == {
        ("other_products:hot:tea", "category:hot:tea", "product"),
        ("other_products:jam", "category:jam", "product"),  # of which nothing is left
        ("other_categories:all", "all:all", "category"),
        ("other_stores:all", "all:all", "store"),
    }


def test_where_no_whole_has_a_series_nothing_is_a_part(spark: SparkSession) -> None:
    """Products alone are forecast, or nobody has a catalogue."""
    series = sales_series(DailySales.frame(spark, days("product:green", 1, [1, 2, 3])), as_of=AS_OF, partitions=1)
    for products in (ProductProfile.frame(spark, CATALOGUE), ProductProfile.frame(spark)):
        parts = series_parts(series, products)
        assert parts.isEmpty() and other_series(series, parts).isEmpty()
