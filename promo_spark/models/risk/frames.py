"""What the steps of risk hand to one another."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal

_TEXT = T.StringType()
_INT = T.IntegerType()
_LONG = T.LongType()
_DOUBLE = T.DoubleType()


class Account(Frame):
    """One row per user of the master data or with orders: what the shop knows of the account."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    opened = Col(_INT, "day on which it was opened, counted from 1970-01-01; null: not known")
    device_digest = Col(_TEXT, "as in Users", personal=Personal.SHARED)
    address_digest = Col(_TEXT, "as in Users", personal=Personal.SHARED)


class Link(Frame):
    """One row per user and thing that links the user's account to others."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    of = Col(_LONG, "the thing: a digest or a run of equal orders, by its hash", required=True)


class CheckedOrder(Frame):
    """One row per order of a user in the days that count: what was bought, and what became of it."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    order_id = Col(_TEXT, "the order", required=True)
    day = Col(_INT, "business day, counted from 1970-01-01", required=True)
    second = Col(_LONG, "when, in seconds from 1970-01-01, UTC", required=True)
    hour = Col(_INT, "hour of the day, UTC", required=True)
    content = Col(_LONG, "hash of the products and pieces: equal where two orders hold the same", required=True)
    lines = Col(_LONG, "order lines", required=True)
    cents = Col(_LONG, "hundredths of currency paid", required=True)
    coupon = Col(T.BooleanType(), "a coupon was used", required=True)
    returned_lines = Col(_LONG, "lines that came back", required=True)
    returned_at_once = Col(T.BooleanType(), "every line came back within risk.returned_within_days", required=True)
    again_lines = Col(_LONG, "those of what the user had given back before", required=True)


class AccountFigures(Frame):
    """One row per user with orders: counts of the days that are looked at; null where they stand beside no orders."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    orders = Col(_LONG, "orders")
    lines = Col(_LONG, "order lines")
    cents = Col(_LONG, "hundredths of currency paid")
    coupon_orders = Col(_LONG, "orders with a coupon")
    first_day = Col(_INT, "day of the first order, counted from 1970-01-01")
    last_day = Col(_INT, "day of the last one")
    first_with_coupon = Col(_LONG, "1: the first order used a coupon")
    at_once_orders = Col(_LONG, "orders that came back whole and at once")
    returned_lines = Col(_LONG, "lines that came back")
    again_lines = Col(_LONG, "those of what had come back before")
    quiet_orders = Col(_LONG, "orders in the shop's quiet hours")
    most_orders = Col(_LONG, "orders of the day with most of them")
    most_coupons = Col(_LONG, "orders with a coupon of the day with most of them")


class EqualOrders(Frame):
    """One row per user who ordered what other accounts ordered in the same hours, beyond chance."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    run = Col(_LONG, "which equal orders: the same for all that are among them", required=True)
    accounts = Col(_LONG, "accounts that placed one of them", required=True)
    chance = Col(_DOUBLE, "chance of so many such orders in those hours", required=True)


class SharedDigest(Frame):
    """One row per user and digest of the user's device or address."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    of = Col(_LONG, "hash of the kind of digest and the digest", required=True)
    accounts = Col(_LONG, "accounts that have it, this one included", required=True)


class RingMember(Frame):
    """One row per user whose account is linked to others, directly or by others between them."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    ring = Col(_LONG, "which linked accounts: the smallest hash of their ids", required=True)
    members = Col(_LONG, "accounts that are linked", required=True)
    opened_near = Col(_LONG, "other accounts of them that were opened within days of this one; null: not known")
    others_dated = Col(_LONG, "other accounts of them whose opening is known", required=True)
    orders = Col(_LONG, "orders of all of them", required=True)
    coupon_orders = Col(_LONG, "orders of all of them with a coupon", required=True)
    first_orders = Col(_LONG, "those among the orders that are the first of an account opened lately", required=True)


class AccountEvidence(Account, AccountFigures):
    """One row per user: all that is known of the account. What is counted of orders is null where there are none."""

    digests = Col(_LONG, "digests that are known of it and are not shared by too many", required=True)
    sharing = Col(_LONG, "accounts that have the one of these that most have, itself included; null: none")
    equal_accounts = Col(_LONG, "accounts that ordered the same in the same hours, itself included; null: none")
    equal_chance = Col(_DOUBLE, "the chance of that; null: there are none")
    ring = Col(_LONG, "which linked accounts it is of; null: of none")
    members = Col(_LONG, "as in RingMember")
    opened_near = Col(_LONG, "as in RingMember")
    others_dated = Col(_LONG, "as in RingMember")
    ring_orders = Col(_LONG, "orders of all linked accounts")
    ring_coupon_orders = Col(_LONG, "those with a coupon")
    ring_first_orders = Col(_LONG, "those that are the first of an account opened lately")
