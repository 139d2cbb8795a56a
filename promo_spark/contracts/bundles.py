"""What belongs together in a part of the shop only, and what stands in for each other."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.models import BasketRules, Predicted
from promo_spark.contracts.schema import Check, Col, Table

_TEXT, _LONG, _DOUBLE = T.StringType(), T.LongType(), T.DoubleType()
_RULE = BasketRules.columns()
_COUNTED_ON = Col(
    T.DateType(),
    "the date as of which its baskets were counted; on dates without a fit the rows of the last fit stand",
    required=True,
)


class SliceBundles(Predicted):
    """One row per slice, and two items that belong together in it, each as the antecedent of the other.

    A slice is a segment's orders, or what was looked at, or put into the cart, in one visit. Rules mean the same as in
    models.basket_rules, of the slice's own baskets; only bundles stand here.
    """

    name = "slice_bundles"
    key = ("as_of", "slice", "level", "antecedent", "consequent")
    checks = (Check("confidence_is_share", "confidence", "between", (0.0, 1.0)),)
    slice = Col(_TEXT, "segment:ID, a segment_id of models.segments; views; or carts", required=True)
    segment_id = Col(T.IntegerType(), "the segment; null: the slice is none")
    level = _RULE[BasketRules.level]
    antecedent = _RULE[BasketRules.antecedent]
    consequent = _RULE[BasketRules.consequent]
    baskets = _RULE[BasketRules.baskets]
    antecedent_baskets = _RULE[BasketRules.antecedent_baskets]
    consequent_baskets = _RULE[BasketRules.consequent_baskets]
    all_baskets = Col(_LONG, "all baskets of the slice, one-item baskets included", required=True)
    support = _RULE[BasketRules.support]
    confidence = _RULE[BasketRules.confidence]
    lift = _RULE[BasketRules.lift]
    expected_baskets = _RULE[BasketRules.expected_baskets]
    lift_within_users = _RULE[BasketRules.lift_within_users]
    p_value = _RULE[BasketRules.p_value]
    q_value = _RULE[BasketRules.q_value]
    of_all = Col(T.BooleanType(), "whether the two are a bundle in models.basket_rules of the date, too", required=True)
    sentence = _RULE[BasketRules.sentence]
    counted_on = _COUNTED_ON


class Substitutes(Predicted):
    """One row per item and another of its kind that is bought in its place: less often in one basket than by habit.

    Each pair has two rows of the same figures, one from either side.
    """

    name = "substitutes"
    key = ("as_of", "level", "item", "substitute")
    level = _RULE[BasketRules.level]
    item = Col(_TEXT, "the item", required=True)
    substitute = Col(_TEXT, "what is bought in its place", required=True)
    within = Col(
        _TEXT,
        "what both are part of: the category of two subcategories, the department of two categories",
        required=True,
    )
    baskets = _RULE[BasketRules.baskets]
    expected_baskets = Col(
        _DOUBLE,
        "baskets that would hold both, were each user's purchases shuffled among the user's own baskets",
        required=True,
    )
    lift_within_users = Col(
        _DOUBLE, "baskets / expected baskets: 0 = never together, 1 = no association", required=True
    )
    p_value = Col(_DOUBLE, "one-sided p that so few baskets hold both by habit and chance", required=True)
    q_value = Col(_DOUBLE, "share of false ones among the pairs of such a p or less", "share", required=True)
    sentence = Col(_TEXT, "the pair in words", required=True)
    counted_on = _COUNTED_ON


BUNDLES: tuple[type[Table], ...] = (SliceBundles, Substitutes)
