"""The columns of sources from one delivery to the next."""

from __future__ import annotations

import datetime
from pathlib import Path

import polars as pl
import pytest

from jobs.ingest import run as ingest
from promo_spark.contracts.ops import SourceColumns
from promo_spark.contracts.silver import Products
from promo_spark.errors import SourceError
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import validated
from promo_spark.storage.lake import Lake
from tests.jobs.delivered_files import DATE, quality, settings, write


def test_a_new_column_is_told_and_left_aside_and_another_type_is_refused_by_name(lake: Lake, tmp_path: Path) -> None:
    """B06: schema drift of JSON lines, CSV and Parquet between two deliveries."""
    lines = {
        "order_id": ["o1"],
        "line_no": [1],
        "user_id": ["u1"],
        "product_id": ["milk"],
        "quantity": [1.0],
        "amount_paid": [1.5],
        "ts": ["2024-06-13 10:00:00"],
    }
    write(tmp_path, "products", "product_id,list_price", "milk,1.50")
    (tmp_path / "users.json").write_text('{"user_id": "u1"}\n', encoding="utf-8")
    pl.DataFrame(lines).write_parquet(tmp_path / "order_lines.parquet")
    values = settings(tmp_path, [Products]).model_dump(mode="json")
    values["ingest"]["sources"] |= {
        "users": {"path": str(tmp_path / "users.json"), "format": "json", "columns": {"user_id": "user_id"}},
        "till": {
            "table": "order_lines",
            "path": str(tmp_path / "order_lines.parquet"),
            "format": "parquet",
            "columns": {c: c for c in lines},
        },
    }
    run_in_order([ingest], lake, validated(values), DATE, Progress())
    assert {(s, r) for (s, r), row in quality(lake).items() if r == "new_columns" and row.failed} == set()

    write(tmp_path, "products", "colour,product_id,list_price", "white,milk,1.50")
    (tmp_path / "users.json").write_text('{"user_id": "u1", "vip": true}\n', encoding="utf-8")
    pl.DataFrame(lines | {"shop": ["s1"]}).write_parquet(tmp_path / "order_lines.parquet")
    run_in_order([ingest], lake, validated(values), DATE + datetime.timedelta(1), Progress())
    columns = {(r.source, r.column_name): r for r in lake.read(SourceColumns).collect()}
    assert {key for key, r in columns.items() if r.first_seen > DATE} == {
        ("products", "colour"),
        ("users", "vip"),
        ("till", "shop"),
    }
    assert not any(columns[key].mapped for key in [("products", "colour"), ("users", "vip"), ("till", "shop")])
    assert columns["till", "amount_paid"].mapped and columns["till", "amount_paid"].type == "double"
    assert "colour" not in lake.read(Products).columns

    pl.DataFrame(lines | {"amount_paid": ["1.50"]}).write_parquet(tmp_path / "order_lines.parquet")
    with pytest.raises(
        SourceError,
        match=r"till is refused: amount_paid was double and is string.*"
        r"--set ingest\.gate\.sources\.till\.max_changed_types=1",
    ):
        run_in_order([ingest], lake, validated(values), DATE + datetime.timedelta(2), Progress())
    values["ingest"]["gate"]["max_changed_types"] = 1
    run_in_order([ingest], lake, validated(values), DATE + datetime.timedelta(2), Progress())
    assert {r.type for r in lake.read(SourceColumns).filter("column_name = 'amount_paid'").collect()} == {"string"}
