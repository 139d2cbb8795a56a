"""A category's weeks on the shelf as arrays: what the regression and the profit are computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from promo_spark.models.elasticity.frames import ProductWeek
from promo_spark.models.elasticity.profit import Prices
from promo_spark.models.elasticity.regression import Cells, Floats
from promo_spark.settings.elasticity import ElasticitySettings

WEEK = 7
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CategoryWeeks:
    """Product × week. `modelled` are the cells that are fitted: products on sale and in stock, for weeks enough."""

    product_ids: list[str]
    units: Floats
    days: Floats
    depth: Floats
    list_price: Floats
    reduction: Floats
    display: Floats
    mailer: Floats
    depth_before: Floats
    rivals_reduced: Floats
    usual_units: Floats  # per product: in a week without reduction
    group: npt.NDArray[np.int64]  # per product
    unit_cost: Floats
    cost_is_assumed: Bools
    modelled: Bools
    by_segment: dict[int, Floats]  # units of users in the segment

    def cells(self, chosen: Bools | None = None, units: Floats | None = None) -> Cells:
        """The cells that are fitted, or others; with all units, or others."""
        product, week = np.nonzero(self.modelled if chosen is None else chosen)
        first = int(np.nonzero(self.modelled)[1].min(initial=len(self.units[0])))
        of = (product, week)
        sold = self.units if units is None else units
        return Cells(
            product,
            np.maximum(week - first, 0),
            sold[of],
            np.maximum(self.days[of], 1.0),
            self.reduction[of],
            self.display[of],
            self.mailer[of],
            self.depth_before[of],
            self.rivals_reduced[of],
        )

    def prices(self, chosen: Bools) -> Prices:
        """What goes with these cells."""
        product, week = np.nonzero(chosen)
        of = (product, week)
        return Prices(
            self.depth[of],
            self.list_price[of],
            self.unit_cost[product],
            self.group[product],
            self.usual_units[product],
        )

    @property
    def promoted(self) -> Bools:
        """Cells with a reduction, a display or a mailer."""
        promoted: Bools = (self.depth > 0) | (self.display > 0) | (self.mailer > 0)
        return promoted


def category_weeks(rows: pd.DataFrame, weeks: int, settings: ElasticitySettings) -> CategoryWeeks:
    """ProductWeek rows of one category, in any order → its arrays, products by id; those fitted for too few weeks last.

    No product is left where none was sold. A week without a sale has the announced depth, and the list price of the
    week before it.
    """
    rows = rows.sort_values([ProductWeek.product_id, ProductWeek.week], kind="stable")
    ids = rows[ProductWeek.product_id].unique()
    at = (np.searchsorted(ids, rows[ProductWeek.product_id]), rows[ProductWeek.week].to_numpy(np.int64))

    def dense(column: str) -> Floats:
        values = np.zeros((len(ids), weeks))
        values[at] = rows[column].fillna(0.0).to_numpy(np.float64)
        return values

    units, listed, shelf = (dense(c) for c in (ProductWeek.units, ProductWeek.listed, ProductWeek.shelf))
    per_product = rows.drop_duplicates(ProductWeek.product_id)
    sold = units > 0
    days = _days_on_sale(dense(ProductWeek.days_out), per_product[ProductWeek.first_day].to_numpy(np.float64))
    last = np.where(sold.any(axis=1), weeks - 1 - sold[:, ::-1].argmax(axis=1), -1)
    ended = last < weeks - settings.ended_weeks
    until: Floats = np.where(ended, last - 1, weeks - 1).astype(
        np.float64
    )  # the week of the last sale was not a whole one
    on_sale: Bools = np.logical_and(days > 0, np.arange(weeks) <= until[:, None])
    long_enough = np.count_nonzero(on_sale, axis=1) >= settings.min_weeks
    modelled: Bools = on_sale & (long_enough & sold.any(axis=1))[:, None]

    announced = np.clip(dense(ProductWeek.announced_depth), 0.0, 0.99)
    paid_share = np.divide(shelf, listed, out=1 - announced, where=listed > 0)
    depth = np.clip(1 - paid_share, 0.0, 0.99)
    depth[depth < settings.least_depth] = 0.0
    list_price = _carried(np.divide(listed, units, out=np.zeros_like(units), where=sold & (listed > 0)))
    usual_price = np.array([np.median(p[s]) if s.any() else 1.0 for p, s in zip(list_price, sold, strict=True)])
    reduction = np.log(np.maximum(usual_price, 1e-6))[:, None] - np.log(np.maximum(list_price, 1e-6) * (1 - depth))
    group = np.unique(per_product[ProductWeek.competitors].fillna("").to_numpy(str), return_inverse=True)[1]
    usual_units = _usual_units(units, days, depth, modelled)
    return CategoryWeeks(
        [str(i) for i in ids],
        units,
        days,
        depth,
        list_price,
        reduction,
        np.clip(dense(ProductWeek.display_share), 0.0, 1.0),
        np.clip(dense(ProductWeek.mailer_share), 0.0, 1.0),
        np.hstack([np.zeros((len(ids), 1)), depth[:, :-1]]),
        _rivals_reduced(depth > 0, usual_units, group),
        usual_units,
        group.astype(np.int64),
        per_product[ProductWeek.unit_cost].to_numpy(np.float64),
        per_product[ProductWeek.cost_is_assumed].to_numpy(bool),
        modelled,
        _by_segment(rows, at, units.shape),
    )


def _days_on_sale(days_out: Floats, first_day: Floats) -> Floats:
    """Days of each week from the product's first sale on, less those without stock."""
    begins = np.arange(days_out.shape[1]) * WEEK
    since = np.clip(begins + WEEK - np.nan_to_num(first_day, nan=0.0)[:, None], 0, WEEK)
    return np.clip(since - days_out, 0.0, WEEK)


def _carried(prices: Floats) -> Floats:
    """Prices with those missing (0) taken from the week before, else from the next one.

    >>> _carried(np.array([[0.0, 2.0, 0.0, 3.0]])).tolist()
    [[2.0, 2.0, 2.0, 3.0]]
    """
    known = prices > 0
    at = np.maximum.accumulate(np.where(known, np.arange(prices.shape[1]), -1), axis=1)
    first = known.argmax(axis=1)
    carried: Floats = np.take_along_axis(prices, np.where(at < 0, first[:, None], at), axis=1)
    return carried


def _usual_units(units: Floats, days: Floats, depth: Floats, modelled: Bools) -> Floats:
    """Units of a whole week without reduction, by product; of all its weeks where each had one."""
    quiet = modelled & (depth == 0)
    counted = np.where(quiet.any(axis=1)[:, None], quiet, modelled)
    per_day = (units * counted).sum(axis=1) / np.maximum((days * counted).sum(axis=1), 1.0)
    usual: Floats = per_day * WEEK + 1e-9
    return usual


def _rivals_reduced(reduced: Bools, usual_units: Floats, group: npt.NDArray[np.int64]) -> Floats:
    """Product × week: the share of the other products of the group that is reduced, by their usual units.

    >>> reduced = np.array([[True], [False], [False]])
    >>> _rivals_reduced(reduced, np.array([30.0, 10.0, 20.0]), np.array([0, 0, 0])).round(2).tolist()
    [[0.0], [0.6], [0.75]]
    """
    groups = int(group.max(initial=-1)) + 1
    whole = np.bincount(group, usual_units, groups)
    own = usual_units[:, None] * reduced
    sums = np.zeros((groups, reduced.shape[1]))
    np.add.at(sums, group, own)
    others = (whole[group] - usual_units)[:, None]
    share: Floats = np.where(others > 1e-6, (sums[group] - own) / np.maximum(others, 1e-6), 0.0)
    return np.clip(share, 0.0, 1.0)


def _by_segment(
    rows: pd.DataFrame, at: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]], shape: tuple[int, ...]
) -> dict[int, Floats]:
    by_segment: dict[int, Floats] = {}
    for product, week, found in zip(*at, rows[ProductWeek.by_segment], strict=True):
        for segment, units in found.items() if isinstance(found, dict) else found or ():
            if segment not in by_segment:
                by_segment[segment] = np.zeros(shape)
            by_segment[segment][product, week] = units
    return {int(segment): by_segment[segment] for segment in sorted(by_segment)}
