"""Who is compared with whom in a window: those held out with the others; and takers with others, which is no effect."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.predictions import Propensity
from promo_spark.measurement.arms import UserArm
from promo_spark.measurement.figures import FORECASTS
from promo_spark.measurement.offers import SentOffer
from promo_spark.measurement.windows import Window
from promo_spark.measures.exact_sums import exact_sum

TREATED, CONTROL, TAKERS, OTHERS = "treated", "control", "takers", "others"
ALL, ANY = "all", "any"
_BETWEEN = "|"


def group(slice_: str, side: str) -> str:
    """The name of a group of users: of which slice, and which side of it.

    >>> group("all", "treated")
    'all|treated'
    """
    return f"{slice_}{_BETWEEN}{side}"


def slices(groups: Mapping[str, object]) -> list[str]:
    """The slices that have treated users, all of them first.

    >>> slices({"all|treated": 1, "all|control": 1, "segment:3|control": 1, "arm:explore|treated": 1})
    ['all', 'arm:explore']
    """
    treated = (name.partition(_BETWEEN) for name in groups)
    return sorted({slice_ for slice_, _, side in treated if side == TREATED})


SEGMENT_MECHANIC = "segment_mechanic"  # such as segment_mechanic:3/coupon


def segment_mechanic(segment_id: str, mechanic: Column) -> Column:
    """The slice of offers of a mechanic to users of a segment; null where one of both is."""
    return F.concat(F.lit(f"{SEGMENT_MECHANIC}:"), F.col(segment_id).cast("string"), F.lit("/"), mechanic)


def asked_users(arms: DataFrame, outcomes: DataFrame) -> DataFrame:
    """One row per user who could have been offered something on the first day, with what the user did.

    UserArm, outcomes of users (see `outcomes_of_users`) → UserArm and their columns.
    """
    return arms.filter(UserArm.may).join(outcomes, UserArm.user_id, "left")


def forecasts_before(propensity: DataFrame) -> DataFrame:
    """One row per user: what was told before offers began. Propensity of that date → the user, a column per target."""
    told = F.coalesce(F.col(Propensity.p), F.col(Propensity.amount))
    columns = [F.max(F.when(F.col(Propensity.target) == target, told)).alias(target) for target in FORECASTS]
    return propensity.groupBy(Propensity.user_id).agg(*columns)


def randomised_groups() -> Column:
    """The groups of a user that chance made. Of UserArm. The held out are halved by a hash of their id too."""
    arm = F.col(UserArm.arm)
    held_out = arm == "holdout"
    side = F.when(held_out, CONTROL).otherwise(TREATED)
    segment = F.concat(F.lit("segment:"), F.col(UserArm.segment_id).cast("string"))
    half = F.concat(F.lit("half:"), F.pmod(F.xxhash64(UserArm.user_id, F.lit("halves")), F.lit(2)).cast("string"))
    return F.array(
        F.concat_ws(_BETWEEN, F.lit(ALL), side),
        F.concat_ws(_BETWEEN, segment, side),
        F.when(held_out, F.concat_ws(_BETWEEN, half, F.lit(CONTROL))).otherwise(
            F.concat_ws(_BETWEEN, F.concat(F.lit("arm:"), arm), F.lit(TREATED))
        ),
    )


def taking_groups() -> Column:
    """The groups of a treated user by what was offered on the first day, which nobody drew. Of UserArm."""
    treated = F.col(UserArm.arm) == "treatment"
    mechanics = F.col(UserArm.mechanics)
    of_each = F.transform(mechanics, lambda name: F.concat(F.lit("mechanic:"), name, F.lit(f"{_BETWEEN}{TAKERS}")))
    takers = F.concat(of_each, F.array(F.lit(group(ANY, TAKERS))))
    groups = F.when(F.size(mechanics) > 0, takers).otherwise(F.array(F.lit(group(ANY, OTHERS))))
    return F.when(treated, groups).otherwise(F.array().cast("array<string>"))


_TOLD = {
    "orders": SentOffer.expected_uplift,
    "margin": SentOffer.incremental_margin,
    "given": SentOffer.expected_cost,
}


def expected_in_window(offers: DataFrame, window: Window) -> dict[str, dict[str, float]]:
    """What promote told of the offers that held in the window. SentOffer → slice → metric → their sum.

    An offer's days are alike: of one that holds on some days of the window only so much of it counts. The driver holds
    a row per segment.
    """
    first, last = F.lit(window.first), F.lit(window.last)
    days = F.datediff(F.col(SentOffer.valid_to), F.col(SentOffer.valid_from)) + 1
    within = F.datediff(F.least(SentOffer.valid_to, last), F.greatest(SentOffer.valid_from, first)) + 1
    share = F.greatest(within, F.lit(0)) / days
    funded = F.coalesce(F.col(SentOffer.fund_cost), F.lit(0))
    sums = [
        exact_sum((F.col(name) + (funded if metric == "given" else 0)).cast("double") * share).alias(metric)
        for metric, name in _TOLD.items()
    ]
    found: dict[str, dict[str, float]] = {ALL: dict.fromkeys(_TOLD, 0.0)}
    held = offers.filter(share > 0)
    rows = held.groupBy(SentOffer.segment_id).agg(*sums).orderBy(SentOffer.segment_id).collect()
    for row in rows:
        of_segment = {metric: float(row[metric] or 0.0) for metric in _TOLD}
        found[f"segment:{row[SentOffer.segment_id]}"] = of_segment
        found[ALL] = {metric: found[ALL][metric] + value for metric, value in of_segment.items()}
    return found


def days_without_decisions(dates: set[datetime.date], window: Window) -> list[datetime.date]:
    """The days of the window that nothing was decided for."""
    days = (window.first + datetime.timedelta(n) for n in range(window.days))
    return [day for day in days if day not in dates]
