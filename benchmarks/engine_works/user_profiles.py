"""How often, how recently and for how much each user orders, from the order lines of a real grocer."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine_works.complete_journey_lines import LINES, rows, write_lines
from engine_works.work import Engine, Verdict, reading_rate, result
from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.silver import OrderLines

AS_OF = datetime.date(2017, 12, 1)
RECENT = 90
COLUMNS = (
    UserProfile.user_id,
    UserProfile.orders,
    UserProfile.lines,
    UserProfile.spend,
    UserProfile.orders_90d,
    UserProfile.spend_90d,
    UserProfile.first_order_date,
    UserProfile.last_order_date,
    UserProfile.recency_days,
    UserProfile.orders_per_30d,
    UserProfile.basket_value,
    UserProfile.basket_median,
    UserProfile.discounted_lines_share,
)
_CLOSE = 0.005  # half a cent, and half a percentage point of nothing else
_BYTES = 60  # of an order line's columns that are needed, in memory


class UserProfiles:
    name = "user_profiles"
    reference = "duckdb"
    about = (
        "A row per household with 12 figures of its orders, from the lines of Complete Journey before 1 December 2017. "
        "Ours looks for what was taken back as well; the scripts know that nothing was."
    )
    tolerance = f"every figure is that of DuckDB within {_CLOSE:g}, days and counts exactly"
    limited_by = f"reading {_BYTES} bytes of each line from memory"
    sizes = ("tiny", "small", "medium", "large")

    @property
    def engines(self) -> tuple[Engine, ...]:
        return (
            Engine("duckdb", by_duckdb, ("duckdb",), ("duckdb",)),
            Engine("ours", by_ours, ("promo_spark.features.users.activity",), spark=True),
            Engine("polars", by_polars, ("polars",), ("polars",)),
        )

    def prepare(self, folder: Path, size: str) -> int:
        return write_lines(folder, size)

    def judged(self, _folder: Path, results: Mapping[str, Path]) -> dict[str, Verdict]:
        right = _figures(results["duckdb"])
        return {name: _verdict(right, _figures(path)) for name, path in results.items()}

    def limit(self, folder: Path) -> float:
        return rows(folder / f"{LINES}.parquet") * _BYTES / reading_rate()


def by_ours(data: Path, left: Path, spark: Any) -> None:
    from promo_spark.features.users.activity import user_activity
    from promo_spark.measures.kept_purchases import taken_back
    from promo_spark.measures.order_lines import lines_before
    from promo_spark.settings import load

    lines = spark.read.parquet(str(data / f"{LINES}.parquet"))
    taken = taken_back(lines_before(lines, AS_OF))
    activity = user_activity(lines, taken, as_of=AS_OF, settings=load().profile)
    activity.select(*COLUMNS).write.parquet(str(left))


def by_duckdb(data: Path, left: Path, _spark: Any) -> None:
    import duckdb

    with duckdb.connect(config={"threads": 2}) as connection:
        connection.sql(f"""
            WITH orders AS (
                SELECT user_id, order_id, min(order_date) AS day, count(*) AS lines, sum(amount_paid) AS paid,
                    sum(amount_paid) FILTER (DATE '{AS_OF}' - order_date <= {RECENT}) AS recent,
                    count(*) FILTER (discount_retail + discount_coupon + discount_coupon_match > 0) AS discounted
                FROM '{data / LINES}.parquet' WHERE order_date < DATE '{AS_OF}' GROUP BY user_id, order_id)
            SELECT user_id, count(*) AS orders, sum(lines)::BIGINT AS lines, sum(paid)::DOUBLE AS spend,
                count(*) FILTER (DATE '{AS_OF}' - day <= {RECENT}) AS orders_90d,
                coalesce(sum(recent), 0)::DOUBLE AS spend_90d,
                min(day) AS first_order_date, max(day) AS last_order_date, DATE '{AS_OF}' - max(day) AS recency_days,
                count(*) / (greatest(DATE '{AS_OF}' - min(day), 30) / 30) AS orders_per_30d,
                sum(paid)::DOUBLE / count(*) AS basket_value, median(paid::DOUBLE) AS basket_median,
                sum(discounted)::DOUBLE / sum(lines)::DOUBLE AS discounted_lines_share
            FROM orders GROUP BY user_id
        """).write_parquet(str(left))


def by_polars(data: Path, left: Path, _spark: Any) -> None:
    import polars as pl

    as_of = pl.lit(AS_OF)
    discount = pl.sum_horizontal(
        OrderLines.discount_retail, OrderLines.discount_coupon, OrderLines.discount_coupon_match
    )
    paid = pl.col(OrderLines.amount_paid)
    orders = (
        pl.scan_parquet(data / f"{LINES}.parquet")
        .filter(pl.col(OrderLines.order_date) < as_of)
        .group_by(OrderLines.user_id, OrderLines.order_id)
        .agg(
            pl.col(OrderLines.order_date).min().alias("day"),
            pl.len().alias("lines"),
            paid.sum().cast(pl.Float64).alias("paid"),
            paid.filter((as_of - pl.col(OrderLines.order_date)).dt.total_days() <= RECENT)
            .sum()
            .cast(pl.Float64)
            .alias("recent"),
            (discount > 0).sum().alias("discounted"),
        )
    )
    first, last, lines = pl.col("day").min(), pl.col("day").max(), pl.col("lines").sum()
    months = pl.max_horizontal((as_of - first).dt.total_days(), pl.lit(30)) / 30
    orders.group_by(OrderLines.user_id).agg(
        pl.len().alias(UserProfile.orders),
        lines.alias(UserProfile.lines),
        pl.col("paid").sum().alias(UserProfile.spend),
        ((as_of - pl.col("day")).dt.total_days() <= RECENT).sum().alias(UserProfile.orders_90d),
        pl.col("recent").sum().alias(UserProfile.spend_90d),
        first.alias(UserProfile.first_order_date),
        last.alias(UserProfile.last_order_date),
        (as_of - last).dt.total_days().alias(UserProfile.recency_days),
        (pl.len() / months).alias(UserProfile.orders_per_30d),
        pl.col("paid").mean().alias(UserProfile.basket_value),
        pl.col("paid").median().alias(UserProfile.basket_median),
        (pl.col("discounted").sum() / lines).alias(UserProfile.discounted_lines_share),
    ).sink_parquet(left)


def _figures(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Users, in order of their ids, × columns; days as numbers."""
    frame = result(path).select(list(COLUMNS)).to_pandas().sort_values(UserProfile.user_id)
    for name in (UserProfile.first_order_date, UserProfile.last_order_date):
        frame[name] = [day.toordinal() for day in frame[name]]
    return np.asarray(frame[list(COLUMNS)], np.float64)


def _verdict(right: np.ndarray[Any, Any], found: np.ndarray[Any, Any]) -> Verdict:
    if right.shape != found.shape:
        return Verdict(False, note=f"{len(found):,} users, not {len(right):,}")
    gaps = np.abs(right - found).max(axis=0)
    wrong = [name for name, gap in zip(COLUMNS, gaps, strict=True) if not gap <= _CLOSE]
    return Verdict(not wrong, note=f"differs in {', '.join(wrong)}" if wrong else "")
