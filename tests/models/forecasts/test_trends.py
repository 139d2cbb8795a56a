"""Which kinds of products are about to sell more."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.features import ProductProfile
from promo_spark.models.forecasts.hints import ExpectedSales
from promo_spark.models.forecasts.trends import demand_trends

# product → category, style, colours, sold before, forecast
PRODUCTS: dict[str, tuple[str | None, str, list[str] | None, float, float]] = {
    "a": ("shirts", "slim", ["red"], 10, 25),  # red +15 and −1
    "b": ("shirts", "loose", ["red"], 5, 4),
    "c": ("shirts", "slim", ["blue"], 50, 55.5),
    "d": ("shirts", "loose", ["black"], 30, 20),
    "e": ("shoes", "slim", ["red"], 9, 1),  # another category's red
    "f": (None, "slim", ["red"], 9, 1),  # in no category
    "g": ("socks", "long", None, 1, 2),  # the shop does not say what else it is
}


def test_the_colour_that_rises_ranks_first_and_colours_add_up_to_the_category(spark: SparkSession) -> None:
    """F14: red +14, blue +5.5, black −10 of shirts; 29 + 55.5 + 20 = 104.5 are forecast of all of them."""
    of = [
        {"product_id": p, "category": c, "subcategory": s, "tags": tags, "brand": None}
        for p, (c, s, tags, _, _) in PRODUCTS.items()
    ]
    sales = [
        {"level": "product", "item_id": p, "sold_units": sold, "forecast_units": ahead}
        for p, (_, _, _, sold, ahead) in PRODUCTS.items()
    ] + [{"level": "category", "item_id": "shirts", "sold_units": 900, "forecast_units": 900}]
    found = demand_trends(ExpectedSales.frame(spark, sales), ProductProfile.frame(spark, of), days=28).collect()
    told = {(r.category, r.attribute, r.value): r for r in found}
    colours = [r for r in found if (r.category, r.attribute) == ("shirts", "tag")]
    assert [(r.rank, r.value, r.rise_units, r.products) for r in sorted(colours, key=lambda r: r.rank)] == [
        (1, "red", 14.0, 2),
        (2, "blue", 5.5, 1),
        (3, "black", -10.0, 1),
    ]
    assert sum(r.forecast_units for r in colours) == told["shirts", "category", "shirts"].forecast_units == 104.5
    styles = [told["shirts", "subcategory", s].rise_units for s in ("slim", "loose")]
    assert styles == [pytest.approx(20.5), pytest.approx(-11)]
    assert {key[1] for key in told if key[0] == "socks"} == {"category", "subcategory"}
    assert {key[0] for key in told} == {"shirts", "shoes", "socks"}
