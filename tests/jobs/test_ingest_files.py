"""Which files ingest takes in, and what ops.files says of them."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jobs.ingest import run as ingest
from promo_spark.contracts.ops import SourceFiles
from promo_spark.contracts.silver import QUARANTINE, OrderLines
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.run_log import RunLog
from promo_spark.settings import load, validated
from promo_spark.storage.lake import Lake

DATE = datetime.date(2024, 6, 14)
HEADER = "order_id,line_no,product_id,quantity,amount_paid,ts"


class Shop:
    """A shop that delivers files of order lines into a folder."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self.lake, self.folder = lake, folder / "orders"
        self.folder.mkdir()
        self.products = folder / "products.csv"
        self.products.write_text("product_id\ntea\nmilk\n", encoding="utf-8")

    def deliver(self, name: str, *lines: str) -> None:
        """A file of lines such as "o1 1 tea 2 06-01": order, line, product, pieces, day."""
        rows = [f"{o},{n},{p},{q},{q}.50,2024-{day} 12:00:00" for o, n, p, q, day in map(str.split, lines)]
        (self.folder / name).write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")

    def settings(self, **order_lines: Any) -> Any:
        values = load(None, ["business.privacy.pseudonymise=false", "business.holiday_countries=[]"])
        dumped = values.model_dump(mode="json")
        dumped["ingest"]["sources"] = {
            "products": {"path": str(self.products), "format": "csv", "columns": {"product_id": "product_id"}},
            "order_lines": {
                "path": str(self.folder),
                "format": "csv",
                "columns": {column: column for column in HEADER.split(",")},
                "timestamp_format": "yyyy-MM-dd HH:mm:ss",
            }
            | order_lines,
        }
        return validated(dumped)

    def take_in(self, day: int = 14, **order_lines: Any) -> None:
        date = DATE.replace(day=day)
        run_in_order([ingest], self.lake, self.settings(**order_lines), date, Progress())

    def facts(self) -> list[tuple[str, int, str, int, str]]:
        rows = self.lake.read(OrderLines).collect()
        return sorted((r.order_id, r.line_no, r.product_id, int(r.quantity), f"{r.order_date:%m-%d}") for r in rows)

    def orders(self) -> str:
        return " ".join(order for order, *_ in self.facts())

    def rejected(self) -> list[tuple[str, str]]:
        rows = self.lake.read(QUARANTINE[OrderLines]).collect()
        return sorted((Path(r.source_file).name, ",".join(r.reasons)) for r in rows)

    def files(self) -> dict[str, tuple[int, int, int, int]]:
        """file → rows in, accepted, quarantined, blank."""
        rows = self.lake.read(SourceFiles).filter("source = 'order_lines'").collect()
        return {r.file: (r.rows_in, r.accepted, r.quarantined, r.blank) for r in rows}

    def counts(self) -> tuple[int, int, int, int]:
        found: Mapping[str, Any] = RunLog(self.lake).succeeded()[-1].sources
        of_lines = found["order_lines"]
        return of_lines.rows_in, of_lines.accepted, of_lines.quarantined, of_lines.blank


@pytest.fixture
def shop(lake: Lake, tmp_path: Path) -> Shop:
    return Shop(lake, tmp_path)


def test_every_file_is_listed_with_what_became_of_its_rows(shop: Shop) -> None:
    """A12: rows in = accepted + quarantined + blank, per file as per source."""
    (shop.folder / "june").mkdir()
    shop.deliver("june/a b.csv", "o1 1 tea 1 06-01", "o2 1 tea 0 06-01")  # no pieces: rejected
    shop.deliver("june/c.csv", "o3 1 milk 1 06-02")
    (shop.folder / "empty.csv").write_text("", encoding="utf-8")
    shop.take_in()
    # The header of each file is a blank row.
    assert shop.files() == {"june/a b.csv": (3, 1, 1, 1), "june/c.csv": (2, 1, 0, 1), "empty.csv": (0, 0, 0, 0)}
    listed = shop.lake.read(SourceFiles).filter("file = 'june/c.csv'").collect()[0]
    content = (shop.folder / "june" / "c.csv").read_bytes()
    assert (listed.size, listed.checksum) == (len(content), hashlib.sha256(content).hexdigest())
    assert listed.source_file == shop.lake.read(OrderLines).filter("order_id = 'o3'").collect()[0].source_file
    of_products = shop.lake.read(SourceFiles).filter("source = 'products'").collect()
    assert [(r.file, r.table, r.rows_in, r.accepted) for r in of_products] == [
        ("products.csv", "silver.products", 3, 2)
    ]
