"""Which series are parts of which, and what the parts leave."""

from __future__ import annotations

import datetime

from pyspark.sql import SparkSession

from promo_spark.contracts.features import DailySales, ProductProfile
from promo_spark.models.forecasts.hierarchy import series_parts, with_other_parts, with_others

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
    *days("product:black", 2, [4, 5]),  # the category's other products begin on the 2nd: 7 − 2 − 4 = 1, 9 − 3 − 5 = 1
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
    """10 of all are 4 tea and 6 of no category; 10 in store s1 and none elsewhere."""
    sales, products = DailySales.frame(spark, SALES), ProductProfile.frame(spark, CATALOGUE)
    parts = series_parts(sales, products, as_of=AS_OF)
    assert {(r.series_id, r.whole_id, r.parts) for r in parts.collect()} == {
        ("product:green", "category:hot:tea", "product"),
        ("product:black", "category:hot:tea", "product"),
        ("product:plum", "category:jam", "product"),
        ("category:hot:tea", "all:all", "category"),
        ("category:jam", "all:all", "category"),
        ("store:s1", "all:all", "store"),
    }
    rows = with_others(sales, parts).filter("level like 'other%'").orderBy("series_id", "day").collect()
    found: dict[tuple[str, str, str], list[tuple[int, int, int]]] = {}
    for r in rows:
        found.setdefault((r.series_id, r.level, r.item_id), []).append((r.day.day, int(r.units), int(r.revenue)))
    assert found == {
        ("other_products:hot:tea", "other_products", "hot:tea"): [(2, 1, 2), (3, 1, 2)],
        ("other_categories:all", "other_categories", "all"): [(1, 6, 12), (2, 2, 4), (3, 8, 16)],
        ("other_stores:all", "other_stores", "all"): [(2, 10, 20), (3, 19, 38)],
    }
    assert with_others(sales, parts).count() == len(SALES) + len(rows)  # the others as they were
    others = {(r.series_id, r.whole_id, r.parts) for r in with_other_parts(parts).subtract(parts).collect()}
    assert others == {
        ("other_products:hot:tea", "category:hot:tea", "product"),
        ("other_products:jam", "category:jam", "product"),  # of which nothing is left
        ("other_categories:all", "all:all", "category"),
        ("other_stores:all", "all:all", "store"),
    }


def test_where_no_whole_has_a_series_nothing_is_a_part(spark: SparkSession) -> None:
    """Products alone are forecast, or nobody has a catalogue."""
    sales = DailySales.frame(spark, days("product:green", 1, [1, 2, 3]))
    for products in (ProductProfile.frame(spark, CATALOGUE), ProductProfile.frame(spark)):
        parts = series_parts(sales, products, as_of=AS_OF)
        assert parts.count() == 0 and with_others(sales, parts).count() == 3
