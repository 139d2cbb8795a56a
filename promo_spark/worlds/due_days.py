"""When staples may be due again, to whom saw the purchases: the draw that decides it is seen by nobody."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from promo_spark.worlds.catalogue import Catalogue
from promo_spark.worlds.expectations import gap_over
from promo_spark.worlds.population import Population
from promo_spark.worlds.streams import Bools, Floats, Floats32, Ints

POINTS = 12  # equally likely days that stand for all
_AHEAD = 180  # days after the last one that are told apart
_LEFT, _MISSED = 2, 7  # days until what was left, or was out of stock, is tried again


def due_days(shop: Catalogue, users: Population, ordered: Bools, bought: npt.NDArray[np.int64]) -> Floats32:
    """User × staple × POINTS: days on which the staple may be due, each as likely, from the purchases seen.

    `ordered`: user × day, something was bought; `bought`: user × staple × day, pieces of the staple. By Bayes, visit by
    visit: what was bought may have been needed, or only wanted; what was due and in stock would have been bought.
    """
    user, which = np.nonzero(users.staples >= 0)
    product, gap = users.staples[user, which], users.staple_gaps[user, which].astype(np.float64)
    days = ordered.shape[1]
    due = _first_due(np.maximum(users.joined[user], 0), gap, days + _AHEAD)
    wanted = -np.expm1(-users.items()[user] * users.taste_for(shop, user, product))  # not as a staple
    for day in range(days):
        rows = np.flatnonzero(ordered[user, day])
        multiple = shop.demand(product[rows], day, users.sensitivity[user[rows]])
        pieces = bought[user[rows], which[rows], day]
        stock = ~shop.stock_out[product[rows], day] | (pieces > 0)
        due[rows] = _after_visit(due[rows], day, np.minimum(multiple, 1.0), stock, pieces, wanted[rows], gap[rows])
    known = np.full((*users.staples.shape, POINTS), 1e9, np.float32)
    total = due.cumsum(axis=1)
    for point in range(POINTS):
        known[user, which, point] = (total < (point + 0.5) / POINTS * total[:, -1:]).sum(axis=1)
    return known


def _first_due(joined: npt.NDArray[np.int32], gap: Floats, days: int) -> Floats:
    """Row × day: chance that the staple is due then for the first time; the last day stands for all later ones."""
    edges = np.arange(days, dtype=np.float64)
    over = np.clip((edges - joined[:, None]) / gap[:, None], 0.0, 1.0)
    over[:, -1] = 1.0
    share: Floats = np.diff(over, axis=1, prepend=0.0)
    return share


def _after_visit(
    due: Floats, day: int, buys: Floats, stock: Bools, pieces: Ints, wanted: Floats, gap: Floats
) -> Floats:
    """What is known after a visit. `buys`: chance that what is due and in stock is bought."""
    is_open = due[:, : day + 1].sum(axis=1)
    by_need = np.where(pieces > 0, is_open * buys, 0.0)
    otherwise = np.where(pieces > 0, wanted, 1.0)
    after = due * otherwise[:, None]
    after[:, : day + 1] = 0.0
    after[:, day + _LEFT] += is_open * (1 - buys) * otherwise
    after[:, day + _MISSED] += np.where(stock, 0.0, is_open * buys)
    ahead = np.arange(after.shape[1] - day - 1, dtype=np.float64) + 1.0
    needed = np.flatnonzero(by_need > 0)
    over = gap_over(ahead / (gap[needed] * pieces[needed])[:, None])
    over[:, -1] = 1.0
    after[needed, day + 1 :] += by_need[needed, None] * np.diff(over, axis=1, prepend=0.0)
    total = after.sum(axis=1, keepdims=True)
    known: Floats = np.where(total > 0, after / np.maximum(total, 1e-300), due)
    return known
