"""The ready mappings of conf/sources, each on a few lines in the data set's real format, by the real job."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.ingest import run as ingest
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import QUARANTINE, Events, OrderLines, Products, Users
from promo_spark.runtime.job import Context
from promo_spark.settings import mappings
from tests.sources.mapping.ready_files import FILES, HM_CUSTOMER


class Loaded:
    """What an ingest run left: rows by table, counts by source."""

    def __init__(self, ctx: Context[Any]) -> None:
        self.lake = ctx.lake
        self.sources = ctx.sources

    def counts(self, source: str) -> tuple[int, int, int, int]:
        """Rows in, accepted, quarantined, blank."""
        found = self.sources[source]
        return found.rows_in, found.accepted, found.quarantined, found.blank

    def reasons(self, source: str) -> dict[str, int]:
        return dict(self.sources[source].reasons)

    def rows(self, table: type[Table], *columns: str) -> list[tuple[Any, ...]]:
        """The table's rows in these columns, sorted; decimals and times as text."""
        found = self.lake.read(table).select(*columns).collect()
        return sorted((tuple(_plain(v) for v in row) for row in found), key=str)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return value if value is None or isinstance(value, bool | float) else str(value)


@pytest.fixture
def loaded(run_job: Callable[..., Context[Any]], tmp_path: Path) -> Any:
    def load_files(mapping: str, *overrides: str) -> Loaded:
        folder = tmp_path / mapping
        folder.mkdir()
        for name, text in FILES[mapping].items():
            (folder / name).write_text(text, encoding="utf-8")
        # No holidays: what the library says is tested elsewhere, and each table costs a write.
        chosen = [f"ingest.mapping={mapping}", f"ingest.folder={folder}", "business.holiday_countries=[]"]
        chosen += ["business.privacy.pseudonymise=false", *overrides]
        return Loaded(run_job(ingest, datetime.date(2020, 1, 1), *chosen))

    return load_files


def test_every_ready_mapping_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert sorted(FILES) == mappings()
    assert [name for name in mappings() if f'loaded("{name}"' not in text] == []


def test_user_behavior(loaded: Any) -> None:
    """A01, A13: user_id, event, timestamp; a name of an event that nobody knows goes to quarantine."""
    found = loaded("user_behavior")
    assert found.rows(Events, "user_id", "event_type", "ts", "event_date") == [
        ("u1", "purchase", "2024-06-01 10:05:00", "2024-06-01"),
        ("u1", "view", "2024-06-01 10:00:00", "2024-06-01"),
    ]
    assert found.counts("events") == (5, 2, 2, 1)  # the header is blank
    assert found.reasons("events") == {"unknown_event_type": 1, "unparsable_ts": 1, "missing_event_date": 1}
    assert found.rows(Users, "user_id") == [("u1",), ("u2",)]
    assert found.counts("users") == (3, 2, 0, 1)  # two users, not four rows


def test_user_behavior_data(loaded: Any) -> None:
    """A01, A13, B05: user_id, product_id, behavior_type, timestamp; 16:30Z is the next day in Shanghai."""
    found = loaded("user_behavior_data", "business.timezone=Asia/Shanghai")
    assert found.rows(Events, "product_id", "event_type", "ts", "event_date") == [
        ("p1", "purchase", "2026-11-10 16:40:00", "2026-11-11"),
        ("p1", "view", "2026-11-10 16:30:00", "2026-11-11"),
    ]
    assert found.reasons("events") == {"duplicate_row": 1}
    assert found.rows(Products, "product_id", "category") == [("p1", None)]


def test_sales_data(loaded: Any) -> None:
    """A06, A13: date, product_id, quantity, sales; a day of a product is one line, its sales the amount."""
    found = loaded("sales_data", "business.timezone=America/New_York")
    assert found.rows(OrderLines, "order_id", "line_no", "user_id", "quantity", "amount_paid", "order_date") == [
        ("2024-06-01-p1", "1", None, "3.000", "29.97", "2024-06-01"),
        ("2024-06-01-p2", "1", None, "1.000", "5.00", "2024-06-01"),
    ]
    assert found.reasons("order_lines") == {"unparsable_ts": 1, "missing_order_date": 1}
    assert found.rows(Products, "product_id") == [("p1",), ("p2",)]


def test_ratings(loaded: Any) -> None:
    """A07, A08, A13: a matrix of users and products becomes one review per rated cell."""
    found = loaded("ratings")
    assert found.rows(Events, "user_id", "product_id", "event_type", "rating") == [
        ("u1", "p1", "review", 5.0),
        ("u1", "p3", "review", 3.0),
        ("u2", "p3", "review", 2.5),
    ]
    # Six cells, the header and the broken line; blank are the header, u1's empty cell and u2's 0.
    assert found.counts("events") == (8, 3, 2, 3)
    assert found.reasons("events") == {"broken_row": 1, "rating_out_of_range": 1}
    raw = {row.raw for row in found.lake.read(QUARANTINE[Events]).collect()}
    assert raw == {"u3,1", '{"user_id":"u2","product_id":"p2","rating":"7"}'}
    assert found.rows(Products, "product_id") == [("p1",), ("p2",), ("p3",)]


def test_online_retail(loaded: Any) -> None:
    """A03, A13: 'C…' invoices are returns, lines of nobody known are kept, postage is a service."""
    found = loaded("online_retail")
    assert found.rows(OrderLines, "order_id", "user_id", "quantity", "amount_paid", "order_date") == [
        ("489434", "13085", "12.000", "83.40", "2009-12-01"),  # 12 × 6.95
        ("489435", None, "12.000", "30.60", "2010-07-01"),  # 12 × 2.55
        ("489436", "13085", "1.000", "18.00", "2009-12-01"),
        ("489437", None, "-5.000", "0.00", "2009-12-01"),
        ("C489449", "16321", "-1.000", "-6.95", "2009-12-01"),
        ("C496350", None, "-1.000", "-373.57", "2010-02-01"),
    ]
    flags = {row.order_id: row.flags for row in found.lake.read(OrderLines).collect()}
    assert flags["C489449"] == ["quantity_negative"] and flags["489434"] == []
    assert found.counts("order_lines") == (8, 6, 0, 2)  # blank: the header and the bad debt
    assert found.rows(Products, "product_id", "title", "department") == [
        ("22350", "CAT BOWL, BLUE", "goods"),
        ("85048", "15CM CHRISTMAS GLASS BALL 20 LIGHTS", "goods"),  # two lines against one "damaged"
        ("M", "Manual", "service"),
        ("POST", "POSTAGE", "service"),
    ]
    assert found.rows(Users, "user_id", "region") == [("13085", "United Kingdom"), ("16321", "Australia")]


def test_instacart(loaded: Any) -> None:
    """A12, A13: no dates, no prices; two files of one table, users and aisles looked up."""
    found = loaded("instacart")
    assert found.rows(Events, "user_id", "product_id", "session_id", "event_type") == [
        ("1", "14084", "2539329", "purchase"),
        ("1", "196", "1187899", "purchase"),
        ("1", "196", "2539329", "purchase"),
    ]
    assert found.counts("prior_purchases") == (3, 2, 0, 1)
    assert found.counts("train_purchases") == (3, 1, 1, 1)
    assert [r.source for r in found.lake.read(QUARANTINE[Events]).collect()] == ["train_purchases"]
    assert found.rows(Products, "product_id", "department", "category") == [
        ("14084", "dairy eggs", "soy lactosefree"),
        ("196", "beverages", "soft drinks"),
        ("3", "beverages", None),
    ]
    assert found.rows(Users, "user_id") == [("1",)]


def test_retailrocket(loaded: Any) -> None:
    """A01, A13, B05: milliseconds, three kinds of events, the category that an item had last."""
    found = loaded("retailrocket")
    assert found.rows(Events, "user_id", "event_type", "product_id", "session_id", "ts") == [
        ("257597", "view", "355908", None, "2015-06-02 05:02:12.117000"),
        ("599528", "cart", "356475", None, "2015-06-02 05:17:56.276000"),
        ("599528", "purchase", "356475", "4000", "2015-06-02 05:17:56.276000"),
    ]
    assert found.reasons("events") == {"unparsable_ts": 1, "missing_event_date": 1}
    assert found.rows(Products, "product_id", "category", "subcategory") == [
        ("355908", "805", "1173"),
        ("356475", "1278", "1338"),
    ]
    # Two products, two headers, one line of another property.
    assert found.counts("products") == (5, 2, 0, 3)


def test_hm(loaded: Any) -> None:
    """A03, A04, A13: ids keep their zeros, the same line twice is two pieces, hidden prices become readable."""
    found = loaded("hm")
    order = f"2018-09-20-{HM_CUSTOMER}-2"
    assert found.rows(OrderLines, "order_id", "line_no", "product_id", "channel", "quantity", "amount_paid") == [
        (order, "1", "0663713001", "web", "1.000", "29.99"),  # 0.050830508… × 590
        (order, "2", "0663713001", "web", "1.000", "29.99"),
    ]
    assert found.counts("order_lines") == (3, 2, 0, 1)
    assert found.rows(Products, "product_id", "department", "category", "subcategory") == [
        ("0663713001", "Ladieswear", "Underwear", "Underwear body"),
    ]
    assert found.rows(Users, "member_tier", "consent_marketing") == [("ACTIVE", False), ("ACTIVE", True)]


def test_tafeng(loaded: Any) -> None:
    """A03, A04, A13: quoted fields, American dates, customers with zeros in front."""
    found = loaded("tafeng")
    assert found.rows(OrderLines, "order_id", "user_id", "quantity", "amount_paid", "order_date", "ts") == [
        ("11/1/2000-01104905", "01104905", "1.000", "46.00", "2000-11-01", "2000-10-31 16:00:00"),  # midnight in Taipei
        ("11/1/2000-01104905", "01104905", "2.000", "30.00", "2000-11-01", "2000-10-31 16:00:00"),
        ("12/31/2000-00418683", "00418683", "1.000", "28.00", "2000-12-31", "2000-12-30 16:00:00"),
    ]
    assert sorted(row[0] for row in found.rows(OrderLines, "line_no")) == ["1", "1", "2"]
    assert found.rows(Products, "product_id", "category")[0] == ("4710199010372", "110411")
    assert found.rows(Users, "user_id", "age_band", "region") == [
        ("00418683", "45-49", "115"),
        ("01104905", "45-49", "115"),
    ]


def test_m5(loaded: Any) -> None:
    """A06, A13: wide days become long, dated by the calendar and priced by the week."""
    found = loaded("m5")
    assert found.rows(OrderLines, "order_id", "store_id", "quantity", "amount_paid", "order_date") == [
        ("CA_1-HOBBIES_1_001-2011-01-30", "CA_1", "3.000", "28.74", "2011-01-30"),  # 3 × 9.58
        ("CA_1-HOBBIES_1_001-2011-02-05", "CA_1", "2.000", "16.52", "2011-02-05"),  # 2 × 8.26
    ]
    # Six cells and the header: three cells without a sale and the header are blank, one has no price.
    assert found.counts("order_lines") == (7, 2, 1, 4)
    assert found.reasons("order_lines") == {"missing_amount_paid": 1, "missing_list_amount": 1}
    assert found.rows(Products, "product_id", "department", "category") == [
        ("FOODS_3_090", "FOODS", "FOODS_3"),
        ("HOBBIES_1_001", "HOBBIES", "HOBBIES_1"),
    ]
