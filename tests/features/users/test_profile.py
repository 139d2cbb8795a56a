"""The user profile on users whose figures are reckoned by hand."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Products, Redemptions, Users
from promo_spark.features.users.activity import user_activity
from promo_spark.features.users.products import faded_user_products, kept_orders
from promo_spark.features.users.profile import user_profile
from promo_spark.features.users.tastes import user_tastes
from promo_spark.measures.kept_purchases import repeated_days, taken_back
from promo_spark.settings import Settings

AS_OF = datetime.date(2017, 6, 1)
Rows = Sequence[Mapping[str, Any]]
World = dict[type[Table], list[dict[str, Any]]]


def line(
    user: str | None, order: str, product: str, days_ago: int, paid: float, quantity: float = 1, **more: Any
) -> dict[str, Any]:
    discounts = sum(more.get(d, 0) for d in ("discount_retail", "discount_coupon", "discount_coupon_match"))
    return {
        "user_id": user,
        "order_id": order,
        "product_id": product,
        "quantity": quantity,
        "amount_paid": paid,
        "list_amount": paid + discounts,
        "order_date": AS_OF - datetime.timedelta(days_ago),
        **more,
    }


def profiles(spark: SparkSession, settings: Settings, world: World, repartition: int = 0) -> DataFrame:
    def frame(table: type[Table]) -> DataFrame:
        df = table.frame(spark, world.get(table, []))
        return df.repartition(repartition) if repartition else df

    lines = frame(OrderLines)
    few = settings.profile.model_copy(
        update={
            "recent_days": 90,
            "activity_days": 30,
            "interests_kept": 2,
            "repurchases_kept": 2,
            "lapsing_min_days": 14,
            "lost_days": 120,
        }
    )
    taken = taken_back(lines)
    activity = user_activity(lines, taken, as_of=AS_OF, settings=few)
    orders = kept_orders(lines, taken, activity, as_of=AS_OF, half_life_days=10)
    df = user_profile(
        activity,
        user_tastes(faded_user_products(orders), repeated_days(orders), frame(Products), settings=few),
        users=frame(Users),
        campaigns=frame(Campaigns),
        contacts=frame(Contacts),
        redemptions=frame(Redemptions),
        as_of=AS_OF,
        timezone="America/New_York",
        settings=few,
    )
    return UserProfile.enforced(df.withColumns({UserProfile.as_of: F.lit(AS_OF), UserProfile.run_id: F.lit("r1")}))


def by_user(rows: Sequence[Row]) -> dict[str, Row]:
    found = {r.user_id: r for r in rows}
    assert len(found) == len(rows), "a user has more than one row"
    return found


CATALOGUE: list[dict[str, Any]] = [
    {"product_id": "milk", "category": "dairy"},
    {"product_id": "butter", "category": "dairy"},
    {"product_id": "boots", "category": "shoes"},
    {"product_id": "cap", "category": "hats"},
]

WORLD: World = {
    Products: [*CATALOGUE],
    OrderLines: [
        # anna: three orders on three days, one product returned
        line("anna", "a1", "milk", 100, 10.0, store_id="s1", channel="store"),
        line("anna", "a1", "boots", 100, 30.0, discount_retail=10.0, store_id="s1", channel="store"),
        line("anna", "a2", "milk", 90, 8.0, discount_coupon=1, discount_coupon_match=1, store_id="s2", channel="web"),
        line("anna", "a3", "milk", 31, 10.0, quantity=2, store_id="s2", channel="web"),
        line("anna", "a4", "boots", 30, -30.0, quantity=-1, store_id="s9", channel="app"),  # a return, not an order
        # bert: one product ten times on one day, in two orders
        *[line("bert", f"b{i % 2}", "cap", 1, 3.0, line_no=i) for i in range(10)],
        # nobody is known to have bought this
        line(None, "x1", "milk", 5, 10.0),
        # nine: nine shoes to one hat
        *[line("nine", f"n{i}", "boots", 3, 5.0, line_no=i) for i in range(9)],
        line("nine", "n9", "cap", 3, 5.0),
        # fades, with a half-life of 10 days, back from the last order: 40 × 0.5 = 20, 15, 5, together 40
        line("fades", "f1", "boots", 20, 40.0),
        line("fades", "f2", "milk", 10, 15.0),
        line("fades", "f3", "cap", 10, 5.0),
        line("fades", "f4", "unlisted", 10, 100.0),  # of no category, so of no interest
        # regrets: all of it came back
        line("regrets", "r1", "boots", 10, 50.0),
        line("regrets", "r2", "boots", 10, -50.0, quantity=-1),
        # again: butter in three orders, milk and cap in two; of these milk was bought last, and two are kept
        *[
            line("again", f"g{p}{d}", p, d, 1.0)
            for p, d in [("butter", 9), ("butter", 6), ("butter", 3), ("milk", 9), ("milk", 2), ("cap", 9), ("cap", 4)]
        ],
    ],
    Campaigns: [
        {"campaign_id": "past", "start_date": "2017-05-31", "end_date": "2017-06-30"},
        {"campaign_id": "today", "start_date": "2017-06-01", "end_date": "2017-06-30"},
    ],
    Contacts: [
        {"campaign_id": "past", "user_id": "anna"},  # no day of contact: the campaign's first day stands for it
        {"campaign_id": "past", "user_id": "cora"},
        {"campaign_id": "past", "user_id": "late", "contacted_on": "2017-06-01"},
        {"campaign_id": "today", "user_id": "anna"},
        {"campaign_id": "today", "user_id": "dora"},
    ],
    Redemptions: [
        {"user_id": "anna", "coupon_id": "k1", "campaign_id": "past", "redeemed_on": "2017-05-31"},
        {"user_id": "anna", "coupon_id": "k2", "campaign_id": "past", "redeemed_on": "2017-06-01"},
    ],
    Users: [
        {"user_id": "anna", "region": "north", "consent_marketing": True},
        {"user_id": "emil", "registered_at": "2017-06-01T03:59:00"},  # 31 May, 23:59 in New York
        {"user_id": "fred", "registered_at": "2017-06-01T04:00:00"},  # the day itself
        {"user_id": "gita"},  # never seen, and no day of registration
    ],
}


@pytest.fixture(scope="module")
def found(spark: SparkSession, settings: Settings) -> dict[str, Row]:
    return by_user(profiles(spark, settings, WORLD).collect())


def test_known_is_who_bought_registered_or_was_contacted_before_the_date(found: dict[str, Row]) -> None:
    """C08: one row per user and date, every user known before it."""
    bought = {"anna", "bert", "nine", "fades", "regrets", "again"}
    assert set(found) == {*bought, "cora", "emil"}
    assert {r.as_of for r in found.values()} == {AS_OF}


def test_the_feature_table_has_a_unique_user_id_key(spark: SparkSession, settings: Settings) -> None:
    """A17: one row per user, though users have many lines, contacts and redemptions each."""
    assert UserProfile.key == ("as_of", "user_id")
    keys = profiles(spark, settings, WORLD).select("as_of", "user_id")
    users = ("anna", "bert", "nine", "fades", "regrets", "again", "cora", "emil")
    expected = spark.createDataFrame([(AS_OF, user) for user in users], "as_of date, user_id string")
    assert_df_equality(keys, expected, ignore_row_order=True, ignore_nullable=True, ignore_metadata=True)


def test_an_active_day_is_at_most_thirty_days_ago(spark: SparkSession, settings: Settings) -> None:
    """C07: days with an order count up to the boundary day, and every day once."""
    lines = [
        line("edge", "e1", "milk", 30, 1.0),  # the last day that counts
        line("edge", "e2", "milk", 30, 1.0),  # the same day
        line("edge", "e3", "milk", 1, 1.0),  # yesterday
        line("over", "o1", "milk", 31, 1.0),  # a day too early
    ]
    rows = OrderLines.frame(spark, lines)
    activity = user_activity(rows, taken_back(rows), as_of=AS_OF, settings=settings.profile)
    days = activity.select("user_id", "active_days_30d", "recency_days")
    expected = spark.createDataFrame(
        [("edge", 2, 1), ("over", 0, 31)], "user_id string, active_days_30d long, recency_days long"
    )
    assert_df_equality(days, expected, ignore_row_order=True, ignore_nullable=True, ignore_metadata=True)


def test_orders_spend_and_days_are_those_reckoned_by_hand(found: dict[str, Row]) -> None:
    """C01: purchase frequency in windows. C02: frequency and amount; there is no browse time."""
    anna = found["anna"].asDict()
    assert {k: anna[k] for k in list(anna)[2:8]} == {
        "orders": 3,  # a1, a2, a3; the return a4 is none
        "lines": 5,
        "spend": Decimal("28.00"),  # 10 + 30 + 8 + 10 − 30
        "orders_90d": 2,  # a1 is 100 days old, a2 exactly 90
        "spend_90d": Decimal("-12.00"),  # 8 + 10 − 30
        "active_days_30d": 0,  # a3 is 31 days old
    }
    assert (anna["recency_days"], anna["tenure_days"]) == (31, 100)
    assert anna["first_order_date"] == datetime.date(2017, 2, 21)
    assert anna["last_order_date"] == datetime.date(2017, 5, 1)
    assert anna["orders_per_30d"] == pytest.approx(0.9)  # 3 orders in 100 days
    assert anna["basket_value"] == pytest.approx(58 / 3)  # 10 + 30 + 8 + 10 over 3 orders
    assert anna["basket_lines"] == pytest.approx(4 / 3)
    assert (found["bert"].orders, found["bert"].lines, found["bert"].active_days_30d) == (2, 10, 1)
    assert found["bert"].orders_per_30d == pytest.approx(2.0)  # a tenure of one day counts as 30


def test_a_basket_is_an_order_that_was_kept(found: dict[str, Row]) -> None:
    """An order taken back whole is no basket, and one large order does not move the median."""
    anna, regrets = found["anna"], found["regrets"]
    assert anna.basket_median == 10.0  # of 40, 8 and 10: the boots of the first came back, not the milk
    assert (regrets.basket_value, regrets.basket_median, regrets.basket_lines) == (None, None, None)
    assert (regrets.orders, regrets.spend) == (1, Decimal("0.00"))


def test_discounts_returns_and_coupons_are_those_reckoned_by_hand(found: dict[str, Row]) -> None:
    """C18: discount share, return share, interval and channel."""
    anna = found["anna"]
    assert anna.discount_share == pytest.approx(12 / 70)  # 10 + 1 + 1 off 10 + 40 + 10 + 10
    assert anna.discounted_lines_share == pytest.approx(2 / 4)
    assert anna.return_lines_share == pytest.approx(1 / 5)
    assert anna.cadence_days == 34.5  # gaps of 10 and 59 days
    assert anna.due_date == datetime.date(2017, 6, 5)  # 1 May + 34.5, half a day rounded up
    assert (anna.main_store_id, anna.main_channel) == ("s2", "web")  # two orders of three
    assert (anna.campaigns_received, anna.coupons_redeemed) == (1, 1)
    assert (anna.region, anna.consent_marketing) == ("north", True)


def test_orders_of_each_channel_and_how_long_a_change_takes(found: dict[str, Row]) -> None:
    """C20: anna orders in the store, ten days later in the web, and there again; what she returns is no order."""
    anna, bert, cora = (found[user] for user in ("anna", "bert", "cora"))
    assert [tuple(entry) for entry in anna.orders_by_channel] == [("web", 2), ("store", 1)]
    assert anna.channel_change_days == 10.0
    assert (bert.orders_by_channel, bert.channel_change_days) == ([], None)  # of no order the channel is known
    assert (cora.orders_by_channel, cora.channel_change_days) == ([], None)  # no order


def test_variety_counts_products_and_categories_once(found: dict[str, Row]) -> None:
    """C03: the variety of a user who buys one product ten times is 1."""
    assert (found["bert"].products, found["bert"].categories) == (1, 1)
    assert (found["anna"].products, found["anna"].categories) == (1, 1)  # milk; the boots came back


def test_where_nothing_happened_counts_are_zero_and_means_unknown(found: dict[str, Row]) -> None:
    """B03: counts are filled with 0, means, shares and days never."""
    cora = found["cora"].asDict()
    assert [cora[c] for c in ("orders", "lines", "products", "coupons_redeemed", "spend")] == [0, 0, 0, 0, 0]
    assert (cora["campaigns_received"], cora["lifecycle"]) == (1, "new")
    assert (cora["interests"], cora["repurchases"]) == ([], [])
    unknown = ("recency_days", "basket_value", "discount_share", "cadence_days", "power_band", "main_store_id")
    assert [cora[c] for c in unknown] == [None] * len(unknown)


def test_products_bought_on_several_days_come_with_their_rhythm(found: dict[str, Row]) -> None:
    [milk] = found["anna"].repurchases  # boots were bought once, and bert's caps on one day only
    assert milk.asDict() == {
        "product_id": "milk",
        "orders": 3,
        "cadence_days": 34.5,
        "last_bought": datetime.date(2017, 5, 1),
        "due_date": datetime.date(2017, 6, 5),
    }
    assert [r.product_id for r in found["again"].repurchases] == ["butter", "milk"]


def test_interests_fade_and_are_ranked_and_cut(found: dict[str, Row]) -> None:
    """C05: nine shoes to one hat: shoes first, shares sum to 1. The categories part; there are no brands here."""
    assert [tuple(i) for i in found["nine"].interests] == [("shoes", 0.9), ("hats", 0.1)]
    assert [tuple(i) for i in found["fades"].interests] == [("shoes", 0.5), ("dairy", 0.375)]  # 5 of 40 is cut
    assert (found["fades"].products, found["fades"].categories) == (4, 3)
    assert found["regrets"].interests == []


def test_what_was_taken_back_is_neither_repurchase_nor_interest(spark: SparkSession, settings: Settings) -> None:
    """A return takes back what was bought last before it; an order of which something was kept still counts."""
    lines = [
        # always: each of three pairs of boots came back after two days, the last one in the order that bought it
        *[line("always", f"p{d}", "boots", d, 40.0) for d in (40, 30, 20)],
        *[line("always", f"m{d}", "boots", d - 2, -40.0, quantity=-1) for d in (40, 30)],
        line("always", "p20", "boots", 18, -40.0, quantity=-1, line_no=2),
        line("always", "c1", "cap", 10, 10.0),
        # partly: 2 of 4 on day 20 came back, so day 20 counts by half; of day 30 nothing did: days 30 and 20
        line("partly", "q1", "boots", 30, 40.0, quantity=4),
        line("partly", "q2", "boots", 20, 40.0, quantity=4),
        line("partly", "q3", "boots", 15, -20.0, quantity=-2),
        line("partly", "q4", "cap", 10, 5.0),  # 5 × 0.5 = 2.5; boots 40 × 0.125 + 40 × 0.25 / 2 = 10
        # more: three came back on day 10, of one bought on day 20 and one on day 30; a later one stays
        *[line("more", f"r{d}", "cap", d, 1.0) for d in (30, 20, 5)],
        line("more", "r10", "cap", 10, -3.0, quantity=-3),
        # bulk: what came back is the purchase in the same quantity, not the last one
        *[line("bulk", f"k{d}", "cap", d, float(n), quantity=n) for d, n in ((30, 1), (20, 7), (12, 1))],
        line("bulk", "k10", "cap", 10, -7.0, quantity=-7),
    ]
    found = by_user(profiles(spark, settings, {Products: CATALOGUE, OrderLines: lines}, repartition=3).collect())
    always, partly, more = found["always"], found["partly"], found["more"]
    assert (always.repurchases, [tuple(i) for i in always.interests]) == ([], [("hats", 1.0)])
    assert (always.products, always.categories) == (1, 1)
    [boots] = partly.repurchases
    assert (boots.orders, boots.cadence_days) == (2, 10.0)
    assert [tuple(i) for i in partly.interests] == [("shoes", 0.8), ("hats", 0.2)]
    assert (more.repurchases, more.products) == ([], 1)
    [cap] = found["bulk"].repurchases
    assert (cap.orders, cap.cadence_days) == (2, 18.0)  # days 30 and 12


def test_purchasing_power_is_ranked_by_spend_per_month(found: dict[str, Row]) -> None:
    spend = {u: float(found[u].spend) * 30 / max(found[u].tenure_days, 30) for u in found if found[u].orders}
    ranked = sorted(spend, key=lambda u: spend[u])  # regrets 0, again 7, anna 8.4, bert 30, nine 50, fades 160
    assert ranked == ["regrets", "again", "anna", "bert", "nine", "fades"]
    assert [found[u].power_band for u in ranked] == [1, 1, 2, 3, 4, 5]


def test_nothing_on_or_after_the_date_leaks_in_and_partitions_do_not_matter(
    spark: SparkSession, settings: Settings
) -> None:
    """C01: no row on or after as_of contributes. C17: same input, same rows, however it is partitioned."""
    future: World = {
        OrderLines: [
            line("anna", "a9", "cap", 0, 999.0, discount_retail=99.0, store_id="s3"),
            line("bert", "b9", "cap", -1, 999.0),
            line("new", "n1", "milk", 0, 5.0),
        ],
        Campaigns: [{"campaign_id": "next", "start_date": "2017-06-02", "end_date": "2017-06-09"}],
        Contacts: [
            {"campaign_id": "next", "user_id": "anna"},
            {"campaign_id": "past", "user_id": "zoe", "contacted_on": "2017-06-03"},
        ],
        Redemptions: [{"user_id": "bert", "coupon_id": "k3", "campaign_id": "past", "redeemed_on": "2017-06-02"}],
        Users: [{"user_id": "hugo", "registered_at": "2017-06-02T12:00:00"}],
    }
    more = {table: [*reversed(rows), *future.get(table, [])] for table, rows in WORLD.items()}
    known = sorted(profiles(spark, settings, WORLD).collect(), key=lambda r: r.user_id)
    assert sorted(profiles(spark, settings, more, repartition=5).collect(), key=lambda r: r.user_id) == known
