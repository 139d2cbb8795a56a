"""What an account's risk keeps it from: offers on a basket, where it is high. See also new_user_welcome: rings."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.mechanics import ON_BASKETS
from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.users import DailyUser


def allowed_by_risk(targets: DataFrame, users: DataFrame, *, no_coupon: Sequence[str]) -> DataFrame:
    """What may be offered. OfferTarget, DailyUser → OfferTarget: to users in the tiers `no_coupon` on products only."""
    if not no_coupon:
        return targets
    warned = users.filter(F.col(DailyUser.risk_tier).isin(list(no_coupon))).select(DailyUser.user_id)
    on_baskets = F.col(OfferTarget.mechanic).isin(list(ON_BASKETS))
    return OfferTarget.shaped(
        targets.filter(~on_baskets).unionByName(targets.filter(on_baskets).join(warned, DailyUser.user_id, "left_anti"))
    )
