"""What users who are held out would have been given: the other side of what is measured of single kinds of offers."""

from __future__ import annotations

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.schema import Table

_COLUMNS = Promotions.columns()


class Withheld(Table):
    """One row per date, held-out user and offer that the user would have been given, and was not.

    Decided as for everybody else, at the prices that the day's limits have in decisions.budget; of those limits it
    takes nothing, as nobody gets it. What a user would still hold of earlier dates follows from earlier rows here.
    Those who were given such an offer differ from these users by the offer alone. Linked accounts are not counted
    together here. No row is ever to be sent.
    """

    layer, name = "decisions", "withheld"
    key = ("date", "user_id", "promotion_id")
    partition = ("date",)
    dated_by = "date"
    trailing = ("run_id",)
    date = _COLUMNS[Promotions.date]
    user_id = _COLUMNS[Promotions.user_id]
    promotion_id = _COLUMNS[Promotions.promotion_id]
    scenario = _COLUMNS[Promotions.scenario]
    mechanic = _COLUMNS[Promotions.mechanic]
    product_ids = _COLUMNS[Promotions.product_ids]
    category = _COLUMNS[Promotions.category]
    discount_rate = _COLUMNS[Promotions.discount_rate]
    coupon_amount = _COLUMNS[Promotions.coupon_amount]
    min_spend = _COLUMNS[Promotions.min_spend]
    valid_from = _COLUMNS[Promotions.valid_from]
    valid_to = _COLUMNS[Promotions.valid_to]
    rank = _COLUMNS[Promotions.rank]
    expected_conversion = _COLUMNS[Promotions.expected_conversion]
    expected_uplift = _COLUMNS[Promotions.expected_uplift]
    incremental_margin = _COLUMNS[Promotions.incremental_margin]
    expected_cost = _COLUMNS[Promotions.expected_cost]
    fund_id = _COLUMNS[Promotions.fund_id]
    fund_cost = _COLUMNS[Promotions.fund_cost]
    run_id = _COLUMNS[Promotions.run_id]
