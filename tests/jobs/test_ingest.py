"""Ingest end to end on small files in the real formats: what goes in is accepted, quarantined or blank."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyspark.sql import SparkSession

from jobs.ingest import run as ingest
from promo_spark.contracts.silver import (
    QUARANTINE,
    Campaigns,
    Contacts,
    Coupons,
    OrderLines,
    Products,
    PromoCalendar,
    Redemptions,
    Users,
)
from promo_spark.errors import PromoSparkError, SettingsError, SourceError
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.run_log import RunLog
from promo_spark.settings import Settings, load, validated
from promo_spark.storage.lake import Lake

DATE = datetime.date(2017, 12, 1)
UTC_MORNING = datetime.datetime(2017, 11, 7, 3, 30)  # still Monday the 6th in New York
HOUR = datetime.timedelta(hours=1)


def run(lake: Lake, settings: Settings) -> None:
    run_in_order([ingest], lake, settings, DATE, Progress())


def counts(lake: Lake, source: str) -> tuple[int, int, int, int, dict[str, int]]:
    found = RunLog(lake).succeeded()[-1].sources[source]
    return found.rows_in, found.accepted, found.quarantined, found.blank, found.reasons


def journey(folder: Path) -> None:
    """A Complete Journey of two households: every file, every kind of dirt that the real one has."""
    line = {
        "household_id": 1,
        "store_id": 10,
        "basket_id": 100,
        "product_id": 7,
        "quantity": 2,
        "sales_value": 3.0,
        "retail_disc": 1.0,
        "coupon_disc": 0.5,
        "coupon_match_disc": 0.25,
        "week": 45,
        "transaction_timestamp": UTC_MORNING,
    }
    files: dict[str, list[dict[str, Any]]] = {
        "transactions": [
            line,
            line | {"product_id": 8, "sales_value": 0.0},  # free: kept, flagged
            line | {"product_id": 9, "quantity": 0, "sales_value": 0.0},  # not a sale
            line | {"product_id": 404},  # in no product list
            line | {"basket_id": 101, "household_id": 2, "transaction_timestamp": UTC_MORNING + 3 * HOUR},
        ],
        "products": [
            {
                "product_id": p,
                "manufacturer_id": 1,
                "department": "GROCERY",
                "brand": "Private",
                "product_category": "MILK",
                "product_type": "WHITE MILK",
                "package_size": "1 GA",
            }
            for p in (7, 8, 9)
        ],
        "demographics": [
            {
                "household_id": 1,
                "age": "35-44",
                "income": "50-74K",
                "home_ownership": None,
                "marital_status": None,
                "household_size": "2",
                "household_comp": "2 Adults No Kids",
                "kids_count": "0",
            }
        ],
        "campaign_descriptions": [
            {
                "campaign_id": 1,
                "campaign_type": "Type A",
                "start_date": datetime.datetime(2017, 11, 1),
                "end_date": datetime.datetime(2017, 11, 30),
            }
        ],
        "campaigns": [{"campaign_id": 1, "household_id": 1}, {"campaign_id": 1, "household_id": 3}],
        "coupons": [
            {"coupon_upc": 51, "product_id": 7, "campaign_id": 1},
            {"coupon_upc": 51, "product_id": 7, "campaign_id": 1},  # the same row again
            {"coupon_upc": 51, "product_id": 404, "campaign_id": 1},  # for no product we know
        ],
        "coupon_redemptions": [
            {"household_id": 1, "coupon_upc": 51, "campaign_id": 1, "redemption_date": datetime.datetime(2017, 11, 6)}
        ],
        "promotions": [
            {"product_id": 7, "store_id": 10, "display_location": "0", "mailer_location": "A", "week": 45},
            {"product_id": 7, "store_id": 10, "display_location": "6", "mailer_location": "A", "week": 45},  # same key
            {"product_id": 8, "store_id": 10, "display_location": "0", "mailer_location": "0", "week": 1},
        ],
    }
    for name, rows in files.items():
        pl.DataFrame(rows).write_parquet(folder / f"{name}.parquet")


@pytest.fixture
def journey_settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "journey"
    folder.mkdir()
    journey(folder)
    return load("demo", [f"ingest.folder={folder}"])


@pytest.fixture(scope="module")
def taken_in(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, Settings]:
    """A lake that took the journey in, and the settings that it did so with."""
    folder = tmp_path_factory.mktemp("journey")
    journey(folder)
    lake = Lake(spark, str(tmp_path_factory.mktemp("taken") / "lake"))
    settings = load("demo", [f"ingest.folder={folder}"])
    run(lake, settings)
    return lake, settings


def test_complete_journey_becomes_silver_and_quarantine(taken_in: tuple[Lake, Settings]) -> None:
    """A03, A05, B05: lines on New York's days, orphans listed, money to the cent, in = accepted + quarantined."""
    lake, _ = taken_in
    lines = {(r.order_id, r.product_id): r for r in lake.read(OrderLines).collect()}
    assert set(lines) == {("100", "7"), ("100", "8"), ("101", "7")}
    milk = lines["100", "7"]
    assert milk.order_date == datetime.date(2017, 11, 6)  # 03:30 UTC on the 7th is 22:30 on the 6th
    assert lines["101", "7"].order_date == datetime.date(2017, 11, 7)  # 06:30 UTC is 01:30 on the 7th
    assert float(milk.list_amount) == 4.25  # 3.00 + 1.00 by card + 0.25 match; the maker pays its coupon
    assert milk.flags == [] and lines["100", "8"].flags == ["amount_zero"]
    assert counts(lake, "transactions") == (5, 3, 2, 0, {"quantity_zero": 1, "unknown_product": 1})
    rejected = {tuple(r.reasons): r.raw for r in lake.read(QUARANTINE[OrderLines]).collect()}
    assert '"product_id":404' in rejected["unknown_product",]

    assert {r.user_id: r.age_band for r in lake.read(Users).collect()} == {"1": "35-44", "2": None, "3": None}
    assert {r.title for r in lake.read(Products).collect()} == {"WHITE MILK 1 GA"}
    assert [(r.kind, r.start_date.isoformat()) for r in lake.read(Campaigns).collect()] == [("Type A", "2017-11-01")]
    assert {r.user_id for r in lake.read(Contacts).collect()} == {"1", "3"}
    assert [r.redeemed_on.isoformat() for r in lake.read(Redemptions).collect()] == ["2017-11-06"]
    assert lake.read(Coupons).count() == 1
    assert counts(lake, "coupons") == (3, 1, 2, 0, {"duplicate_row": 1, "unknown_product": 1})

    calendar = {r.product_id: r for r in lake.read(PromoCalendar).collect()}
    assert calendar["7"].start_date == datetime.date(2017, 10, 30)  # Monday of week 45
    assert calendar["7"].end_date == datetime.date(2017, 11, 5)
    assert (calendar["7"].display, calendar["7"].mailer) == ("6", "A")  # null sorts last: the row that says more
    assert (calendar["8"].display, calendar["8"].mailer) == (None, None)
    assert counts(lake, "promotions") == (3, 2, 1, 0, {"duplicate_key": 1})


def test_the_same_input_again_changes_nothing(taken_in: tuple[Lake, Settings]) -> None:
    """A01 (orders): ingesting the same files twice leaves every row as it was."""
    lake, settings = taken_in
    before = {t: sorted(map(str, lake.read(t).collect())) for t in (OrderLines, Users, PromoCalendar)}
    run_in_order([ingest], lake, settings, DATE, Progress(), force=True)
    assert {t: sorted(map(str, lake.read(t).collect())) for t in before} == before


def test_a_truncated_file_is_refused_before_anything_is_written(
    lake: Lake, journey_settings: Settings, tmp_path: Path
) -> None:
    whole = (tmp_path / "journey" / "coupons.parquet").read_bytes()
    (tmp_path / "journey" / "coupons.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"coupons\.parquet cannot be read, so nothing was loaded"):
        run(lake, journey_settings)
    assert not (Path(lake.root) / "silver").exists()


def test_a_missing_file_or_column_or_no_rows_is_named(lake: Lake, journey_settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "journey" / "transactions.parquet"
    whole = pl.read_parquet(file)
    whole.head(0).write_parquet(file)
    with pytest.raises(SourceError, match=r"source transactions, for silver\.order_lines, is empty"):
        run(lake, journey_settings)
    whole.drop("quantity", "week").write_parquet(file)
    with pytest.raises(SourceError, match=r"transactions\.parquet lacks the columns quantity, week; it has: househ"):
        run(lake, journey_settings)
    file.unlink()
    with pytest.raises(SourceError, match=r"transactions\.parquet: there is no such file or folder; check its path"):
        run(lake, journey_settings)
    assert not (Path(lake.root) / "silver").exists()


def mapping(path: Path, **columns: str) -> dict[str, object]:
    return {"path": str(path), "format": path.suffix[1:].replace("jsonl", "json"), "columns": columns}


@pytest.fixture
def files_settings(tmp_path: Path) -> dict[str, object]:
    """A shop with a CSV of order lines and JSON lines of products."""
    (tmp_path / "lines.csv").write_text(
        "\ufefforder,sku,pieces,paid,when\n"
        'o1,"milk, white",2,"3.00",2017-11-06T10:00:00\n'  # a delimiter inside quotes
        "o1,milk,1,1.50,2017-11-06T10:00:00\n"
        "\n"  # blank
        'o2,"milk,1,1.50,2017-11-06T10:00:00\n'  # a quote that never closes: only this line is lost to it
        "o3,milk,1\n"  # too short
        "o4,milk,1,1.50,2017-11-06T10:00:00,extra\n"  # too long
        "o5,milk,one,1.50,yesterday\n"  # two values that do not parse
        "o6,milk,1,1.50,2017-11-06T10:00:00\r\n"  # Windows line end
        "o6,milk,1,1.50,2017-11-06T10:00:00\r\n",  # the same line again
        encoding="utf-8",
    )
    (tmp_path / "products.jsonl").write_text(
        '{"sku": "milk", "price": "1.50"}\n{"sku": "milk, white", "price": 1.25}\nnot json\n', encoding="utf-8"
    )
    values = load(None, ["business.privacy.pseudonymise=false"]).model_dump(mode="json")
    values["ingest"]["sources"] = {
        "products": mapping(tmp_path / "products.jsonl", product_id="sku", list_price="price"),
        "order_lines": mapping(
            tmp_path / "lines.csv", order_id="order", product_id="sku", quantity="pieces", amount_paid="paid", ts="when"
        ),
    }
    return values


def test_mapped_files_become_silver_with_every_line_accounted_for(
    lake: Lake, files_settings: dict[str, object]
) -> None:
    """A12, A13 (CSV, JSON lines): explicit columns, nothing inferred, broken lines kept raw."""
    run(lake, validated(files_settings))
    lines = {(r.order_id, r.line_no): r for r in lake.read(OrderLines).collect()}
    assert {k: r.product_id for k, r in lines.items()} == {
        ("o1", 1): "milk",
        ("o1", 2): "milk, white",
        ("o6", 1): "milk",
    }
    assert float(lines["o1", 2].list_amount) == 3.00
    rows_in, accepted, quarantined, blank, reasons = counts(lake, "order_lines")
    assert (rows_in, accepted, quarantined, blank) == (10, 3, 5, 2)  # header and empty line are blank
    assert reasons == {
        "broken_row": 3,
        "unparsable_quantity": 1,
        "unparsable_ts": 1,
        "missing_order_date": 1,
        "duplicate_row": 1,
    }
    raw = {r.raw for r in lake.read(QUARANTINE[OrderLines]).collect()}
    assert "o3,milk,1" in raw and 'o2,"milk,1,1.50,2017-11-06T10:00:00' in raw
    assert counts(lake, "products") == (3, 2, 1, 0, {"broken_row": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("order_lines", "columns", {"order": "o"}), r"ingest\.sources\.order_lines\.columns: .* has no column order"),
        (("order_lines", "columns", {"user_id": "o"}), r"say which column of the file holds amount_paid, order_id"),
        (
            ("products", "columns", {"product_id": "p", "title": {"column": "t", "split": "|"}}),
            r"ingest\.sources\.products\.columns\.title: split is for lists, and title is none",
        ),
    ],
)
def test_a_wrong_mapping_is_named(
    lake: Lake, files_settings: dict[str, Any], change: tuple[str, str, dict[str, Any]], message: str
) -> None:
    table, key, value = change
    files_settings["ingest"]["sources"][table][key] = value
    with pytest.raises(SettingsError, match=message):
        run(lake, validated(files_settings))


def test_a_mapping_for_no_table_and_a_missing_product_list_are_named(
    lake: Lake, files_settings: dict[str, Any]
) -> None:
    files = files_settings["ingest"]["sources"]
    misnamed = files_settings["ingest"] | {"sources": {"orders": files["products"]}}
    with pytest.raises(PromoSparkError, match=r"ingest\.sources\.orders: there is no table silver\.orders"):
        run(lake, validated(files_settings | {"ingest": misnamed}))
    del files["products"]
    with pytest.raises(SourceError, match=r"no source for silver\.products, .*: add \[ingest\.sources\.products\]"):
        run(lake, validated(files_settings))
