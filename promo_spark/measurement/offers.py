"""The offers that went out: what is measured of offers is made of these, a small part of decisions.promotions."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.schema import Col, Frame
from promo_spark.measures.offers_in_force import LAST_DAY, with_last_day

_COLUMNS = Promotions.columns()


class SentOffer(Frame):
    """One row per offer that went out, with what uses, plans and effects are told from."""

    user_id = _COLUMNS[Promotions.user_id]
    promotion_id = _COLUMNS[Promotions.promotion_id]
    scenario = _COLUMNS[Promotions.scenario]
    mechanic = _COLUMNS[Promotions.mechanic]
    channel = _COLUMNS[Promotions.channel]
    product_ids = _COLUMNS[Promotions.product_ids]
    discount_rate = _COLUMNS[Promotions.discount_rate]
    coupon_amount = _COLUMNS[Promotions.coupon_amount]
    coupon_code = _COLUMNS[Promotions.coupon_code]
    charged_price = _COLUMNS[Promotions.charged_price]
    offer_price = _COLUMNS[Promotions.offer_price]
    valid_from = _COLUMNS[Promotions.valid_from]
    valid_to = _COLUMNS[Promotions.valid_to]
    last_day = Col(T.DateType(), "the last day on which it held; before valid_from: it never did", required=True)
    segment_id = _COLUMNS[Promotions.segment_id]
    expected_conversion = _COLUMNS[Promotions.expected_conversion]
    expected_uplift = _COLUMNS[Promotions.expected_uplift]
    incremental_margin = _COLUMNS[Promotions.incremental_margin]
    expected_cost = _COLUMNS[Promotions.expected_cost]
    fund_cost = _COLUMNS[Promotions.fund_cost]


assert SentOffer.last_day == LAST_DAY


def sent_offers(promotions: DataFrame) -> DataFrame:
    """One row per offer. Promotions of a date and of later ones, which may revoke it → SentOffer."""
    return SentOffer.shaped(with_last_day(promotions))
