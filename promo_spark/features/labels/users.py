"""What is known of a user as of a day, and what the user did next. Plain numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promo_spark.contracts.model_features import UserFeatures
from promo_spark.contracts.sensitive import declared_features
from promo_spark.features.labels.histories import Floats, Histories, Ints, stacked

USER_FEATURES = declared_features(*UserFeatures.columns())
WINDOWS = (7, 14, 28, 56, 91)
# of users: predictions of each kind are calibrated by themselves
KINDS = ("never ordered", "ordered long ago", "one order day", "active", "silent")
_SILENT = 3.0  # times the usual gap


@dataclass(frozen=True)
class Rows:
    """One row per user and day as of which the user is looked at. `lookback`: days before it that count."""

    user: Ints
    day: Ints
    lookback: int


def user_features(of: Histories, rows: Rows) -> Floats:
    """One row per row, the columns of USER_FEATURES: nothing on or after the row's day, nor before its lookback.

    Days, amounts of currency, counts and shares; NaN where there is nothing to take them from: no order, no gap
    between two of them, no contact. `silence` is the recency as a multiple of the usual gap.
    """
    user, end = rows.user, rows.day
    first = end - rows.lookback
    orders = of.orders
    whole = orders.within(user, first, end)
    windows = {days: orders.within(user, np.maximum(end - days, first), end) for days in WINDOWS}
    count, recency = whole.count, whole.recency()
    tenure = np.where(count > 0, end - whole.first(), np.nan)
    gaps = np.where(count > 1, count - 1, np.nan)
    # the gap before the first order day in the lookback reaches out of it
    reached = np.where(count > 0, whole.first("gap"), 0)
    gap = (whole.total("gap") - reached) / gaps
    spread = np.sqrt(np.maximum((whole.total("gap_squared") - reached * reached) / gaps - gap * gap, 0.0))
    known = np.where(count > 0, count, np.nan)
    lines = whole.total("lines")
    contacts = {d: of.contacts.count(user, np.maximum(end - d, first), end) for d in (14, 28, 91, rows.lookback)}
    redeemed = of.redemptions.count(user, first, end)
    registered = of.registered[user]
    account = np.where((registered >= 0) & (registered < end), np.minimum(end - registered, 3660), np.nan)
    return stacked(
        [
            recency,
            whole.recency(2),
            whole.recency(4),
            tenure,
            account,
            count,
            *(window.count for window in windows.values()),
            count / np.maximum(np.where(count > 0, tenure, 1.0), 28.0) * 28.0,
            gap,
            spread,
            recency / np.maximum(gap, 1.0),
            windows[28].total("cents") / 100,
            windows[91].total("cents") / 100,
            whole.total("cents") / known / 100,
            lines / known,
            whole.total("discounted") / np.where(lines > 0, lines, np.nan),
            whole.total("weekend") / known,
            contacts[14],
            contacts[28],
            contacts[91],
            redeemed,
            redeemed / np.where(contacts[rows.lookback] > 0, contacts[rows.lookback], np.nan),
        ]
    )


def kinds_of_users(of: Histories, rows: Rows, features: Floats) -> Ints:
    """The place in KINDS of each row; `features` are those of the rows by `user_features`."""
    count, silence = features[:, USER_FEATURES.index("order_days")], features[:, USER_FEATURES.index("silence")]
    ever = of.orders.count(rows.user, np.zeros(len(rows.user), np.int64), rows.day) > 0
    kind = np.where(silence > _SILENT, 4, 3)
    kind = np.where(count == 1, 2, kind)
    return np.where(count == 0, np.where(ever, 1, 0), kind).astype(np.int64)


def known_users(of: Histories, rows: Rows) -> NDArray[np.bool_]:
    """Whether the user was known before the day: had ordered, or had registered."""
    registered = of.registered[rows.user]
    ordered = of.orders.count(rows.user, np.zeros(len(rows.user), np.int64), rows.day) > 0
    return ordered | ((registered >= 0) & (registered < rows.day))


def regular_users(of: Histories, rows: Rows, *, least_days: int, most_silence: float) -> NDArray[np.bool_]:
    """Whether the user has a regular cadence: so many order days, the last at most so many usual gaps (or 14 days) ago.

    Of these it can be said that they stay away; of others that they were never quite there.
    """
    features = user_features(of, rows)
    count = features[:, USER_FEATURES.index("order_days")]
    recency, gap = (features[:, USER_FEATURES.index(name)] for name in ("recency_days", "gap_days"))
    return (count >= least_days) & (recency <= np.maximum(most_silence * np.nan_to_num(gap), 14.0))


def ordered_within(of: Histories, rows: Rows, days: int) -> Floats:
    """1 where the user orders in so many days from the row's day on, else 0."""
    return (of.orders.count(rows.user, rows.day, rows.day + days) > 0).astype(np.float64)


def spent_within(of: Histories, rows: Rows, days: int) -> Floats:
    """What the user spends in so many days from the row's day on, less what comes back, 0 at least; in currency."""
    return np.maximum(of.orders.total("cents", rows.user, rows.day, rows.day + days) / 100, 0.0)


def redeemed_within(of: Histories, rows: Rows, days: int) -> Floats:
    """1 where the user redeems a coupon in so many days from the row's day on, else 0."""
    return (of.redemptions.count(rows.user, rows.day, rows.day + days) > 0).astype(np.float64)
