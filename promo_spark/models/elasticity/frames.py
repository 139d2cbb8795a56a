"""Frames that the steps of the elasticities hand to one another."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame

_TEXT = T.StringType()
_LONG = T.LongType()
_DOUBLE = T.DoubleType()
_DOUBLES = T.ArrayType(_DOUBLE)


class ProductWeek(Frame):
    """One row per product and week in which it was sold, announced, or out of stock."""

    product_id = Col(_TEXT, "the product", required=True)
    category = Col(_TEXT, "its category", required=True)
    competitors = Col(_TEXT, "its subcategory, else its category: what it competes with", required=True)
    unit_cost = Col(_DOUBLE, "as in features.product_profile", unit="currency", required=True)
    cost_is_assumed = Col(T.BooleanType(), "as there", required=True)
    first_day = Col(_LONG, "day of its first sale, counted from the first day of week 0", required=True)
    week = Col(T.IntegerType(), "the week, from 0 on", required=True)
    units = Col(_DOUBLE, "units bought", unit="units")
    listed = Col(_DOUBLE, "their amount at list price", unit="currency")
    shelf = Col(_DOUBLE, "their amount at the shelf, before coupons", unit="currency")
    by_segment = Col(T.MapType(T.IntegerType(), _DOUBLE), "units of users who may be profiled, by segment")
    display_share = Col(_DOUBLE, "share of stores and days on which it was on display")
    mailer_share = Col(_DOUBLE, "share of stores and days on which it was in the mailer")
    announced_depth = Col(_DOUBLE, "mean announced reduction, of all stores and days", unit="share")
    days_out = Col(_LONG, "days without stock anywhere", unit="days")


class CategoryEvidence(Frame):
    """One row per category: what its cells say by themselves; see pooling.Evidence."""

    category = Col(_TEXT, "the category", required=True)
    elasticity = Col(_DOUBLE, "of the first fit; null: nothing to fit")
    effects = Col(_DOUBLES, "as in Evidence")
    precision = Col(_DOUBLES, "as in Evidence")
    deviations = Col(_DOUBLES, "as in Evidence")
    deviation_precision = Col(_DOUBLES, "as in Evidence")
    spread = Col(_DOUBLE, "as in Evidence")
    spread_precision = Col(_DOUBLE, "as in Evidence")
    usual_units = Col(_DOUBLE, "units of a usual week", required=True)
    mailed_units = Col(_DOUBLES, "of these, by week, what the mailer held", required=True)


class CategoryEstimate(Frame):
    """One row per category: its effects, its segments' elasticities by themselves, and sums for the profit."""

    category = Col(_TEXT, "the category", required=True)
    elasticity = Col(_DOUBLE, "of all users", required=True)
    error = Col(_DOUBLE, "its standard error", required=True)
    own_share = Col(_DOUBLE, "how much of it comes from the category's own cells", unit="share", required=True)
    effects = Col(_DOUBLES, "EFFECTS, null where nothing was seen of one", required=True)
    cells = Col(_LONG, "cells that were fitted", required=True)
    segment_ids = Col(T.ArrayType(T.IntegerType()), "segments with sales of the category", required=True)
    segment_elasticities = Col(_DOUBLES, "of each by itself; null: too few units", required=True)
    segment_errors = Col(_DOUBLES, "their standard errors", required=True)
    segment_cells = Col(T.ArrayType(_LONG), "cells in which each bought", required=True)
    margin = Col(_DOUBLE, "what all its promotions brought, without halo", unit="currency", required=True)
    margin_error = Col(_DOUBLE, "its standard error", unit="currency", required=True)
    units_without = Col(_DOUBLES, "by week: units that it would have sold without promotions", required=True)
    margin_without = Col(_DOUBLES, "by week: their margin", required=True)
    # of each promotion of a product in a week, in one order
    promoted_week = Col(T.ArrayType(T.IntegerType()), "the week, from 0 on", required=True)
    promoted_product = Col(T.ArrayType(_TEXT), "the product", required=True)
    promoted_depth = Col(_DOUBLES, "reduction, as a share of the list price", required=True)
    promoted_units = Col(_DOUBLES, "units sold", required=True)
    promoted_gross_units = Col(_DOUBLES, "beyond what the product would have sold", required=True)
    promoted_cannibalised = Col(_DOUBLES, "units taken from rivals", required=True)
    promoted_pulled_forward = Col(_DOUBLES, "units taken from the product's next week", required=True)
    promoted_margin = Col(_DOUBLES, "what it brought, without halo", required=True)
    promoted_error = Col(_DOUBLES, "its standard error", required=True)
    promoted_mailed = Col(_DOUBLES, "units of a usual week that the mailer held", required=True)
    promoted_cost_assumed = Col(T.ArrayType(T.BooleanType()), "whether the unit cost is assumed", required=True)


PROMOTED = tuple(name for name in CategoryEstimate.columns() if name.startswith("promoted_"))
