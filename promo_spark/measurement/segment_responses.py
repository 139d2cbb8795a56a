"""How the users of a segment answer to offers of a mechanic: what little is known of a segment leans on all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import integrate, stats

from promo_spark.contracts.measurement import Effects, SegmentResponses
from promo_spark.measurement.effects import Row
from promo_spark.measurement.populations import SEGMENT_MECHANIC

Floats = npt.NDArray[np.float64]

_DECIMALS = 6
_LEAST_VARIANCE = 1e-12
_LEAST_CELLS = 2  # from so many on it can be told how much segments differ
_GRID = 2001  # points at which the best of several is looked for


@dataclass(frozen=True)
class Leaning:
    """Values of cells, their errors, each leaning on the mean of all by how little it is known itself."""

    values: Floats
    errors: Floats


def leaning_effects(estimates: Sequence[float | None], errors: Sequence[float | None]) -> Leaning | None:
    """Effects of a mechanic by segment, leaning on their mean (empirical Bayes). None: nothing was measured.

    Segments differ by a variance that is estimated from what the estimates scatter beyond their errors (DerSimonian
    and Laird 1986); a segment that was not measured has the mean of all. Where a single one was, nothing tells how much
    segments differ: as much as its own error.

    >>> found = leaning_effects([1.0, 3.0, None], [0.5, 0.5, None])  # they scatter by 2, beyond errors of 0.25
    >>> [round(float(value), 3) for value in found.values]
    [1.125, 2.875, 2.0]
    """
    known = np.array([e is not None and s is not None for e, s in zip(estimates, errors, strict=True)])
    if not known.any():
        return None
    value = np.array([e if ok else np.nan for e, ok in zip(estimates, known, strict=True)], float)
    variance = np.array([s if ok else np.nan for s, ok in zip(errors, known, strict=True)], float) ** 2
    variance = np.maximum(variance, _LEAST_VARIANCE)  # that of users who all did the same is 0
    weight = 1 / variance[known]
    fixed = float((weight * value[known]).sum() / weight.sum())
    scatter = float((weight * (value[known] - fixed) ** 2).sum())
    count = int(known.sum())
    if count < _LEAST_CELLS:
        between = float(variance[known][0])
    else:
        scale = float(weight.sum() - (weight**2).sum() / weight.sum())
        between = max(0.0, (scatter - (count - 1)) / scale)
    total = 1 / (variance[known] + between)
    mean, of_mean = float((total * value[known]).sum() / total.sum()), float(1 / total.sum())
    own = np.where(known, between / (between + np.where(known, variance, 1.0)), 0.0)  # the weight of a cell's own value
    values = own * np.where(known, value, 0.0) + (1 - own) * mean
    of_values = np.sqrt(own * np.where(known, variance, 0.0) + (1 - own) ** 2 * of_mean + ~known * between)
    return Leaning(values, of_values)


def leaning_shares(users: Sequence[float], shares: Sequence[float]) -> tuple[Floats, Floats, Floats]:
    """Shares by segment, leaning on that of all (beta-binomial): means, lower and upper ends of 95 % intervals.

    How much segments differ is told by the moments of their shares; that of all counts for no more users than there
    are. A segment without users has the share of all.

    >>> means, low, high = leaning_shares([1000, 1000, 0], [0.1, 0.3, 0.0])
    >>> [round(float(mean), 3) for mean in means]
    [0.102, 0.298, 0.2]
    """
    n, k = np.asarray(users, float), np.asarray(users, float) * np.asarray(shares, float)
    mean = (k.sum() + 0.5) / (n.sum() + 1) if n.sum() else 0.5
    seen = n > 0
    strength = max(float(n.sum()), 1.0) if seen.sum() >= _LEAST_CELLS else 1.0
    if seen.sum() >= _LEAST_CELLS and 0 < k.sum() < n.sum():
        weight = n[seen] / n[seen].sum()
        scatter = float((weight * (k[seen] / n[seen] - mean) ** 2).sum())
        by_chance = float((weight * mean * (1 - mean) / n[seen]).sum())
        between = max(scatter - by_chance, mean * (1 - mean) / (strength + 1))
        strength = max(mean * (1 - mean) / between - 1, 1.0)
    a, b = k + strength * mean, n - k + strength * (1 - mean)
    return a / (a + b), stats.beta.ppf(0.025, a, b), stats.beta.ppf(0.975, a, b)


def best_probabilities(values: Floats, errors: Floats) -> Floats:
    """How likely each value is the largest, of independent normal ones.

    >>> best_probabilities(np.array([1.0, 1.0]), np.array([0.5, 0.5])).round(3).tolist()
    [0.5, 0.5]
    """
    spread = np.maximum(errors, 1e-9)
    points = np.linspace((values - 8 * spread).min(), (values + 8 * spread).max(), _GRID)
    below = stats.norm.cdf(points[:, None], values, spread)
    density = stats.norm.pdf(points[:, None], values, spread)
    others = np.stack([np.delete(below, one, axis=1).prod(axis=1) for one in range(len(values))], axis=1)
    found: Floats = integrate.trapezoid(density * others, points, axis=0)
    whole: Floats = found / found.sum()
    return whole


def segment_responses(effects: Iterable[Row]) -> list[Row]:
    """One row per segment and mechanic of which anything is known. Rows of Effects → SegmentResponses, without date."""
    cells = _cells(effects)
    segments = sorted({segment for segment, _ in cells})
    mechanics = sorted({mechanic for _, mechanic in cells})
    rows: dict[tuple[int, str], Row] = {}
    for mechanic in mechanics:
        of = [cells.get((segment, mechanic), {}) for segment in segments]
        used = [one.get("redeemed", {}) for one in of]
        users = [float(row.get(Effects.n_treated) or 0) for row in used]
        means, low, high = leaning_shares(users, [float(row.get(Effects.estimate) or 0.0) for row in used])
        lifts, gains = (_leaning(of, metric) for metric in ("conversion", "margin"))
        for place, segment in enumerate(segments):
            margin = of[place].get("margin", {})
            rows[segment, mechanic] = {
                SegmentResponses.segment_id: segment,
                SegmentResponses.mechanic: mechanic,
                SegmentResponses.users: int(users[place]),
                SegmentResponses.used: _told(means[place]) if sum(users) else None,
                SegmentResponses.used_low: _told(low[place]) if sum(users) else None,
                SegmentResponses.used_high: _told(high[place]) if sum(users) else None,
                SegmentResponses.n_treated: int(margin.get(Effects.n_treated) or 0),
                SegmentResponses.n_control: int(margin.get(Effects.n_control) or 0),
                SegmentResponses.conversion: _told(lifts.values[place]) if lifts else None,
                SegmentResponses.conversion_se: _told(lifts.errors[place]) if lifts else None,
                SegmentResponses.margin: _told(gains.values[place]) if gains else None,
                SegmentResponses.margin_se: _told(gains.errors[place]) if gains else None,
                SegmentResponses.best_probability: None,
            }
    for segment in segments:
        known = [m for m in mechanics if rows[segment, m][SegmentResponses.margin] is not None]
        if known:
            values, errors = (
                np.array([rows[segment, m][name] for m in known], float)
                for name in (SegmentResponses.margin, SegmentResponses.margin_se)
            )
            for mechanic, share in zip(known, best_probabilities(values, errors), strict=True):
                rows[segment, mechanic][SegmentResponses.best_probability] = _told(share)
    return [rows[key] for key in sorted(rows)]


def _cells(effects: Iterable[Row]) -> dict[tuple[int, str], dict[str, Row]]:
    """segment, mechanic → metric → the row of the longest window. What was used is counted, the rest is compared."""
    found: dict[tuple[int, str], dict[str, Row]] = {}
    for row in sorted(effects, key=lambda row: int(row[Effects.window_days])):
        kind, _, name = str(row[Effects.slice]).partition(":")
        metric = str(row[Effects.metric])
        by = "counted" if metric == "redeemed" else "withheld"
        if kind == SEGMENT_MECHANIC and row[Effects.method] == by:
            segment, _, mechanic = name.partition("/")
            found.setdefault((int(segment), mechanic), {})[metric] = row
    return found


def _leaning(cells: Sequence[Mapping[str, Row]], metric: str) -> Leaning | None:
    of_metric = [cell.get(metric, {}) for cell in cells]
    return leaning_effects([r.get(Effects.estimate) for r in of_metric], [r.get(Effects.se) for r in of_metric])


def _told(value: float) -> float:
    return round(float(value), _DECIMALS)
