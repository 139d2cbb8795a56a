"""Why an offer was not made: each cause by itself, and the best depth of each thing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from promo_spark.decisions.explanations import Candidate, Decided, reason_of_each

TEA = Candidate(
    promotion_id="tea5",
    scenario="repurchase",
    mechanic="discount",
    products=("tea",),
    topics=frozenset({"product:tea", "category:drinks"}),
    rate=Decimal("0.050000"),
    value=1.0,
    error=0.5,
    cost=Decimal("0.20"),
    worthwhile=True,
    uses={"daily": Decimal("0.20"), "mechanic:discount": Decimal("0.20")},
)
JUICE = replace(TEA, promotion_id="juice", products=("juice",), topics=frozenset({"product:juice", "category:drinks"}))
BREAD = replace(TEA, promotion_id="bread", products=("bread",), topics=frozenset({"product:bread"}))
COUPON = replace(TEA, promotion_id="coupon", mechanic="coupon", products=(), topics=frozenset({"shop"}))
GIFT = replace(TEA, promotion_id="gift", mechanic="gift", products=("jam",), topics=frozenset({"product:jam", "shop"}))
DECIDED = Decided(made={"tea5": 1}, prices={"daily": 0.5}, least_gain=0.1, room=2, currency="EUR")


@pytest.mark.parametrize(
    ("other", "decided", "reason"),
    [
        (replace(BREAD, value=0.09), DECIDED, "less than promote.least_gain, 0.10"),
        (replace(BREAD, cost=Decimal(0)), DECIDED, "nothing is expected to be given"),
        (
            replace(BREAD, paused=True, in_strategy=False),
            DECIDED,
            "discount or repurchase is paused by the version of decisions.policy in force",
        ),
        (
            replace(BREAD, stopped=True, in_strategy=False),
            DECIDED,
            "somebody stopped it before the day was decided, see decisions.actions",
        ),
        (
            replace(BREAD, in_strategy=False),
            DECIDED,
            "nothing is measured of a discount, and the user's strategies name other mechanics",
        ),
        (  # 1.00 − 2.00 × 0.5 = 0
            replace(BREAD, cost=Decimal("2.00"), uses={"daily": Decimal("2.00")}),
            DECIDED,
            "the budget daily brings more elsewhere, 0.50 for each EUR",
        ),
        (  # 1.00 − 0.20 × 0.5 − 0.30 × 4 = −0.30
            replace(
                BREAD, fund="f", fund_cost=Decimal("0.30"), uses={"daily": Decimal("0.20"), "fund:f": Decimal("0.30")}
            ),
            replace(DECIDED, prices={"daily": 0.5, "fund:f": 4.0}),
            "the budget daily brings more elsewhere, 0.50 and fund:f brings more elsewhere, 4.00 for each EUR",
        ),
        (  # 1.00 − 0.10 × 12 = −0.20: a tenth of a piece is what others would pay more for
            replace(BREAD, uses={"daily": Decimal("0.20"), "stock:bread": Decimal("0.10")}),
            replace(DECIDED, prices={"stock:bread": 12.0}),
            "the stock of bread brings more elsewhere, 12.00 for each piece",
        ),
        (
            replace(BREAD, uses={"department:bakery": Decimal("0.20"), "stock:bread": Decimal("0.10")}),
            replace(DECIDED, prices={"department:bakery": 1.0, "stock:bread": 9.0}),
            "the budget department:bakery brings more elsewhere, 1.00 for each EUR, and the stock of bread brings more "
            "elsewhere, 9.00 for each piece",
        ),
        (
            replace(BREAD, uses={"daily": Decimal("0.20"), "stock:bread": Decimal(3)}),
            DECIDED,
            "what the budgets and the stock of bread had left did not reach for it",
        ),
        (
            replace(TEA, promotion_id="paid", fund="f", fund_cost=Decimal("0.30")),
            DECIDED,
            "what the fund f had left did not reach for it",
        ),
        (JUICE, DECIDED, "the discount of tea is about the same, and brings more"),
        (
            BREAD,
            replace(DECIDED, room=1),
            "others bring more, and promote.max_offers_per_user leaves room for 1 that day",
        ),
        (
            BREAD,
            replace(DECIDED, room=0),
            "offers of earlier days that still hold take all that promote.max_offers_per_user allows",
        ),
        (COUPON, DECIDED, "an offer on the whole basket stands alone"),
        (GIFT, DECIDED, "an offer on the whole basket stands alone"),
        (BREAD, DECIDED, "what the budgets had left did not reach for it"),
    ],
)
def test_the_cause_that_stopped_an_offer_is_named(other: Candidate, decided: Decided, reason: str) -> None:
    """N08: what was offered comes first; of what was not, the reason."""
    lines = reason_of_each([other, TEA], decided)
    assert lines[0] == "  offered: repurchase, discount of tea at 5%, brings 1.00 ± 0.50 EUR, gives 0.20"
    [line] = lines[1:]
    assert line.startswith(f"  not offered: repurchase, {other.mechanic} of ") and line.endswith(f": {reason}")


def test_who_pays_a_share_is_told_and_the_same_without_it_is_not() -> None:
    paid = replace(TEA, promotion_id="paid", fund="f", fund_cost=Decimal("0.30"))
    [line] = reason_of_each([TEA, paid], replace(DECIDED, made={"paid": 1}))
    assert line.endswith("brings 1.00 ± 0.50 EUR, gives 0.20 beside 0.30 of the fund f")


def test_a_gift_has_no_depth_and_leaves_no_room_for_others() -> None:
    lines = reason_of_each([BREAD, GIFT], replace(DECIDED, made={"gift": 1}))
    assert lines[0] == "  offered: repurchase, gift of jam, brings 1.00 ± 0.50 EUR, gives 0.20"
    assert lines[1].endswith(": an offer on the whole basket stands alone")


def test_of_a_thing_the_depth_that_was_offered_is_told_else_the_best_one() -> None:
    deeper = replace(TEA, promotion_id="tea10", rate=Decimal("0.100000"), value=9.0)
    assert len(reason_of_each([deeper, TEA], DECIDED)) == 1 and "at 5%" in reason_of_each([deeper, TEA], DECIDED)[0]
    assert "at 10%" in reason_of_each([deeper, TEA], replace(DECIDED, made={}))[0]
    assert reason_of_each([], DECIDED) == ["  nothing could be offered"]
