"""The step of promote that looks at groups of users: who of each gets offers, and whether that may be published."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import WITHDRAWN, Promotions
from promo_spark.contracts.measurement import Fairness
from promo_spark.contracts.silver import Users
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.held import HeldOffers
from promo_spark.decisions.users import with_profile
from promo_spark.errors import InvariantError, printable
from promo_spark.flows.promote_inputs import Ctx
from promo_spark.measurement.fairness.audit import LOYAL, LOYALTY, OTHERS, STOP, WARN, Group, Unequal, fairness_rows
from promo_spark.measurement.fairness.groups import ServedUser, group_counts

_MADE = "offers_made"
_TOLD = 3  # findings that are told on the screen


def fairness_of_date(ctx: Ctx, users: DataFrame, held: DataFrame, promotions: DataFrame) -> list[dict[str, Any]]:
    """Rows of Fairness; none where nothing is to be compared. UserEligibility, HeldOffers, Promotions → Fairness.

    Attributes are read here alone, after everything is decided. Of users who may not be profiled none is read. Raises
    InvariantError where promote.fairness.gate is "stop" and a group gets offers too seldom for sure.
    """
    settings = ctx.settings.fairness
    attributes = settings.attributes if ctx.exists(Users) else []
    if not attributes and not settings.loyal_lifecycles:
        return []
    ctx.say("comparing groups of users")
    served = served_users(users, held, promotions)
    if attributes:
        served = served.join(ctx.read_everyone(Users).select(Users.user_id, *attributes), Users.user_id, "left")
    loyal = F.col(UserEligibility.lifecycle).isin(settings.loyal_lifecycles)
    by_loyalty = [LOYALTY] if settings.loyal_lifecycles else []
    served = served.withColumn(LOYALTY, F.when(loyal, LOYAL).otherwise(OTHERS))
    counts = group_counts(served, [*attributes, *by_loyalty]).collect()  # 51 groups of an attribute at most
    rows = fairness_rows(
        [Group(**row.asDict()) for row in counts],
        Unequal(settings.least_ratio, settings.least_users, settings.alpha),
    )
    _judge(ctx, rows)
    return rows


def served_users(users: DataFrame, held: DataFrame, promotions: DataFrame) -> DataFrame:
    """One row per user with a profile. UserEligibility, HeldOffers, Promotions of the date → ServedUser, lifecycle."""
    depth = F.coalesce(Promotions.discount_rate, F.col(Promotions.coupon_amount) / F.col(Promotions.min_spend))
    made = (
        promotions.filter(F.col(Promotions.scenario) != "none")
        .groupBy(Promotions.user_id)
        .agg(F.count("*").alias(_MADE), F.avg(depth).cast("double").alias(ServedUser.depth))
    )
    withdrawn = F.arrays_overlap(UserEligibility.exclusions, F.array(*[F.lit(code) for code in WITHDRAWN]))
    holds = F.col(HeldOffers.held_offers).isNotNull() & ~withdrawn
    return (
        with_profile(users)
        .join(made, Promotions.user_id, "left")
        .join(held.select(HeldOffers.user_id, HeldOffers.held_offers), HeldOffers.user_id, "left")
        .select(
            UserEligibility.user_id,
            (F.size(UserEligibility.exclusions) == 0).alias(ServedUser.may),
            (F.col(_MADE).isNotNull() | holds).alias(ServedUser.served),
            ServedUser.depth,
            UserEligibility.lifecycle,
        )
    )


def _judge(ctx: Ctx, rows: list[dict[str, Any]]) -> None:
    """Notes what is unequal, or raises InvariantError, as promote.fairness.gate says."""
    surely = [row[Fairness.message] for row in rows if row[Fairness.outcome] == STOP]
    if surely and ctx.settings.fairness.gate == "stop":
        told = "\n  ".join(printable(message) for message in surely)
        raise InvariantError(
            f"the offers for {ctx.date} would treat groups of users too unequally, so nothing was written:\n  {told}"
            '\npromote.fairness.gate is "stop". Change scenarios or budgets, give groups their share by '
            "promote.group_shares where the attribute allows it (docs/fairness.md), or set "
            'promote.fairness.gate = "warn" to let the offers go out as they are.'
        )
    doubtful = [row[Fairness.message] for row in rows if row[Fairness.outcome] == WARN]
    found = [*surely, *doubtful]
    for message in found[:_TOLD]:
        ctx.note(printable(message))
    if len(found) > _TOLD:
        ctx.note(f"{len(found) - _TOLD} more groups get fewer or smaller offers: measurement.fairness has them")
