"""Who ordered within the day is decided anew, by what is likely now, while nobody has the offers of the morning."""

from __future__ import annotations

import datetime
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import ENDED, Actions, Promotions
from promo_spark.contracts.exports import Exported
from promo_spark.contracts.intraday import IntradayRisk
from promo_spark.decisions.eligibility import eligible, with_eligibility
from promo_spark.decisions.pauses import Pause, as_actions
from promo_spark.decisions.users import DailyUser
from promo_spark.flows.stream.decisions import (
    WRITER,
    MorningDecisions,
    Standing,
    budget_of_date,
    decided_rows,
    promotions_of_date,
    reserve,
    standing_now,
)
from promo_spark.flows.stream.intake import Ctx
from promo_spark.flows.stream.offers import given_on_date, run_of_batch, written_by
from promo_spark.measures.computed import computed
from promo_spark.runtime.refreshing import alone, merge_rows, newest

_REASON = "decided anew, by the orders of the day"  # of the pause of an offer that others replace
_ANEW = "-anew"  # ends the run_id of rows that were decided anew, beside those of users whom the batch welcomed
_KEY = [Promotions.date, Promotions.user_id, Promotions.promotion_id]
_OFFER = [Promotions.user_id, Promotions.promotion_id]
_IDS, _IDS_NOW, _TIER, _OPEN, _OURS = (
    "promotion_ids",
    "promotion_ids_now",
    "tier_of_today",
    "may_be_replaced",
    "paused_to_replace",
)


def renew(
    ctx: Ctx, users: DataFrame, source: str, number: int, at: datetime.datetime, morning: MorningDecisions
) -> int:
    """Decides users of a batch anew; for how many it comes to something else.

    What is replaced is said in decisions.actions first: export holds it back from then on. Then the budget states the
    larger of what was and what will be reserved, the rows are replaced in one commit that names the batch, and the
    budget states what is reserved now. A batch that comes again goes on from there.
    """
    count, run = 0, run_of_batch(ctx, source, number)
    with alone(ctx, ctx.date, WRITER):
        standing = standing_now(ctx, morning)
        if standing.promotions.filter(written_by(f"{source}-{number}{_ANEW}")).isEmpty():
            welcomed = standing.promotions.filter(written_by(f"{source}-{number}"))
            before = users.join(welcomed, DailyUser.user_id, "left_anti")
            count = _decided_anew(ctx, before, standing, run + _ANEW, at, morning)
        now = replace(standing, promotions=promotions_of_date(ctx), budget=budget_of_date(ctx))
        reserve(ctx, now, now.promotions)
    return count


def _decided_anew(
    ctx: Ctx, users: DataFrame, standing: Standing, run: str, at: datetime.datetime, morning: MorningDecisions
) -> int:
    said = newest(ctx, Actions)
    asked = computed(_renewable(ctx, users, standing, said, morning))
    if asked.isEmpty():
        return 0
    own = computed(standing.promotions.join(asked, DailyUser.user_id, "left_semi"))
    others = standing.promotions.join(asked, DailyUser.user_id, "left_anti")
    rows = decided_rows(ctx, asked, replace(standing, promotions=others), _without_own(said, own), morning)
    changed = _replaceable(ctx, own, rows, computed(_changed(own, rows)), at)
    old, new = (computed(of.join(changed, DailyUser.user_id, "left_semi")) for of in (own, rows))
    count = changed.count()
    if count:
        kept = standing.promotions.join(changed, DailyUser.user_id, "left_anti")
        reserve(ctx, standing, kept.unionByName(new), run, at_least=True)
        gone = old.select(*_KEY).join(new.select(*_KEY), _KEY, "left_anti")
        merge_rows(ctx, Promotions, new.withColumn(Promotions.run_id, F.lit(run)), gone)
    return count


def _renewable(ctx: Ctx, users: DataFrame, standing: Standing, said: DataFrame, morning: MorningDecisions) -> DataFrame:
    """Those of the users whose decision nobody has or has ended, with the tier of today. → UserEligibility

    Not those for whom chance drew, who are held out, or who are linked with other accounts, among which promote shares
    offers. Where no offer was ever exported, nobody knows whether one has left: then only those who were given none.
    """
    own = standing.promotions.join(users, DailyUser.user_id, "left_semi")
    ours = said.filter(F.col(Actions.reason) == _REASON)
    ours = ours.select(F.col(Actions.what).alias(Promotions.promotion_id), F.lit(True).alias(_OURS)).distinct()
    own = own.join(ours, Promotions.promotion_id, "left")
    none = F.col(Promotions.mechanic) == "none"
    ended = F.coalesce(F.col(Promotions.status).isin(list(ENDED)), F.lit(False)) & F.col(_OURS).isNull()
    known = newest(ctx, Exported)
    free = (F.col(Promotions.arm) == "treatment") & ~ended & (none | F.lit(not known.isEmpty()))
    open_ones = own.groupBy(Promotions.user_id).agg(F.bool_and(free).alias(_OPEN)).filter(_OPEN)
    sent = known.filter(F.col(Exported.date) == F.lit(ctx.date)).select(Exported.user_id)
    used = given_on_date(ctx, standing.promotions).select(Promotions.user_id)
    open_ones = open_ones.join(sent, DailyUser.user_id, "left_anti").join(used, DailyUser.user_id, "left_anti")
    tiers = ctx.own(IntradayRisk).filter(F.col(IntradayRisk.date) == F.lit(ctx.date))
    may = eligible(standing.users).filter(F.col(DailyUser.ring).isNull())
    found = (
        may.join(open_ones, DailyUser.user_id, "left_semi")
        .join(tiers.select(IntradayRisk.user_id, F.col(IntradayRisk.tier).alias(_TIER)), DailyUser.user_id, "left")
        .withColumn(DailyUser.risk_tier, F.coalesce(_TIER, DailyUser.risk_tier))
    )
    return with_eligibility(DailyUser.shaped(found), morning.ctx.settings, ctx.date)


def _without_own(said: DataFrame, own: DataFrame) -> DataFrame:
    """What was said, without what this batch said of offers that still stand, if it was cut off then. Actions"""
    standing = own.select(F.col(Promotions.promotion_id).alias(Actions.what)).withColumn(Actions.reason, F.lit(_REASON))
    return said.join(standing, [Actions.what, Actions.reason], "left_anti")


def _changed(own: DataFrame, rows: DataFrame) -> DataFrame:
    """One row per user who is given something else. Promotions as they stand, and as decided anew → user_id"""

    def of_users(promotions: DataFrame, name: str) -> DataFrame:
        offers = F.when(F.col(Promotions.mechanic) != "none", F.col(Promotions.promotion_id))
        return promotions.groupBy(Promotions.user_id).agg(F.array_sort(F.collect_set(offers)).alias(name))

    both = of_users(own, _IDS).join(of_users(rows, _IDS_NOW), Promotions.user_id, "inner")
    return both.filter(F.col(_IDS) != F.col(_IDS_NOW)).select(Promotions.user_id)


def _replaceable(ctx: Ctx, own: DataFrame, rows: DataFrame, changed: DataFrame, at: datetime.datetime) -> DataFrame:
    """The users whose offers are withdrawn, and have not left since. → user_id

    Promotions as they stand, and as decided anew.
    """
    offers = own.filter(F.col(Promotions.mechanic) != "none").join(changed, Promotions.user_id, "left_semi")
    gone = computed(offers.join(rows.select(*_OFFER), _OFFER, "left_anti").select(*_OFFER))
    if gone.isEmpty():
        return changed
    pauses = gone.select(F.col(Promotions.promotion_id).alias(Pause.what), F.lit(_REASON).alias(Pause.reason))
    merge_rows(ctx, Actions, Actions.conform(as_actions(pauses, ctx.date, at, ctx.job.name)))
    sent = newest(ctx, Exported).filter(F.col(Exported.date) == F.lit(ctx.date)).select(*_OFFER)
    left = gone.join(sent, _OFFER, "left_semi")
    return computed(changed.join(left, Promotions.user_id, "left_anti"))
