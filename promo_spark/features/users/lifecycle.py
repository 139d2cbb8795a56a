"""Where a user stands: exactly one of the contract's lifecycles, by a rule table in order of priority."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.settings.profile import ProfileSettings


def lifecycle(*, recent_spend: Column, high_value_from: Column, settings: ProfileSettings) -> Column:
    """The first rule that applies, from the columns of a user profile (inventory row C19).

    | lifecycle  | rule |
    |---|---|
    | new        | no order yet |
    | lost       | last order at least `lost_days` ago |
    | lapsing    | ordered on one day only, more than `first_time_days` ago; or on several, and the last one at \
least `lapsing_cadences` times the user's own cadence ago, and `lapsing_min_days` at least, unless more orders than \
`lapsing_expected_orders` are expected within 30 days |
    | first_time | ordered on one day only |
    | high_value | recent spend positive and at or above `high_value_from` |
    | loyal      | at least `loyal_orders_90d` orders in the recent days |
    | repeat     | any other |

    Silence comes before value: a big spender who stays away is won back, not rewarded. But who orders every few days is
    silent for two weeks now and then, and comes by himself.
    """
    recency, cadence = F.col(UserProfile.recency_days), F.col(UserProfile.cadence_days)
    one_day = cadence.isNull()
    silence = F.greatest(settings.lapsing_cadences * cadence, F.lit(float(settings.lapsing_min_days)))
    expected = F.coalesce(F.col(UserProfile.expected_orders_30d) > settings.lapsing_expected_orders, F.lit(False))
    silent = (recency >= silence) & ~expected
    return (
        F.when(F.col(UserProfile.orders) == 0, "new")
        .when(recency >= settings.lost_days, "lost")
        .when(F.when(one_day, recency > settings.first_time_days).otherwise(silent), "lapsing")
        .when(one_day, "first_time")
        .when((recent_spend > 0) & (recent_spend.cast("double") >= high_value_from), "high_value")
        .when(F.col(UserProfile.orders_90d) >= settings.loyal_orders_90d, "loyal")
        .otherwise("repeat")
    )
