"""What a delivery leaves blank, and what a refusal says of values that cannot be read."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from jobs.ingest import run as ingest
from promo_spark.contracts.silver import OrderLines, Products
from promo_spark.errors import SourceError
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import validated
from promo_spark.storage.lake import Lake
from tests.jobs.delivered_files import DATE, settings, write

TILL = "order_id,line_no,product_id,quantity,amount_paid,list_amount,discount_retail,order_date,ts"


def with_mapping(chosen: Any, **columns: Any) -> Any:
    """The settings with other mappings of some columns of order_lines."""
    values = chosen.model_dump(mode="json")
    values["ingest"]["sources"]["order_lines"]["columns"].update(columns)
    return validated(values)


def test_a_blank_discount_is_none_and_other_blanks_follow_from_the_row(lake: Lake, tmp_path: Path) -> None:
    """A till that prints a discount only where there is one loses no sale."""
    write(tmp_path, "products", "product_id", "milk")
    write(
        tmp_path,
        "order_lines",
        TILL,
        "o1,1,milk,1,1.50,,,,2024-06-13 10:00:00",  # nothing off: list 1.50
        "o2,1,milk,1,1.00,, ,2024-06-12,2024-06-13 10:00:00",  # blanks; a day of its own
        "o3,1,milk,1,1.00,,0.50,,2024-06-13 10:00:00",  # list 1.00 + 0.50
        "o4,1,milk,1,,2.00,0.50,,2024-06-13 10:00:00",  # no amount: 0 by the column's default
        "o5,1,milk,1,1.00,,half,,2024-06-13 10:00:00",  # there, and no number
    )
    chosen = with_mapping(
        settings(tmp_path, [Products, OrderLines]), amount_paid={"column": "amount_paid", "default": 0}
    )
    run_in_order([ingest], lake, chosen, DATE, Progress())
    lines = lake.read(OrderLines).orderBy(OrderLines.order_id).collect()
    assert [(r.order_id, r.amount_paid, r.list_amount, r.discount_retail, r.order_date.day) for r in lines] == [
        ("o1", Decimal("1.50"), Decimal("1.50"), Decimal("0.00"), 13),
        ("o2", Decimal("1.00"), Decimal("1.00"), Decimal("0.00"), 12),
        ("o3", Decimal("1.00"), Decimal("1.50"), Decimal("0.50"), 13),
        ("o4", Decimal("0.00"), Decimal("2.00"), Decimal("0.50"), 13),
    ]


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (
            "1.234|50",  # | stands for the decimal comma, in quotes
            "3 unparsable_amount_paid: amount_paid has a value that is not a number that fits, such as '1.234,50'; "
            "decimal_comma = true in ingest.sources.order_lines.columns.amount_paid reads it",
        ),
        ("n/a", 'such as \'n/a\'; map = { "n/a" = "" } in ingest.sources.order_lines.columns.amount_paid reads it'),
        ("", 'no value, and the row makes no sense without; default = "…" in ingest.sources.order_lines.columns.amou'),
    ],
)
def test_a_refusal_shows_a_value_and_the_setting_that_reads_it_before_the_one_that_drops_rows(
    lake: Lake, tmp_path: Path, amount: str, told: str
) -> None:
    write(tmp_path, "products", "product_id", "milk")
    shown = f'"{amount.replace("|", ",")}"'
    rows = [f"o{n},1,milk,1,{shown},2024-06-13 10:00:00" for n in range(3)]
    write(tmp_path, "order_lines", "order_id,line_no,product_id,quantity,amount_paid,ts", *rows)
    chosen = settings(tmp_path, [Products, OrderLines], gate={"judged_from_rows": 1})
    with pytest.raises(SourceError) as refused:
        run_in_order([ingest], lake, chosen, DATE, Progress())
    message = str(refused.value)
    assert told in message
    assert message.index(told) < message.index("ingest.gate.sources.order_lines.max_rejected_share=1.0")


def test_a_value_that_only_one_row_has_is_shown_by_its_shape(lake: Lake, tmp_path: Path) -> None:
    """A name that slipped into a column of numbers stands in no message."""
    write(tmp_path, "products", "product_id", "milk")
    write(
        tmp_path,
        "order_lines",
        "order_id,line_no,product_id,quantity,amount_paid,ts",
        "o1,1,milk,1,Ann 7,2024-06-13 10:00:00",
    )
    chosen = settings(tmp_path, [Products, OrderLines], gate={"judged_from_rows": 1})
    with pytest.raises(SourceError, match="such as 'xxx 9'") as refused:
        run_in_order([ingest], lake, chosen, DATE, Progress())
    assert "Ann" not in str(refused.value)
