"""A database's table by a watermark, end to end: what is new is read and merged, and ops.files says how far."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.ingest import run as ingest
from promo_spark.contracts.ops import SourceFiles
from promo_spark.contracts.silver import QUARANTINE, OrderLines
from promo_spark.errors import SettingsError
from promo_spark.flows.ingest import ledger
from promo_spark.flows.restore import restored
from promo_spark.runtime.job import Context
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.run_log import RunLog
from promo_spark.settings import load, validated
from promo_spark.storage.lake import Lake
from tests.jobs.delivered_files import LINE_COLUMNS as COLUMNS
from tests.storage import database_servers
from tests.storage.database_servers import PASSWORD, USER


def settings(folder: Path, url: str = "jdbc:postgresql://h/d", **order_lines: Any) -> Any:
    (folder / "products.csv").write_text("product_id\ntea\n", encoding="utf-8")
    values = load(None, ["business.privacy.pseudonymise=false", "business.holiday_countries=[]"])
    dumped = values.model_dump(mode="json")
    secrets = {"user_secret": "env:SHOP_USER", "password_secret": "env:SHOP_PASSWORD"}
    dumped["ingest"]["connections"] = {"erp": {"url": url, **secrets}}
    products = {"path": str(folder / "products.csv"), "format": "csv", "columns": {"product_id": "product_id"}}
    lines = {"format": "jdbc", "connection": "erp", "db_table": "lines", "watermark_column": "changed_at"}
    dumped["ingest"]["sources"] = {"products": products, "order_lines": lines | {"columns": COLUMNS} | order_lines}
    return validated(dumped)


def test_a_table_is_read_from_its_watermark_on_and_no_row_is_lost_or_doubled(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A12 (incremental): changed, late, rejected and corrected rows; a killed run; a table put back; --force."""
    monkeypatch.setenv("SHOP_USER", USER)
    monkeypatch.setenv("SHOP_PASSWORD", PASSWORD)
    with database_servers.postgresql() as server:

        def line(order: str, changed: str, pieces: int = 1, day: str = "01") -> None:
            server.execute(f"DELETE FROM lines WHERE o = '{order}'")
            values = f"'{order}', 1, 'tea', {pieces}, 1.50, '2024-06-{day} 12:00+00', '2024-06-{changed}+00'"
            server.execute(f"INSERT INTO lines VALUES ({values})")

        def take_in(day: int, force: bool = False, **order_lines: Any) -> tuple[int, int, int]:
            run_in_order(
                [ingest],
                lake,
                settings(tmp_path, server.url, overlap="1 day", **order_lines),
                datetime.date(2024, 6, day),
                Progress(),
                force,
            )
            counts = RunLog(lake).succeeded()[-1].sources["order_lines"]
            return counts.rows_in, counts.accepted, counts.quarantined

        def silver() -> list[tuple[str, int, str]]:
            rows = lake.read(OrderLines).collect()
            return sorted((r.order_id, int(r.quantity), f"{r.order_date:%d}") for r in rows)

        def rejected() -> list[tuple[str, str]]:
            rows = lake.read(QUARANTINE[OrderLines]).collect()
            return sorted((r.source_file, ",".join(r.reasons)) for r in rows)

        server.execute(
            "CREATE TABLE lines (o text, n int, sku text, pieces int, paid numeric(8,2), at timestamptz, "
            "changed_at timestamptz)"
        )
        line("o1", "01 13:00")
        line("o2", "03 13:00")
        line("bad1", "01 14:00", pieces=0)
        line("bad2", "03 14:00", pieces=0)
        assert take_in(4) == (4, 2, 2)
        listed = lake.read(SourceFiles).filter("source = 'order_lines'").collect()
        assert [(r.file, r.taken_to, r.rows_in, r.accepted) for r in listed] == [
            ("lines", "2024-06-03 14:00:00.000000", 4, 2)
        ]
        line("o1", "04 09:00", pieces=5, day="03")  # corrected, to another day
        line("o3", "02 08:00")  # committed late, within the overlap: the days from the 2nd on are read
        line("bad2", "04 09:00")  # put right
        server.execute("DELETE FROM lines WHERE o = 'o2'")  # no watermark tells of it: the row stays

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(ledger, "write_files", killed)
            patch.setattr(Context, "take_back", lambda _: None)  # as kill -9 does
            take_in(5)
        now = [("bad2", 1, "01"), ("o1", 5, "03"), ("o2", 1, "01"), ("o3", 1, "01")]
        assert silver() == now
        assert take_in(5) == (3, 3, 0)  # the same rows once more
        assert silver() == now
        # What is not read again stays rejected. That of the 3rd has no row left whose reading could tell.
        assert rejected() == [("erp/lines@2024-06-01", "quantity_zero"), ("erp/lines@2024-06-03", "quantity_zero")]
        restored(lake, OrderLines.full_name(), "0")
        assert [order for order, *_ in silver()] == ["o1", "o2"]
        assert take_in(6) == (4, 3, 1)  # all there are, as ops.files knows of none
        assert silver() == now
        assert rejected() == [("erp/lines@2024-06-01", "quantity_zero")]
        assert take_in(6, force=True) == (4, 3, 1)


def test_a_watermark_that_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="overlap needs a watermark_column"):
        settings(tmp_path, watermark_column="", overlap="1 day")
    with pytest.raises(SettingsError, match="overlap"):
        settings(tmp_path, overlap="a while")
    with pytest.raises(SettingsError, match='watermark_column is for format = "jdbc" only'):
        settings(tmp_path, format="csv", path="/in", connection="", db_table="")
