"""A shop that delivers files of order lines into a folder, and what ingest made of them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.ingest import run as ingest
from promo_spark.contracts.ops import DataQuality, SourceFiles
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
        """A file of lines such as "o1 1 tea 2 06-01": order, line, product, pieces, day; or "… 06-01T23:30"."""
        rows = [f"{o},{n},{p},{q},{q}.50,2024-{_time(day)}" for o, n, p, q, day in map(str.split, lines)]
        (self.folder / name).write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")

    def settings(
        self,
        till: Path | None = None,
        gate: int = 1000,
        day_before: bool = False,
        shop_zone: str = "UTC",
        **order_lines: Any,
    ) -> Any:
        values = load(None, ["business.privacy.pseudonymise=false", "business.holiday_countries=[]"])
        dumped = values.model_dump(mode="json")
        dumped["business"]["timezone"] = shop_zone
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
        if till is not None:
            own = dumped["ingest"]["sources"]["order_lines"]
            dumped["ingest"]["sources"]["till"] = own | {"path": str(till), "table": "order_lines"}
        limits = {"judged_from_rows": gate, "day_before_expected": day_before}
        dumped["ingest"]["gate"] |= limits | {"sources": {"order_lines": limits}}
        return validated(dumped)

    def take_in(self, day: int = 14, force: bool = False, **settings: Any) -> None:
        run_in_order([ingest], self.lake, self.settings(**settings), DATE.replace(day=day), Progress(), force)

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

    def report(self, day: int) -> dict[str, tuple[int, int]]:
        """rule → what it judged and what failed it."""
        rows = self.lake.read(DataQuality).filter("source = 'order_lines'").collect()
        return {r.rule: (r.rows, r.failed) for r in rows if r.date == DATE.replace(day=day)}

    def counts(self) -> tuple[int, int, int, int]:
        found: Mapping[str, Any] = RunLog(self.lake).succeeded()[-1].sources
        of_lines = found["order_lines"]
        return of_lines.rows_in, of_lines.accepted, of_lines.quarantined, of_lines.blank


def _time(day: str) -> str:
    """The day with its hour; at noon where it names none."""
    day, _, hour = day.partition("T")
    return f"{day} {hour or '12:00'}:00"
