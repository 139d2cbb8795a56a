"""What a retailer hands in, cleaned: one class per silver table, and the quarantine beside each.

Every silver row knows its source file and the run that wrote it. Ids are text, as retailers have them:
leading zeros survive. Money is exact decimal in the shop's currency, so that sums do not depend on the
order of rows. Timestamps are UTC; dates are business days in the configured time zone.
"""

from __future__ import annotations

from typing import ClassVar

from pyspark.sql import types as T

from promo_spark.contracts.personal import Personal
from promo_spark.contracts.table import MONEY, QUANTITY, RATE, Check, Col, Criticality, SourceCheck, Table, WriteMode

_TEXT = T.StringType()
_DATE = T.DateType()
CLEANED_TYPE = T.ArrayType(
    T.StructType([T.StructField("column", T.StringType()), T.StructField("was", T.StringType())])
)


EVENT_TYPES = ("view", "search", "click", "cart", "purchase", "review", "share", "coupon_claim")

_UNKNOWN_USER = SourceCheck("unknown_user", "the user is not in the user list delivered with it", "warn", "user_id")
_TEST_USER = SourceCheck("test_user", "the user is one of ingest.test_users", "reject", "user_id")

_ENDS_BEFORE_START = SourceCheck("ends_before_start", "it ends before it starts", "reject", "end_date")


def _unknown_product(criticality: Criticality) -> SourceCheck:
    return SourceCheck("unknown_product", "the product is not in the product list", criticality, "product_id")


def _future_timestamp(column: str) -> SourceCheck:
    return SourceCheck("future_timestamp", "it is dated later than the day that ingest ran for", "warn", column)


def _future_day(column: str) -> SourceCheck:
    return SourceCheck("future_day", "its day is later than the one that ingest ran for", "warn", column)



class Sourced(Table):
    """Columns that every silver table ends with."""

    layer = "silver"
    trailing: ClassVar[tuple[str, ...]] = ("source_file", "run_id")
    source_file = Col(_TEXT, "the file or table the row came from")
    run_id = Col(_TEXT, "the ingest run that wrote the row")


class Cleanable(Sourced):
    """Tables with values that settings may clean; what a cleaned value was stays in the row."""

    trailing = ("cleaned", *Sourced.trailing)
    cleaned = Col(
        CLEANED_TYPE, "columns whose value ingest.cleaning filled or changed, with what it was (null: missing); null: "
        "nothing was",
    )


class Users(Cleanable):
    """One row per customer (person, household or account: whoever gets offers)."""

    name = "users"
    key = ("user_id",)
    write_mode = WriteMode.MERGE
    source_checks = (_TEST_USER, _future_timestamp("registered_at"))
    user_id = Col(_TEXT, "the customer", required=True, personal=Personal.IDENTIFIER)
    registered_at = Col(T.TimestampType(), "when the account was opened; null where the shop does not say")
    gender = Col(_TEXT, "as declared; null is not imputed", personal=Personal.ATTRIBUTE)
    age_band = Col(_TEXT, "age band, such as 35-44", personal=Personal.ATTRIBUTE)
    income_band = Col(_TEXT, "yearly income band, such as 50-74K", personal=Personal.ATTRIBUTE)
    region = Col(_TEXT, "region of the customer", personal=Personal.ATTRIBUTE)
    home_ownership = Col(_TEXT, "owner, renter, …", personal=Personal.ATTRIBUTE)
    marital_status = Col(_TEXT, "as declared", personal=Personal.ATTRIBUTE)
    household_size = Col(_TEXT, "persons in the household, may be open such as 5+", personal=Personal.ATTRIBUTE)
    household_composition = Col(_TEXT, "such as '2 Adults Kids'", personal=Personal.ATTRIBUTE)
    kids_count = Col(_TEXT, "children, may be open such as 3+", personal=Personal.ATTRIBUTE)
    member_tier = Col(_TEXT, "tier of the loyalty programme")
    consent_marketing = Col(T.BooleanType(), "may be sent offers; null where the shop does not say")
    consent_profiling = Col(T.BooleanType(), "may be profiled; null where the shop does not say")


class Products(Cleanable):
    """One row per product that can be sold."""

    name = "products"
    key = ("product_id",)
    write_mode = WriteMode.MERGE
    checks = (Check("list_price_positive", "list_price", ">", 0), Check("cost_positive", "unit_cost", ">", 0))
    source_checks = (
        SourceCheck("list_price_not_positive", "the list price is zero or negative", "reject", "list_price", ">", 0),
        SourceCheck("cost_not_positive", "the unit cost is zero or negative", "reject", "unit_cost", ">", 0),
    )
    product_id = Col(_TEXT, "the product", required=True)
    department = Col(_TEXT, "top of the category path")
    category = Col(_TEXT, "middle of the category path")
    subcategory = Col(_TEXT, "end of the category path")
    brand = Col(_TEXT, "brand or kind of brand")
    manufacturer_id = Col(_TEXT, "who makes it")
    title = Col(_TEXT, "what a customer would read")
    package_size = Col(_TEXT, "size as printed")
    list_price = Col(MONEY, "price before any discount; null where only sales tell", unit="currency")
    unit_cost = Col(MONEY, "what the shop pays; null where unknown", unit="currency")
    launched_on = Col(_DATE, "first day on sale; null where unknown")


class OrderLines(Cleanable):
    """One row per order and line, returns and free items flagged."""

    name = "order_lines"
    key = ("order_id", "line_no")
    partition = ("order_date",)
    write_mode = WriteMode.REPLACE_DAYS
    checks = (Check("quantity_not_zero", "quantity", "!=", 0),)
    source_checks = (
        SourceCheck("quantity_zero", "no pieces: not a sale", "reject", "quantity", "!=", 0),
        SourceCheck("quantity_negative", "pieces were given back: a return", "warn", "quantity", ">=", 0),
        SourceCheck("amount_zero", "nothing was paid: a free item", "warn", "amount_paid", "!=", 0),
        SourceCheck("amount_negative", "money went back without a return", "reject", "amount_paid"),
        _future_timestamp("ts"), _TEST_USER, _unknown_product("reject"), _UNKNOWN_USER,
    )  # fmt: skip
    order_id = Col(_TEXT, "the order or basket", required=True)
    line_no = Col(T.IntegerType(), "line within the order, from 1", required=True)
    user_id = Col(_TEXT, "who bought; null for anonymous sales", personal=Personal.IDENTIFIER)
    product_id = Col(_TEXT, "what was bought", required=True)
    store_id = Col(_TEXT, "the shop, or null online")
    channel = Col(_TEXT, "store, web, app, …")
    quantity = Col(QUANTITY, "pieces or weight; negative for a return", unit="units", required=True)
    amount_paid = Col(
        MONEY, "what the retailer received for the line, after every discount it bears", "currency", required=True
    )
    list_amount = Col(MONEY, "the line at list price, before any discount", unit="currency", required=True)
    discount_retail = Col(MONEY, "discount by price reduction or loyalty card", "currency", required=True)
    discount_coupon = Col(
        MONEY, "discount by a maker's coupon, reimbursed to the retailer", "currency", required=True
    )
    discount_coupon_match = Col(
        MONEY, "discount by the retailer's match of a coupon", "currency", required=True
    )
    coupon_id = Col(_TEXT, "the coupon used; null where the shop does not say")
    ts = Col(T.TimestampType(), "when, UTC", required=True)
    order_date = Col(_DATE, "business day of ts in the shop's time zone", required=True)
    flags = Col(
        T.ArrayType(_TEXT), "names of checks the line failed and was kept with, such as amount_zero", required=True
    )


class Campaigns(Sourced):
    """One row per campaign of the past."""

    name = "campaigns"
    key = ("campaign_id",)
    write_mode = WriteMode.MERGE
    source_checks = (_ENDS_BEFORE_START,)
    campaign_id = Col(_TEXT, "the campaign", required=True)
    kind = Col(_TEXT, "the shop's own type of campaign")
    start_date = Col(_DATE, "first day", required=True)
    end_date = Col(_DATE, "last day, included", required=True)


class Contacts(Sourced):
    """One row per campaign and user who was offered it."""

    name = "contacts"
    key = ("campaign_id", "user_id")
    write_mode = WriteMode.MERGE
    source_checks = (_TEST_USER, _UNKNOWN_USER, _future_day("contacted_on"))
    campaign_id = Col(_TEXT, "the campaign", required=True)
    user_id = Col(_TEXT, "who was offered it", required=True, personal=Personal.IDENTIFIER)
    contacted_on = Col(_DATE, "the day of the message; null: the campaign's first day stands for it")
    channel = Col(_TEXT, "mail, push, … ; null where unknown")


class Coupons(Sourced):
    """One row per campaign, coupon and product the coupon is good for."""

    name = "coupons"
    key = ("campaign_id", "coupon_id", "product_id")
    write_mode = WriteMode.MERGE
    source_checks = (_unknown_product("reject"),)
    campaign_id = Col(_TEXT, "the campaign that carried it", required=True)
    coupon_id = Col(_TEXT, "the coupon", required=True)
    product_id = Col(_TEXT, "a product it is good for", required=True)


class Redemptions(Sourced):
    """One row per coupon redeemed by a user on a day."""

    name = "redemptions"
    key = ("user_id", "coupon_id", "campaign_id", "redeemed_on")
    write_mode = WriteMode.MERGE
    source_checks = (_TEST_USER, _UNKNOWN_USER, _future_day("redeemed_on"))
    user_id = Col(_TEXT, "who redeemed", required=True, personal=Personal.IDENTIFIER)
    coupon_id = Col(_TEXT, "the coupon", required=True)
    campaign_id = Col(_TEXT, "its campaign", required=True)
    redeemed_on = Col(_DATE, "the business day", required=True)


class PromoCalendar(Cleanable):
    """One row per product, store and period in which it was on display, in the mailer or reduced.

    A period (often a week) is one row, not one per day: seven times fewer rows, nothing lost.
    """

    name = "promo_calendar"
    key = ("product_id", "store_id", "start_date")
    write_mode = WriteMode.OVERWRITE
    statistics = ("start_date",)
    source_checks = (
        SourceCheck("price_not_positive", "the announced price is zero or negative", "reject", "price", ">", 0),
        SourceCheck(
            "discount_depth_out_of_range", "the reduction is negative or more than the whole price", "reject",
            "discount_depth", "between", (0, 1),
        ),
        _ENDS_BEFORE_START,
    )
    product_id = Col(_TEXT, "the product", required=True)
    store_id = Col(_TEXT, "the shop", required=True)
    start_date = Col(_DATE, "first business day of the period", required=True)
    end_date = Col(_DATE, "last business day, included", required=True)
    display = Col(_TEXT, "where in the shop it was displayed; null: not on display")
    mailer = Col(_TEXT, "where in the mailer it stood; null: not in the mailer")
    price = Col(MONEY, "announced price; null where not said", unit="currency")
    discount_depth = Col(RATE, "announced reduction as a share of list price; null where not said", unit="share")


class Events(Cleanable):
    """One row per thing a user did: looked at, searched for, put into the cart, rated, shared …

    Purchases stand in order_lines with their money; a purchase event only tells that a session ended in one.
    """

    name = "events"
    key = ("event_id",)
    partition = ("event_date",)
    write_mode = WriteMode.REPLACE_DAYS
    checks = (
        Check("event_type_known", "event_type", "in", EVENT_TYPES),
        Check("rating_in_range", "rating", "between", (1, 5)),
        Check("duration_not_negative", "duration_s", ">=", 0),
    )
    source_checks = (
        SourceCheck("unknown_event_type", "the kind of event is none that is known", "reject", "event_type", "in",
                    EVENT_TYPES),
        SourceCheck("rating_out_of_range", "the stars are fewer than 1 or more than 5", "reject", "rating", "between",
                    (1, 5)),
        SourceCheck("duration_negative", "it was looked at for a negative time", "reject", "duration_s", ">=", 0),
        SourceCheck("bot_session", "its session has more events within a minute than ingest.bot_events_per_minute",
                    "reject", "session_id"),
        _future_timestamp("ts"), _TEST_USER, _unknown_product("warn"), _UNKNOWN_USER,
    )  # fmt: skip
    event_id = Col(_TEXT, "the event; a digest of the whole row where the shop gives none", required=True)
    user_id = Col(_TEXT, "who; null for visitors nobody knows", personal=Personal.IDENTIFIER)
    event_type = Col(_TEXT, "one of: " + ", ".join(EVENT_TYPES), required=True)
    product_id = Col(_TEXT, "the product; null where there is none, as in a search")
    ts = Col(T.TimestampType(), "when, UTC", required=True)
    event_date = Col(_DATE, "business day of ts in the shop's time zone", required=True)
    channel = Col(_TEXT, "store, web, app, …; null where unknown")
    session_id = Col(_TEXT, "the visit; null where the shop does not say")
    duration_s = Col(T.DoubleType(), "how long it was looked at; null where not measured", unit="s")
    query = Col(_TEXT, "what was searched for, as typed; null for other events", personal=Personal.FREE_TEXT)
    rating = Col(T.DoubleType(), "stars of a review; null for other events", unit="1 to 5 stars")
    review_text = Col(_TEXT, "what the review says; null without one", personal=Personal.FREE_TEXT)
    coupon_id = Col(_TEXT, "the coupon claimed; null for other events")


class Holidays(Sourced):
    """One row per country, day and holiday or shopping festival."""

    name = "holidays"
    key = ("country", "day", "holiday")
    write_mode = WriteMode.OVERWRITE
    country = Col(_TEXT, "ISO 3166 code of the country it is kept in", required=True)
    day = Col(_DATE, "the day", required=True)
    holiday = Col(_TEXT, "its name in English, such as Spring Festival or Double 11", required=True)
    kind = Col(_TEXT, "public (a day off) or shopping (a day of offers)", required=True)


class Inventory(Cleanable):
    """One row per product, store and day: what lay on the shelf when the day ended."""

    name = "inventory"
    key = ("product_id", "store_id", "day")
    partition = ("day",)
    write_mode = WriteMode.REPLACE_DAYS
    checks = (
        Check("on_hand_not_negative", "on_hand", ">=", 0),
        Check("on_order_not_negative", "on_order", ">=", 0),
        Check("lead_time_not_negative", "lead_time_days", ">=", 0),
    )
    source_checks = (
        SourceCheck("on_hand_negative", "less than nothing is on the shelf", "reject", "on_hand", ">=", 0),
        SourceCheck("on_order_negative", "less than nothing is on order", "reject", "on_order", ">=", 0),
        SourceCheck("lead_time_negative", "it arrives before it is ordered", "reject", "lead_time_days", ">=", 0),
        _future_day("day"), _unknown_product("warn"),
    )  # fmt: skip
    product_id = Col(_TEXT, "the product", required=True)
    store_id = Col(_TEXT, "the shop or warehouse; 'all' where the retailer keeps one stock", required=True)
    day = Col(_DATE, "the business day", required=True)
    on_hand = Col(QUANTITY, "what can be sold", unit="units", required=True)
    on_order = Col(QUANTITY, "ordered, not yet there; null where unknown", unit="units")
    lead_time_days = Col(T.IntegerType(), "from order to shelf; null where unknown", unit="days")


class Feedback(Cleanable):
    """One row per answer of a user about a promotion: a score, a text, or both."""

    name = "feedback"
    key = ("feedback_id",)
    write_mode = WriteMode.MERGE
    checks = (Check("score_in_range", "score", "between", (1, 5)),)
    source_checks = (
        SourceCheck("score_out_of_range", "the score is less than 1 or more than 5", "reject", "score", "between",
                    (1, 5)),
        _future_timestamp("ts"), _TEST_USER, _UNKNOWN_USER,
    )  # fmt: skip
    feedback_id = Col(_TEXT, "the answer; a digest of the whole row where the shop gives none", required=True)
    user_id = Col(_TEXT, "who answered; null where anonymous", personal=Personal.IDENTIFIER)
    promotion_id = Col(_TEXT, "about which promotion; null: about promotions in general")
    kind = Col(_TEXT, "survey, complaint, opt-out, …")
    score = Col(T.DoubleType(), "satisfaction; null without a score", unit="1 to 5")
    text = Col(_TEXT, "what the user wrote; null without a text", personal=Personal.FREE_TEXT)
    ts = Col(T.TimestampType(), "when, UTC", required=True)


class IdentityMap(Sourced):
    """One row per channel and id used there: the person behind it.

    Ids of other sources that stand here become the person's before anything else is done with them.
    """

    name = "identity_map"
    key = ("channel", "channel_user_id")
    write_mode = WriteMode.MERGE
    channel = Col(_TEXT, "where the id is used: web, app, store, …; '*' for every channel", required=True)
    channel_user_id = Col(_TEXT, "the id as that channel's data has it", required=True, personal=Personal.IDENTIFIER)
    user_id = Col(_TEXT, "the person", required=True, personal=Personal.IDENTIFIER)


class Market(Cleanable):
    """One row per day and category: what the whole market sold and what competitors ask."""

    name = "market"
    key = ("day", "category")
    write_mode = WriteMode.MERGE
    checks = (
        Check("market_sales_not_negative", "market_sales", ">=", 0),
        Check("competitor_price_positive", "competitor_price", ">", 0),
    )
    source_checks = (
        SourceCheck("market_sales_negative", "the market sold less than nothing", "reject", "market_sales", ">=", 0),
        SourceCheck("competitor_price_not_positive", "a competitor's price is zero or negative", "reject",
                    "competitor_price", ">", 0),
    )  # fmt: skip
    day = Col(_DATE, "the day", required=True)
    category = Col(_TEXT, "the category, named as in products", required=True)
    market_sales = Col(MONEY, "sales of all sellers together; null where unknown", unit="currency")
    competitor_price = Col(MONEY, "the least price a competitor asks; null where unknown", unit="currency")


SILVER: tuple[type[Table], ...] = (
    Users, Products, OrderLines, Events, Campaigns, Contacts, Coupons, Redemptions, PromoCalendar, Holidays,
    Inventory, Feedback, IdentityMap, Market,
)  # fmt: skip


class Quarantined(Table):
    """One row per rejected row of a source: kept as it came, with every reason."""

    layer = "quarantine"
    partition = ("source",)
    write_mode = WriteMode.REPLACE_SLICE
    source = Col(_TEXT, "the configured source the row came from", required=True)
    raw = Col(
        _TEXT, "the row as it came, the line of text or its columns as JSON; where ids are pseudonyms, the digest "
        "under which restricted.raw_rows has it", required=True,
    )
    reasons = Col(T.ArrayType(_TEXT), "the names of all checks that rejected it", required=True)
    source_file = Col(_TEXT, "the file or table the row came from")
    source_line = Col(T.LongType(), "its line in the file, from 1; null for formats without lines")
    run_id = Col(_TEXT, "the ingest run that rejected it", required=True)


def quarantine_of(table: type[Table]) -> type[Quarantined]:
    """The contract of the table's rejected rows."""
    return type(
        f"Quarantined{table.__name__}",
        (Quarantined,),
        {
            "name": table.name,
            "__doc__": f"One row per rejected row on its way to {table.full_name()}, raw and with every reason.",
            "__module__": __name__,
        },
    )


QUARANTINE: dict[type[Table], type[Quarantined]] = {silver: quarantine_of(silver) for silver in SILVER}
