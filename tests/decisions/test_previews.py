"""What decisions come to, and what changes between two of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.decisions.previews import (
    Decisions,
    Limit,
    changed_users,
    decision_counts,
    example_offers,
    preview,
)


def offer(user: str, promotion: str, scenario: str, rank: int = 1, gain: str = "1.00") -> dict[str, Any]:
    same = {"mechanic": "discount", "expected_cost": "0.25", "reason_codes": ["due"], "basis": "prior"}
    return same | {
        "user_id": user,
        "promotion_id": promotion,
        "scenario": scenario,
        "rank": rank,
        "incremental_margin": gain,
        "text": f"{promotion} for less.",
    }


def none(user: str, *reasons: str) -> dict[str, Any]:
    same = {"scenario": "none", "mechanic": "none", "rank": 1, "promotion_id": f"none {user}"}
    return same | {"user_id": user, "reason_codes": list(reasons), "expected_cost": 0, "incremental_margin": 0}


BEFORE = [
    offer("a", "tea", "repurchase", gain="3.00"),
    offer("a", "milk", "repurchase", rank=2, gain="1.00"),
    offer("b", "tea", "flash_sale", gain="2.00"),
    none("c", "no_gain"),
    none("d", "no_consent", "holdout"),
]
AFTER = [
    offer("a", "milk", "repurchase"),  # the same two
    offer("a", "tea", "repurchase", rank=2),
    offer("b", "bread", "flash_sale"),  # another
    offer("c", "tea", "flash_sale"),  # one more
    none("d", "no_consent", "holdout"),
]


def test_decisions_are_counted_by_scenario_mechanic_and_first_reason(spark: SparkSession) -> None:
    rows = decision_counts(Promotions.frame(spark, BEFORE)).collect()
    found = {(r.scenario, r.mechanic, r.reason): (r.rows, r.users, r.reserved, r.gain) for r in rows}
    assert found == {
        ("repurchase", "discount", None): (2, 1, Decimal("0.50"), Decimal(4)),
        ("flash_sale", "discount", None): (1, 1, Decimal("0.25"), Decimal(2)),
        ("none", "none", "no_gain"): (1, 1, 0, 0),
        ("none", "none", "no_consent"): (1, 1, 0, 0),
    }


def test_users_with_other_offers_are_counted(spark: SparkSession) -> None:
    """Of a the order of the same offers changed, of d nothing; e is not known any more."""
    before, after = Promotions.frame(spark, [*BEFORE, none("e", "no_gain")]), Promotions.frame(spark, AFTER)
    assert changed_users(before, after) == 3  # b, c and e
    assert changed_users(before, before) == 0


def test_both_stand_beside_each_other(spark: SparkSession) -> None:
    def told(rows: list[dict[str, Any]], limits: dict[str, Limit]) -> Decisions:
        return Decisions([r.asDict() for r in decision_counts(Promotions.frame(spark, rows)).collect()], limits)

    daily = Limit(Decimal(2), Decimal("0.75"), None)
    before, after = told(BEFORE, {"daily": daily}), told(AFTER, {"daily": Limit(Decimal(1), Decimal(1), 2.5)})
    examples = [row.asDict() for row in example_offers(Promotions.frame(spark, BEFORE)).collect()]
    assert preview(before, after, changed=2, examples=examples, money="{:,.2f} EUR") == [
        "  offers: 3 → 4",
        "  users with an offer: 2 → 3",
        "  reserved: 0.75 EUR → 1.00 EUR",
        "  expected to bring: 6.00 EUR → 4.00 EUR",
        "  users whose offers change: 2",
        "  offers of flash_sale: 1 → 2",
        "  offers of repurchase: 2 → 2",
        "  offers given as discount: 3 → 4",
        "  users without, no_consent: 1 → 1",
        "  users without, no_gain: 1 → 0",
        "  limit daily: 0.75 EUR of 2.00 EUR → 1.00 EUR of 1.00 EUR, one unit more would bring 2.50",
        # each scenario's best one, then the second best
        "  such as repurchase: “tea for less.” brings 3.00 EUR, gives 0.25 EUR (prior)",
        "  such as flash_sale: “tea for less.” brings 2.00 EUR, gives 0.25 EUR (prior)",
        "  such as repurchase: “milk for less.” brings 1.00 EUR, gives 0.25 EUR (prior)",
    ]
    alone = preview(None, after, changed=0, examples=[], money="{:,.2f} EUR")
    assert alone[:2] == ["  offers: 4", "  users with an offer: 3"] and not any("→" in line for line in alone)


def test_ten_examples_are_of_as_many_scenarios_as_there_are(spark: SparkSession) -> None:
    many = [offer(f"u{n}", f"p{n}", "repurchase", gain=str(100 - n)) for n in range(30)]
    rows = Promotions.frame(spark, [*many, offer("v", "single", "bundle", gain="0.20")])
    found = preview(
        None,
        Decisions([], {}),
        changed=0,
        examples=[r.asDict() for r in example_offers(rows).collect()],
        money="{:.2f}",
    )
    shown = [line for line in found if line.startswith("  such as")]
    assert len(shown) == 10 and sum("bundle: “single for less.”" in line for line in shown) == 1
