"""The ledger of points and of money paid back: what offers earned, what was paid with, what ran out.

An offer of points or of a rebate gives for each piece that its user buys while it holds, and keeps. So it is booked
once, when the days in which a piece may be taken back are over. Points pay as far as they reach, the oldest first; what
is left of them after `points_valid_days` runs out.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Points, Promotions
from promo_spark.contracts.schema import MONEY, Col, Frame, Personal
from promo_spark.contracts.silver import OrderLines, PointRedemptions
from promo_spark.measures.money import half_up, minor_per_unit, of_minor_units
from promo_spark.measures.offers_in_force import LAST_DAY, with_last_day

_LATE_DAYS = 28  # so long after it could be booked first an offer is looked at again: deliveries may be late
_TEXT = T.StringType()


@dataclass(frozen=True)
class Booking:
    """The day that is booked, and by which rules."""

    date: datetime.date
    digits: int
    return_days: int
    points_valid_days: int


class EndedOffer(Frame):
    """One row per offer of points or of a rebate whose pieces cannot be taken back any more."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    promotion_id = Col(_TEXT, "the offer", required=True)
    account = Col(_TEXT, "as in Points", required=True)
    product_id = Col(_TEXT, "the product that it is of", required=True)
    first_day = Col(T.DateType(), "first day of the offer", required=True)
    last_day = Col(T.DateType(), "its last day, by whatever it ended", required=True)
    back = Col(MONEY, "given for each piece", unit="currency", required=True)


def ended_offers(promotions: DataFrame, by: Booking) -> DataFrame:
    """One row per offer that may be booked. Promotions of earlier dates → EndedOffer."""
    account = F.when(F.col(Promotions.mechanic) == "rebate", "rebate").otherwise("points")
    kept_for_good = F.date_add(EndedOffer.last_day, by.return_days) < F.lit(by.date)
    not_long_ago = F.date_add(Promotions.valid_to, by.return_days + _LATE_DAYS) >= F.lit(by.date)
    return EndedOffer.shaped(
        with_last_day(promotions)
        .filter(F.col(Promotions.mechanic).isin("points", "rebate") & not_long_ago)
        .withColumns(
            {
                EndedOffer.account: account,
                EndedOffer.product_id: F.get(Promotions.product_ids, F.lit(0)),
                EndedOffer.first_day: F.col(Promotions.valid_from),
                EndedOffer.last_day: F.col(LAST_DAY),
                EndedOffer.back: (F.col(Promotions.charged_price) - F.col(Promotions.offer_price)).cast(MONEY),
            }
        )
        .filter(kept_for_good)
    )


def earned_entries(offers: DataFrame, lines: DataFrame, earlier: DataFrame, by: Booking) -> DataFrame:
    """One row per offer that earned something. EndedOffer, OrderLines, Points of earlier dates → Points.

    A return within `return_days` of the offer's last day takes its pieces off, whenever they were bought.
    """
    day, quantity = F.col(OrderLines.order_date), F.col(OrderLines.quantity)
    bought = (quantity > 0) & (day <= F.col(EndedOffer.last_day))
    taken_back = (quantity < 0) & (day <= F.date_add(EndedOffer.last_day, by.return_days))
    pieces = F.greatest(F.coalesce(F.sum(F.when(bought | taken_back, quantity)), F.lit(0)), F.lit(0))
    sold = lines.select(OrderLines.user_id, OrderLines.product_id, day, quantity)
    kept = (
        offers.join(sold, [EndedOffer.user_id, EndedOffer.product_id], "inner")
        .filter(day >= F.col(EndedOffer.first_day))
        .groupBy(EndedOffer.user_id, EndedOffer.promotion_id, EndedOffer.account, EndedOffer.back)
        .agg(pieces.alias(_PIECES))
    )
    entry = entry_id("earn", F.col(EndedOffer.promotion_id))
    return Points.shaped(
        kept.withColumns(
            {
                Points.entry_id: entry,
                Points.kind: F.lit("earn"),
                Points.amount: half_up(F.col(_PIECES) * F.col(EndedOffer.back), by.digits),
                Points.asked: F.lit(None),
            }
        )
        .filter(F.col(Points.amount) > 0)
        .join(earlier.select(Points.entry_id), Points.entry_id, "left_anti")
        .withColumns(_of_day(by))
    )


_PIECES = "pieces_kept"


def redeemed_entries(redemptions: DataFrame, balances: DataFrame, earlier: DataFrame, by: Booking) -> DataFrame:
    """One row per redemption that is not booked yet. PointRedemptions, Balance, Points of earlier dates → Points.

    In the order of their days, then ids, each is taken off the balance that the ones before left; one that is more
    than that is refused as a whole. So no balance is ever below zero, and a redemption counts once.
    """
    entry = entry_id("redeem", F.col(PointRedemptions.redemption_id))
    asked = (
        redemptions.filter(F.col(PointRedemptions.redeemed_on) < F.lit(by.date))
        .withColumn(Points.entry_id, entry)
        .join(earlier.select(Points.entry_id), Points.entry_id, "left_anti")
    )
    unit = minor_per_unit(by.digits)
    amount = F.ceil(F.col(PointRedemptions.amount) * unit).cast("long")
    one = F.struct(
        PointRedemptions.redeemed_on, PointRedemptions.redemption_id, Points.entry_id, amount.alias(Points.amount)
    )
    left = F.coalesce(F.round(F.col(Balance.balance) * unit).cast("long"), F.lit(0).cast("long"))
    by_user = (
        asked.groupBy(PointRedemptions.user_id)
        .agg(F.array_sort(F.collect_list(one)).alias(_ASKED))
        .join(balances, PointRedemptions.user_id, "left")
        .withColumn(_PAID, _paid(F.col(_ASKED), left))
    )
    each = by_user.select(PointRedemptions.user_id, F.inline(F.arrays_zip(_ASKED, _PAID)))
    wanted, taken = F.col(_ASKED)[Points.amount], F.col(_PAID)
    return Points.shaped(
        each.withColumns(
            {
                Points.entry_id: F.col(_ASKED)[Points.entry_id],
                Points.account: F.lit("points"),
                Points.kind: F.when(taken == wanted, "redeem").otherwise("refused"),
                Points.amount: of_minor_units(-taken, by.digits),
                Points.asked: of_minor_units(wanted, by.digits),
                Points.promotion_id: F.lit(None),
            }
        ).withColumns(_of_day(by))
    )


_ASKED, _PAID = "redemptions_asked", "redemptions_paid"


def _paid(asked: Column, left: Column) -> Column:
    """What each of the redemptions, in order, is paid: all that it asks for, or nothing."""
    start = F.struct(left.alias("left"), F.array().cast("array<bigint>").alias("paid"))

    def next_one(so_far: Column, one: Column) -> Column:
        paid = F.when(one[Points.amount] <= so_far["left"], one[Points.amount]).otherwise(F.lit(0).cast("long"))
        return F.struct((so_far["left"] - paid).alias("left"), F.array_append(so_far["paid"], paid).alias("paid"))

    return F.aggregate(asked, start, next_one, lambda so_far: so_far["paid"])


def expired_entries(entries: DataFrame, by: Booking) -> DataFrame:
    """One row per user of whose points some run out today. Points up to today → Points.

    What was paid with is taken off the oldest points: those run out that are older than `points_valid_days` and were
    not paid with.
    """
    amount, day = F.col(Points.amount), F.col(Points.date)
    old = (F.col(Points.kind) == "earn") & (F.date_add(Points.date, by.points_valid_days) <= F.lit(by.date))
    nothing = F.lit(0)
    left = F.coalesce(F.sum(F.when(old, amount)), nothing) + F.coalesce(F.sum(F.when(amount < 0, amount)), nothing)
    entry = entry_id(f"expire {by.date}", F.col(Points.user_id))
    return Points.shaped(
        entries.filter((F.col(Points.account) == "points") & (day <= F.lit(by.date)))
        .groupBy(Points.user_id)
        .agg((-left).cast(MONEY).alias(Points.amount))
        .filter(F.col(Points.amount) < 0)
        .withColumns(
            {
                Points.entry_id: entry,
                Points.account: F.lit("points"),
                Points.kind: F.lit("expire"),
                Points.asked: F.lit(None),
                Points.promotion_id: F.lit(None),
            }
        )
        .withColumns(_of_day(by))
    )


class Balance(Frame):
    """One row per user with points."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    balance = Col(MONEY, "what the points come to", unit="currency", required=True)


def balances(entries: DataFrame) -> DataFrame:
    """One row per user. Points → Balance."""
    points = entries.filter(F.col(Points.account) == "points").groupBy(Points.user_id)
    return Balance.shaped(points.agg(F.sum(Points.amount).cast(MONEY).alias(Balance.balance)))


def booked(offers: DataFrame, lines: DataFrame, redemptions: DataFrame, earlier: DataFrame, by: Booking) -> DataFrame:
    """The entries of a date. EndedOffer, OrderLines, PointRedemptions, Points of earlier dates → Points."""
    sold = lines.filter(F.col(OrderLines.order_date) < F.lit(by.date))
    earned = earned_entries(offers, sold, earlier, by)
    paid = redeemed_entries(redemptions, balances(earlier.unionByName(earned)), earlier, by)
    both = earned.unionByName(paid)
    entries = both.unionByName(expired_entries(earlier.unionByName(both), by))
    after = F.sum(Points.amount).over(Window.partitionBy(Points.user_id, Points.account)).cast(MONEY)
    before = (
        earlier.groupBy(Points.user_id, Points.account)
        .agg(F.sum(Points.amount).alias(_BEFORE))
        .select(Points.user_id, Points.account, _BEFORE)
    )
    return Points.shaped(
        entries.join(before, [Points.user_id, Points.account], "left").withColumn(
            Points.balance, (after + F.coalesce(F.col(_BEFORE), F.lit(0))).cast(MONEY)
        )
    )


_BEFORE = "balance_before"


def entry_id(kind: str, of: Column) -> Column:
    """The same for the same event, so that it is booked once."""
    return F.substring(F.sha2(F.concat_ws("/", F.lit(kind), of), 256), 1, 32)


def _of_day(by: Booking) -> dict[str, Column]:
    return {
        Points.date: F.lit(by.date),
        Points.balance: F.lit(None).cast(MONEY),
        Points.run_id: F.lit(None).cast("string"),
    }
