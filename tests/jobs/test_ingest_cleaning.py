"""Cleaning on a whole delivery: what is filled, cut and rejected, and the same again."""

from __future__ import annotations

import decimal
from pathlib import Path

from jobs.ingest import run as ingest
from promo_spark.contracts.silver import QUARANTINE, OrderLines, Products
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.storage.lake import Lake
from tests.jobs.delivered_files import DATE, LINES, quality, settings, write


def test_cleaned_values_are_counted_and_the_same_delivery_again_is_cleaned_alike(lake: Lake, tmp_path: Path) -> None:
    """B02, B04: filled, cut and rejected values stand in the report; a forced second load changes nothing in silver."""
    write(tmp_path, "products", "product_id", "milk")
    usual = [f"o{n},1,u1,milk,{1 + n % 2},1.50,2024-06-13 10:00:00" for n in range(40)]
    write(
        tmp_path,
        "order_lines",
        LINES,
        *usual,
        "typo,1,u1,milk,100,1.50,2024-06-13 10:00:00",
        "blank,1,u1,milk,,1.50,2024-06-13 10:00:00",
        "none,1,u1,milk,0,1.50,2024-06-13 10:00:00",
        "dear,1,u1,milk,1,999.00,2024-06-13 10:00:00",
    )
    chosen = settings(
        tmp_path,
        [Products, OrderLines],
        cleaning={
            "order_lines": {
                "quantity": {"missing": "median", "outliers": "winsorise", "robust_z": 3.5},
                "amount_paid": {"outliers": "drop", "quantiles": [0.0, 0.97]},
            },
        },
    )
    run_in_order([ingest], lake, chosen, DATE, Progress())
    found = {key: r.failed for key, r in quality(lake).items() if r.failed and r.criticality != "gate"}
    assert found == {
        ("order_lines", "quantity_zero"): 1,  # no policy saves it
        ("order_lines", "filled_quantity"): 1,
        ("order_lines", "winsorised_quantity"): 1,
        ("order_lines", "outlier_amount_paid"): 1,
    }
    rows = {r.order_id: r for r in lake.read(OrderLines).collect()}
    # 1 stands there 21 times, 2 20 times, 100 once: the median is 1.5, the median deviation from it 0.5. The fence is
    # at 1.5 + 3.5 x 1.4826 x 0.5 = 4.0946; the blank line takes the median.
    assert (rows["typo"].quantity, rows["blank"].quantity) == (decimal.Decimal("4.094"), decimal.Decimal("1.5"))
    assert [tuple(c) for c in rows["typo"].cleaned + rows["blank"].cleaned] == [
        ("quantity", "100.000"),
        ("quantity", None),
    ]
    assert rows.keys().isdisjoint({"dear", "none"}) and len(rows) == 42
    reasons = {r.raw.split(",")[0]: r.reasons for r in lake.read(QUARANTINE[OrderLines]).collect()}
    assert reasons == {"dear": ["outlier_amount_paid"], "none": ["quantity_zero"]}
    run_in_order([ingest], lake, chosen, DATE, Progress(), force=True)
    again = {r.order_id: r for r in lake.read(OrderLines).collect()}
    values = [c for c in OrderLines.columns() if c != "run_id"]
    assert {k: [r[c] for c in values] for k, r in again.items()} == {k: [r[c] for c in values] for k, r in rows.items()}
