"""CSV files as a retailer delivers them, the settings that take them in, and what was then found of their quality."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from promo_spark.contracts.ops import DataQuality
from promo_spark.contracts.schema import Table
from promo_spark.settings import load, validated
from promo_spark.storage.lake import Lake

DATE = datetime.date(2024, 6, 14)
LINES = "order_id,line_no,user_id,product_id,quantity,amount_paid,ts"
LINE_COLUMNS = {  # of a table of receipts that names them in its own way
    "order_id": "o",
    "line_no": "n",
    "product_id": "sku",
    "quantity": "pieces",
    "amount_paid": "paid",
    "ts": "at",
}


def settings(folder: Path, tables: list[type[Table]], **ingest_settings: Any) -> Any:
    """Files named like their tables, with our column names where the header has them."""
    values = load(None, ["business.privacy.pseudonymise=false"]).model_dump(mode="json")
    for key, value in ingest_settings.items():
        if isinstance(value, dict):
            values["ingest"][key].update(value)
        else:
            values["ingest"][key] = value
    for table in tables:
        file = folder / f"{table.name}.csv"
        header = file.read_text(encoding="utf-8").splitlines()[0].split(",")
        values["ingest"]["sources"][table.name] = {
            "path": str(file),
            "format": "csv",
            "columns": {c: c for c in header},
            "timestamp_format": "yyyy-MM-dd HH:mm:ss",
        }
    return validated(values)


def write(folder: Path, name: str, header: str, *rows: str) -> None:
    (folder / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def quality(lake: Lake) -> dict[tuple[str, str], Any]:
    return {(r.source, r.rule): r for r in lake.read(DataQuality).filter(f"date = '{DATE}'").collect()}
