"""Offers as plain sentences: a template per scenario, every slot filled from the offer's own columns."""

from __future__ import annotations

import string

from pyspark.sql import Column
from pyspark.sql import functions as F

TEMPLATES: dict[str, str] = {
    "new_user_welcome": "Welcome! {amount} off your first order of {min_spend} or more, until {valid_to}.",
    "repurchase": "Time for {title} again? {percent}% off: {offer} instead of {list}, until {valid_to}.",
    "win_back": "We have missed you: {amount} off when you spend {min_spend} or more, until {valid_to}.",
    "recommended_item": "Picked for you: {title}, {percent}% off: {offer} instead of {list}, until {valid_to}.",
    "bundle": "{title} and {partner} together: {percent}% off, {offer} instead of {list}, until {valid_to}.",
    "clearance": "While it lasts: {title}, {percent}% off: {offer} instead of {list}, until {valid_to}.",
}


def sentence(template: str, slots: dict[str, Column]) -> Column:
    """The template with its slots filled; null, which the contract refuses, if a slot's value is null.

    Raises KeyError for a slot that no column fills.
    """
    parts: list[Column] = []
    for words, slot, _, _ in string.Formatter().parse(template):
        parts.append(F.lit(words))
        if slot is not None:
            parts.append(slots[slot])
    return F.concat(*parts)


def item_text(scenario: str, valid_to: str, currency: str, **more: Column) -> Column:
    """The sentence of an offer on products, from title, discount_rate, offer_price and list_price."""
    slots = {
        "percent": _percent(F.col("discount_rate")),
        "offer": money(F.col("offer_price"), currency),
        "list": money(F.col("list_price"), currency),
        "valid_to": F.lit(valid_to),
    }
    names = {name: _without_braces(text) for name, text in ({"title": F.col("title")} | more).items()}
    return sentence(TEMPLATES[scenario], slots | names)


def coupon_text(scenario: str, valid_to: str, currency: str) -> Column:
    """The sentence of a coupon on the whole order, from coupon_amount and min_spend."""
    slots = {
        "amount": money(F.col("coupon_amount"), currency),
        "min_spend": money(F.col("min_spend"), currency),
        "valid_to": F.lit(valid_to),
    }
    return sentence(TEMPLATES[scenario], slots)


def money(amount: Column, currency: str) -> Column:
    """An amount as people read it, such as 3.99 USD."""
    return F.concat(amount.cast("string"), F.lit(f" {currency}"))


def _without_braces(name: Column) -> Column:
    """A product's name as it may stand in a sentence: braces are left to slots, so that none is missed."""
    return F.translate(name, "{}", "()")


def _percent(rate: Column) -> Column:
    """15 for 0.150000, 5.5 for 0.055000."""
    return F.regexp_replace((rate * 100).cast("string"), r"\.?0+$", "")
