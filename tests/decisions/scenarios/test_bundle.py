"""Bundle: two products that baskets show to belong together."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from pyspark.sql import SparkSession

from promo_spark.contracts.models import BasketRules, Recommendations
from promo_spark.decisions.scenarios.bundle import BUNDLE, RULES_PER_ITEM, item_rules
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from tests.decisions.scenarios.shop import DAY, item, products, products_of, rungs_of, targets_by_user, users


def test_strong_rules_become_bundles_of_the_users_own_products(spark: SparkSession, inputs: ScenarioInputs) -> None:
    """E10: a planted pair becomes a bundle, substitutes never; its price is below the sum and at the floor or above.

    I09: as E10.
    """
    catalogue = products(
        spark,
        item("own pasta", subcategory="pasta"),
        item("top pasta", subcategory="pasta", units_28d=99),
        item("small sauce", subcategory="sauce", list_price=4, unit_cost=3, units_28d=1),
        item("top sauce", subcategory="sauce", list_price=4, unit_cost=3, units_28d=99),
        item("rice", subcategory="rice"),
    )
    pasta = {"product_id": "own pasta", "orders": 5, "cadence_days": 9.0, "last_bought": DAY, "due_date": DAY}
    shoppers = users(
        spark,
        {"user_id": "cook", "repurchases": [pasta]},
        {"user_id": "reader", "repurchases": [pasta]},
        {"user_id": "stranger"},
    )
    recommendations = Recommendations.frame(
        spark, [{"user_id": "reader", "rank": 3, "product_id": "small sauce", "source": "als"}]
    )
    rules = BasketRules.frame(
        spark,
        [
            {
                "level": "subcategory",
                "antecedent": [antecedent],
                "consequent": [consequent],
                "confidence": 0.4,
                "lift": lift,
                "is_bundle": lift > 1,
            }
            for antecedent, consequent, lift in [
                ("pasta", "sauce", 4.0),
                ("sauce", "pasta", 4.0),
                ("pasta", "rice", 0.5),  # substitutes
            ]
        ],
    )
    offers = targets_by_user(
        BUNDLE,
        replace(inputs, products=catalogue, users=shoppers, recommendations=recommendations, rules=rules),
    )
    assert products_of(offers["cook"]) == ["own pasta", "top sauce"]  # bought again, with the most bought sauce
    assert products_of(offers["reader"]) == ["own pasta", "small sauce"]  # with the sauce recommended to this user
    assert set(offers) == {"cook", "reader"}
    offer = offers["cook"]
    assert (offer.list_price, offer.charged_price, offer.margin_floor) == (14, 14, Decimal("8.43"))  # 8 / 0.95, up
    assert rungs_of(offer) == [("0.05", "0.70"), ("0.10", "1.40"), ("0.15", "2.10")]  # of 14 together
    assert [(part.charged_price, part.unit_cost) for part in offer.parts] == [(10, 5), (4, 3)]
    assert offer.reason_codes == ["bought_together:pasta with sauce"]


def test_of_each_item_the_strongest_rules_are_tried(spark: SparkSession) -> None:
    def rule(consequent: list[str], lift: float) -> dict[str, object]:
        return {
            "level": "product",
            "antecedent": ["tea"],
            "consequent": consequent,
            "confidence": 0.4,
            "lift": lift,
            "is_bundle": True,
        }

    rules = [rule([f"p{lift}"], float(lift)) for lift in range(2, 8)] + [rule(["a", "b"], 9.0)]  # no pair
    strongest = item_rules(BasketRules.frame(spark, rules)).collect()
    assert sorted(r.right for r in strongest) == ["p5", "p6", "p7"] and len(strongest) == RULES_PER_ITEM
