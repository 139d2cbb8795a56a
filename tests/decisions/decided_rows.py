"""Rows of decisions.promotions as promote may write them, checked as promote does before it writes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.held import held_offers
from promo_spark.decisions.invariants import check_invariants
from promo_spark.decisions.offers.exclusions import ExcludedProduct
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.policy import AS_SET, InForce
from promo_spark.decisions.stock import stock_left
from promo_spark.settings import Settings

DAY = datetime.date(2017, 12, 1)

OFFER: dict[str, Any] = {
    "date": DAY,
    "promotion_id": "x1",
    "scenario": "repurchase",
    "mechanic": "discount",
    "product_ids": ["milk"],
    "discount_rate": "0.1",
    "list_price": 12,
    "charged_price": 10,
    "offer_price": 9,
    "margin_floor": 8,
    "valid_from": DAY,
    "valid_to": DAY,
    "rank": 1,
    "expected_units": [Decimal("0.5")],
    "expected_cost": "0.05",
    "expected_margin": "0.10",
    "incremental_margin": "0.10",
    "objective": "profit",
    "objective_value": "0.10",
    "action_propensity": 1,
    "arm": "treatment",
    "reason_codes": ["due"],
    "text": "Milk, 10% off.",
    "status": "active",
}
COUPON = OFFER | {
    "mechanic": "coupon",
    "scenario": "win_back",
    "product_ids": [],
    "discount_rate": None,
    "list_price": None,
    "charged_price": None,
    "offer_price": None,
    "margin_floor": None,
    "expected_units": None,
    "coupon_amount": 2,
    "coupon_code": "0123-4567-89AB-CDEF",
    "min_spend": 10,
}
GIFT = COUPON | {
    "mechanic": "gift",
    "scenario": "gift_with_purchase",
    "product_ids": ["jam"],
    "expected_units": [Decimal("0.25")],
    "coupon_amount": None,
    "coupon_code": None,
}
SPEND_AND_SAVE = COUPON | {"mechanic": "threshold", "scenario": "spend_and_save", "coupon_code": None}
TEA: dict[str, Any] = {"promotion_id": "x2", "rank": 2, "product_ids": ["tea"]}
NONE: dict[str, Any] = {
    "date": DAY,
    "promotion_id": "n",
    "scenario": "none",
    "mechanic": "none",
    "rank": 1,
    "arm": "treatment",
    "action_propensity": 1,
    "reason_codes": ["no_candidate"],
}

# What may be offered, at half its price: at most (0.5 − 0.05) × 10 = 4.50 may be given with an order of 10.
STOCK: dict[str, dict[str, Any]] = {
    "milk": {"unit_cost": 5, "charged_price": 10, "units_28d": 0, "department": "dairy"},  # stock not known
    "tea": {"unit_cost": 5, "charged_price": 10, "units_28d": 0, "on_hand": 3, "department": "drinks"},
    "jam": {"unit_cost": 2, "charged_price": 4, "units_28d": 1, "on_hand": 1},
    "honey": {"unit_cost": "2.01", "charged_price": "4.02", "units_28d": 1, "on_hand": 1},  # dearer than gift_max_cost
    "salt": {"unit_cost": 1, "charged_price": 2, "units_28d": 1, "on_hand": 0},
    "rice": {"unit_cost": 1, "charged_price": 2, "units_28d": 1},  # stock not known
}
ORDER = "margin floor ≤ price < charged price ≤ list price"
Rows = Sequence[Mapping[str, Any]]
HELD: Rows = [  # offers of earlier dates that hold
    OFFER | {"user_id": "holding", "product_ids": ["salt"]},
    COUPON | {"user_id": "coupon held"},
    GIFT | {"user_id": "gift held"},
    OFFER | {"user_id": "again"},
    OFFER | {"user_id": "withdrawn"},
]


def check(
    settings: Settings,
    rows: Rows,
    users: DataFrame,
    *,
    reserved: str,
    planned: str,
    held: Rows = (),
    excluded: Sequence[str] = (),
    currency: str = "USD",
    of_others: Mapping[str, str] = MappingProxyType({}),
    under: Mapping[str, int] = MappingProxyType({}),
    stock_share: float = 1000.0,
    policy: InForce = AS_SET,
) -> None:
    """Checks the rows as the only promotions of the day, under a daily budget and what each of `of_others` reserves.

    `under`: how many offers fall under a constraint, where not all do.
    """
    spark = users.sparkSession
    offers = sum(r["scenario"] != "none" for r in rows)
    limits = {"daily": reserved, **of_others}
    same = {"date": DAY, "planned": planned}
    budget = Budget.frame(
        spark,
        [same | {"constraint": name, "reserved": of, "offers": under.get(name, offers)} for name, of in limits.items()],
    )
    strategy = settings.promote.model_copy(
        update={
            "mechanic_budgets": {},
            "daily_budget": 100.0,
            "coupon_max_budget_share": 0.25,
            "max_offers_per_user": 2,
            "unknown_consent": "excluded",
            "blocked_risk_tiers": ["blocked"],
            "no_coupon_risk_tiers": ["high"],
            "least_gain": 0.10,
            "min_margin": 0.05,
            "gift_max_cost": 2.0,
        }
    )
    holding = held_offers(Promotions.frame(spark, held), DAY)
    kept_out = ExcludedProduct.frame(spark, [{"product_id": product_id} for product_id in excluded])
    products = OfferableProduct.frame(
        spark, [{"product_id": product_id} | facts for product_id, facts in STOCK.items()]
    )
    check_invariants(
        Promotions.frame(spark, rows),
        budget,
        users,
        holding,
        kept_out,
        products,
        stock_left(products, Promotions.frame(spark, held), stock_share),
        date=DAY,
        settings=strategy,
        limits=limits,
        currency=currency,
        policy=policy,
    )


def users_of_the_day(spark: SparkSession, *rows: tuple[str, bool | None, str | None, str]) -> DataFrame:
    return UserEligibility.frame(
        spark,
        [
            {
                "user_id": user_id,
                "consent_marketing": consent,
                "risk_tier": tier,
                "arm": arm,
                "profiled": user_id != "unprofiled",
                "channel": "app" if user_id == "by mail" else None,
                "refused_channels": ["mail"] if user_id in ("by mail", "by none") else [],
            }
            for user_id, consent, tier, arm in rows
        ],
    )
