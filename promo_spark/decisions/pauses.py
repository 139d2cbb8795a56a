"""What is paused within the day: offers under a budget that is spent, offers that users dislike, offers of cheats."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import ENDED, Actions, Budget, Promotions
from promo_spark.contracts.schema import MONEY, Col, Frame, Personal
from promo_spark.contracts.silver import Feedback
from promo_spark.contracts.vocabulary import NEGATIVE_TO
from promo_spark.decisions.allocation.limits import of_fund, uses_of_promotions
from promo_spark.decisions.allocation.user_options import OptionUse

_TEXT = T.StringType()
_DIGITS = T.DecimalType(38, 12)
_FACE = "face:"  # amounts on coupons, whether they are used or not: nothing that is spent
_IS_BAD, _SCOPE, _COUNT, _BAD, _NOTHING = "is_bad", "scope", "scores", "bad_scores", Decimal(0)
_KEY = (Promotions.user_id, Promotions.promotion_id)


class GivenToday(Frame):
    """One row per offer that was used on the day: what the shop and funds gave for it."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    promotion_id = Col(_TEXT, "the offer", required=True)
    given = Col(MONEY, "what was given", unit="currency", required=True)


class SpentBudget(Frame):
    """One row per constraint of which all that was planned is spent."""

    constraint = Col(_TEXT, "as in Budget", required=True)
    spent = Col(MONEY, "what was given for offers under it", unit="currency", required=True)
    planned = Col(MONEY, "as in Budget", unit="currency", required=True)


class Pause(Frame):
    """One row per name of offers that do not hold any more."""

    what = Col(_TEXT, "as in Actions", required=True)
    reason = Col(_TEXT, "why", required=True)


def spent_budgets(promotions: DataFrame, given: DataFrame, budget: DataFrame) -> DataFrame:
    """One row per constraint. Promotions and Budget of a date, GivenToday → SpentBudget.

    Of what was given a fund's part counts against its own budget, the rest against all others. Budgets of departments,
    groups and stock are not among them: which of them a receipt draws on is not told.
    """
    cost, fund = F.col(Promotions.expected_cost), F.coalesce(Promotions.fund_cost, F.lit(_NOTHING))
    of_fund_alone = F.col(OptionUse.constraint) == of_fund(F.col(Promotions.fund_id))
    part = F.when(F.coalesce(of_fund_alone, F.lit(False)), fund).otherwise(cost)
    share = F.when(cost + fund > 0, part.cast(_DIGITS) / (cost + fund)).otherwise(1)
    uses = promotions.filter(F.col(Promotions.mechanic) != "none").select(
        *_KEY,
        Promotions.expected_cost,
        Promotions.fund_cost,
        Promotions.fund_id,
        F.inline(uses_of_promotions()),
    )
    drawn = uses.join(given, list(_KEY), "inner").groupBy(OptionUse.constraint)
    spent = drawn.agg(F.round(F.sum(F.col(GivenToday.given) * share), 2).cast(MONEY).alias(SpentBudget.spent))
    in_money = budget.filter((F.coalesce(Budget.unit, F.lit("currency")) == "currency") & ~_of_faces())
    joined = spent.join(in_money.select(Budget.constraint, Budget.planned), Budget.constraint, "inner")
    return SpentBudget.shaped(joined.filter(F.col(SpentBudget.spent) >= F.col(SpentBudget.planned)))


def pauses_of_spent(promotions: DataFrame, spent: DataFrame, used: DataFrame, sent: DataFrame) -> DataFrame:
    """One row per offer under a spent budget that nobody has yet. Promotions, SpentBudget, GivenToday, ids → Pause.

    `sent` are the offers that may have left: what a user was promised is kept.
    """
    amounts = (SpentBudget.spent, SpentBudget.planned)
    why = F.concat(
        F.lit("budget "), SpentBudget.constraint, F.lit(" is spent: "), amounts[0], F.lit(" of "), amounts[1]
    )
    under = _holding(promotions).select(*_KEY, F.inline(uses_of_promotions()))
    named = under.join(F.broadcast(spent), OptionUse.constraint, "inner").select(*_KEY, why.alias(Pause.reason))
    nobodys = named.join(used, list(_KEY), "left_anti").join(sent, list(_KEY), "left_anti")
    return _of_offers(nobodys)


def pauses_of_disliked(
    promotions: DataFrame, feedback: DataFrame, *, negative_share: float, least_scores: int
) -> DataFrame:
    """One row per mechanic and scenario with too many low scores. Promotions, Feedback of the day → Pause."""
    scopes = F.array(
        F.concat(F.lit("mechanic:"), Promotions.mechanic), F.concat(F.lit("scenario:"), Promotions.scenario)
    )
    offers = promotions.filter(F.col(Promotions.mechanic) != "none")
    told = offers.select(Promotions.promotion_id, F.explode(scopes).alias(_SCOPE)).distinct()
    scored = feedback.filter(F.col(Feedback.score).isNotNull()).select(Promotions.promotion_id, Feedback.score)
    found = (
        scored.join(told, Promotions.promotion_id, "inner")
        .groupBy(_SCOPE)
        .agg(F.count(F.lit(1)).alias(_COUNT), F.count_if(F.col(Feedback.score) <= NEGATIVE_TO).alias(_BAD))
        .filter((F.col(_COUNT) >= least_scores) & (F.col(_BAD) / F.col(_COUNT) >= negative_share))
    )
    why = F.concat(_BAD, F.lit(" of "), _COUNT, F.lit(f" scores of the day are {NEGATIVE_TO} or less"))
    there = _holding(promotions).select(F.explode(scopes).alias(_SCOPE)).distinct()
    rows = found.join(there, _SCOPE, "left_semi")
    return Pause.shaped(rows.select(F.col(_SCOPE).alias(Pause.what), why.alias(Pause.reason)))


def pauses_of_blocked(promotions: DataFrame, risk: DataFrame, *, blocked: Sequence[str]) -> DataFrame:
    """One row per offer of a user whose tier gets none. Promotions, user_id and tier → Pause."""
    tier = "tier"
    cheats = risk.filter(F.col(tier).isin(list(blocked))).select(Promotions.user_id, tier)
    named = _holding(promotions).join(cheats, Promotions.user_id, "inner")
    return _of_offers(named.select(*_KEY, F.concat(F.lit("the account is "), tier).alias(Pause.reason)))


def as_actions(pauses: DataFrame, day: datetime.date, at: datetime.datetime, by: str) -> DataFrame:
    """One row per pause. Pause → Actions."""
    return Actions.shaped(
        pauses.groupBy(Pause.what)
        .agg(F.min(Pause.reason).alias(Actions.reason))
        .withColumns(
            {
                Actions.action: F.lit("pause"),
                Actions.day: F.lit(day),
                Actions.at: F.lit(at),
                Actions.by: F.lit(by),
                Actions.before_decided: F.lit(None),
            }
        )
    )


def _holding(promotions: DataFrame) -> DataFrame:
    """The offers that were not ended."""
    status = F.coalesce(Promotions.status, F.lit("active"))
    return promotions.filter((F.col(Promotions.mechanic) != "none") & ~status.isin(list(ENDED)))


def _of_offers(named: DataFrame) -> DataFrame:
    of_each = named.groupBy(F.col(Promotions.promotion_id).alias(Pause.what))
    return Pause.shaped(of_each.agg(F.min(Pause.reason).alias(Pause.reason)))


def _of_faces() -> Column:
    return F.startswith(F.col(Budget.constraint), F.lit(_FACE))
