"""What a batch means for offers: those that should not be given any more are paused, and nobody has to say so."""

from __future__ import annotations

import datetime
import functools

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Actions, Budget, Promotions
from promo_spark.contracts.exports import Exported
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.intraday import IntradayRisk
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Feedback, OrderLines, Redemptions
from promo_spark.decisions.actions import stopped_offers, with_status
from promo_spark.decisions.pauses import (
    GivenToday,
    as_actions,
    pauses_of_blocked,
    pauses_of_disliked,
    pauses_of_spent,
    spent_budgets,
)
from promo_spark.flows.stream.intake import Ctx, stored_rows
from promo_spark.measurement.offers import sent_offers
from promo_spark.measurement.uses import OfferUse, offer_uses
from promo_spark.runtime.refreshing import merge_rows, newest, refresh
from promo_spark.settings.adjust import AdjustSettings
from promo_spark.settings.promote import PromoteSettings
from promo_spark.storage.table_logs import Condition, TableLogs, Totals

_PAUSE = "pause"
_BY_STREAM = "-stream-"  # in the run_id of rows that a batch has written


def refreshed_by_stream(logs: TableLogs, date: datetime.date) -> str:
    """Why promote leaves a date: stream has paused or made offers of it, which others may know of; "": it has not."""
    paused = (Condition(Actions.action, "=", _PAUSE), Condition(Actions.day, "=", date))
    limits = logs.rows(Budget, [Condition(Budget.date, "=", date)])
    made = any(by_stream(row[Budget.run_id]) for row in limits)
    if made or logs.totals(Actions, paused, Totals((Actions.action,), Actions.what, ())):
        return "refreshed by stream; --force decides it anew"
    return ""


def run_of_batch(ctx: Ctx, source: str, number: int) -> str:
    """What rows of promote's tables carry that a batch has written. Another batch has another, so export sees them."""
    return f"{ctx.run_id}{_BY_STREAM}{source}-{number}"


def written_by(batch: str) -> Column:
    """Whether a batch of stream has written a row, in whichever run of it. Of Promotions; `batch`: SOURCE-NUMBER."""
    return F.coalesce(F.endswith(F.col(Promotions.run_id), F.lit(f"{_BY_STREAM}{batch}")), F.lit(False))


def by_stream(run_id: str | None) -> bool:
    """Whether a batch of stream has written the row.

    >>> by_stream("4f1c2ab09d3e5f67-stream-orders-0"), by_stream("4f1c2ab09d3e5f67")
    (True, False)
    """
    return _BY_STREAM in (run_id or "")


def pause_offers(ctx: Ctx, table: type[Table], at: datetime.datetime) -> int:
    """Pauses what rows of a table have made wrong to give; how many pauses are new.

    What is said stands in decisions.actions first: export holds these offers back from then on, whatever becomes of the
    run, and the replay of the batch gives them their status.
    """
    promotions = ctx.keep(_offers_that_may_hold(ctx))
    if promotions.isEmpty():
        return 0
    found = _of_orders(ctx, promotions) if table is OrderLines else [_of_feedback(ctx, promotions)]
    said = newest(ctx, Actions).filter((F.col(Actions.action) == _PAUSE) & (F.col(Actions.day) == F.lit(ctx.date)))
    pauses = functools.reduce(DataFrame.unionByName, found)
    new = ctx.keep(as_actions(pauses, ctx.date, at, ctx.job.name).join(said, Actions.what, "left_anti"))
    count = new.count()
    if count:
        merge_rows(ctx, Actions, Actions.conform(new))
    _give_status(ctx, promotions)
    return count


def _offers_that_may_hold(ctx: Ctx) -> DataFrame:
    """The offers of the date, and those of earlier dates that end on it or later. → Promotions"""
    rows = newest(ctx, Promotions).filter(F.col(Promotions.date) <= F.lit(ctx.date))
    return rows.filter((F.col(Promotions.mechanic) != "none") & (F.col(Promotions.valid_to) >= F.lit(ctx.date)))


def spent_of_date(ctx: Ctx, promotions: DataFrame, given: DataFrame | None = None) -> DataFrame:
    """The budgets of which all that was planned is given. Promotions of the date, GivenToday → SpentBudget"""
    budget = newest(ctx, Budget).filter(F.col(Budget.date) == F.lit(ctx.date))
    return spent_budgets(promotions, given_on_date(ctx, promotions) if given is None else given, budget)


def _of_orders(ctx: Ctx, promotions: DataFrame) -> list[DataFrame]:
    """Pauses of accounts that cheat, and of budgets of the date that are spent. → Pause"""
    of_date = promotions.filter(F.col(Promotions.date) == F.lit(ctx.date))
    given = ctx.keep(given_on_date(ctx, of_date))
    sent = newest(ctx, Exported).filter(F.col(Exported.date) == F.lit(ctx.date))
    risk = ctx.own(IntradayRisk).filter(F.col(IntradayRisk.date) == F.lit(ctx.date))
    spent = spent_of_date(ctx, of_date, given)
    return [
        pauses_of_spent(of_date, spent, given, sent),
        pauses_of_blocked(promotions, risk, blocked=ctx.beside(PromoteSettings).blocked_risk_tiers),
    ]


def _of_feedback(ctx: Ctx, promotions: DataFrame) -> DataFrame:
    adjust = ctx.beside(AdjustSettings)
    answers = stored_rows(ctx, Feedback)
    return pauses_of_disliked(
        promotions, answers, negative_share=adjust.negative_share, least_scores=adjust.least_scores
    )


def given_on_date(ctx: Ctx, promotions: DataFrame) -> DataFrame:
    """What was given on the date for its offers, those paused since too. Promotions → GivenToday"""
    as_made = promotions.withColumn(Promotions.stopped_on, F.lit(None).cast("date"))
    lines = OrderLines.conform(stored_rows(ctx, OrderLines))
    uses = offer_uses(sent_offers(as_made), lines, ctx.read_optional(ProductProfile), Redemptions.frame(ctx.spark))
    today = uses.filter(F.col(OfferUse.day) == F.lit(ctx.date))
    of_each = today.groupBy(OfferUse.user_id, OfferUse.promotion_id)
    return GivenToday.shaped(of_each.agg(F.sum(OfferUse.given).alias(GivenToday.given)))


def _give_status(ctx: Ctx, promotions: DataFrame) -> None:
    """Gives offers that a pause names their status, where they do not have it yet."""
    actions = newest(ctx, Actions)
    key = [Promotions.date, Promotions.user_id, Promotions.promotion_id]
    lacking = stopped_offers(promotions.filter(F.col(Promotions.stopped_on).isNull()), actions).select(*key)
    dates = sorted(row[0] for row in lacking.select(Promotions.date).distinct().collect())  # as many as hold at a time
    for date in dates:
        refresh(ctx, Promotions, date, "promote", lambda rows: with_status(rows, actions))
