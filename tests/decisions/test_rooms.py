"""How many offers users may still get, and accounts that act together."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.held import HeldOffers
from promo_spark.decisions.rooms import rooms
from promo_spark.decisions.valuation import ValuedOffer


def offer(user_id: str, aim: int, **terms: Any) -> dict[str, Any]:
    could_be_chosen = {"parts": [], "worthwhile": True, "in_strategy": True}
    return {"user_id": user_id, "aim_micro": aim} | could_be_chosen | terms


def told(offers: DataFrame, users: DataFrame, held: DataFrame, of_ring: int) -> dict[str, tuple[int, bool]]:
    rows = rooms(offers, users, held, max_offers=2, max_offers_of_ring=of_ring).collect()
    assert len({row.user_id for row in rows}) == len(rows)
    return {row.user_id: (row.room, row.ring_is_full) for row in rows}


def test_linked_accounts_have_the_room_of_one_customer(spark: SparkSession) -> None:
    """J07: of five linked accounts one holds an offer; of four offers together three are left, the best account first.

    The best has room for 2, the next for the one that is left, the last for none. Who holds two has no room of its own.
    """
    ring = {"best": 1, "next": 1, "last": 1, "holder": 1, "idle": 1, "alone": None, "full": 2, "poor": 2}
    users = UserEligibility.frame(spark, [{"user_id": user, "ring": number} for user, number in ring.items()])
    worth = {"best": [5, 90], "next": [80], "last": [70, 1], "alone": [60], "full": [99], "poor": [1]}
    offers = ValuedOffer.frame(
        spark,
        [offer(user, aim) for user, aims in worth.items() for aim in aims],
    )
    held = HeldOffers.frame(
        spark,
        [
            {"user_id": "holder", "held_offers": 1},
            {"user_id": "full", "held_offers": 2},
            {"user_id": "alone", "held_offers": 1},
        ],
    )
    found = told(offers, users, held, 4)
    assert found == {
        "best": (2, False),
        "next": (1, False),
        "last": (0, True),
        "holder": (1, False),  # nothing could be offered to it: its room is not the ring's
        "alone": (1, False),
        "full": (0, False),
        "poor": (2, False),  # 4 − 2 held, of its own 2
    }
    assert told(offers, users, held, 2)["poor"] == (0, True)
    assert told(offers, users, held, 1)["best"] == (0, True)  # the one that is held is all
    alone = users.withColumn("ring", F.lit(None).cast("long"))
    assert told(offers, alone, held, 1) == {"holder": (1, False), "alone": (1, False), "full": (0, False)}


def test_what_could_not_be_made_takes_no_room_from_linked_accounts(spark: SparkSession) -> None:
    """The best of three is of a mechanic that no strategy names, or loses margin: only chance would give it."""
    users = UserEligibility.frame(
        spark, [{"user_id": user, "ring": 1, "arm": arm} for user, arm in (("a", "treatment"), ("b", "treatment"))]
    )
    drawn = users.withColumn("arm", F.when(F.col("user_id") == "a", "explore").otherwise(F.col("arm")))
    held = HeldOffers.frame(spark)
    for wrong in ({"in_strategy": False}, {"worthwhile": False}):
        offers = ValuedOffer.frame(spark, [offer("a", 90, **wrong), offer("b", 10)])
        assert told(offers, users, held, 2) == {"b": (2, False)}
        assert told(offers, drawn, held, 2) == {"a": (2, False), "b": (0, True)}
