"""The named checks: nothing is lost, everything rejected has its reasons."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import (
    SILVER,
    Coupons,
    Events,
    OrderLines,
    Products,
    PromotionCalendar,
    PromotionFunds,
)
from promo_spark.errors import SettingsError
from promo_spark.sources.checks import rules as checks
from promo_spark.sources.checks.own_checks import own_check
from promo_spark.sources.checks.predicates import PREDICATES, ComparedWith, bot_sessions, known_ids
from promo_spark.sources.incoming import candidates, of_source

RUN = ComparedWith(datetime.date(2017, 12, 1), "America/New_York")


def raw_lines(spark: SparkSession, rows: Sequence[Mapping[str, str | None]]) -> DataFrame:
    """Text rows of order lines, good unless a row says otherwise."""
    usual: Mapping[str, str | None] = {
        "order": "o1",
        "line": "1",
        "user": "u1",
        "product": "milk",
        "pieces": "2",
        "paid": "3.00",
        "ts": "2017-11-06 10:00:00",
        "day": "2017-11-06",
    }
    schema = ", ".join(f"`{c}` string" for c in usual)
    df = spark.createDataFrame([tuple({**usual, **row}.values()) for row in rows], schema)
    return df.select(
        "*",
        F.to_json(F.struct(*usual)).alias(RawRow.raw),
        F.lit("f.csv").alias(RawRow.file),
        F.lit(False).alias(RawRow.blank),
        F.lit(False).alias(RawRow.broken),
    )


def line_candidates(spark: SparkSession, rows: Sequence[Mapping[str, str | None]]) -> DataFrame:
    zero = F.lit("0")
    return of_source(
        candidates(
            OrderLines,
            raw_lines(spark, rows),
            {
                "order_id": F.col("order"),
                "line_no": F.col("line"),
                "user_id": F.col("user"),
                "product_id": F.col("product"),
                "quantity": F.col("pieces"),
                "amount_paid": F.col("paid"),
                "list_amount": F.col("paid"),
                "discount_retail": zero,
                "discount_coupon": zero,
                "discount_coupon_match": zero,
                "ts": F.col("ts"),
                "order_date": F.col("day"),
            },
        ),
        "till",
    )


def known(spark: SparkSession) -> DataFrame:
    return Products.frame(spark, [{"product_id": "milk"}, {"product_id": "bread"}])


def assert_judged(screened: DataFrame, orders: Mapping[str, tuple[list[str], list[str]]]) -> None:
    """Each order has these reasons to be rejected and these flags, and there is no other row."""
    judged = screened.select(OrderLines.order_id, checks.REASONS, OrderLines.flags)
    expected = screened.sparkSession.createDataFrame([(o, *both) for o, both in orders.items()], judged.schema)
    assert_df_equality(judged, expected, ignore_row_order=True, ignore_nullable=True)


def test_each_kind_of_dirt_is_rejected_or_flagged_by_its_name(spark: SparkSession) -> None:
    """B06, B07: non-castable and invalid values go to quarantine under the name of the check."""
    rows = line_candidates(
        spark,
        [
            {"order": "good"},
            {"order": "nothing", "pieces": "0", "paid": "0"},  # two reasons; amount_zero only flags
            {"order": "return", "pieces": "-1", "paid": "-1.50"},  # kept: a return
            {"order": "refund", "paid": "-1.50"},  # money back without a return
            {"order": "free", "paid": "0.00"},  # kept: free item
            {"order": "ghost", "product": "unicorn"},
            {"order": "text", "pieces": "two", "day": "06/11/2017"},  # two values that do not parse
            {"order": "open", "product": None},
            {"order": "huge", "paid": "1e400"},
            {"order": "nan", "paid": "NaN"},
        ],
    )
    run = dataclasses.replace(RUN, products=known_ids(known(spark), "product_id"))
    screened = checks.screened(OrderLines, rows, checks.rules(OrderLines, run, {}))
    assert_judged(
        screened,
        {
            "good": ([], []),
            "nothing": (["quantity_zero"], ["amount_zero"]),
            "return": ([], ["quantity_negative"]),
            "refund": (["amount_negative"], []),
            "free": ([], ["amount_zero"]),
            "ghost": (["unknown_product"], []),
            "text": (["unparsable_quantity", "unparsable_order_date"], []),
            "open": (["missing_product_id"], []),
            "huge": (["unparsable_amount_paid", "unparsable_list_amount"], []),
            "nan": (["unparsable_amount_paid", "unparsable_list_amount"], []),
        },
    )


def reasons_of(spark: SparkSession, table: type[Table], row: Mapping[str, Any]) -> list[str]:
    """Why a row of a list is rejected."""
    df = spark.createDataFrame([tuple(row.values())], ", ".join(f"`{c}` string" for c in row))
    raw = df.select(
        "*",
        F.to_json(F.struct("*")).alias(RawRow.raw),
        F.lit("f").alias(RawRow.file),
        F.lit(False).alias(RawRow.blank),
        F.lit(False).alias(RawRow.broken),
    )
    rows = of_source(candidates(table, raw, {c: F.col(c) for c in row}), "list")
    [judged] = checks.screened(table, rows, checks.rules(table, RUN, {})).collect()
    reasons: list[str] = judged[checks.REASONS]
    return reasons


FUND = {"fund_id": "f", "partner": "Alpen", "level": "brand", "value": "Alpen", "cost_share": "0.5"}
CAMPAIGN = {"campaign_id": "c", "start_date": "2017-12-01", "end_date": "2017-12-24"}


@pytest.mark.parametrize(
    ("table", "change", "reasons"),
    [
        (PromotionFunds, {"cost_share": "1", "budget": "0", "end_date": "2017-12-24"}, []),
        (PromotionFunds, {"cost_share": None}, ["missing_cost_share"]),
        (PromotionFunds, {"cost_share": "0"}, ["cost_share_not_positive"]),
        (PromotionFunds, {"cost_share": "1.01"}, ["cost_share_above_all"]),
        (PromotionFunds, {"budget": "-0.01"}, ["budget_negative"]),
        (PromotionFunds, {"level": "colour"}, ["level_unknown"]),
        (PromotionFunds, {"start_date": "2017-12-02", "end_date": "2017-12-01"}, ["ends_before_start"]),
        (PromotionCalendar, {}, []),
        (PromotionCalendar, {"level": "brand", "value": "Alpen", "scenario": "bundle", "budget": "0"}, []),
        (PromotionCalendar, {"scenario": "carnival"}, ["campaign_scenario_unknown"]),
        (PromotionCalendar, {"scenario": "none"}, ["campaign_scenario_unknown"]),
        (PromotionCalendar, {"level": "brand"}, ["half_a_scope"]),
        (PromotionCalendar, {"value": "Alpen"}, ["half_a_scope"]),
        (PromotionCalendar, {"start_date": None}, ["missing_start_date"]),
    ],
)
def test_a_row_of_funds_or_campaigns_that_means_nothing_is_rejected_by_name(
    spark: SparkSession, table: type[Table], change: Mapping[str, Any], reasons: list[str]
) -> None:
    good = FUND if table is PromotionFunds else CAMPAIGN
    assert reasons_of(spark, table, {**good, **change}) == reasons


def test_a_policy_decides_between_reject_warn_and_off(spark: SparkSession) -> None:
    rows = line_candidates(spark, [{"order": "return", "pieces": "-1", "paid": "-1.50"}])
    strict = checks.screened(OrderLines, rows, checks.rules(OrderLines, RUN, {"quantity_negative": "reject"}))
    assert_judged(strict, {"return": (["quantity_negative"], [])})
    ignored = checks.screened(OrderLines, rows, checks.rules(OrderLines, RUN, {"quantity_negative": "off"}))
    assert_judged(ignored, {"return": ([], [])})


def test_a_policy_for_no_check_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"ingest\.policies names quantty_zero; the checks are: .*quantity_zero"):
        checks.refuse_unknown({"quantty_zero": "warn"})


def coupons(spark: SparkSession, ids: list[str]) -> DataFrame:
    df = spark.createDataFrame([(i,) for i in ids], "id string")
    raw = df.select(
        "*",
        F.col("id").alias(RawRow.raw),
        F.lit("f").alias(RawRow.file),
        F.lit(False).alias(RawRow.blank),
        F.lit(False).alias(RawRow.broken),
    )
    values = {c: F.col("id") for c in ("campaign_id", "coupon_id", "product_id")}
    rows = of_source(candidates(Coupons, raw, values), "coupons")
    return checks.screened(Coupons, rows, checks.rules(Coupons, RUN, {}))


@pytest.mark.parametrize("copies", [2, 10])
def test_of_copies_one_is_kept_and_the_others_set_aside(spark: SparkSession, copies: int) -> None:
    """B01: planted duplicates collapse to one; in = kept + duplicates."""
    screened = coupons(spark, ["a"] * copies + ["b"]).repartition(3)
    keys = checks.doubled(Coupons, screened)
    assert keys.count() == 1  # only a
    ranked = checks.ranked(Coupons, checks.with_doubled_key(Coupons, screened, keys))
    reasons = sorted(str(r[checks.REASONS]) for r in ranked.collect())
    assert reasons == ["['duplicate_row']"] * (copies - 1) + ["[]"]
    assert [r.coupon_id for r in checks.without_doubled_key(Coupons, screened, keys).collect()] == ["b"]


def test_rows_that_contradict_each_other_keep_the_same_one_in_any_order(spark: SparkSession) -> None:
    rows = [{"order": "o1", "pieces": "2"}, {"order": "o1", "pieces": "1"}, {"order": "o1", "pieces": "2"}]
    for order in (rows, rows[::-1]):
        screened = checks.screened(OrderLines, line_candidates(spark, order), checks.rules(OrderLines, RUN, {}))
        ranked = checks.ranked(OrderLines, screened).collect()
        kept = [int(r.quantity) for r in ranked if not r[checks.REASONS]]
        others = sorted((int(r.quantity), r[checks.REASONS][0]) for r in ranked if r[checks.REASONS])
        assert kept == [1]
        assert others == [(2, "duplicate_key"), (2, "duplicate_key")]


def test_of_what_a_table_enforces_nothing_reaches_the_write() -> None:
    """Each enforced check of a silver table is a source check that rejects: the write never stops for one row."""
    for table in SILVER:
        rejecting = {(c.column, c.operator, c.literal) for c in table.source_checks if c.criticality == "reject"}
        assert {(c.column, c.operator, c.literal) for c in table.checks} <= rejecting, table.full_name()
        for check in table.source_checks:
            assert check.column in table.columns()
            assert check.triple is not None or check.name in PREDICATES, check.name


@pytest.mark.usefixtures("spark")
def test_a_check_that_the_table_enforces_can_only_reject() -> None:
    with pytest.raises(SettingsError, match=r"ingest\.policies\.quantity_zero is warn, but silver\.order_lines never"):
        checks.rules(OrderLines, RUN, {"quantity_zero": "warn"})


def test_a_session_is_a_bot_s_by_its_busiest_minute(spark: SparkSession) -> None:
    """B07 (bots): more than three events within a minute of the clock."""
    busy = [("bot", "10:00:01"), ("bot", "10:00:02"), ("bot", "10:00:30"), ("bot", "10:00:59"), ("bot", "15:00:00")]
    slow = [("person", "10:00:01"), ("person", "10:00:02"), ("person", "10:00:03"), ("person", "10:01:00")]
    unknown = [(None, "10:00:00")] * 9  # no session: nobody's
    rows = [
        {"event_id": str(n), "session_id": session, "ts": f"2017-11-06T{at}"}
        for n, (session, at) in enumerate([*busy, *slow, *unknown])
    ]
    assert [r.id for r in bot_sessions(Events.frame(spark, rows), 3).collect()] == ["bot"]


def test_what_happens_after_the_day_of_the_run_is_judged_where_the_shop_is(spark: SparkSession) -> None:
    """B07 (future timestamps): in New York the 1st of December ends at 05:00 UTC of the 2nd."""
    rows = line_candidates(
        spark,
        [
            {"order": "today", "ts": "2017-12-02 04:59:59"},
            {"order": "tomorrow", "ts": "2017-12-02 05:00:00"},
        ],
    )
    screened = checks.screened(OrderLines, rows, checks.rules(OrderLines, RUN, {}))
    assert_judged(screened, {"today": ([], []), "tomorrow": ([], ["future_timestamp"])})


def test_a_check_of_one_s_own_is_a_triple_with_a_literal_of_the_column_s_type(spark: SparkSession) -> None:
    triples = [
        ("store_named", "channel", "in", ["store", "web"], "warn"),
        ("cheap", "amount_paid", "<=", 2.5, "reject"),
        ("this_year", "order_date", "between", ["2017-01-01", "2017-12-31"], "reject"),
    ]
    own = [own_check("order_lines", *triple, "") for triple in triples]
    rows = line_candidates(
        spark,
        [
            {"order": "good", "paid": "2.50"},
            {"order": "dear", "paid": "2.51"},
            {"order": "old", "day": "2016-12-31"},
        ],
    )
    rows = rows.withColumn("channel", F.when(F.col("order_id") == "good", "kiosk"))  # null passes
    screened = checks.screened(OrderLines, rows, checks.rules(OrderLines, RUN, {}, [check for _, check in own]))
    expected = {"good": ([], ["store_named"]), "dear": (["cheap"], []), "old": (["cheap", "this_year"], [])}
    assert_judged(screened, expected)
    assert own[1][1].meaning == "not amount_paid <= 2.5"


@pytest.mark.parametrize(
    ("triple", "message"),
    [
        (("shelves", "c", "store_id", "=", "1"), r"ingest\.checks, c: there is no table silver\.shelves"),
        (("order_lines", "c", "shop", "=", "1"), r"silver\.order_lines has no column shop; it has: order_id"),
        (("order_lines", "c", "run_id", "=", "1"), r"silver\.order_lines has no column run_id"),
        (("order_lines", "unknown_user", "user_id", "=", "1"), r"there is a check of this name already"),
        (("order_lines", "missing_ts", "ts", "is not null", None), r"there is a check of this name already"),
        (("order_lines", "c", "quantity", ">", "two"), r"of type decimal\(18,3\), the literal is 'two'"),
        (("order_lines", "c", "order_date", ">", "yesterday"), r"of type date, the literal is 'yesterday'"),
        (("order_lines", "c", "quantity", "between", [1]), r"between takes 2 values, found \[1\]"),
        (("order_lines", "c", "quantity", "in", 1), r"in takes a list, found 1"),
        (("order_lines", "c", "quantity", "=", [1]), r"= takes one value, found \[1\]"),
        (("order_lines", "c", "user_id", "is not null", "x"), r"is not null takes no value, found 'x'"),
        (("order_lines", "c", "quantity", ">", None), r"> takes one value, found None"),
    ],
)
def test_a_wrong_check_of_one_s_own_is_named(triple: tuple[str, str, str, str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        own_check(*triple, "reject", "")
