"""The data-quality page tells what the table holds, and nothing of a source is taken for HTML."""

from __future__ import annotations

import datetime
import re

from promo_spark.contracts.silver import OrderLines
from promo_spark.reports.data_quality import quality_page
from promo_spark.settings import load
from promo_spark.sources.checks.rules import BROKEN_ROW, WARN, Rule
from promo_spark.sources.gate import verdicts as gate
from promo_spark.sources.gate.quality_rows import quality_rows

DATE = datetime.date(2024, 6, 15)
RULES = [BROKEN_ROW, Rule("unknown_product", "no such <b>product</b>", "reject"), Rule("amount_zero", "free", WARN)]


def page(source: str, rejected: int) -> str:
    """1,100 rows: 100 blank, the rejected ones split into 10 broken and the rest unknown products, 7 free items."""
    delivered = gate.Delivered(1_100, 100, rejected, None)
    failed = {"broken_row": 10, "unknown_product": rejected - 10, "amount_zero": 7}
    verdicts = gate.verdicts(delivered, [], load().ingest.gate, DATE)
    rows = quality_rows(source, OrderLines, delivered, RULES, failed, verdicts, DATE, "run-1")
    meanings = {(source, r.name): r.meaning for r in RULES}
    return quality_page(rows, meanings, DATE, "run-1", "lake lake")


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.partition("<body>")[2]))


def test_the_page_shows_balance_failures_and_verdict() -> None:
    """B10 (page): in = accepted + quarantined + blank; counts, shares and what the check means, in words."""
    shown = text_of(page("orders", 110))
    assert "Taken in. No limit is broken." in shown
    assert "orders silver.order_lines 1,100 890 110 11.00% 100 passed" in shown  # 1,100 - 100 - 110 = 890
    assert "unknown_product no such &lt;b&gt;product&lt;/b&gt; 100 990 10.10% quarantined" in shown  # 1,000 - 10 broken
    assert "amount_zero free 7 990 0.71% kept" in shown


def test_a_refused_delivery_is_told_first() -> None:
    shown = text_of(page("orders", 210))
    assert shown.startswith(" Data quality, 2024-06-15 Refused.")
    assert "Refused. Nothing of this delivery was loaded" in shown and "Broken limits: orders." in shown
    assert "max_rejected_share 21.00% 20.00% broken" in shown


def test_names_from_outside_are_escaped_and_nothing_is_fetched() -> None:
    html = page("<script>alert(1)</script>", 20)
    assert "<script" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "http" not in html and "src=" not in html


def test_on_a_telephone_the_verdict_comes_first_and_every_cell_carries_its_heading() -> None:
    """Rows stack where the page is narrow: no table is wider than the page, so what a cell means stands beside it."""
    html = page("orders", 110)
    assert html.index('class="verdict"') < html.index("ingest run")
    for table in re.findall(r"<table>.*?</table>", html, re.S):
        headings = re.findall(r"<th[^>]*>(.*?)</th>", table)
        labels = re.findall(r'data-label="([^"]*)"', table)
        assert labels == headings * (len(labels) // len(headings)) and labels
        assert len(labels) == len(re.findall(r"<td", table))
    assert "@media (max-width: 44rem)" in html and "overflow-x" not in html
