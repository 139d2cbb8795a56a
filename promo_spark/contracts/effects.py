"""What an offer and a price change, as of a date."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.models import Predicted
from promo_spark.contracts.schema import Check, Col, Table

_TEXT = T.StringType()
_LONG = T.LongType()
_DOUBLE = T.DoubleType()


class Elasticity(Predicted):
    """One row per category and segment: how demand answers to the price, and what promotions take from elsewhere.

    Formula: log of expected units = effects of product and week + log of the days in stock + elasticity × x +
    spread / 2 × elasticity² × x × (x − log 1.25) + display + mailer − pull_forward × last week's depth −
    cannibalisation × share of the rivals that is reduced − saturation × what x is beyond log(1 / 0.65), where x is the
    log of the usual price over the price paid: log 1.25 at 20 % off, where the elasticity is stated.
    """

    name = "elasticity"
    key = ("as_of", "category", "segment_id")
    checks = (Check("basis_known", "basis", "in", ("observed", "pooled", "prior")),)
    category = Col(_TEXT, "the category", required=True)
    segment_id = Col(T.IntegerType(), "the segment by behaviour, of models.segments; −1: all users", required=True)
    elasticity = Col(
        _DOUBLE,
        "log of the factor on the units of the whole category (and segment), over the log of the usual price over the "
        "price paid, where all its products are 20 % off; above 0: more is sold",
        required=True,
    )
    elasticity_se = Col(_DOUBLE, "its standard error; null: a prior")
    pull_forward = Col(_DOUBLE, "log units lost in the week after, per unit of depth; null: not measurable")
    cannibalisation = Col(
        _DOUBLE, "log units lost when all rivals are reduced: products of the subcategory; null: not measurable"
    )
    display = Col(_DOUBLE, "log of the factor of a display in all stores; null: none seen")
    mailer = Col(_DOUBLE, "log of the factor of the mailer in all stores; null: none seen")
    saturation = Col(_DOUBLE, "log units by which very deep reductions bring less, see above; null: none seen")
    spread = Col(
        _DOUBLE, "how much shoppers differ: the squared coefficient of variation of their sensitivities", required=True
    )
    cells = Col(_LONG, "weeks of products that it rests on", required=True)
    basis = Col(
        _TEXT,
        "observed: mostly from its own cells; pooled: mostly from all categories, or of a segment from the category; "
        "prior: the settings' value, as no price has ever moved",
        required=True,
    )
    note = Col(_TEXT, "why it is not observed; null: it is")


EFFECTS: tuple[type[Table], ...] = (Elasticity,)
