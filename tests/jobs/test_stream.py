"""Rows between the days: counted once, whatever the batches, however often they come."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from promo_spark.contracts.intraday import (
    IntradayActivity,
    IntradayEvents,
    IntradayFeedback,
    IntradayOrderLines,
    StreamBatches,
)
from promo_spark.contracts.restricted import Suppressed
from promo_spark.contracts.silver import Users
from promo_spark.errors import SourceError
from promo_spark.sources.persons.suppression import suppression_digest
from promo_spark.storage.lake import Lake
from tests.jobs.stream_rows import (
    DAY,
    activity,
    arrive,
    batches,
    forget_batches,
    forget_commit,
    rows_of,
    settings_of,
    take,
)

MORNING = [
    "e1,ann,view,p1,2024-06-14 08:00:00",
    "e2,ann,cart,p1,2024-06-14 08:05:00",
    "e3,bob,view,p2,2024-06-14 08:10:00",
    "e4,,view,p2,2024-06-14 08:10:00",  # a visitor nobody knows counts for nobody
    "e5,ann,jump,p2,2024-06-14 08:11:00",  # no such event
]
NOON = [
    "e2,ann,cart,p1,2024-06-14 08:05:00",  # came in the morning
    "e6,bob,search,,2024-06-14 12:00:00",
    "e6,bob,search,,2024-06-14 12:00:00",  # twice in the file
    "e7,ann,view,p3,2024-06-13 23:59:00",  # of the day before
]
EVENING = [
    "e8,bob,view,p1,2024-06-14 11:30:00",  # half an hour before the newest so far: within the watermark
    "e9,cleo,share,p1,2024-06-14 18:00:00",
]
ORDERS = [
    "o1,1,ann,p1,2,10.00,0,,2024-06-14 09:00:00",
    "o1,2,ann,p2,1,5.50,1.00,,2024-06-14 09:00:00",  # with a coupon
    "o2,1,ann,p1,-1,5.00,0,,2024-06-14 15:00:00",  # a return: −5.00
]
ANSWERS = ["f1,bob,,2,2024-06-14 16:00:00", "f2,bob,,5,2024-06-14 17:00:00"]


def test_three_batches_of_files_make_what_one_makes(lake: Lake, tmp_path: Path) -> None:
    """O01: three micro-batches give the same tables as one; a late event within the watermark counts."""
    settings = settings_of(lake, tmp_path / "in")
    arrive(tmp_path / "in", "order_lines", "1.csv", *ORDERS)
    arrive(tmp_path / "in", "feedback", "1.csv", *ANSWERS)
    for number, rows in enumerate((MORNING, NOON, EVENING)):
        arrive(tmp_path / "in", "events", f"{number}.csv", *rows)
        take(lake, settings)

    assert activity(lake, "ann") == {
        "views": 1,  # e1; e7 is of the day before
        "carts": 1,
        "orders": 1,  # o2 has nothing but a return
        "lines": 2,
        "returned_lines": 1,
        "paid": Decimal("10.50"),  # 10.00 + 5.50 − 5.00
        "coupon_orders": 1,
        "first_at": datetime.datetime(2024, 6, 14, 8, tzinfo=datetime.timezone.utc),
        "last_at": datetime.datetime(2024, 6, 14, 15, tzinfo=datetime.timezone.utc),
    }
    bob = activity(lake, "bob")
    assert (bob["views"], bob["searches"], bob["answers"], bob["lowest_score"]) == (2, 1, 2, 2.0)  # e3 and e8
    told = batches(lake).filter(pl.col("source") == "events")
    counts = ["rows_in", "accepted", "quarantined", "repeated", "late", "other_days"]
    assert told.select(counts).rows() == [(6, 4, 1, 0, 0, 0), (5, 1, 0, 2, 0, 1), (3, 2, 0, 0, 0, 0)]  # and headers

    other = Lake(lake.spark, str(tmp_path / "at_once"))
    take(other, settings_of(other, tmp_path / "in"))
    assert batches(other).height == 3  # one of each source
    for table in (IntradayEvents, IntradayOrderLines, IntradayFeedback, IntradayActivity):
        drop = {"source_file"} if table is IntradayEvents else set()  # e2 stands in two files
        one, three = (
            [{k: v for k, v in r.items() if k not in drop} for r in rows_of(of, table)] for of in (other, lake)
        )
        assert one == three


def test_a_batch_that_comes_again_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    """O01: the replay of a batch is idempotent, wherever it was cut off."""
    settings = settings_of(lake, tmp_path / "in")
    arrive(tmp_path / "in", "events", "1.csv", *MORNING)
    take(lake, settings)
    tables = (IntradayEvents, IntradayActivity, StreamBatches)
    before = {table: (lake.version(table), rows_of(lake, table)) for table in tables}

    forget_commit(lake, "events", 0)  # all was written
    take(lake, settings)
    assert {table: (lake.version(table), rows_of(lake, table)) for table in tables} == before

    forget_commit(lake, "events", 0)
    forget_batches(lake, [IntradayActivity, StreamBatches])  # nothing but the rows was
    take(lake, settings)
    assert {table: rows_of(lake, table) for table in tables} == {table: rows for table, (_, rows) in before.items()}

    forget_commit(lake, "events", 0)
    forget_batches(lake, tables)  # nothing was
    take(lake, settings)
    assert {table: rows_of(lake, table) for table in tables} == {table: rows for table, (_, rows) in before.items()}


def test_what_is_older_than_the_watermark_is_left_to_ingest(lake: Lake, tmp_path: Path) -> None:
    settings = settings_of(lake, tmp_path / "in", **{"stream.watermark_minutes": 30})
    arrive(tmp_path / "in", "events", "1.csv", "e1,ann,view,p1,2024-06-14 12:00:00")
    take(lake, settings)
    arrive(
        tmp_path / "in",
        "events",
        "2.csv",
        "e2,ann,view,p1,2024-06-14 11:30:00",  # 30 minutes before the newest
        "e3,ann,view,p1,2024-06-14 11:29:59",  # a second more
    )
    take(lake, settings)
    assert activity(lake, "ann")["views"] == 2
    assert batches(lake)["late"].to_list() == [0, 1]


def test_who_may_not_be_profiled_is_not_counted(lake: Lake, tmp_path: Path) -> None:
    lake.write(Users, [Users.complete({"user_id": "ann", "consent_profiling": False})])
    arrive(tmp_path / "in", "events", "1.csv", *MORNING)
    take(lake, settings_of(lake, tmp_path / "in"))
    assert [row["user_id"] for row in rows_of(lake, IntradayActivity)] == ["bob"]


def test_who_was_erased_does_not_come_back_within_the_day(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "a key of its own, of thirty-two bytes"
    monkeypatch.setenv("ERASED_KEY", secret)
    of_ann = {"digest": suppression_digest("ann", secret.encode()), "person": "1", "erased_on": DAY, "run_id": "r"}
    lake.write(Suppressed, [of_ann])
    arrive(tmp_path / "in", "events", "1.csv", *MORNING)
    take(lake, settings_of(lake, tmp_path / "in", **{"business.privacy.suppression_key_secret": "env:ERASED_KEY"}))
    assert [row["user_id"] for row in rows_of(lake, IntradayActivity)] == ["bob"]
    counts = ["rows_in", "accepted", "quarantined", "blank"]
    assert batches(lake).select(counts).rows() == [(6, 2, 0, 4)]  # e3 and e4; ann's e1, e2 and e5, and the header


def test_it_looks_again_until_its_time_is_over(lake: Lake, tmp_path: Path) -> None:
    arrive(tmp_path / "in", "events", "1.csv", *MORNING)
    take(lake, settings_of(lake, tmp_path / "in", **{"stream.trigger": "1 second", "stream.stop_after_seconds": 1}))
    assert batches(lake)["accepted"].to_list() == [4]


def test_a_file_that_cannot_be_read_stops_the_run_until_it_is_mended(lake: Lake, tmp_path: Path) -> None:
    """Nothing of its batch is kept; mended under its name, the batch is taken whole."""
    settings = settings_of(lake, tmp_path / "in")
    arrive(tmp_path / "in", "events", "1.csv", *MORNING)
    file = tmp_path / "in" / "day" / "events" / "1.csv"
    whole = file.read_text(encoding="utf-8")
    file.write_text(whole.replace("event_id", "number"), encoding="utf-8")
    with pytest.raises(SourceError, match="event_id"):
        take(lake, settings)
    assert not lake.exists(StreamBatches)
    file.write_text(whole, encoding="utf-8")
    take(lake, settings)
    assert batches(lake)["accepted"].to_list() == [4]


def test_rows_arrive_in_a_delta_table(lake: Lake, tmp_path: Path) -> None:
    """O01 (part): a Delta table as the source; rows that were there before are not taken twice."""
    place = str(tmp_path / "clicks")
    source = {"stream.sources.events": {"mapping": "events", "format": "delta", "path": place}}
    settings = settings_of(lake, tmp_path / "in", **source)
    columns = "event_id string, user_id string, event_type string, product_id string, ts string"
    for row in (["e1", "ann", "view", "p1", "2024-06-14 08:00:00"], ["e2", "ann", "view", "p1", "2024-06-14 09:00:00"]):
        lake.spark.createDataFrame([row], columns).write.format("delta").mode("append").save(place)
        take(lake, settings)
    assert activity(lake, "ann")["views"] == 2
    assert batches(lake)["rows_in"].to_list() == [1, 1]
    assert batches(lake)["date"].unique().to_list() == [DAY]
