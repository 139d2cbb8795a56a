"""Rows of a small shop as of a date, and what its figures are."""

from __future__ import annotations

import datetime
from typing import Any

from pyspark.sql import DataFrame

DATE = datetime.date(2024, 5, 1)
Rows = list[dict[str, Any]]


def days_ago(days: int) -> datetime.date:
    """So many days before the date; 1: the day before."""
    return DATE - datetime.timedelta(days)


def line(user: str | None, order: str, ago: int, paid: float = 10.0, **more: Any) -> dict[str, Any]:
    """A line of an order."""
    told = {"user_id": user, "order_id": order, "order_date": days_ago(ago), "amount_paid": paid}
    return {"quantity": 1, "product_id": "p", **told, **more}


def offer(user: str, promotion: str, ago: int, **more: Any) -> dict[str, Any]:
    """An offer that was made so many days ago."""
    told = {"user_id": user, "promotion_id": promotion, "date": days_ago(ago)}
    return {"scenario": "bundle", "mechanic": "bundle", "arm": "treatment", "segment_id": 1, **told, **more}


def told(figures: DataFrame, kpi: str) -> dict[str, tuple[float | None, int]]:
    """Value and n of a figure, by slice."""
    rows = [row for row in figures.collect() if row.kpi == kpi]
    found = {row.slice: (row.value, row.n) for row in rows}
    assert len(found) == len(rows), f"{kpi}: a slice has two rows"
    return found
