"""What each user is given of all that could be offered: pairs of an item and an offer, in order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyspark.sql import Row, SparkSession

from promo_spark.contracts.effects import Elasticity
from promo_spark.contracts.predictions import ItemPropensity, Propensity
from promo_spark.contracts.responses import Uplift, UpliftCurves
from promo_spark.decisions.allocation.prices import allocated_by_prices
from promo_spark.decisions.allocation.user_sets import AllocatedOffer
from promo_spark.decisions.eligibility import eligible, with_eligibility
from promo_spark.decisions.offers.pricing import ShopMargin
from promo_spark.decisions.offers.strategies import UserStrategy
from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.options import user_options
from promo_spark.decisions.rooms import Room
from promo_spark.decisions.shoppers import shoppers
from promo_spark.decisions.users import DailyUser
from promo_spark.decisions.valuation import could_be_chosen, curves_of, valued_offers
from promo_spark.settings import Settings
from tests.decisions.test_valuation import BY, CURVES, answer, target

# product → its category, and how it could be offered: milk in two ways, of which a user gets one
OFFERED = {
    "milk": ("dairy", ("discount", "flash")),
    "bread": ("bakery", ("discount",)),
    "tea": ("drinks", ("discount",)),
}
# user → how likely the user buys what within a week; of the new one nothing is known
EVERYBODY: dict[str, dict[str, float]] = {
    "milk drinker": {"milk": 0.6, "bread": 0.05, "tea": 0.05},
    "bread eater": {"milk": 0.05, "bread": 0.6, "tea": 0.05},
    "new": {},
    "no consent": {"milk": 0.05, "bread": 0.05, "tea": 0.6},
}


def offered(user_id: str, product: str, mechanic: str) -> dict[str, Any]:
    category, _ = OFFERED[product]
    part = (product, "food", category, Decimal(10), Decimal(5), Decimal(8), 1.0)
    return target(user_id, ("0.1", 1), ("0.2", 2), parts=[part], category=category, mechanic=mechanic)


def test_each_eligible_user_has_ranked_pairs_of_an_item_and_an_offer(spark: SparkSession, settings: Settings) -> None:
    """G17: every eligible user has pairs of an item and an offer, the one that brings most of this user first.

    All come for offers, and a piece of each item leaves as much: of an item that a user buys more often an offer
    reaches more of the user's spend, and so brings more visits.
    """
    daily = DailyUser.frame(
        spark,
        [
            {"user_id": u, "profiled": True, "consent_marketing": u != "no consent"}
            | ({"orders": 0} if u == "new" else {"orders": 100, "basket_value": 20.0, "basket_median": 20.0})
            for u in EVERYBODY
        ],
    )
    nobody_held_out = settings.promote.model_copy(update={"holdout_share": 0.0, "explore_share": 0.0})
    users = eligible(with_eligibility(daily, nobody_held_out, BY.date))
    habits = [{"user_id": u, "product_id": p, "p_offer": c} for u, own in EVERYBODY.items() for p, c in own.items()]
    curves = [{"curve": curve, "at": float(at), "level": float(level)} for curve, at, level in CURVES]
    mechanics = ("discount", "flash")
    offers = valued_offers(
        OfferTarget.frame(spark, [offered(u, p, m) for u in EVERYBODY for p, (_, ms) in OFFERED.items() for m in ms]),
        shoppers=shoppers(
            users,
            everyone=users,
            uplift=Uplift.frame(spark, [answer(u, 8.0) | {"mechanic": m} for u in EVERYBODY for m in mechanics]),
            propensity=Propensity.frame(spark),
            item_propensity=ItemPropensity.frame(spark, habits),
            strategies=UserStrategy.frame(spark),
            margin=ShopMargin.frame(spark, [{"margin_share": "0.25"}]),
        ),
        elasticity=Elasticity.frame(
            spark, [{"category": c, "segment_id": -1, "elasticity": 3.0} for c, _ in OFFERED.values()]
        ),
        curves=curves_of(UpliftCurves.frame(spark, curves)),
        by=BY,
    ).localCheckpoint()
    options = user_options(
        offers.filter(could_be_chosen()), Room.frame(spark), max_offers=3, digits=2, limits=["daily"]
    ).localCheckpoint()
    chosen = allocated_by_prices(options, {"daily": 10**9}, sample_users=10, frontier_of="daily").offers
    of_id = {row.promotion_id: row for row in offers.collect()}
    ranked: dict[str, list[Row]] = {}
    for row in chosen.orderBy(AllocatedOffer.user_id, AllocatedOffer.rank).collect():
        ranked.setdefault(row.user_id, []).append(of_id[row.promotion_id])
        assert row.rank == len(ranked[row.user_id])
    assert set(ranked) == {"milk drinker", "bread eater", "new"}
    for user_id, own in ranked.items():
        assert {row.user_id for row in own} == {user_id} and all(row.mechanic in mechanics for row in own)
        assert {row.parts[0].product_id for row in own} == set(OFFERED) and len(own) == 3  # milk in one of two ways
        worth = [row.aim_micro for row in own]
        assert worth == sorted(worth, reverse=True) and worth[-1] > 0
    best = {user_id: own[0].parts[0].product_id for user_id, own in ranked.items()}
    assert best["milk drinker"] == "milk" and best["bread eater"] == "bread"
