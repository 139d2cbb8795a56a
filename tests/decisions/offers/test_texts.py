"""Texts: every slot is filled from the offer's own columns."""

from __future__ import annotations

import datetime

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.offers.texts import sentence, slot_columns
from promo_spark.decisions.scenarios.recommended_item import RECOMMENDED_ITEM


class TextSource(OfferTarget, Promotions):
    """One row per offer: its terms and its prices."""


def test_slots_are_filled_and_names_cannot_look_like_slots(spark: SparkSession) -> None:
    offer = {
        "title": "Milk {new}",
        "discount_rate": "0.055",
        "offer_price": "9.45",
        "list_price": 12,
        "charged_price": 10,
        "valid_to": datetime.date(2017, 12, 7),
        "occasion": "Double 11",
    }
    text = sentence(
        "{title}, {percent}% off: {offer} instead of {charged}, until {valid_to}.", slot_columns(currency="USD")
    )
    rows = TextSource.frame(spark, [offer])
    assert rows.select(text).collect()[0][0] == "Milk (new), 5.5% off: 9.45 USD instead of 10.00 USD, until 2017-12-07."
    chinese = RECOMMENDED_ITEM.text("zh-CN")  # I32
    text = sentence(chinese, slot_columns(currency="CNY"))
    expected = "为您推荐：Milk (new)，立减5.5%：9.45 CNY（现价10.00 CNY），有效期至2017-12-07。"
    assert rows.select(text).collect()[0][0] == expected
    occasion = sentence("{occasion}: {back} back", slot_columns(currency="USD"))
    assert rows.select(occasion).collect()[0][0] == "Double 11: 0.55 USD back"  # 10.00 − 9.45


def test_amounts_are_written_in_the_digits_of_their_currency(spark: SparkSession) -> None:
    coupon = TextSource.frame(spark, [{"coupon_amount": 765, "min_spend": 3000}])
    text = sentence("{amount} off {min_spend}", slot_columns(currency="JPY"))
    assert coupon.select(text).collect()[0][0] == "765 JPY off 3000 JPY"


@pytest.mark.usefixtures("spark")
def test_a_template_without_its_column_is_an_error() -> None:
    """I25: no slot is left unfilled."""
    with pytest.raises(KeyError, match="price"):
        sentence("Only {price}!", {})
