"""Offers as plain sentences: a scenario's text has slots, and each is filled from the offer's own columns."""

from __future__ import annotations

import string
from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.schema import MONEY
from promo_spark.decisions.offers.targets import Fund, OfferTarget
from promo_spark.measures.money import written


def slots_of(template: str) -> list[str]:
    """The names of a text's slots, in order.

    >>> slots_of("{title}: {percent}% off until {valid_to}.")
    ['title', 'percent', 'valid_to']
    """
    return [slot for _, slot, _, _ in string.Formatter().parse(template) if slot is not None]


def slot_columns(*, currency: str) -> dict[str, Column]:
    """What each slot of a text is filled with, from the columns of OfferTarget and those of Promotions."""
    back = (F.col(Promotions.charged_price) - F.col(Promotions.offer_price)).cast(MONEY)
    return {
        "percent": _percent(F.col(Promotions.discount_rate)),
        "offer": written(F.col(Promotions.offer_price), currency),
        "charged": written(F.col(Promotions.charged_price), currency),
        "amount": written(F.col(Promotions.coupon_amount), currency),
        "min_spend": written(F.col(OfferTarget.min_spend), currency),
        "back": written(back, currency),
        "valid_to": F.col(Promotions.valid_to).cast("string"),
        "title": _without_braces(F.col(OfferTarget.title)),
        "partner": _without_braces(F.col(OfferTarget.partner_title)),
        "occasion": _without_braces(F.col(OfferTarget.occasion)),
        "funder": _without_braces(F.col(OfferTarget.fund)[Fund.partner]),
    }


def sentence(template: str, slots: Mapping[str, Column]) -> Column:
    """An offer's text with its slots filled; null, which the contract refuses, if a slot's value is null.

    Raises KeyError for a slot that no column fills.
    """
    parts: list[Column] = []
    for words, slot, _, _ in string.Formatter().parse(template):
        parts.append(F.lit(words))
        if slot is not None:
            parts.append(slots[slot])
    return F.concat(*parts)


def _without_braces(name: Column) -> Column:
    """A product's name as it may stand in a sentence: braces are left to slots, so that none is missed."""
    return F.translate(name, "{}", "()")


def _percent(rate: Column) -> Column:
    """15 for 0.150000, 5.5 for 0.055000."""
    return F.regexp_replace((rate * 100).cast("string"), r"\.?0+$", "")
