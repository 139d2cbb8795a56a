"""How many offers a user may still get: as many as are allowed, less those held; of linked accounts together as one.

Accounts that act together (a ring of models.risk) get what promote.max_offers_per_ring allows, those that they hold
included. The account that something is worth most for comes first, with all the room of its own. Only what could be
made counts: an account that could get nothing takes nothing from the others.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.held import HeldOffers
from promo_spark.decisions.users import DailyUser
from promo_spark.decisions.valuation import ValuedOffer, could_be_chosen, could_be_drawn


class Room(Frame):
    """One row per user who holds offers, or is of a ring and could be offered something. Others have room for all."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    room = Col(T.IntegerType(), "offers that the user may still get", required=True)
    ring_is_full = Col(T.BooleanType(), "there is none, as other accounts of the ring have it all", required=True)


def rooms(
    offers: DataFrame, users: DataFrame, held: DataFrame, *, max_offers: int, max_offers_of_ring: int
) -> DataFrame:
    """One row per user, see Room. ValuedOffer, UserEligibility of all users of the day, HeldOffers → Room."""
    of_holders = rooms_of_holders(held, max_offers=max_offers)
    held = held.select(HeldOffers.user_id, HeldOffers.held_offers)
    linked = users.filter(F.col(DailyUser.ring).isNotNull()).select(
        DailyUser.user_id, DailyUser.ring, UserEligibility.arm
    )
    if linked.isEmpty():
        return of_holders
    linked = linked.join(held, DailyUser.user_id, "left").withColumn(_OWN, _own_room(max_offers))
    held_of_ring = linked.groupBy(DailyUser.ring).agg(F.sum(HeldOffers.held_offers).alias(_HELD))
    could_be_made = could_be_chosen() | (could_be_drawn() & (F.col(UserEligibility.arm) == "explore"))
    best = (
        offers.join(linked.select(DailyUser.user_id, UserEligibility.arm), ValuedOffer.user_id, "inner")
        .filter(could_be_made)
        .groupBy(ValuedOffer.user_id)
        .agg(F.max(ValuedOffer.aim_micro).alias(_BEST))
    )
    in_order = Window.partitionBy(DailyUser.ring).orderBy(F.desc(_BEST), DailyUser.user_id)
    before = F.sum(_OWN).over(in_order.rowsBetween(Window.unboundedPreceding, -1))
    left = F.lit(max_offers_of_ring) - F.coalesce(_HELD, F.lit(0)) - F.coalesce(before, F.lit(0))
    of_linked = (
        linked.join(best, DailyUser.user_id, "inner")
        .join(held_of_ring, DailyUser.ring, "inner")
        .withColumn(Room.room, F.greatest(F.least(F.col(_OWN), left), F.lit(0)))
        .withColumn(Room.ring_is_full, (F.col(Room.room) == 0) & (F.col(_OWN) > 0))
    )
    others = of_holders.join(of_linked.select(Room.user_id), Room.user_id, "left_anti")
    return others.unionByName(Room.shaped(of_linked))


def rooms_of_holders(held: DataFrame, *, max_offers: int) -> DataFrame:
    """One row per user who holds offers, whoever is linked with whom. HeldOffers → Room."""
    return Room.shaped(held.withColumns({Room.room: _own_room(max_offers), Room.ring_is_full: F.lit(False)}))


def _own_room(max_offers: int) -> Column:
    return F.greatest(F.lit(max_offers) - F.coalesce(HeldOffers.held_offers, F.lit(0)), F.lit(0))


_OWN, _HELD, _BEST = "room_of_account", "held_of_ring", "best_of_account"
