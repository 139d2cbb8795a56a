"""An experiment whose outcome is known by construction: promotions of some days, and what users bought in them.

Every tenth user is held out. Chance drew for some others on each day. Whoever may buy does so on the second day.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from promo_spark.contracts.features import DailySales, ProductProfile, UserProfile
from promo_spark.contracts.schema import Table
from promo_spark.storage.lake import Lake

DAY = datetime.date(2024, 3, 1)
USERS = 400
Rows = Sequence[Mapping[str, Any]]


def day(n: int) -> datetime.date:
    """So many days after the first."""
    return DAY + datetime.timedelta(n)


def held_out(n: int) -> bool:
    return n % 10 == 0


def promotion(n: int, on: int, **changes: Any) -> dict[str, Any]:
    """The row of user n on a day: held out, or a discount of 20 % on tea, which costs 10."""
    none = {
        "scenario": "none",
        "mechanic": "none",
        "reason_codes": ["holdout"],
        "arm": "holdout",
        "arm_propensity": 0.1,
    }
    offer = {
        "scenario": "recommended_item",
        "mechanic": "discount",
        "product_ids": ["tea"],
        "discount_rate": 0.2,
        "charged_price": 10,
        "offer_price": 8,
        "valid_from": day(on),
        "valid_to": day(on + 6),
        "expected_cost": 1.5,
        "incremental_margin": 0.5,
        "expected_uplift": 0.1,
        "reason_codes": ["bought_before"],
        "arm": "treatment",
        "arm_propensity": 0.9,
        "action_propensity": 1,
    }
    whole = {"date": day(on), "user_id": f"u{n}", "promotion_id": f"{on}-{n}", "currency": "EUR", "segment_id": n % 2}
    return whole | (none if held_out(n) else offer) | changes


def line(n: int, on: int, paid: float, product: str = "tea", **changes: Any) -> dict[str, Any]:
    """One piece that user n bought on a day."""
    whole = {"order_id": f"o{n}-{on}-{product}", "line_no": 1, "user_id": f"u{n}", "product_id": product}
    return whole | {"quantity": 1, "amount_paid": paid, "list_amount": paid, "order_date": day(on)} | changes


def write(lake: Lake, tables: Mapping[type[Table], Rows]) -> None:
    """Writes the rows as the jobs of the dates would: one date, or one day, at a time."""
    for table, rows in tables.items():
        if table.dated_by in (None, ""):
            lake.write(table, table.frame(lake.spark, rows))
            continue
        assert table.dated_by is not None
        for value in sorted({row[table.dated_by] for row in rows}):
            of_date = [row for row in rows if row[table.dated_by] == value]
            lake.write(table, table.frame(lake.spark, of_date), {table.dated_by: value})


def features(as_of: datetime.date) -> dict[type[Table], Rows]:
    """Tea costs the shop 4, milk 1. Of users and sales there is little to know."""
    return {
        ProductProfile: [
            {"as_of": as_of, "product_id": "tea", "unit_cost": 4},
            {"as_of": as_of, "product_id": "milk", "unit_cost": 1},
        ],
        UserProfile: [{"as_of": as_of, "user_id": f"u{n}", "lifecycle": "repeat"} for n in range(3)],
        DailySales: [{"as_of": as_of, "series_id": "category:tea", "level": "category", "item_id": "tea", "day": DAY}],
    }
