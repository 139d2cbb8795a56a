"""What of the decisions of a date leaves: offers to send, offers that have to end, sums of groups."""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import ENDED, Promotions
from promo_spark.contracts.exports import NONE, OTHER, REVOKE, SEND, Exported, OutgoingOffer, OutgoingSummary
from promo_spark.decisions.actions import with_status
from promo_spark.measures.offers_in_force import LAST_DAY, with_last_day

_GROUP = (OutgoingSummary.scenario, OutgoingSummary.mechanic, OutgoingSummary.channel)
_SMALL = "users_of_group"


def as_said(promotions: DataFrame, actions: DataFrame) -> DataFrame:
    """The rows with the status that people's actions give them by now. Promotions, Actions → Promotions.

    What stands there as stopped or paused stays so, whoever ended it.
    """
    was = promotions.withColumns({_WAS: F.col(Promotions.status), _WAS_STOPPED: F.col(Promotions.stopped_on)})
    said = with_status(was, actions)
    stopped_before = F.when(F.col(_WAS).isin(list(ENDED)), F.col(_WAS))
    return said.withColumns(
        {
            Promotions.status: F.coalesce(stopped_before, Promotions.status),
            Promotions.stopped_on: F.least(Promotions.stopped_on, F.col(_WAS_STOPPED)),
        }
    ).select(promotions.columns)


_WAS, _WAS_STOPPED = "status_before", "stopped_before"


def offers_to_send(promotions: DataFrame, date: datetime.date) -> DataFrame:
    """One row per offer of the date that goes out. Promotions of the date → Promotions.

    What is proposed or was stopped does not; what is to be stopped on a later day does, and holds until then. Nobody
    who is held out is among them.
    """
    status = F.coalesce(F.col(Promotions.status), F.lit("active"))  # null: written before there was one
    still = (status == "active") | (status.isin(list(ENDED)) & (F.col(Promotions.stopped_on) > F.lit(date)))
    offers = promotions.filter((F.col(Promotions.mechanic) != "none") & still & _not_held_out())
    last = F.least(F.col(Promotions.valid_to), F.date_sub(Promotions.stopped_on, 1))
    return offers.withColumn(Promotions.valid_to, last)


def without_offer(promotions: DataFrame) -> DataFrame:
    """One row per user who gets none, but for those held out. Promotions of the date → Promotions."""
    return promotions.filter((F.col(Promotions.mechanic) == "none") & _not_held_out())


def outgoing(to_send: DataFrame, nobodys: DataFrame | None, revoked: DataFrame | None) -> DataFrame:
    """One row per offer to send or to end, and per user without one. Promotions, revocations → OutgoingOffer."""
    rows = _with_action(to_send, SEND)
    rows = rows if nobodys is None else rows.unionByName(_with_action(nobodys, NONE))
    return rows if revoked is None else rows.unionByName(revoked)


def revocations(
    exported: DataFrame, to_send: DataFrame, promotions: DataFrame | None, date: datetime.date
) -> DataFrame:
    """One row per offer that may have left and does not hold any more. Exported, Promotions → OutgoingOffer.

    `exported` are the offers that a target may have and that would hold on the date, `to_send` those that go out for
    the date, `promotions` the rows of the date and of earlier ones, with what people said; None: nothing of an earlier
    date has left. An offer of the date ends where it is not decided any more; one of an earlier date where it was
    stopped or revoked. It is told on every date until the offer would have ended by itself: whoever missed an export
    learns of it by the next.
    """
    day = F.lit(date)
    keys = [Promotions.promotion_id, Promotions.user_id]
    of_date = exported.filter(F.col(Exported.date) == day)
    gone = of_date.join(to_send.select(*keys), keys, "left_anti").select(*keys)
    if promotions is not None:
        ended = with_last_day(promotions).filter(F.col(LAST_DAY) < day)
        before = exported.filter(F.col(Exported.date) < day)
        gone = gone.unionByName(before.join(ended.select(*keys), keys, "left_semi").select(*keys))
    rows = gone.distinct().withColumns({OutgoingOffer.date: day, OutgoingOffer.action: F.lit(REVOKE)})
    return OutgoingOffer.shaped(_filled(rows))


def exported_after(exported: DataFrame, to_send: DataFrame, target: str) -> DataFrame:
    """One row per offer of the date that a target may have after this export. Exported, Promotions → Exported."""
    keys = [Exported.promotion_id, Exported.user_id]
    before = exported.filter(F.col(Exported.target) == target).select(*keys, Exported.valid_to)
    after = before.unionByName(to_send.select(*keys, Exported.valid_to)).groupBy(*keys)
    return after.agg(F.max(Exported.valid_to).alias(Exported.valid_to)).withColumn(Exported.target, F.lit(target))


def summary(to_send: DataFrame, least_group: int) -> DataFrame:
    """One row per scenario, mechanic and channel with users enough. Promotions to send → OutgoingSummary.

    What smaller groups have is one group together, and leaves only if it has users enough itself. There is no sum
    over all, from which the smallest could be told by subtraction.
    """
    offers = to_send.withColumn(Promotions.channel, F.coalesce(F.col(Promotions.channel), F.lit("")))
    users = F.countDistinct(Promotions.user_id)
    small = offers.groupBy(*_GROUP).agg(users.alias(_SMALL)).filter(F.col(_SMALL) < least_group)
    marked = offers.join(F.broadcast(small), list(_GROUP), "left")
    named = {name: F.when(F.col(_SMALL).isNull(), F.col(name)).otherwise(OTHER) for name in _GROUP}
    groups = marked.withColumns(named).groupBy(Promotions.date, *_GROUP, Promotions.currency)
    sums = groups.agg(
        F.count(F.lit(1)).alias(OutgoingSummary.offers),
        users.alias(OutgoingSummary.users),
        F.avg(Promotions.discount_rate).alias(OutgoingSummary.mean_discount_rate),
        F.sum(Promotions.expected_cost).alias(OutgoingSummary.expected_cost),
        F.sum(Promotions.incremental_margin).alias(OutgoingSummary.incremental_margin),
    )
    return OutgoingSummary.shaped(sums.filter(F.col(OutgoingSummary.users) >= least_group))


def _not_held_out() -> Column:
    return F.col(Promotions.arm) != "holdout"


def _with_action(promotions: DataFrame, action: str) -> DataFrame:
    return OutgoingOffer.shaped(promotions.withColumn(OutgoingOffer.action, F.lit(action)))


def _filled(rows: DataFrame) -> DataFrame:
    """The rows with null in every column that they lack."""
    lacking = {n: F.lit(None).cast(c.type) for n, c in OutgoingOffer.columns().items() if n not in rows.columns}
    return rows.withColumns(lacking)
