"""What was done, and what came of it."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.features import AsOf
from promo_spark.contracts.schema import Col, Table

_TEXT = T.StringType()
_DATE = T.DateType()
_DOUBLE = T.DoubleType()


class Measured(AsOf):
    """Base of the tables of what was measured."""

    layer = "measurement"


class PromotionPnl(Measured):
    """One row per week and product on promotion: what the promotion brought beyond the same week without.

    By the effects of models.elasticity, fitted to each product. What a promotion takes from other products and from
    other weeks stands at the promotion. incremental_units = gross_units − cannibalised − pulled_forward + halo.
    """

    name = "promotion_pnl"
    key = ("as_of", "week", "product_id")
    week = Col(_DATE, "first day of the week", required=True)
    product_id = Col(_TEXT, "the product that was reduced, on display or in the mailer", required=True)
    category = Col(_TEXT, "its category", required=True)
    depth = Col(_DOUBLE, "reduction at the shelf as a share of the list price", unit="share", required=True)
    units = Col(_DOUBLE, "units sold", unit="units", required=True)
    gross_units = Col(_DOUBLE, "units beyond those without promotion, of the product itself", "units", required=True)
    cannibalised = Col(_DOUBLE, "units that rivals lost by it in the week", unit="units", required=True)
    pulled_forward = Col(_DOUBLE, "units that the product lost by it in the next week", unit="units", required=True)
    halo = Col(
        _DOUBLE,
        "units of all products bought on visits that the mailer drew; null: cannot be told from nothing",
        unit="units",
    )
    incremental_units = Col(_DOUBLE, "what all this comes to", unit="units", required=True)
    incremental_margin = Col(
        _DOUBLE,
        "the same in margin at the shelf, before coupons: what a unit earns at its own price",
        unit="currency",
        required=True,
    )
    ci_low = Col(
        _DOUBLE, "lower end of its 95% interval: the errors of the effects, halo left out", "currency", required=True
    )
    ci_high = Col(_DOUBLE, "upper end", unit="currency", required=True)
    cost_is_assumed = Col(T.BooleanType(), "true: the margin follows from an assumed cost", required=True)


MEASUREMENT: tuple[type[Table], ...] = (PromotionPnl,)
