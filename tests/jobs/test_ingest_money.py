"""Signs of returns and discounts, and discounts on lines of their own, as silver.order_lines has them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from jobs.ingest import run as ingest
from promo_spark.contracts.silver import QUARANTINE, OrderLines, Products
from promo_spark.errors import SourceError
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import validated
from promo_spark.storage.lake import Lake
from tests.jobs.delivered_files import DATE, quality, settings, write

TILL = "order_id,line_no,product_id,quantity,amount_paid,discount_retail,ts"
AT = "2024-06-13 10:00:00"


def take_in(lake: Lake, folder: Path, *lines: str, gate: dict[str, Any] | None = None, **source: Any) -> None:
    """Takes in the order lines, with more settings of their source."""
    write(folder, "products", "product_id", "milk", "rice", "salt")
    write(folder, "order_lines", TILL, *[f"{line},{AT}" for line in lines])
    values = settings(folder, [Products, OrderLines], gate=gate or {}).model_dump(mode="json")
    values["ingest"]["sources"]["order_lines"].update(source)
    run_in_order([ingest], lake, validated(values), DATE, Progress())


def money(lake: Lake) -> dict[str, tuple[str, ...]]:
    """order and line → paid, listed, discount."""
    rows = lake.read(OrderLines).collect()
    return {
        f"{r.order_id}/{r.line_no}": tuple(str(v) for v in (r.amount_paid, r.list_amount, r.discount_retail))
        for r in rows
    }


def test_money_of_a_return_is_given_back_whatever_its_sign(lake: Lake, tmp_path: Path) -> None:
    take_in(
        lake,
        tmp_path,
        "o1,1,rice,1,3.15,0.35",
        "o2,1,rice,-1,3.15,0.35",  # no minus but at the quantity
        "o3,1,rice,-1,-3.15,0.35",  # the discount without a minus
        "o4,1,rice,-1,-3.15,-0.35",
        "o5,1,rice,1,-3.15,0",  # a return or a discount: the row does not say
    )
    back = ("-3.15", "-3.50", "-0.35")
    assert money(lake) == {"o1/1": ("3.15", "3.50", "0.35"), "o2/1": back, "o3/1": back, "o4/1": back}
    assert {r.reasons[0] for r in lake.read(QUARANTINE[OrderLines]).collect()} == {"amount_negative"}
    flags = {r.order_id: r.flags for r in lake.read(OrderLines).collect()}
    assert flags["o2"] == ["quantity_negative", "amount_of_return_positive"] and flags["o3"] == ["quantity_negative"]


DISCOUNTS = (
    "o1,1,rice,1,3.50,0",
    "o1,2,rice,0,-0.50,0",  # off the rice: 3.00
    "o2,1,rice,1,1.00,0",
    "o2,2,milk,1,2.00,0.10",
    "o2,3,salt,0,-1.00,0",  # no salt was bought: a third of 1.00 off the rice, the rest off the milk
    "o3,1,rice,1,1.00,0",
    "o3,2,milk,0,-2.00,0",  # more than was paid
)


def test_a_discount_on_a_line_of_its_own_is_off_its_order_by_a_setting(lake: Lake, tmp_path: Path) -> None:
    take_in(lake, tmp_path, *DISCOUNTS, discount_lines=["quantity", "=", 0])
    assert money(lake) == {
        "o1/1": ("3.00", "3.50", "0.50"),
        "o2/1": ("0.67", "1.00", "0.33"),
        "o2/2": ("1.33", "2.10", "0.77"),  # 2.00 − 0.67
        "o3/1": ("1.00", "1.00", "0.00"),
    }
    assert {tuple(r.reasons) for r in lake.read(QUARANTINE[OrderLines]).collect()} == {
        ("quantity_zero", "amount_negative")
    }
    assert quality(lake)["order_lines", "blank_rows"].failed == 3  # the header and two discounts


def test_without_the_setting_such_lines_are_rejected_and_it_is_named(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    take_in(lake, tmp_path, *DISCOUNTS[:2])
    assert money(lake) == {"o1/1": ("3.50", "3.50", "0.00")}
    said = capsys.readouterr().err
    assert (
        "source order_lines: 1 of 2 rows were rejected (1 amount_negative: money went back without a return; " in said
    )
    assert (
        'discount_lines = ["…", "=", 0] in ingest.sources.order_lines takes lines without pieces as discounts' in said
    )


def test_discounts_of_the_wrong_sign_are_rejected_and_refused_with_the_setting_that_turns_it(
    lake: Lake, tmp_path: Path
) -> None:
    """Paid 1.39 with a discount of −0.60 would list 0.79 for what is sold at 1.39."""
    lines = [f"o{n},1,rice,1,1.39,-0.60" for n in range(4)]
    turns = "scale = -1 on the column of the discount, in ingest.sources.order_lines.columns, turns its sign"
    with pytest.raises(SourceError, match="4 of 4 rows were rejected") as refused:
        take_in(lake, tmp_path, *lines, gate={"judged_from_rows": 1})
    assert "4 discount_negative: a discount of a sale is below 0" in str(refused.value) and turns in str(refused.value)
    header = TILL.split(",")
    columns: dict[str, Any] = {c: {"column": c} for c in header}
    take_in(lake, tmp_path, *lines, columns=columns | {"discount_retail": {"column": "discount_retail", "scale": -1}})
    assert set(money(lake).values()) == {("1.39", "1.99", "0.60")}


def test_a_list_amount_below_what_was_paid_is_kept_and_flagged(lake: Lake, tmp_path: Path) -> None:
    write(tmp_path, "products", "product_id", "rice")
    write(
        tmp_path,
        "order_lines",
        "order_id,line_no,product_id,quantity,amount_paid,list_amount,ts",
        f"o1,1,rice,1,2.00,1.50,{AT}",
        f"o2,1,rice,1,2.00,2.00,{AT}",
    )
    run_in_order([ingest], lake, settings(tmp_path, [Products, OrderLines]), DATE, Progress())
    rows = lake.read(OrderLines).collect()
    assert {r.order_id: (r.list_amount, r.flags) for r in rows} == {
        "o1": (Decimal("1.50"), ["list_below_paid"]),
        "o2": (Decimal("2.00"), []),
    }
