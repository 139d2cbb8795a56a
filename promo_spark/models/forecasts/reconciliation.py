"""Forecasts that add up: parts and wholes are moved as little as their errors are small (MinTrace).

Each series was forecast by itself, so what a category's products are told to sell is not what the category is told to.
Of all forecasts that add up, those are taken that are nearest to the told ones, an error counting by the variance that
it was seen to have (WLS; Wickramasuriya, Athanasopoulos and Hyndman 2019). On trees this needs no matrix: what is known
of a whole, by itself and by each set of its parts, is weighed on the way up, and what a whole has more or less than its
parts is shared among them by their variances on the way down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from promo_spark.models.forecasts.hierarchy import SeriesPart
from promo_spark.models.forecasts.intervals import scale_of
from promo_spark.models.forecasts.local_models import Floats
from promo_spark.models.forecasts.series import DECIMALS, SeriesModel

Ints = npt.NDArray[np.int64]

POISSON_SCALE = 0.8  # mean absolute error of counts of chance, for each √(units a day): √(2/π) where they are many


@dataclass(frozen=True)
class Tree:
    """Wholes and their parts, as places of series; a whole may be cut into parts in several ways."""

    cuts: Mapping[int, Sequence[Ints]]

    @staticmethod
    def of(series: Sequence[str], whole: Sequence[str | None], parts: Sequence[str | None]) -> Tree:
        """The tree of series by the series_id of each one's whole, and what the whole is cut into.

        Wholes that are not among the series are none.
        """
        place = {series_id: at for at, series_id in enumerate(series)}
        found: dict[tuple[int, str], list[int]] = {}
        for at, (of, cut) in enumerate(zip(whole, parts, strict=True)):
            if of in place:
                found.setdefault((place[of], str(cut)), []).append(at)
        cuts: dict[int, list[Ints]] = {}
        for (of_place, _), members in sorted(found.items()):
            cuts.setdefault(of_place, []).append(np.array(members, np.int64))
        return Tree(cuts)

    @cached_property
    def downwards(self) -> list[int]:
        """The wholes, each before those that are parts of it."""
        inner = {int(at) for sets in self.cuts.values() for members in sets for at in members}
        found = [at for at in self.cuts if at not in inner]
        for at in found:
            found.extend(int(part) for members in self.cuts[at] for part in members if int(part) in self.cuts)
        return found


def reconciled(units: Floats, variances: Floats, tree: Tree, *, decimals: int | None = None) -> Floats:
    """Forecasts that add up, never negative. Series × days, variances by series.

    A series of variance 0 is one that surely sells nothing: it stays 0. Where sharing by variances would leave a part
    below 0, it is 0, and the others share the rest by theirs. `decimals`: rounded, and add up still.

    A category is told to sell 10, its two products 5 and 3, of variances 2, 1 and 1. By its products, of variance
    1 + 1, it sells 8, which weighs as much as 10 does: 9. Each product gets half of the one that is lacking:

    >>> tree = Tree.of(["tea", "green", "black"], [None, "tea", "tea"], [None, "product", "product"])
    >>> reconciled(np.array([[10.0], [5], [3]]), np.array([2.0, 1, 1]), tree).ravel().tolist()
    [9.0, 5.5, 3.5]
    """
    known, variance = units.astype(np.float64).copy(), variances.astype(np.float64).copy()
    for at in reversed(tree.downwards):
        for members in tree.cuts[at]:
            known[at], variance[at] = _weighed(
                (known[at], variance[at]), (known[members].sum(axis=0), float(variance[members].sum()))
            )
    for at in tree.downwards:
        if decimals is not None:
            known[at] = np.round(known[at], decimals)
        for members in tree.cuts[at]:
            known[members] = _shared(known[members], variance[members], known[at], decimals)
    return known


def _weighed(one: tuple[Floats, float], other: tuple[Floats, float]) -> tuple[Floats, float]:
    """What two tell of the same, by the inverse of their variances, and the variance of that."""
    (of_one, var_one), (of_other, var_other) = one, other
    if var_one == 0 or var_other == 0:
        return np.zeros_like(of_one), 0.0
    weight = var_other / (var_one + var_other)
    return weight * of_one + (1 - weight) * of_other, var_one * weight


def _shared(parts: Floats, variances: Floats, whole: Floats, decimals: int | None) -> Floats:
    """The parts that add up to the whole by day, none below 0: those nearest to what was told, in their variances.

    The sum of 8 is 4 too much, of which the first is to give 1 and the second 3: it has 1, so that the first gives 3.

    >>> _shared(np.array([[7.0], [1], [0]]), np.array([1.0, 3, 0]), np.array([4.0]), None).ravel().tolist()
    [4.0, 0.0, 0.0]
    """
    weights = np.broadcast_to(variances[:, None], parts.shape).copy()
    while True:
        total = weights.sum(axis=0)
        lacking = whole - np.where(weights > 0, parts, 0.0).sum(axis=0)
        found = parts + weights * np.divide(lacking, total, out=np.zeros_like(lacking), where=total > 0)
        below = (weights > 0) & (found < 0)
        if not below.any():
            break
        weights[below] = 0.0
    found = np.where(weights > 0, found, 0.0)
    if decimals is None:
        return found
    unit = 10.0**decimals
    found = np.floor(np.round(found * unit, 3)) / unit  # what is cut off goes to the largest part
    largest = found.argmax(axis=0), np.arange(found.shape[1])
    found[largest] = np.round(found[largest] + (whole - found.sum(axis=0)), decimals)
    return found


def coherent_units(champions: pd.DataFrame) -> pd.DataFrame:
    """One row per series that is a part or a whole: what its days sell where all adds up.

    Champions of SeriesModel with whole_id and parts of SeriesPart, none where a series is no part → series_id,
    coherent.
    """
    rows = champions.sort_values(SeriesModel.series_id, ignore_index=True)
    is_part = rows[SeriesPart.whole_id].notna()
    tree = Tree.of(
        rows[SeriesModel.series_id].tolist(),
        rows[SeriesPart.whole_id].where(is_part, None).tolist(),
        rows[SeriesPart.parts].where(is_part, None).tolist(),
    )
    error_scale = rows[SeriesModel.error_scale].astype(object).where(rows[SeriesModel.error_scale].notna(), None)
    variances = variances_of(rows[SeriesModel.units], error_scale, rows[SeriesModel.profile])
    places = sorted({*tree.cuts, *(int(part) for sets in tree.cuts.values() for parts in sets for part in parts)})
    found = rows[SeriesModel.units].tolist()
    if places:
        found = list(reconciled(np.array(found, np.float64), variances, tree, decimals=DECIMALS))
    return pd.DataFrame(
        {
            SeriesModel.series_id: rows[SeriesModel.series_id].iloc[places].to_numpy(),
            SeriesModel.coherent: pd.Series([found[place] for place in places], dtype=object),
        }
    )


def variances_of(units: Iterable[Floats], error_scale: Iterable[float | None], kind: Iterable[str]) -> Floats:
    """How far off each series' day may be, squared: by the error that it has shown, 0 of a dead one.

    Of series that no model forecasts no error is known: they count as chance alone would have them.
    """
    scales = [
        0.0 if of_kind == "dead" else scale_of(np.asarray(of_days), POISSON_SCALE if error is None else error)
        for of_days, error, of_kind in zip(units, error_scale, kind, strict=True)
    ]
    return np.asarray(np.square(scales), np.float64)
