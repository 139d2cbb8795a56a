"""Who was given something, and who would have been: what single kinds of offers do to those whom they go to.

Chance holds users out, and what each of them would have been given on a date is known (decisions.withheld). So those
who were given offers of one kind are compared with those held out who would have been given offers of that kind: the
same users but for the offers (ghost ads: Johnson, Lewis and Nubbemeyer 2017, doi:10.1509/jmr.15.0297). A user counts
on a date on which all that was given is of the kind, and nothing of an earlier date still held, so that no other offer
stands in between. Users for whom chance drew are left out.
"""

from __future__ import annotations

import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.withheld import Withheld
from promo_spark.measurement.explored import EXPECTED, Drawn, told_column
from promo_spark.measurement.populations import CONTROL, TREATED, segment_mechanic
from promo_spark.measures.offers_in_force import approved_offers

_TERMS = (
    Promotions.user_id,
    Promotions.date,
    Promotions.scenario,
    Promotions.mechanic,
    Promotions.discount_rate,
    Promotions.coupon_amount,
    Promotions.min_spend,
    Promotions.valid_to,
    Promotions.expected_conversion,
    Promotions.expected_uplift,
    Promotions.incremental_margin,
    Promotions.expected_cost,
    Promotions.fund_cost,
)


def first_comparable_date(promotions: DataFrame, withheld: DataFrame) -> datetime.date | None:
    """The first date on which users with offers and those held out are alike; None: nothing was withheld.

    Promotions and Withheld of earlier dates. Where offers were made before anything was withheld, users hold these, and
    those held out hold nothing: they are alike when the last of these offers is over.
    """
    first: datetime.date | None = withheld.agg(F.min(Withheld.date)).collect()[0][0]
    if first is None:
        return None
    before = promotions.filter((F.col(Promotions.date) < F.lit(first)) & (F.col(Promotions.mechanic) != "none"))
    last_held: datetime.date | None = before.agg(F.max(Promotions.valid_to)).collect()[0][0]
    return max(first, last_held + datetime.timedelta(1)) if last_held else first


def given_or_withheld(promotions: DataFrame, withheld: DataFrame) -> DataFrame:
    """One row per user, date and slice: all that the user was given, or would have been given, is of the slice.

    Promotions and Withheld of earlier dates → Drawn, each row of weight 1. Dates on which nothing was withheld, or
    whose offers nobody approved, are left out: there is nobody to compare with.
    """
    segment_of = promotions.select(Promotions.user_id, Promotions.date, Promotions.segment_id).distinct()
    given = approved_offers(promotions).select(*_TERMS, Promotions.arm, Promotions.segment_id)
    of_segment = withheld.join(segment_of, [Promotions.user_id, Promotions.date], "left")
    kept = of_segment.select(*_TERMS, F.lit("holdout").alias(Promotions.arm), Promotions.segment_id)
    funded = F.coalesce(F.col(Promotions.fund_cost), F.lit(0))
    told = [
        F.sum((F.col(name) + (funded if metric == "given" else 0)).cast("double")).alias(told_column(metric))
        for metric, name in EXPECTED.items()
    ]
    sets = (
        given.unionByName(kept)
        .groupBy(Drawn.user_id, Drawn.date, Promotions.arm)
        .agg(
            F.max(Promotions.valid_to).alias(_LAST),
            F.max(Promotions.segment_id).alias(Promotions.segment_id),
            *[F.collect_set(value).alias(kind) for kind, value in _kinds().items()],
            *told,
        )
    )
    earlier = Window.partitionBy(Drawn.user_id).orderBy(Drawn.date).rowsBetween(Window.unboundedPreceding, -1)
    held = F.max(_LAST).over(earlier)
    alone = sets.withColumn(_HELD, held).filter(F.col(_HELD).isNull() | (F.col(_HELD) < F.col(Drawn.date)))
    both = [alone.filter(F.col(Promotions.arm) == arm) for arm in ("treatment", "holdout")]
    dates = both[0].select(Drawn.date).distinct().join(both[1].select(Drawn.date).distinct(), Drawn.date)
    of_one_kind = [F.when(F.size(kind) == 1, F.concat(F.lit(f"{kind}:"), F.element_at(kind, 1))) for kind in _kinds()]
    mechanic = F.when(F.size(_MECHANIC) == 1, F.element_at(_MECHANIC, 1))
    slices = F.array_compact(F.array(F.lit("all"), *of_one_kind, segment_mechanic(Promotions.segment_id, mechanic)))
    side = F.when(F.col(Promotions.arm) == "holdout", CONTROL).otherwise(TREATED)
    compared = both[0].unionByName(both[1]).join(F.broadcast(dates), Drawn.date, "left_semi")
    return Drawn.shaped(
        compared.withColumns({Drawn.slice: F.explode(slices), Drawn.side: side, Drawn.weight: F.lit(1.0)})
    )


def _kinds() -> dict[str, Column]:
    """What an offer is, by kind of slice. Of Promotions or Withheld."""
    off_basket = F.try_divide(F.col(Promotions.coupon_amount), F.col(Promotions.min_spend))
    depth = F.coalesce(F.col(Promotions.discount_rate), off_basket).cast("double")
    return {
        "scenario": F.col(Promotions.scenario),
        _MECHANIC: F.col(Promotions.mechanic),
        "depth": F.format_number(depth, 1),
    }


_MECHANIC = "mechanic"
_LAST, _HELD = "last_day_of_set", "last_day_held"
