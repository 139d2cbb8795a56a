"""What was told of offers when they were made, beside what receipts say once their days are over."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.measurement.differences import mean
from promo_spark.measurement.effects import Judging, Row, counted_row
from promo_spark.measurement.moments import Moments, moments
from promo_spark.measurement.offers import SentOffer
from promo_spark.measurement.populations import segment_mechanic
from promo_spark.measurement.uses import OfferUse
from promo_spark.measurement.windows import Window

OFFERS = "offers"
_TOLD = {"given": "told_given", "redeemed": "told_redeemed"}


def plan_moments(offers: DataFrame, uses: DataFrame, window: Window) -> dict[str, Moments]:
    """The moments of users' offers that ended in the window, by slice. SentOffer, OfferUse → slice → Moments.

    Slices: all, scenario:<name>, mechanic:<name>, segment_mechanic:<segment_id>/<mechanic>. A user's offers are
    added up first: users are drawn, not offers.
    """
    used = uses.groupBy(OfferUse.user_id, OfferUse.promotion_id).agg(F.sum(OfferUse.given).alias(_GIVEN))
    ended = offers.filter(
        F.col(SentOffer.last_day).between(F.lit(window.first), F.lit(window.last))
        & (F.col(SentOffer.last_day) >= F.col(SentOffer.valid_from))
    )
    of_offer = ended.join(used, [SentOffer.user_id, SentOffer.promotion_id], "left").select(
        SentOffer.user_id,
        F.explode(
            F.array(
                F.lit("all"),
                F.concat(F.lit("scenario:"), SentOffer.scenario),
                F.concat(F.lit("mechanic:"), SentOffer.mechanic),
                segment_mechanic(SentOffer.segment_id, F.col(SentOffer.mechanic)),
            )
        ).alias(_SLICE),
        F.coalesce(F.col(_GIVEN), F.lit(0)).alias(_GIVEN),
        F.col(_GIVEN).isNotNull().cast("int").alias(_USED),
        (F.col(SentOffer.expected_cost) + F.coalesce(F.col(SentOffer.fund_cost), F.lit(0))).alias(_TOLD["given"]),
        F.col(SentOffer.expected_conversion).alias(_TOLD["redeemed"]),
    )
    sums = (_GIVEN, _USED, *_TOLD.values())
    per_user = of_offer.groupBy(SentOffer.user_id, _SLICE).agg(
        F.count("*").alias(OFFERS), *[F.sum(name).alias(name) for name in sums]
    )
    figures = {
        OFFERS: (F.col(OFFERS), 1),
        "given": (F.col(_GIVEN), 100),
        "redeemed": (F.col(_USED), 1),
        _TOLD["given"]: (F.col(_TOLD["given"]), 100),
        _TOLD["redeemed"]: (F.col(_TOLD["redeemed"]), 10_000),
    }
    return moments(per_user, groups=F.array(_SLICE), figures=figures)


_GIVEN, _USED, _SLICE = "given_for_offer", "offer_was_used", "slice_of_offer"


def plan_rows(found: dict[str, Moments], window: Window, by: Judging) -> list[Row]:
    """One row per slice and metric: per offer what was given, and the share that was used. Moments by slice → Effects.

    `expected` is what was told of the same offers. Inventory row H09.
    """
    rows = []
    for slice_, of in found.items():
        offers = float(of.sums[of.names.index(OFFERS)])
        for metric, told in _TOLD.items():
            value = mean(of, {metric: 1.0}, per=OFFERS)
            expected = float(of.sums[of.names.index(told)]) / offers
            rows.append(counted_row(window, slice_, metric, of.users, value, expected, by))
    return rows
