"""The columns of a world's raw files, and their values as text: ids, dates, times.

Texts are made once per distinct value, then taken.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Ints

RAW: dict[str, dict[str, str]] = {
    "users": {
        "user_id": "string",
        "registered_at": "string",
        "gender": "string",
        "age_band": "string",
        "income_band": "string",
        "region": "string",
        "household_size": "string",
        "device": "string",
        "address": "string",
        "consent_marketing": "boolean",
        "consent_profiling": "boolean",
    },
    "products": {
        "product_id": "string",
        "department": "string",
        "category": "string",
        "subcategory": "string",
        "brand": "string",
        "manufacturer_id": "string",
        "title": "string",
        "list_price": "double",
        "unit_cost": "double",
        "launched_on": "string",
        "shelf_life_days": "bigint",
    },
    "order_lines": {
        "order_id": "string",
        "line_no": "bigint",
        "user_id": "string",
        "product_id": "string",
        "store_id": "string",
        "channel": "string",
        "quantity": "bigint",
        "amount_paid": "double",
        "list_amount": "double",
        "discount_retail": "double",
        "discount_coupon_match": "double",
        "coupon_id": "string",
        "ts": "string",
    },
    "events": {
        "event_id": "string",
        "user_id": "string",
        "event_type": "string",
        "product_id": "string",
        "ts": "string",
        "event_date": "string",
        "channel": "string",
        "session_id": "string",
        "duration_s": "double",
        "query": "string",
        "rating": "double",
    },
    "campaigns": {"campaign_id": "string", "kind": "string", "start_date": "string", "end_date": "string"},
    "contacts": {"campaign_id": "string", "user_id": "string", "contacted_on": "string", "channel": "string"},
    "coupons": {"campaign_id": "string", "coupon_id": "string", "product_id": "string"},
    "redemptions": {"user_id": "string", "coupon_id": "string", "campaign_id": "string", "redeemed_on": "string"},
    "assignments": {
        "campaign_id": "string",
        "user_id": "string",
        "arm": "string",
        "mechanic": "string",
        "depth": "double",
        "propensity": "double",
        "assigned_on": "string",
    },
    "exposures": {
        "promotion_id": "string",
        "user_id": "string",
        "channel": "string",
        "sent_at": "string",
        "opened_at": "string",
        "suppressed": "string",
    },
    "promo_calendar": {
        "product_id": "string",
        "store_id": "string",
        "start_date": "string",
        "end_date": "string",
        "display": "string",
        "mailer": "string",
        "price": "double",
        "discount_depth": "double",
    },
    "inventory": {"product_id": "string", "store_id": "string", "day": "string", "on_hand": "double"},
    "feedback": {
        "feedback_id": "string",
        "user_id": "string",
        "promotion_id": "string",
        "kind": "string",
        "score": "double",
        "ts": "string",
    },
}

_ARROW = {"string": pa.string(), "bigint": pa.int64(), "double": pa.float64(), "boolean": pa.bool_()}


def ddl(columns: Mapping[str, str]) -> str:
    """Columns as Spark's schema text.

    >>> ddl({"user_id": "string", "quantity": "bigint"})
    'user_id string, quantity bigint'
    """
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def batch(table: str, columns: Mapping[str, object]) -> pa.RecordBatch:
    kinds = RAW[table]
    arrays = [_array(columns[name], _ARROW[kind]) for name, kind in kinds.items()]
    return pa.RecordBatch.from_arrays(arrays, names=list(kinds))


def _array(values: object, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    if isinstance(values, np.ndarray) and kind == pa.int64():
        return pa.array(values.astype(np.int64))
    return pa.array(values, kind)


def user_ids(numbers: Ints) -> pa.Array:
    """The ids of users by number.

    >>> user_ids(np.array([7])).to_pylist()
    ['U00000007']
    """
    return pc.binary_join_element_wise("U", pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 8, "0"), "")


def product_ids(numbers: Ints) -> pa.Array:
    """The ids of products by number.

    >>> product_ids(np.array([7])).to_pylist()
    ['P000007']
    """
    return pc.binary_join_element_wise("P", pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 6, "0"), "")


def campaign_ids(count: int) -> pa.Array:
    return pa.array([f"C{n:04d}" for n in range(count)], pa.string())


def store_ids(spec: WorldSpec) -> pa.Array:
    return pa.array([f"S{n:03d}" for n in range(spec.stores)], pa.string())


def date_texts(spec: WorldSpec, first: int = 0) -> pa.Array:
    """Days from `first` on, to the end of the world."""
    return pa.array([spec.date(d).isoformat() for d in range(first, spec.all_days)], pa.string())


@functools.cache
def _times() -> pa.Array:
    """Every second of a day."""
    return pa.array([f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(86400)])


def moments(spec: WorldSpec, day: Ints, second: Ints) -> pa.Array:
    return pc.binary_join_element_wise(date_texts(spec).take(pa.array(day)), _times().take(pa.array(second)), " ")


def in_currency(cents: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Cents as units of currency."""
    return cents / 100.0


def taken(values: pa.Array, index: npt.NDArray[np.integer], missing: Bools | None = None) -> pa.Array:
    """The values at the indices; null where `missing`."""
    return values.take(pa.array(index, mask=missing))
