"""What decisions come to, and what changes between two of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.decisions.previews import (
    Decisions,
    changed_users,
    decision_counts,
    decisions_of,
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
    def told(rows: list[dict[str, Any]], *limits: dict[str, Any]) -> Decisions:
        return decisions_of(Promotions.frame(spark, rows), Budget.frame(spark, list(limits)))

    daily = {"constraint": "daily", "planned": "2.00", "reserved": "0.75"}
    discounts = {"constraint": "mechanic:discount", "planned": "1.50", "reserved": "0.75"}
    best = {"bound": "6.25", "gap": 0.04}
    before = told(BEFORE, discounts | best, daily | best)
    stock = {"unit": "pieces", "planned": "2.00", "reserved": "1.99"}
    tea = stock | {"constraint": "stock:tea", "dual_price": 0.5} | best
    wide = stock | {"constraint": "stock:jam"} | best  # binds nothing: not told
    less = {"planned": "1.00", "reserved": "1.00", "dual_price": 2.5, "bound": "4.00", "gap": 0.0}
    after = told(AFTER, daily | less, tea, wide)
    examples = [row.asDict() for row in example_offers(Promotions.frame(spark, BEFORE)).collect()]
    assert preview(before, after, changed=2, examples=examples, money="{:,.2f} EUR") == [
        "  offers: 3 → 4",
        "  users with an offer: 2 → 3",
        "  reserved: 0.75 EUR → 1.00 EUR",
        "  expected to bring: 6.00 EUR → 4.00 EUR",
        "  the most that could be brought, explored users apart: "
        "6.25 EUR, missed by 4.00% at most → 4.00 EUR, missed by 0.00% at most",
        "  users whose offers change: 2",
        "  offers of flash_sale: 1 → 2; reserved 0.25 EUR → 0.50 EUR; expected to bring 2.00 EUR → 2.00 EUR",
        # 3 + 1, and with AFTER 1 + 1
        "  offers of repurchase: 2 → 2; reserved 0.50 EUR → 0.50 EUR; expected to bring 4.00 EUR → 2.00 EUR",
        "  offers given as discount: 3 → 4; reserved 0.75 EUR → 1.00 EUR; expected to bring 6.00 EUR → 4.00 EUR",
        "  users without, no_consent: 1 → 1",
        "  users without, no_gain: 1 → 0",
        "  limit daily: 0.75 EUR of 2.00 EUR → 1.00 EUR of 1.00 EUR, one unit more would bring 2.50",
        "  limit mechanic:discount: 0.75 EUR of 1.50 EUR → no limit",
        "  limit stock:tea: no limit → 1.99 pieces of 2.00 pieces, one unit more would bring 0.50",
        # each scenario's best one, then the second best
        "  such as repurchase to user a: “tea for less.” brings 3.00 EUR, gives 0.25 EUR (prior)",
        "  such as flash_sale to user b: “tea for less.” brings 2.00 EUR, gives 0.25 EUR (prior)",
        "  such as repurchase to user a: “milk for less.” brings 1.00 EUR, gives 0.25 EUR (prior)",
    ]
    alone = preview(None, after, changed=0, examples=[], money="{:,.2f} EUR")
    assert alone[:2] == ["  offers: 4", "  users with an offer: 3"] and not any("→" in line for line in alone)


def test_what_funds_pay_is_told_where_they_pay(spark: SparkSession) -> None:
    paid = AFTER[0] | {"fund_id": "f", "fund_cost": "0.40"}
    before, after = (
        decisions_of(Promotions.frame(spark, rows), Budget.frame(spark)) for rows in (BEFORE, [paid, *AFTER[1:]])
    )
    lines = preview(before, after, changed=0, examples=[], money="{:,.2f} EUR")
    assert lines[2:4] == ["  reserved: 0.75 EUR → 1.00 EUR", "  paid by funds: 0.00 EUR → 0.40 EUR"]


def test_what_older_versions_decided_has_no_bound(spark: SparkSession) -> None:
    """Until 0.4 decisions.budget had no bound; and where nothing could be gained, nothing can be missed."""
    nothing = {"constraint": "daily", "planned": "2.00", "reserved": "0.00"}
    older, without_gain = (
        decisions_of(Promotions.frame(spark, [none("a", "no_gain")]), Budget.frame(spark, [row]))
        for row in (nothing, nothing | {"bound": "0.00"})
    )
    lines = preview(older, without_gain, changed=0, examples=[], money="{:,.2f} EUR")
    assert "  the most that could be brought, explored users apart: not known → 0.00 EUR" in lines


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
    assert [line.split("“")[1].split(" ")[0] for line in shown] == ["p0", "single", *(f"p{n}" for n in range(1, 9))]
