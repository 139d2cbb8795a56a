"""Each scenario: whom it proposes what, at which depth and why, and whom it leaves alone."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from promo_spark.contracts.decisions import SCENARIOS, Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import BasketRules, Forecasts, Recommendations
from promo_spark.decisions.offers.products import priced_products
from promo_spark.decisions.offers.texts import TEMPLATES, sentence
from promo_spark.decisions.scenarios import (
    REGISTRY,
    bundle,
    clearance,
    new_user_welcome,
    recommended_item,
    repurchase,
    win_back,
)
from promo_spark.decisions.scenarios.inputs import World
from promo_spark.errors import SettingsError
from promo_spark.settings import Settings

DAY = datetime.date(2017, 12, 1)


def item(product_id: str, **facts: Any) -> dict[str, Any]:
    """A promotable product at 10.00 that costs 5.00: at most 47% may come off."""
    plain = {
        "title": product_id,
        "category": product_id,
        "subcategory": product_id,
        "promotable": True,
        "list_price": 10,
        "unit_cost": 5,
        "units_28d": 28,
    }
    return {"product_id": product_id} | plain | facts


@pytest.fixture
def world(spark: SparkSession, settings: Settings) -> World:
    """An empty world; a test replaces what it is about."""
    bought = spark.createDataFrame([], "user_id string, product_id string, orders long")
    products = priced_products(ProductProfile.frame(spark, [item("milk"), item("bread")]), min_margin=0.05)
    return World(
        DAY,
        "USD",
        settings.promote,
        UserProfile.frame(spark),
        products,
        bought,
        Recommendations.frame(spark),
        BasketRules.frame(spark),
        Forecasts.frame(spark),
        Promotions.frame(spark),
    )


def users(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    return UserProfile.frame(spark, [{"discounted_lines_share": 0.5} | r for r in rows])


def by_user(df: DataFrame) -> dict[str, Row]:
    rows = df.collect()
    assert len(rows) == len({r.user_id for r in rows})
    return {r.user_id: r for r in rows}


def test_the_registry_the_contract_and_the_texts_name_the_same_scenarios(settings: Settings) -> None:
    assert set(REGISTRY) == set(SCENARIOS) - {"none"} == set(TEMPLATES) == set(settings.promote.scenarios)


def test_products_without_price_margin_or_permission_are_never_offered(spark: SparkSession) -> None:
    shelf = [
        item("ok"),
        item("hidden", promotable=False),
        item("unpriced", list_price=None),
        item("costless", unit_cost=None),
        item("tight", unit_cost="9.60"),
    ]  # 9.60 / 0.95 > 10
    kept = priced_products(ProductProfile.frame(spark, shelf), min_margin=0.05).collect()
    assert [p.product_id for p in kept] == ["ok"]


def test_repurchase_comes_when_it_is_due(spark: SparkSession, world: World) -> None:
    """I11: a 30-day cadence is targeted on days 27–30, not on day 10."""

    def bought(days: int) -> dict[str, Any]:
        last = DAY - datetime.timedelta(days=days)
        again = {
            "product_id": "milk",
            "orders": 4,
            "cadence_days": 30.0,
            "last_bought": last,
            "due_date": last + datetime.timedelta(days=30),
        }
        return {"user_id": f"day{days}", "repurchases": [again]}

    found = by_user(
        repurchase.candidates(replace(world, users=users(spark, *[bought(d) for d in (10, 26, 27, 28, 29, 30, 31)])))
    )
    assert set(found) == {"day27", "day28", "day29", "day30"}
    offer = found["day28"]
    assert (offer.discount_rate, offer.offer_price) == (Decimal("0.10"), Decimal("9.00"))  # halfway from 5 to 15%
    assert offer.text == "Time for milk again? 10% off: 9.00 USD instead of 10.00 USD, until 2017-12-07."
    assert offer.reason_codes == ["repurchase_due:2017-12-03", "bought_in_orders:4"]


def test_recommended_items_get_a_depth_by_the_users_eagerness(spark: SparkSession, world: World) -> None:
    """I15: only what is recommended to the user. I18: the keener on discounts, the deeper, within bounds."""
    found = by_user(
        recommended_item.candidates(
            replace(
                world,
                users=users(
                    spark,
                    {"user_id": "cool", "discounted_lines_share": 0.0},
                    {"user_id": "keen", "discounted_lines_share": 1.0},
                    {"user_id": "unknown"},
                ),
                recommendations=Recommendations.frame(
                    spark,
                    [
                        {"user_id": "cool", "rank": 1, "product_id": "milk", "source": "als"},
                        {"user_id": "keen", "rank": 2, "product_id": "bread", "source": "als"},
                        {"user_id": "keen", "rank": 1, "product_id": "not for sale", "source": "als"},
                        {"user_id": "excluded", "rank": 1, "product_id": "milk", "source": "als"},
                    ],
                ),
            )
        )
    )
    assert {u: (r.product_ids, r.discount_rate) for u, r in found.items()} == {
        "cool": (["milk"], Decimal("0.05")),
        "keen": (["bread"], Decimal("0.20")),
    }
    assert found["keen"].reason_codes == ["recommended:als:2"]


def test_win_back_stretches_the_basket_of_quiet_users_who_like_discounts(spark: SparkSession, world: World) -> None:
    """I19: min spend ≥ mean basket; users who hardly buy at a discount get no coupon. I02: reduction < threshold."""
    found = by_user(
        win_back.candidates(
            replace(
                world,
                users=users(
                    spark,
                    {"user_id": "quiet", "lifecycle": "lost", "basket_value": 20.1, "recency_days": 130},
                    {"user_id": "active", "lifecycle": "loyal", "basket_value": 20.0},
                    {
                        "user_id": "indifferent",
                        "lifecycle": "lost",
                        "basket_value": 20.0,
                        "discounted_lines_share": 0.01,
                    },
                ),
            )
        )
    )
    assert set(found) == {"quiet"}
    coupon = found["quiet"]
    assert coupon.min_spend == 25  # 20.10 × 1.2 = 24.12, up to the whole unit
    assert coupon.coupon_amount == Decimal("5.75")  # 15 + 0.5 × (30 − 15) = 22.5 → 23% of 25
    assert coupon.margin_if_used == Decimal("6.75")  # half of 25 less the coupon
    assert coupon.text == "We have missed you: 5.75 USD off when you spend 25.00 USD or more, until 2017-12-07."
    assert coupon.reason_codes == ["lifecycle:lost", "days_since_order:130"]


def test_only_users_without_orders_are_welcomed_and_once(spark: SparkSession, world: World) -> None:
    """I10: a user with one order is not eligible; granted at most once."""
    found = by_user(
        new_user_welcome.candidates(
            replace(
                world,
                users=users(
                    spark,
                    {"user_id": "new", "lifecycle": "new"},
                    {"user_id": "again", "lifecycle": "new"},
                    {"user_id": "one order", "lifecycle": "first_time", "orders": 1},
                ),
                welcomed=Promotions.frame(spark, [{"user_id": "again"}]),
            )
        )
    )
    assert set(found) == {"new"}
    assert (found["new"].coupon_amount, found["new"].min_spend) == (Decimal("3.00"), Decimal("15.00"))
    thin = priced_products(ProductProfile.frame(spark, [item("milk", unit_cost=9)]), min_margin=0.05)
    capped = by_user(
        new_user_welcome.candidates(
            replace(world, products=thin, users=users(spark, {"user_id": "new", "lifecycle": "new"}))
        )
    )
    assert capped["new"].coupon_amount == Decimal("0.78")  # 15 × (1 − 0.9 / 0.95) = 0.789, down to the cent


def test_clearance_is_deeper_the_steeper_the_fall(spark: SparkSession, world: World) -> None:
    """I13: less demand ahead gives a deeper markdown, a hot item none; the audience likes the item (no stock yet)."""
    shelf = [item("fading", category="dairy"), item("dead", category="dairy"), item("hot", category="dairy")]
    ahead = {"fading": 0.25, "dead": 0.0, "hot": 2.0}  # a day; 28 were sold in 28 days, so trend 0.25, 0, 2
    found = clearance.candidates(
        replace(
            world,
            products=priced_products(ProductProfile.frame(spark, shelf), min_margin=0.05),
            users=users(
                spark,
                {"user_id": "fan", "interests": [{"category": "dairy", "share": 1.0}]},
                {"user_id": "buyer"},
                {"user_id": "stranger"},
            ),
            purchases=spark.createDataFrame([("buyer", "dead", 1)], "user_id string, product_id string, orders long"),
            forecasts=Forecasts.frame(
                spark,
                [
                    {
                        "series_id": f"product:{p}",
                        "day": DAY,
                        "model": model,
                        "units": units,
                        "champion": model == "best",
                    }
                    for p, u in ahead.items()
                    for model, units in [("best", u), ("other", 0.0)]
                ],
            ),
        )
    ).collect()
    rates = {(r.user_id, r.product_ids[0]): r.discount_rate for r in found}
    assert rates == {
        ("fan", "fading"): Decimal("0.35"),  # half the way from 20 to 50%
        ("fan", "dead"): Decimal("0.47"),
        ("buyer", "dead"): Decimal("0.47"),  # 50%, cut by the floor of 5.27
    }


def test_strong_rules_become_bundles_of_the_users_own_products(spark: SparkSession, world: World) -> None:
    """E10: a planted pair becomes a bundle, substitutes never; its price is below the sum and at the floor or above.

    I09: as E10.
    """
    shelf = [
        item("own pasta", subcategory="pasta"),
        item("top pasta", subcategory="pasta", units_28d=99),
        item("small sauce", subcategory="sauce", list_price=4, unit_cost=3, units_28d=1),
        item("top sauce", subcategory="sauce", list_price=4, unit_cost=3, units_28d=99),
        item("rice", subcategory="rice"),
    ]
    again = {"product_id": "own pasta", "orders": 5, "cadence_days": 9.0, "last_bought": DAY, "due_date": DAY}
    found = by_user(
        bundle.candidates(
            replace(
                world,
                products=priced_products(ProductProfile.frame(spark, shelf), min_margin=0.05),
                users=users(
                    spark,
                    {"user_id": "cook", "repurchases": [again], "discounted_lines_share": 1.0},
                    {"user_id": "reader", "repurchases": [again], "discounted_lines_share": 1.0},
                    {"user_id": "stranger"},
                ),
                recommendations=Recommendations.frame(
                    spark, [{"user_id": "reader", "rank": 3, "product_id": "small sauce", "source": "als"}]
                ),
                rules=BasketRules.frame(
                    spark,
                    [
                        {
                            "level": "subcategory",
                            "antecedent": [a],
                            "consequent": [b],
                            "confidence": 0.4,
                            "lift": lift,
                            "is_bundle": lift > 1,
                        }
                        for a, b, lift in [("pasta", "sauce", 4.0), ("sauce", "pasta", 4.0), ("pasta", "rice", 0.5)]
                    ],
                ),
            )
        )
    )
    assert found["cook"].product_ids == ["own pasta", "top sauce"]  # bought again, with the most bought sauce
    assert found["reader"].product_ids == ["own pasta", "small sauce"]  # with the sauce recommended to this user
    assert set(found) == {"cook", "reader"}
    offer = found["cook"]
    assert (offer.list_price, offer.offer_price, offer.margin_floor) == (
        Decimal("14.00"),
        Decimal("11.90"),
        Decimal("8.43"),  # 15% off 14; 8 / 0.95 up to the cent
    )
    assert offer.anchor == "own pasta" and offer.response_factor == Decimal("0.4")
    assert offer.reason_codes == ["bought_together:pasta with sauce"]


def test_a_template_without_its_column_is_an_error(spark: SparkSession) -> None:
    """I25: no slot is left unfilled."""
    with pytest.raises(KeyError, match="price"):
        sentence("Only {price}!", {})


def test_missing_or_turned_bounds_are_named(world: World) -> None:
    without = replace(world, settings=world.settings.model_copy(update={"depth": {"bundle": [0.3, 0.1]}}))
    with pytest.raises(SettingsError, match=r"promote.depth.clearance is missing"):
        without.bounds("clearance")
    with pytest.raises(SettingsError, match=r"promote.depth.bundle is \[0.3, 0.1\]: the least depth comes first"):
        without.bounds("bundle")
