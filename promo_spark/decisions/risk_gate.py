"""What an account's risk keeps it from: coupons, where it is high; and more than one welcome, where it is of a ring."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.users import DailyUser


def allowed_by_risk(targets: DataFrame, users: DataFrame, *, no_coupon: Sequence[str]) -> DataFrame:
    """What may be offered. OfferTarget, DailyUser → OfferTarget, without coupons for users in the tiers `no_coupon`."""
    if not no_coupon:
        return targets
    warned = users.filter(F.col(DailyUser.risk_tier).isin(list(no_coupon))).select(DailyUser.user_id)
    coupons = F.col(OfferTarget.mechanic) == "coupon"
    return OfferTarget.shaped(
        targets.filter(~coupons).unionByName(targets.filter(coupons).join(warned, DailyUser.user_id, "left_anti"))
    )
