"""Offers made within the day, as promote makes them: at the prices of its limits, of what is left of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import Actions, Budget, Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.intraday import IntradayActivity, IntradayPropensity, IntradayRisk
from promo_spark.contracts.models import Forecasts, Recommendations, Segments
from promo_spark.contracts.predictions import Propensity
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import ChannelConsents, OrderLines, Users
from promo_spark.decisions.actions import closed_by_actions
from promo_spark.decisions.allocation.limits import is_of_stock, parts_of_unit
from promo_spark.decisions.allocation.stored_prices import allocated_at_prices
from promo_spark.decisions.budgets import ReservedBudget, budget, reserved
from promo_spark.decisions.channels import with_channels
from promo_spark.decisions.eligibility import with_eligibility
from promo_spark.decisions.policy import InForce
from promo_spark.decisions.scenarios.new_user_welcome import NEW_USER_WELCOME
from promo_spark.decisions.users import ORDERED, DailyUser, new_users
from promo_spark.decisions.valuation import MICRO
from promo_spark.errors import MissingDataError
from promo_spark.flows.policy import by_policy, policy_in_force
from promo_spark.flows.promote import (
    check_promises,
    considered,
    decision_of_date,
    options_of,
    promotions_of,
    users_of_the_day,
)
from promo_spark.flows.promote_inputs import Ctx as PromoteCtx
from promo_spark.flows.promote_inputs import Today
from promo_spark.flows.stream.intake import Ctx, stored_rows
from promo_spark.flows.stream.offers import spent_of_date
from promo_spark.measures.computed import computed
from promo_spark.runtime.refreshing import alone, merge_rows, newest, replace_date
from promo_spark.settings.promote import PromoteSettings

_NEEDED: tuple[type[Table], ...] = (UserProfile, ProductProfile, Segments, Recommendations, Forecasts)
_NEWEST = "newest_line"
WRITER = "promote"  # whose rows of the date they are


@dataclass(frozen=True)
class MorningDecisions:
    """What promote decided the date by: its settings, the policy in force, and all users of the morning."""

    ctx: PromoteCtx
    policy: InForce
    users: DataFrame  # UserEligibility


@dataclass(frozen=True)
class Standing:
    """What stands when a batch decides: users of the date up to now, rows of the date, and what its budget states."""

    users: DataFrame  # UserEligibility of all, those who are new on the date among them
    new: DataFrame  # UserEligibility of those who are new
    promotions: DataFrame
    budget: list[dict[str, Any]]

    @property
    def constraints(self) -> list[str]:
        return [row[Budget.constraint] for row in self.budget]


def morning_decisions(ctx: Ctx) -> MorningDecisions | None:
    """What promote decided the date by; None: it has not decided it."""
    promote = ctx.under(PromoteSettings)
    try:
        for table in _NEEDED:
            promote.read(table)
    except MissingDataError:
        return None
    if newest(ctx, Budget).filter(F.col(Budget.date) == F.lit(ctx.date)).isEmpty():
        return None
    policy = policy_in_force(promote)
    promote = by_policy(promote, policy)
    return MorningDecisions(promote, policy, users_of_the_day(promote))


def welcome(ctx: Ctx, users: DataFrame, run: str, morning: MorningDecisions) -> int:
    """Decides who of a batch's users is new, and has not been decided for; how many these are.

    Who is new has no row of the date before the one commit in which the batch's rows come, and has one from then on:
    so a batch that comes again decides for the same users, or for none.
    """
    if NEW_USER_WELCOME.name not in morning.ctx.settings.scenarios:
        return 0
    with alone(ctx, ctx.date, WRITER):
        standing = standing_now(ctx, morning)
        asked = standing.new.join(users, DailyUser.user_id, "left_semi")
        asked = computed(asked.join(standing.promotions, DailyUser.user_id, "left_anti"))
        count = asked.count()
        if count:
            only = morning.ctx.settings.model_copy(update={"scenarios": [NEW_USER_WELCOME.name]})
            here = replace(morning, ctx=replace(morning.ctx, settings=only))
            rows = decided_rows(ctx, asked, standing, newest(ctx, Actions), here)
            # What is reserved follows from the offers that stand: run again after this commit, it comes out the same.
            reserve(ctx, standing, standing.promotions.unionByName(rows), run)
            merge_rows(ctx, Promotions, rows.withColumn(Promotions.run_id, F.lit(run)))
    return count


def standing_now(ctx: Ctx, morning: MorningDecisions) -> Standing:
    """What stands before a batch decides."""
    new = computed(_new_users(ctx, morning))
    return Standing(morning.users.unionByName(new), new, ctx.keep(promotions_of_date(ctx)), budget_of_date(ctx))


def promotions_of_date(ctx: Ctx) -> DataFrame:
    """The rows of the date as they stand. → Promotions"""
    return newest(ctx, Promotions).filter(F.col(Promotions.date) == F.lit(ctx.date))


def budget_of_date(ctx: Ctx) -> list[dict[str, Any]]:
    """The rows of decisions.budget of the date, by constraint."""
    rows = newest(ctx, Budget).filter(F.col(Budget.date) == F.lit(ctx.date)).collect()  # a row per limit
    return [row.asDict() for row in sorted(rows, key=lambda row: str(row[Budget.constraint]))]


def _new_users(ctx: Ctx, morning: MorningDecisions) -> DataFrame:
    """All who are new on the date so far. → UserEligibility"""
    promote, today = morning.ctx, F.col(IntradayActivity.date) == F.lit(ctx.date)
    lines = stored_rows(ctx, OrderLines)
    newest_line = F.max_by(OrderLines.channel, F.struct(OrderLines.ts, OrderLines.order_id, OrderLines.line_no))
    channels = lines.groupBy(OrderLines.user_id).agg(newest_line.alias(DailyUser.main_channel))
    seen = ctx.own(IntradayActivity).filter(today)
    ordered = (F.col(IntradayActivity.orders) > 0).alias(ORDERED)
    found = new_users(
        seen.select(IntradayActivity.user_id, ordered).join(channels, DailyUser.user_id, "left"),
        morning.users,
        promote.read_everyone(Users),
        ctx.own(IntradayRisk).filter(F.col(IntradayRisk.date) == F.lit(ctx.date)),
        date=ctx.date,
        timezone=ctx.business.timezone,
    )
    reachable = with_channels(found, promote.read_optional(ChannelConsents))
    return with_eligibility(reachable, promote.settings, ctx.date)


def decided_rows(
    ctx: Ctx, asked: DataFrame, standing: Standing, actions: DataFrame, morning: MorningDecisions
) -> DataFrame:
    """The rows of users, checked, beside those that stay. UserEligibility, Actions → Promotions"""
    promote, digits = morning.ctx, digits_of(ctx.business.currency)
    today = Today(standing.promotions, _propensity(ctx, promote), _left(ctx, standing, digits))
    found = considered(promote, asked, morning.policy, standing.users, today=today)
    found = replace(found, offers=computed(closed_by_actions(found.offers, actions, ctx.date)))
    ctx.say("giving what is left of the budget")
    options = computed(options_of(promote, found.offers, found.rooms, found.limits))
    offers = allocated_at_prices(options, found.limits, _prices(standing, digits))
    decision = decision_of_date(promote)
    rows = promotions_of(promote, found, offers, decision)
    check_promises(promote, rows, computed(budget(rows, found, prices={}, decision=decision)), found)
    return rows


def _propensity(ctx: Ctx, promote: PromoteCtx) -> DataFrame:
    """What users are likely to do: by the orders of the day, where they ordered. → columns of Propensity"""
    today = ctx.own(IntradayPropensity).filter(F.col(IntradayPropensity.date) == F.lit(ctx.date))
    columns = [name for name in Propensity.columns() if name in today.columns]
    key = [Propensity.user_id, Propensity.target]
    of_morning = promote.read_optional(Propensity).join(today.select(*key), key, "left_anti")
    return of_morning.unionByName(today.select(columns), allowMissingColumns=True)


def _reserved(ctx: Ctx, promotions: DataFrame, standing: Standing) -> Mapping[str, tuple[Decimal, int]]:
    """What offers reserve and how many they are, by constraint. Promotions"""
    sums = reserved(promotions, standing.users, ctx.read_optional(ProductProfile), standing.constraints)
    columns = (ReservedBudget.constraint, ReservedBudget.reserved, ReservedBudget.offers)
    return {name: (amount, count) for name, amount, count in sums.select(*columns).collect()}  # a row per limit


def _left(ctx: Ctx, standing: Standing, digits: int) -> dict[str, int]:
    """What is left of each limit but stock, in minor units; nothing where all that was planned is given already."""
    taken = _reserved(ctx, standing.promotions, standing)
    spent = {row[0] for row in spent_of_date(ctx, standing.promotions).select(Budget.constraint).collect()}  # the same
    left = {}
    for row in standing.budget:
        name = row[Budget.constraint]
        if not is_of_stock(name):
            amount = row[Budget.planned] - taken.get(name, (Decimal(0), 0))[0]
            left[name] = 0 if name in spent else max(int(amount * parts_of_unit(name, digits)), 0)
    return left


def _prices(standing: Standing, digits: int) -> dict[str, float]:
    """What a unit of each limit costs, in millionths of currency per whole unit, as the morning found it."""
    return {
        row[Budget.constraint]: row[Budget.dual_price] * MICRO / parts_of_unit(row[Budget.constraint], digits)
        for row in standing.budget
        if row[Budget.dual_price] is not None
    }


def reserve(
    ctx: Ctx, standing: Standing, promotions: DataFrame, run: str | None = None, *, at_least: bool = False
) -> None:
    """States what the offers reserve, unless that stands there already. Promotions of the date

    `run`: the batch that decides; None: none does. `at_least`: what is stated does not fall, as other offers stand
    until these do.
    """
    sums, stated = _reserved(ctx, promotions, standing), []
    for row in standing.budget:
        amount, count = sums.get(row[Budget.constraint], (Decimal(0), 0))
        amount = max(amount, row[Budget.reserved]) if at_least else amount
        stated.append(row | {Budget.reserved: amount, Budget.offers: count, Budget.run_id: run or row[Budget.run_id]})
    if stated != standing.budget:
        replace_date(ctx, Budget, ctx.date, stated)
