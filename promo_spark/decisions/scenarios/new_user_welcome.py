"""A coupon for users who had not ordered before the date; once per user, and once per ring of accounts."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.schema import MONEY, RATE
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.offers.pricing import Rung, ShopMargin, greatest_coupon_share
from promo_spark.decisions.offers.targets import ProposedOffer, whole_shop
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser
from promo_spark.measures.best_rows import best_rows
from promo_spark.measures.money import exact_amount, rounded_down
from promo_spark.measures.offers_in_force import approved_offers


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user without orders before the date who was never welcomed on an earlier one. → ProposedOffer.

    The amount is `welcome_amount`, or less where the shop's margin floor on `welcome_min_spend` asks for it, or the
    most that one coupon may take off.
    """
    settings = inputs.settings
    welcomed = approved_offers(inputs.earlier_promotions).filter(F.col(Promotions.scenario) == NEW_USER_WELCOME.name)
    # Who is held out takes no linked account's welcome.
    held_out = inputs.users.filter((F.col(UserEligibility.arm) == "holdout") & F.col(DailyUser.ring).isNull())
    new_users = (
        inputs.everyone.unionByName(held_out)
        .filter((F.col(DailyUser.orders) == 0) & (F.col(DailyUser.lifecycle) == "new"))
        .join(welcomed.select(Promotions.user_id).distinct(), DailyUser.user_id, "left_anti")
        .crossJoin(F.broadcast(inputs.margin))
    )
    new_users = one_per_ring(new_users, inputs.everyone.join(welcomed, DailyUser.user_id, "left_semi"))
    new_users = new_users.join(inputs.users.select(DailyUser.user_id), DailyUser.user_id, "left_semi")
    min_spend = exact_amount(settings.welcome_min_spend, inputs.digits)
    most = min_spend * greatest_coupon_share(F.col(ShopMargin.margin_share), settings.min_margin)
    amount = F.least(
        exact_amount(settings.welcome_amount, inputs.digits),
        rounded_down(most, inputs.digits),
        F.lit(inputs.most_amount(NEW_USER_WELCOME.mechanic)).cast(MONEY),
    )
    rung = F.struct((amount / min_spend).cast(RATE).alias(Rung.rate), amount.alias(Rung.off))
    return whole_shop(
        new_users.filter(amount > 0)
        .withColumn(ProposedOffer.min_spend, min_spend)
        .withColumn(ProposedOffer.rungs, F.array(rung))
        .withColumn(ProposedOffer.appeal, F.lit(0.0))
        .withColumn(ProposedOffer.reason_codes, F.array(_reason()))
    )


def _reason() -> Column:
    """Of DailyUser: within the day a user may have ordered for the first time already."""
    return F.when(F.col(DailyUser.recency_days).isNull(), "no_order_yet").otherwise("first_order_today")


def one_per_ring(new_users: DataFrame, welcomed: DataFrame) -> DataFrame:
    """Of accounts that act together one, and none where one was welcomed before. DailyUser, DailyUser → the first."""
    alone = new_users.filter(F.col(DailyUser.ring).isNull())
    greeted = welcomed.filter(F.col(DailyUser.ring).isNotNull()).select(DailyUser.ring).distinct()
    of_rings = new_users.filter(F.col(DailyUser.ring).isNotNull()).join(greeted, DailyUser.ring, "left_anti")
    first = best_rows(of_rings, of=[DailyUser.ring], by=[DailyUser.user_id], keep=1)
    return alone.unionByName(first.select(alone.columns))


NEW_USER_WELCOME = Scenario(
    "new_user_welcome",
    mechanic="coupon",
    candidates=candidates,
    texts={
        "en-US": "Welcome! {amount} off when you spend {min_spend} or more, until {valid_to}.",
        "zh-CN": "欢迎！单笔满{min_spend}减{amount}，有效期至{valid_to}。",
    },
)
