"""Deliveries whose files do not hold whole days of the shop: cut at midnight UTC, for a shop in Berlin."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.ingest import run as ingest
from promo_spark.contracts.ops import DataQuality
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.errors import SourceError
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import validated
from promo_spark.storage.lake import Lake
from tests.jobs.delivered_files import settings, write

FILES = {
    datetime.date(2024, 4, 2): [
        "o1,1,tea,1,1.00,2024-04-01 09:00:00",
        "o2,1,tea,1,1.00,2024-04-01 21:30:00",  # 23:30 in Berlin
        "o3,1,tea,1,1.00,2024-04-01 22:30:00",  # half past midnight: the 2nd of April
        "o4,1,tea,1,1.00,2024-04-01 23:10:00",
    ],
    datetime.date(2024, 4, 3): [
        "o5,1,tea,1,1.00,2024-04-02 08:00:00",
        "o6,1,tea,1,1.00,2024-04-02 12:00:00",
        "o7,1,tea,1,1.00,2024-04-02 22:30:00",
    ],
}
FOUND = "2 of 2 orders that silver.order_lines holds of 2024-04-02 are not in this delivery and go"
MENDS = 'set delivery = "rows" in ingest.sources.order_lines: then they stay'


def take_in(
    lake: Lake, folder: Path, date: datetime.date, delivery: str = "whole_days", judged_from: int = 1000
) -> None:
    write(folder, "products", "product_id", "tea")
    write(folder, "order_lines", "order_id,line_no,product_id,quantity,amount_paid,ts", *FILES[date])
    chosen: Any = settings(folder, [Products, OrderLines], gate={"judged_from_rows": judged_from})
    values = chosen.model_dump(mode="json")
    values["business"]["timezone"] = "Europe/Berlin"
    values["ingest"]["sources"]["order_lines"] |= {"timezone": "UTC", "delivery": delivery}
    run_in_order([ingest], lake, validated(values), date, Progress())


def orders(lake: Lake) -> list[str]:
    return sorted(r.order_id for r in lake.read(OrderLines).collect())


def test_orders_that_a_delivery_takes_away_are_told_with_the_setting_that_keeps_them(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of few rows shares are not judged: the delivery is taken in, and says what goes."""
    first, second = FILES
    take_in(lake, tmp_path, first)
    assert "are not in this delivery" not in capsys.readouterr().err
    take_in(lake, tmp_path, second)
    said = capsys.readouterr().err
    assert FOUND in said and MENDS in said
    assert orders(lake) == ["o1", "o2", "o5", "o6", "o7"]
    rows = lake.read(DataQuality).filter("rule = 'max_removed_share'").orderBy("date").collect()
    assert [(r.date, r.rows, r.failed) for r in rows] == [(first, 0, 0), (second, 2, 2)]


def test_a_delivery_that_takes_most_orders_of_a_day_away_is_refused(lake: Lake, tmp_path: Path) -> None:
    first, second = FILES
    take_in(lake, tmp_path, first, judged_from=3)
    with pytest.raises(SourceError) as refused:
        take_in(lake, tmp_path, second, judged_from=3)
    assert FOUND in str(refused.value) and MENDS in str(refused.value)
    assert "--set ingest.gate.sources.order_lines.max_removed_share=1.0" in str(refused.value)
    assert orders(lake) == ["o1", "o2", "o3", "o4"]


def test_lines_that_are_merged_by_their_key_take_none_away(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for date in FILES:
        take_in(lake, tmp_path, date, delivery="rows", judged_from=1)
    assert orders(lake) == [f"o{n}" for n in range(1, 8)]
    assert "are not in this delivery" not in capsys.readouterr().err
