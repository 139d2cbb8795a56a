"""Cleaning policies: what is filled, cut, marked or rejected, and that the value as it came stays in the row."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from statistics import NormalDist
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import IncomingRow, RawRow
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Inventory, OrderLines, Products, PromoCalendar, Users
from promo_spark.errors import SettingsError
from promo_spark.settings import load
from promo_spark.sources.checks import rules as checks
from promo_spark.sources.checks.predicates import ComparedWith
from promo_spark.sources.cleaning import plans as cleaning
from promo_spark.sources.cleaning import values
from promo_spark.sources.incoming import GIVEN_BY_THE_RUN

TOUCHED = "cleaned is not null"
RUN = ComparedWith(datetime.date(2024, 6, 14), "UTC")


def plan(table: type[Table], *settings: str) -> cleaning.Plan:
    """From settings as on the command line, such as "list_price.missing=mean"."""
    return cleaning.plans(load(None, [f"ingest.cleaning.{table.name}.{s}" for s in settings]).ingest)[table]


def as_candidates(table: type[Table], rows: DataFrame, unparsed: str = "") -> DataFrame:
    """Rows of a table as ingest has them before they are cleaned; `unparsed`: whose list price was no number."""
    none = F.array().cast("array<string>")
    return rows.select(*[c for c in table.columns() if c not in GIVEN_BY_THE_RUN]).withColumns(
        {
            RawRow.raw: F.lit("raw"),
            RawRow.file: F.lit("f.csv"),
            RawRow.blank: F.lit(False),
            RawRow.broken: F.lit(False),
            RawRow.position: F.lit(None).cast(RawRow.type_of(RawRow.position)),
            RawRow.fault: F.lit(None).cast("string"),
            IncomingRow.unparsed: F.when(F.col(table.key[0]) == unparsed, F.array(F.lit("list_price"))).otherwise(none),
        }
    )


def products(spark: SparkSession, prices: dict[str, float | None], category: str = "tea") -> DataFrame:
    return Products.frame(spark, [{"product_id": p, "list_price": v, "category": category} for p, v in prices.items()])


def run(
    table: type[Table],
    rows: DataFrame,
    of: cleaning.Plan,
    earlier: DataFrame | None = None,
    promoted: DataFrame | None = None,
    unparsed: str = "",
) -> DataFrame:
    """The table's rows cleaned and judged: with the reasons and warnings of each."""
    by = checks.rules(table, RUN, {})
    clean = values.cleaned(table, as_candidates(table, rows, unparsed), of, by, earlier, promoted)
    return checks.screened(table, clean, [*by, *cleaning.rules(table, of)])


def found(rows: DataFrame, column: str, key: str = "product_id") -> dict[str, Any]:
    return {r[key]: r[column] for r in rows.collect()}


@pytest.mark.parametrize(
    ("how", "filled"),
    [
        (["missing=mean"], "2.00"),  # (1 + 2 + 3) / 3
        (["missing=median"], "2.00"),
        (["missing=constant", "constant=1.5"], "1.50"),
        (["missing=keep", "outliers=flag", "robust_z=3.5"], None),
    ],
)
def test_a_missing_value_is_filled_as_its_policy_says_and_the_row_tells(
    spark: SparkSession, how: list[str], filled: str | None
) -> None:
    """B02: mean and median of 1, 2 and 3 are 2; copies of a row do not count twice; kept is kept."""
    rows = products(spark, {"a": 1, "b": None, "c": 3, "d": 2})
    twice = rows.unionAll(rows.filter("product_id = 'c'"))  # the mean is not (1 + 2 + 3 + 3) / 4
    clean = run(Products, twice, plan(Products, *[f"list_price.{s}" for s in how]))
    expected = None if filled is None else Decimal(filled)
    assert found(clean, "list_price") == {"a": Decimal(1), "b": expected, "c": Decimal(3), "d": Decimal(2)}
    told = {"a": None, "c": None, "d": None, "b": None if filled is None else [("list_price", None)]}
    assert {k: v and [tuple(c) for c in v] for k, v in found(clean, "cleaned").items()} == told
    assert found(clean, checks.WARNINGS)["b"] == ([] if filled is None else ["filled_list_price"])
    assert all(reasons == [] for reasons in found(clean, checks.REASONS).values())


def test_a_mean_is_of_its_own_group_and_of_good_values_only(spark: SparkSession) -> None:
    """B02: within a category; what a check rejects or does not parse shapes no mean and is not saved."""
    rows = (
        products(spark, {"a": 1, "b": None, "bad": -100, "text": None})
        .unionAll(products(spark, {"x": 9, "y": None}, "wine"))
        .unionAll(products(spark, {"none": None}, "hats"))
    )
    of = plan(Products, "list_price.missing=mean", 'list_price.within=["category"]')
    clean = run(Products, rows, of, unparsed="text")
    prices = found(clean, "list_price")
    assert (prices["b"], prices["y"]) == (Decimal(1), Decimal(9))
    assert prices["none"] is None  # no price in its category is known: nothing is made up
    assert found(clean, checks.REASONS) == {
        "a": [],
        "b": [],
        "x": [],
        "y": [],
        "none": [],
        "bad": ["list_price_not_positive"],
        "text": ["unparsable_list_price"],
    }
    assert prices["text"] is None


def test_a_price_is_never_filled_with_zero_and_one_blank_rejects_no_row(spark: SparkSession) -> None:
    """B03: zero is right for counts, such as what is on order; a price of zero goes to quarantine by its check."""
    rows = products(spark, {"a": 1, "b": None})
    zero = run(Products, rows, plan(Products, "list_price.missing=constant", "list_price.constant=0"))
    assert found(zero, checks.REASONS) == {"a": [], "b": ["list_price_not_positive"]}
    on_order = stock(spark, [("a", "2024-06-13", None), ("b", "2024-06-13", 2)])
    clean = run(Inventory, on_order, plan(Inventory, "on_order.missing=constant", "on_order.constant=0"))
    assert found(clean, "on_order") == {"a": Decimal(0), "b": Decimal(2)}
    assert found(run(Products, rows, cleaning.Plan({}, {})), checks.REASONS) == {"a": [], "b": []}


def stock(spark: SparkSession, rows: list[tuple[str, str, float | None]]) -> DataFrame:
    names = ("product_id", "day", "on_order")
    return Inventory.frame(spark, [dict(zip(names, r, strict=True)) | {"store_id": "all"} for r in rows])


def test_forward_fill_takes_the_last_value_before_and_leaves_the_first_gap(spark: SparkSession) -> None:
    """B02: 1, null, 3 becomes 1, 1, 3; a leading null stays; other series and later days give nothing."""
    rows = stock(
        spark,
        [
            ("a", "2024-06-10", None),
            ("a", "2024-06-11", 1),
            ("a", "2024-06-12", None),
            ("a", "2024-06-13", 3),
            ("b", "2024-06-12", None),
            ("b", "2024-06-13", 7),
        ],
    ).repartition(3)
    of = plan(
        Inventory,
        "on_order.missing=forward_fill",
        "on_order.order_by=day",
        'on_order.within=["product_id", "store_id"]',
    )

    series = (Inventory.product_id, Inventory.day, Inventory.on_order)
    filled = stock(
        spark,
        [
            ("a", "2024-06-10", None),
            ("a", "2024-06-11", 1),
            ("a", "2024-06-12", 1),  # filled
            ("a", "2024-06-13", 3),
            ("b", "2024-06-12", None),
            ("b", "2024-06-13", 7),
        ],
    )
    assert_df_equality(
        run(Inventory, rows, of).select(*series),
        filled.select(*series),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )
    # What silver has of days before counts: b had 4 on the 11th; of the 12th, which is delivered again, it has not.
    silver = stock(spark, [("b", "2024-06-11", 4), ("b", "2024-06-12", 5)])
    beside = values.beside(Inventory, silver, rows, by_key=False)
    assert beside is not None and beside.isEmpty()  # both days are delivered
    tomorrow = rows.filter("day >= '2024-06-12'")
    beside = values.beside(Inventory, silver, tomorrow, by_key=False)
    continued = run(Inventory, tomorrow, of, beside).filter("product_id = 'b'").select(*series)
    assert_df_equality(
        continued,
        stock(spark, [("b", "2024-06-12", 4), ("b", "2024-06-13", 7)]).select(*series),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )


def test_what_cleaning_made_up_before_takes_no_part_again(spark: SparkSession) -> None:
    """B02: a value that silver has only because it was filled is missing still; what was cut counts as it came."""
    rows = [
        {"product_id": "made_up", "list_price": 5, "cleaned": [("list_price", None)]},
        {"product_id": "cut", "list_price": 5, "cleaned": [("list_price", "100.00")]},
        {"product_id": "known", "list_price": 7},
    ]
    beside = values.beside(Products, Products.frame(spark, rows), products(spark, {"new": None}), by_key=True)
    assert beside is not None
    as_it_came: list[dict[str, Any]] = [  # what was made up is missing, what was cut is whole again
        {"product_id": "made_up", "list_price": None},
        {"product_id": "cut", "list_price": 100},
        {"product_id": "known", "list_price": 7},
    ]
    price = (Products.product_id, Products.list_price)
    assert_df_equality(
        beside.select(*price),
        Products.frame(spark, as_it_came).select(*price),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )


def lines(spark: SparkSession, quantities: list[float], **common: Any) -> DataFrame:
    rows = [
        {
            "order_id": f"o{i}",
            "line_no": 1,
            "quantity": q,
            "product_id": "milk",
            "order_date": "2024-06-13",
            "amount_paid": 1,
            "list_amount": 1,
            **common,
        }
        for i, q in enumerate(quantities)
    ]
    return OrderLines.frame(spark, rows)


# 97 usual quantities, of which 60 are 1; median 1. Of the others most are 2: 1 away, so a robust deviation is 1.4826.
USUAL = [1.0] * 60 + [2.0] * 27 + [3.0] * 10


def test_a_planted_hundredfold_quantity_is_cut_to_the_fence_and_stays_known(spark: SparkSession) -> None:
    """B04: 3.5 robust deviations above 1 are 6.189; a return and a clean line are left alone."""
    rows = lines(spark, [*USUAL, 100, -1])
    of = plan(OrderLines, "quantity.outliers=winsorise", "quantity.robust_z=3.5")
    clean = run(OrderLines, rows.repartition(3), of)
    changed = clean.filter(TOUCHED).collect()
    assert [(r.order_id, r.quantity, [tuple(c) for c in r.cleaned], r.flags) for r in changed] == [
        ("o97", Decimal("6.189"), [("quantity", "100.000")], ["winsorised_quantity"])
    ]
    assert found(clean, "quantity", "order_id")["o98"] == -1
    assert run(OrderLines, clean, of).filter(TOUCHED).isEmpty()


def test_quantiles_cut_at_a_value_that_is_there_and_twice_is_once(spark: SparkSession) -> None:
    """B04: of 1 … 200 the 1st and 99th percentile are 2 and 198: at most one in a hundred is touched on each side."""
    rows = products(spark, {f"p{n}": n for n in range(1, 201)})
    of = plan(Products, "list_price.outliers=winsorise", "list_price.quantiles=[0.01, 0.99]")
    clean = run(Products, rows, of)
    assert {k: int(v) for k, v in found(clean.filter(TOUCHED), "list_price").items()} == {
        "p1": 2,
        "p199": 198,
        "p200": 198,
    }
    assert run(Products, clean, of).filter(TOUCHED).isEmpty()


@pytest.mark.parametrize(
    ("outliers", "reasons", "warnings"),
    [
        ("flag", [], ["outlier_quantity"]),
        ("drop", ["outlier_quantity"], []),
    ],
)
def test_outliers_may_be_marked_or_rejected_instead(
    spark: SparkSession, outliers: str, reasons: list[str], warnings: list[str]
) -> None:
    """B04: the value stays as it came."""
    of = plan(OrderLines, f"quantity.outliers={outliers}", "quantity.robust_z=3.5")
    clean = run(OrderLines, lines(spark, [*USUAL, 100]), of)
    row = clean.filter("order_id = 'o97'").collect()[0]
    assert (row.quantity, row[checks.REASONS], row[checks.WARNINGS], row.cleaned) == (100, reasons, warnings, None)
    others = clean.filter(F.col("order_id") != "o97")
    assert others.filter((F.size(checks.REASONS) > 0) | (F.size(checks.WARNINGS) > 0)).isEmpty()


def test_a_spike_on_promotion_is_no_outlier(spark: SparkSession) -> None:
    """B04: a line with a discount, or of a product on a day of the promotion calendar, is spared."""
    usual = lines(spark, USUAL)
    stocked_up = lines(spark, [100] * 50, discount_retail=1).withColumn("order_id", F.concat(F.lit("d"), "order_id"))
    announced = lines(spark, [100], order_date="2024-06-12").withColumn("order_id", F.lit("announced"))
    typo = lines(spark, [100]).withColumn("order_id", F.lit("typo"))
    rows = usual.unionAll(stocked_up).unionAll(announced).unionAll(typo)
    calendar = PromoCalendar.frame(
        spark,
        [
            {"product_id": "milk", "store_id": "s", "start_date": "2024-06-11", "end_date": "2024-06-12"},
            {
                "product_id": "milk",
                "store_id": "s",
                "start_date": "2024-06-13",
                "end_date": "2034-06-13",
            },  # ten years: no
        ],
    )
    of = plan(OrderLines, "quantity.outliers=winsorise", "quantity.robust_z=3.5")
    clean = run(OrderLines, rows, of, promoted=values.promoted_days(calendar))
    assert found(clean.filter(TOUCHED), "quantity", "order_id") == {"typo": Decimal("6.189")}
    blind = plan(OrderLines, "quantity.outliers=winsorise", "quantity.robust_z=3.5", "quantity.spare_promotions=false")
    assert run(OrderLines, rows, blind).filter(TOUCHED).count() == 52  # 50 + announced + typo


def test_large_amounts_are_no_mistakes_on_a_logarithmic_scale(spark: SparkSession) -> None:
    """B04: of log-normal prices (the exponentials of a normal's quantiles) none is beyond 3.5 deviations, a typo is."""
    usual = {f"p{n}": round(10 * math.exp(NormalDist().inv_cdf((n + 0.5) / 200)), 2) for n in range(200)}
    rows = products(spark, {**usual, "typo": 10_000.0})
    touched = {}
    for scale in ("true", "false"):
        of = plan(Products, "list_price.outliers=winsorise", "list_price.robust_z=3.5", f"list_price.log={scale}")
        touched[scale] = set(found(run(Products, rows, of).filter(TOUCHED), "product_id").values())
    assert touched["true"] == {"typo"}
    assert len(touched["false"]) > 10  # what a fence of plain deviations would cut of good prices


def test_few_values_have_no_fence(spark: SparkSession) -> None:
    of = plan(OrderLines, "quantity.outliers=winsorise", "quantity.robust_z=3.5", "quantity.least_values=99")
    assert run(OrderLines, lines(spark, [*USUAL, 100]), of).filter(TOUCHED).isEmpty()


def test_rows_that_say_too_little_are_rejected(spark: SparkSession) -> None:
    """B02: more than half of three columns missing; a single one may be required where the table does not."""
    rows = Users.frame(
        spark,
        [
            {"user_id": "two", "region": "N", "gender": "f"},  # one of three missing
            {"user_id": "one", "region": "N"},  # two of three: more than half
            {"user_id": "none"},
        ],
    )
    settings = load(
        None,
        [
            'ingest.mostly_missing.users.columns=["region", "gender", "member_tier"]',
            "ingest.mostly_missing.users.max_share=0.5",
            "ingest.cleaning.users.region.missing=drop",
        ],
    ).ingest
    clean = run(Users, rows, cleaning.plans(settings)[Users])
    assert found(clean, checks.REASONS, "user_id") == {
        "two": [],
        "one": ["mostly_missing"],
        "none": ["missing_region", "mostly_missing"],
    }


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (
            "orders.quantity.missing=drop",
            r"ingest\.cleaning\.orders: the tables that can be cleaned are: users, .*market",
        ),
        ("products.price.missing=drop", r"ingest\.cleaning\.products\.price: silver\.products has no column price"),
        ("products.tags.missing=drop", r"products\.tags: silver\.products has no column tags that can be cleaned"),
        ("products.brand.missing=mean", r"products\.brand: the column is no number"),
        ("users.user_id.missing=drop", r"users\.user_id: what tells rows, days or persons apart"),
        ("order_lines.amount_paid.missing=mean", r"amount_paid: money that was booked is not made up"),
        ("products.list_price={missing='constant', constant='dear'}", r"list_price: .*decimal.* 'dear'"),
        ("products.list_price={missing='constant'}", r"products\.list_price: missing = \"constant\" and a constant go"),
        ("products.list_price={missing='forward_fill', order_by='launched_on'}", r"forward_fill\" needs within"),
        ("products.list_price={outliers='flag'}", r"exactly one of robust_z and quantiles"),
        ("products.list_price={within=['category']}", r"nothing is to be done"),
    ],
)
def test_a_policy_that_cannot_be_is_an_error_that_names_its_key(setting: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        cleaning.plans(load(None, [f"ingest.cleaning.{setting}"]).ingest)
