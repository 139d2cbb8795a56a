"""Of each account and signal: the chance that an honest account shows as much. NaN: the data do not tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from promo_spark.contracts.sensitive import declared_features
from promo_spark.models.risk.chances import binomial_tail, geometric_tail, poisson_tail, robust_z, tail_of_z
from promo_spark.models.risk.frames import AccountEvidence as Evidence
from promo_spark.models.risk.shop import Shop

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]  # of AccountEvidence, as doubles; null is NaN

NUMBERS = tuple(
    n
    for n, c in Evidence.columns().items()
    if c.type.typeName() in ("integer", "long", "double") and n != Evidence.ring
)
FEATURES = declared_features(  # that the forest cuts by
    "orders",
    "lines_per_order",
    "basket",
    "coupon_share",
    "returned_share",
    "at_once_share",
    "quiet_share",
    "most_orders",
    "days_between",
    "sharing",
)


def numbers(rows: pa.RecordBatch | pa.Table) -> dict[str, Floats]:
    """The columns that are numbers in AccountEvidence, as doubles."""
    return {
        name: np.asarray(
            pc.cast(rows.column(name), pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64
        )
        for name in NUMBERS
        if name in rows.schema.names
    }


def chances(of: Columns, shop: Shop, *, opened_from: int, opened_within_days: int) -> dict[str, Floats]:
    """The chance of each signal, by account."""
    orders = np.where(of[Evidence.orders] > 0, of[Evidence.orders], np.nan)
    returned = np.where(of[Evidence.returned_lines] > 0, of[Evidence.returned_lines], np.nan)
    later = of[Evidence.returned_lines] - np.minimum(of[Evidence.at_once_orders], of[Evidence.returned_lines])
    found = {
        "shared_identity": _shared_identity(of, shop),
        "opened_together": _opened_together(of, shop, opened_within_days),
        "equal_orders": np.minimum(np.nan_to_num(of[Evidence.equal_chance], nan=1.0) * orders, 1.0),
        "coupon_orders": _coupon_orders(of, shop, opened_from),
        "coupon_burst": tail_of_z(robust_z(of[Evidence.most_coupons], *shop.usual_coupons)),
        "returned_at_once": _geometric(of[Evidence.at_once_orders], orders, shop.at_once),
        "returned_lines": _geometric(later, of[Evidence.lines], shop.returned),
        "returned_again": _geometric(of[Evidence.again_lines], returned, shop.again),
        "quiet_hours": _geometric(of[Evidence.quiet_orders], orders, shop.quiet),
        "order_burst": tail_of_z(robust_z(of[Evidence.most_orders], *shop.usual_orders)),
    }
    if shop.later_coupon is None:
        found["coupon_burst"] = np.full(len(orders), np.nan)
    return found


def features(of: Columns) -> Floats:
    """Account × FEATURES: what an isolation forest cuts by, counts and amounts by their logs. 0 where nobody knows."""
    orders, lines = np.maximum(of[Evidence.orders], 1), np.maximum(of[Evidence.lines], 1)
    span = of[Evidence.last_day] - of[Evidence.first_day]
    table = np.column_stack(
        [
            np.log1p(of[Evidence.orders]),
            np.log(lines / orders),
            np.log1p(np.maximum(of[Evidence.cents], 0) / orders),
            of[Evidence.coupon_orders] / orders,
            of[Evidence.returned_lines] / lines,
            of[Evidence.at_once_orders] / orders,
            of[Evidence.quiet_orders] / orders,
            np.log(np.maximum(of[Evidence.most_orders], 1)),
            np.log1p(span / orders),
            np.log(np.fmax(of[Evidence.sharing], 1)),
        ]
    )
    known: Floats = np.nan_to_num(table, nan=0.0)
    return known


def _shared_identity(of: Columns, shop: Shop) -> Floats:
    """Accounts that share a device or an address, beside how many usually do: households, above all."""
    if shop.shares_digest is None:
        return np.full(len(of[Evidence.digests]), np.nan)
    others = np.fmax(of[Evidence.sharing], 1) - 1
    chance = np.where(
        others > 0, shop.shares_digest * poisson_tail(others, np.full(len(others), shop.sharing - 1)), 1.0
    )
    # two digests are two tries
    return np.where(of[Evidence.digests] > 0, np.minimum(chance * np.maximum(of[Evidence.digests], 1), 1.0), np.nan)


def _opened_together(of: Columns, shop: Shop, within_days: int) -> Floats:
    """Linked accounts that were opened within days of this one, beside how many of all accounts were."""
    day, near, others = (of[n] for n in (Evidence.opened, Evidence.opened_near, Evidence.others_dated))
    total = sum(shop.openings.values())
    known = ~np.isnan(day) & (others > 0)
    if not total or not known.any():
        return np.full(len(day), np.nan)
    days = sorted(shop.openings)
    until = np.concatenate([[0], np.cumsum([shop.openings[d] for d in days])])
    first = np.searchsorted(days, np.where(known, day, 0) - (within_days - 1), side="left")
    last = np.searchsorted(days, np.where(known, day, 0) + (within_days - 1), side="right")
    share = (until[last] - until[first]) / total
    return np.where(known, binomial_tail(near, others, share), np.nan)


def _coupon_orders(of: Columns, shop: Shop, opened_from: int) -> Floats:
    """Orders with a coupon: of linked accounts together, else of the account alone."""
    if shop.later_coupon is None:
        return np.full(len(of[Evidence.orders]), np.nan)
    first_rate = shop.later_coupon if shop.first_coupon is None else shop.first_coupon
    is_new = np.where(of[Evidence.opened] >= opened_from, 1.0, 0.0)
    alone = is_new * first_rate + (of[Evidence.orders] - is_new) * shop.later_coupon
    of_one = geometric_tail(of[Evidence.coupon_orders], np.maximum(alone, 1e-9))
    orders, first = of[Evidence.ring_orders], of[Evidence.ring_first_orders]
    linked = (of[Evidence.members] >= 3) & (orders > 0)
    expected = first * first_rate + (orders - first) * shop.later_coupon
    rate = np.clip(np.where(linked, expected / np.maximum(orders, 1), 0.5), 1e-9, 1 - 1e-9)
    return np.where(linked, binomial_tail(of[Evidence.ring_coupon_orders], orders, rate), of_one)


def _geometric(count: Floats, tries: Floats, rate: float | None) -> Floats:
    return np.full(len(count), np.nan) if rate is None else geometric_tail(count, tries * rate)
