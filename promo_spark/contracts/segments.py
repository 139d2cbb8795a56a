"""What segments are: who is in each, and what users are assigned by."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.models import Predicted
from promo_spark.contracts.schema import Check, Col, Table
from promo_spark.contracts.vocabulary import ADVICE, GROUPINGS

_TEXT = T.StringType()
_LONG = T.LongType()
_DOUBLE = T.DoubleType()
_TEXTS = T.ArrayType(_TEXT)


class SegmentPortraits(Predicted):
    """One row per segment: who is in it, what they buy, how they react to discounts."""

    name = "segment_portraits"
    key = ("as_of", "segment_id")
    checks = (Check("grouping_known", "grouping", "in", GROUPINGS), Check("advice_known", "advice", "in", ADVICE))
    segment_id = Col(T.IntegerType(), "stable id", required=True)
    segment_name = Col(_TEXT, "name from the centre: permuting ids changes no name", required=True)
    grouping = Col(_TEXT, f"what it is a segment of: {', '.join(GROUPINGS)}; null: there was one grouping only")
    users = Col(_LONG, "users in it", required=True)
    users_share = Col(_DOUBLE, "share of all users", unit="share", required=True)
    revenue_share = Col(_DOUBLE, "share of all amount paid", unit="share", required=True)
    centre = Col(
        T.MapType(_TEXT, _DOUBLE), "mean of each feature over the members, in the feature's own unit", required=True
    )
    scaled_centre = Col(
        T.MapType(_TEXT, _DOUBLE),
        "centre in standard deviations from the mean, log-scaled: what names come from",
        required=True,
    )
    log_centre = Col(
        T.MapType(_TEXT, _DOUBLE), "centre in log units, the same every day: what ids are matched by", required=True
    )
    lifts = Col(T.MapType(_TEXT, _DOUBLE), "centre as a multiple of the mean of all users", required=True)
    top_categories = Col(
        _TEXTS, "categories it buys most beyond the average, most first; none that settings exclude", required=True
    )
    advice = Col(_TEXT, f"what to do for these users: {', '.join(ADVICE)}; null: no orders, or of an earlier version")
    discounted_lines_share = Col(_DOUBLE, "share of lines bought with a discount; null: no orders", unit="share")
    coupons_per_campaign = Col(_DOUBLE, "coupons redeemed per campaign received; null: none received")
    matched_from = Col(T.DateType(), "as_of of the portraits the id was taken over from; null: new id")


class SegmentCentres(Predicted):
    """One row per segment: the fitted scaling and centre by which users of the date are assigned.

    A date on which the segments are not fitted again has the rows of the date before.
    """

    name = "segment_centres"
    key = ("as_of", "segment_id")
    segment_id = Col(T.IntegerType(), "stable id", required=True)
    segment_name = Col(_TEXT, "name from the centre, as it was when the segments were fitted", required=True)
    grouping = Col(_TEXT, f"what it is a segment of: {', '.join(GROUPINGS)}; null: there was one grouping only")
    scaled_centre = Col(
        T.MapType(_TEXT, _DOUBLE),
        "the centre as it was fitted, in standard deviations from the mean, log-scaled",
        required=True,
    )
    log_mean = Col(
        T.MapType(_TEXT, _DOUBLE), "mean of each feature over the users fitted on, in log units", required=True
    )
    log_deviation = Col(
        T.MapType(_TEXT, _DOUBLE), "standard deviation of each over the same users, in log units", required=True
    )
    fitted_users = Col(_LONG, "users fitted on to whom this centre was the nearest", required=True)
    fitted_distance = Col(_DOUBLE, "mean distance of these users to it, in scaled features; 0: no user", required=True)
    trained_on = Col(
        T.DateType(),
        "the date as of which the segments were fitted: as_of of their row in models.registry",
        required=True,
    )
    made_by = Col(_TEXT, "digest of the code and the settings that they were fitted by", required=True)


SEGMENT_TABLES: tuple[type[Table], ...] = (SegmentPortraits, SegmentCentres)
