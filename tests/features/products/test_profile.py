"""The product profile on products whose figures are reckoned by hand."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import Inventory, OrderLines, Products, PromoCalendar
from promo_spark.features.past_lines import past_lines
from promo_spark.features.products.profile import product_profile
from promo_spark.features.products.sales import product_buyers, product_sales, recent_sales
from promo_spark.features.sold_days import product_days
from promo_spark.features.users.products import user_products
from promo_spark.settings import Settings

AS_OF = datetime.date(2017, 6, 1)


def line(product: str, days_ago: int, paid: float, listed: float | None = None, **more: Any) -> dict[str, Any]:
    listed = paid if listed is None else listed
    return {
        "product_id": product,
        "order_id": f"{product}{days_ago}",
        "user_id": "u1",
        "quantity": 1,
        "amount_paid": paid,
        "list_amount": listed,
        "discount_retail": listed - paid,
        "order_date": AS_OF - datetime.timedelta(days_ago),
        **more,
    }


LINES = [
    # milk: list prices per unit 2.00, 2.01 and 4.00 in the recent days; a dearer past that no longer counts
    line("milk", 200, 9.0),
    line("milk", 28, 4.0, user_id="u2"),
    line("milk", 29, 3.0, 4.02, quantity=2),  # 1.50 paid, 2.01 listed per unit
    line("milk", 56, 2.0),
    line("milk", 57, 2.0, quantity=-1, amount_paid=-2.0, list_amount=-2.0, discount_retail=0),  # a return
    line("milk", 3, 0.0, 0.0, user_id=None),  # a free one: it has no list price, and nobody is known to have it
    # old: not sold in the recent days, so the price is that of ever: the median of 1.00 and 1.01 is 1.005
    line("old", 120, 1.0),
    line("old", 121, 1.01),
    line("listed", 2, 5.0),
]
CATALOGUE: list[dict[str, Any]] = [
    {"product_id": "milk", "department": "grocery", "category": "dairy", "title": " fresh milk "},
    {"product_id": "old", "department": "grocery", "category": "dairy", "title": " "},
    {
        "product_id": "listed",
        "department": "deli",
        "category": "cheese",
        "list_price": 8,
        "unit_cost": 5,
        "tags": ["eco"],
    },
    {"product_id": "unsold", "department": "deli"},
    {"product_id": "petrol", "department": "fuel", "category": "gas", "list_price": 1},
    {"product_id": "cigars", "department": "deli", "category": "tobacco", "list_price": 10},
    *[{"product_id": f"tea{i}", "category": "tea", "list_price": 10 * i} for i in range(1, 6)],
]


STOCK: list[dict[str, Any]] = [
    {"product_id": product, "store_id": store, "day": AS_OF - datetime.timedelta(ago), "on_hand": units}
    for product, store, ago, units in [
        ("milk", "s1", 1, 0),
        ("milk", "s1", 2, 9),  # older than yesterday's
        ("milk", "s2", 7, 4),  # the last day that counts: 0 + 4
        ("old", "s1", 1, 0),
        ("old", "s2", 8, 5),  # too old to say anything
        ("old", "s1", 0, 7),  # the date itself
        ("listed", "s1", 8, 0),  # sold out, but long ago
    ]
]


def profiles(spark: SparkSession, settings: Settings, lines: list[dict[str, Any]], partitions: int = 1) -> DataFrame:
    sold = OrderLines.frame(spark, lines).repartition(partitions)
    past = past_lines(sold, AS_OF)
    df = product_profile(
        Products.frame(spark, CATALOGUE).repartition(partitions),
        sales=product_sales(product_days(past)),
        recent=recent_sales(product_days(past), AS_OF),
        buyers=product_buyers(user_products(past)),
        priced=past,
        inventory=Inventory.frame(spark, STOCK).repartition(partitions),
        calendar=PromoCalendar.frame(spark),
        as_of=AS_OF,
        settings=settings.profile,
        business=settings.business.model_copy(
            update={
                "excluded_departments": ["fuel"],
                "excluded_categories": ["tobacco"],
                "assumed_margin": 0.25,
                "assumed_margin_by_department": {"deli": 0.333},
            }
        ),
    )
    return ProductProfile.enforced(
        df.withColumns({ProductProfile.as_of: F.lit(AS_OF), ProductProfile.run_id: F.lit("r1")})
    )


@pytest.fixture(scope="module")
def found(spark: SparkSession, settings: Settings) -> dict[str, Row]:
    rows = profiles(spark, settings, LINES).collect()
    assert len(rows) == len(CATALOGUE)
    return {r.product_id: r for r in rows}


def test_units_and_revenue_are_net_and_by_month(found: dict[str, Row]) -> None:
    milk = found["milk"]
    assert (milk.units_28d, milk.units_before_28d, milk.units) == (2, 3, 5)  # day 28 in, 29 and 56 before, 57 out
    assert (milk.revenue_28d, milk.revenue) == (Decimal("4.00"), Decimal("16.00"))  # 9 + 4 + 3 + 2 − 2 + 0
    assert (milk.first_sale, milk.last_sale) == (datetime.date(2016, 11, 13), datetime.date(2017, 5, 29))
    assert (milk.buyers, milk.repeat_buyers) == (2, 1)  # u1 kept two of three orders, u2 has one
    assert milk.discount_depth == pytest.approx(1.02 / 19.02)  # 19.02 = 9 + 4 + 4.02 + 2 + 0
    assert milk.discounted_units_share == pytest.approx(1 / 5)


def test_prices_are_exact_medians_and_never_filled_with_zero(found: dict[str, Row]) -> None:
    """B03: price is never 0-filled."""
    assert found["milk"].list_price == Decimal("2.01")  # of 4.00, 2.01, 2.00; neither 9.00 nor the free one
    assert found["milk"].paid_price == Decimal("1.75")  # of 4.00, 1.50, 2.00, 0.00
    assert found["old"].list_price == Decimal("1.01")  # 1.005, half up
    assert (found["listed"].list_price, found["listed"].paid_price) == (Decimal("8.00"), Decimal("5.00"))
    # charged: milk of the recent 1.50, 2.00 and 4.00, less than its list price of 2.01; old of 1.00 and 1.01 ever
    assert [found[p].charged_price for p in ("milk", "old", "listed", "tea1", "unsold")] == [
        Decimal("2.00"),
        Decimal("1.00"),
        Decimal("5.00"),
        Decimal("10.00"),
        None,
    ]
    unsold = found["unsold"]
    assert (unsold.list_price, unsold.paid_price, unsold.price_tier, unsold.unit_cost) == (None,) * 4
    assert (unsold.units, unsold.buyers, unsold.first_sale) == (0, 0, None)


def test_a_cost_is_the_catalogues_or_said_to_be_assumed(found: dict[str, Row]) -> None:
    assert (found["listed"].unit_cost, found["listed"].cost_is_assumed) == (Decimal("5.00"), False)
    assert (found["milk"].unit_cost, found["milk"].cost_is_assumed) == (Decimal("1.50"), True)  # 2.00 × 0.75
    assert (found["cigars"].unit_cost, found["cigars"].cost_is_assumed) == (Decimal("6.67"), True)  # 10 × 0.667
    assert found["unsold"].cost_is_assumed is False  # there is no cost at all


def test_stock_is_each_stores_newest_and_only_while_it_is_fresh(found: dict[str, Row]) -> None:
    assert (found["milk"].on_hand, found["milk"].in_stock) == (4, True)
    assert (found["old"].on_hand, found["old"].in_stock) == (0, False)
    assert (found["listed"].on_hand, found["listed"].in_stock) == (None, None)


def test_excluded_departments_and_categories_are_not_promotable(found: dict[str, Row]) -> None:
    assert {p for p, r in found.items() if not r.promotable} == {"petrol", "cigars"}


def test_a_title_falls_back_to_the_category_and_then_the_id(found: dict[str, Row]) -> None:
    assert [found[p].title for p in ("milk", "old", "unsold")] == ["fresh milk", "dairy", "unsold"]


def test_tags_are_those_of_the_catalogue(found: dict[str, Row]) -> None:
    assert (found["listed"].tags, found["milk"].tags) == (["eco"], None)


def test_the_price_tier_is_the_fifth_within_the_category(found: dict[str, Row]) -> None:
    """C06: the price tier, free of the category's level; the part of products."""
    assert [found[f"tea{i}"].price_tier for i in range(1, 6)] == [1, 2, 3, 4, 5]
    assert (found["milk"].price_tier, found["old"].price_tier) == (5, 1)  # dairy is not compared with tea


def test_nothing_on_or_after_the_date_leaks_in_and_partitions_do_not_matter(
    spark: SparkSession, settings: Settings, found: dict[str, Row]
) -> None:
    """C17: same input, same rows, however it is partitioned; and none of the future."""
    future = [line("milk", 0, 99.0, user_id="u3"), line("unsold", -1, 5.0)]
    assert_df_equality(
        profiles(spark, settings, [*future, *reversed(LINES)], partitions=5),
        spark.createDataFrame(list(found.values()), ProductProfile.schema()),
        ignore_row_order=True,
        ignore_nullable=True,
    )
