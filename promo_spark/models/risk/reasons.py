"""What speaks against an account, in words, strongest first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from promo_spark.contracts.risk import GROUPS
from promo_spark.models.risk.frames import AccountEvidence as Evidence
from promo_spark.models.risk.weighing import SPEAKS

Floats = NDArray[np.float64]

_WORDS = {
    "sharing": "shares a device or address with {sharing} accounts",
    "opening": "opened within days of {opened_near} of {others_dated} linked accounts",
    "coordination": "ordered the same as {equal_others} other accounts in the same hours",
    "coupons": "{coupons_of} of {orders_of} orders used a coupon",
    "returns": "gave back {returned_lines} of {lines} lines, {at_once_orders} orders of {orders} whole and at once",
    "repetition": "gave back {again_lines} lines of what it had given back before",
    "hours": "{quiet_orders} of {orders} orders in hours in which nearly nobody orders",
    "bursts": "{most_orders} orders in a day",
    "outlier": "unusual in all taken together",
}


def reasons(of: Mapping[str, Floats], factors: Mapping[str, Floats]) -> list[list[str]]:
    """Account by account, the groups of signals that speak against it.

    >>> told = {name: np.zeros(1) for name in _NAMED} | {"most_orders": np.array([9.0])}
    >>> reasons(told, {"bursts": np.array([20.0]), "returns": np.array([0.5])})
    [['9 orders in a day']]
    """
    names = [group for group in GROUPS if group in factors]
    strength = np.column_stack([factors[group] for group in names])
    found: list[list[str]] = [[] for _ in range(len(strength))]
    for row in np.flatnonzero((strength >= SPEAKS).any(axis=1)):
        order = np.argsort(-strength[row], kind="stable")
        values = _values(of, int(row))
        found[row] = [_WORDS[names[n]].format(**values) for n in order if strength[row, n] >= SPEAKS]
    return found


_NAMED = (
    Evidence.sharing,
    Evidence.opened_near,
    Evidence.others_dated,
    Evidence.equal_accounts,
    Evidence.coupon_orders,
    Evidence.orders,
    Evidence.ring_coupon_orders,
    Evidence.ring_orders,
    Evidence.members,
    Evidence.lines,
    Evidence.returned_lines,
    Evidence.at_once_orders,
    Evidence.again_lines,
    Evidence.quiet_orders,
    Evidence.most_orders,
)


def _values(of: Mapping[str, Floats], row: int) -> dict[str, int]:
    values = {name: int(np.nan_to_num(of[name][row])) for name in _NAMED}
    linked = values[Evidence.members] >= 3
    values["equal_others"] = max(values[Evidence.equal_accounts] - 1, 0)
    values["sharing"] = max(values[Evidence.sharing] - 1, 0)
    values["coupons_of"] = values[Evidence.ring_coupon_orders if linked else Evidence.coupon_orders]
    values["orders_of"] = values[Evidence.ring_orders if linked else Evidence.orders]
    return values
