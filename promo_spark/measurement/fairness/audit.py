"""Rows of measurement.fairness from counts of groups: rates, depths, and how far groups are from one another.

Groups are compared by the four-fifths rule (US Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D):
the group of an attribute whose members get offers most often is the reference, and a group is treated worse where its
rate is less than four fifths of that. Which group is the reference, the rates themselves say; so the interval of the
ratio is one for all pairs of groups of all attributes at once (Bonferroni), and of many equal groups none is called
unequal more often than alpha says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from promo_spark.contracts.measurement import Fairness
from promo_spark.contracts.vocabulary import UNKNOWN_GROUP
from promo_spark.measurement.fairness.groups import MILLION
from promo_spark.measures.intervals import (
    Interval,
    fixed_interval,
    share_difference_interval,
    share_interval,
    share_ratio_interval,
)

LOYALTY, LOYAL, OTHERS = "loyalty", "loyal", "others"
OK, WARN, STOP, INSUFFICIENT = "ok", "warn", "stop", "insufficient"
_LEAST_DEPTHS = 30  # users by whose depths a normal interval is told
_DECIMALS = 6
Row = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """The counts of a group, as in GroupCount."""

    attribute: str
    group_name: str
    users: int
    served: int
    may: int
    may_served: int
    depths: int
    depth_sum: int
    depth_squares: int

    @property
    def rate(self) -> float:
        return self.may_served / self.may

    @property
    def depth(self) -> float:
        return self.depth_sum / MILLION / self.depths

    @property
    def depth_error(self) -> float:
        """The standard error of the mean depth."""
        mean = self.depth_squares / MILLION / self.depths
        return math.sqrt(max(mean - self.depth**2, 0.0) / (self.depths - 1))


@dataclass(frozen=True)
class Unequal:
    """From where on groups are unequal, as in the settings promote.fairness."""

    least_ratio: float
    least_users: int
    alpha: float


def fairness_rows(groups: Iterable[Group], by: Unequal) -> list[Row]:
    """Rows of Fairness, in the order of their keys. An attribute that is not known of anybody has none."""
    of_attributes: dict[str, list[Group]] = {}
    for group in sorted(groups, key=lambda g: (g.attribute, g.group_name)):
        of_attributes.setdefault(group.attribute, []).append(group)
    known = {a: own for a, own in of_attributes.items() if {g.group_name for g in own} != {UNKNOWN_GROUP}}
    told = {a: [g for g in own if g.may >= by.least_users] for a, own in known.items()}
    pairs = sum(math.comb(len(own), 2) for own in told.values())
    rows = []
    for attribute, own in known.items():
        reference = _reference(attribute, told[attribute])
        for group in own:
            if group.may < by.least_users:
                rows.append(_too_few(group, by.least_users))
                continue
            rows += _of_group(group, by.alpha)
            if reference is not None and group is not reference:
                rows += _compared(group, reference, by, by.alpha / pairs)
    return rows


def _reference(attribute: str, told: Sequence[Group]) -> Group | None:
    """Whom the others are compared with; None: there is nobody."""
    if attribute == LOYALTY:
        return next((g for g in told if g.group_name == OTHERS), None)
    return max(told, key=lambda g: (g.rate, g.group_name), default=None)


def _of_group(group: Group, alpha: float) -> list[Row]:
    coverage = group.served / group.users
    rows = [
        _row(group, "coverage", group.users, coverage, share_interval(group.served, group.users, alpha=alpha)),
        _row(group, "offer_rate", group.may, group.rate, share_interval(group.may_served, group.may, alpha=alpha)),
    ]
    if group.depths < _LEAST_DEPTHS:
        return [*rows, _row(group, "mean_depth", group.depths, outcome=INSUFFICIENT, message=_few_depths(group))]
    around = fixed_interval(group.depth, group.depth_error, alpha=alpha)
    return [*rows, _row(group, "mean_depth", group.depths, group.depth, around)]


def _compared(group: Group, other: Group, by: Unequal, alpha: float) -> list[Row]:
    """The rows of a group beside its reference. `alpha`: of the ratio, for all comparisons together."""
    counts = (group.may_served, group.may), (other.may_served, other.may)
    gap = share_difference_interval(*counts, alpha=by.alpha)
    rows = [_row(group, "gap", group.may, group.rate - other.rate, gap, reference=other.group_name)]
    if other.may_served:
        ratio, around = group.rate / other.rate, share_ratio_interval(*counts, alpha=alpha)
        outcome = _outcome(group, ratio, around, by.least_ratio)
        message = None if outcome == OK else _of_ratio(group, other, ratio, around, by.least_ratio)
        rows.append(
            _row(
                group, "disparate_impact", group.may, ratio, around, other.group_name, outcome=outcome, message=message
            )
        )
    if min(group.depths, other.depths) >= _LEAST_DEPTHS:
        less = group.depth - other.depth
        around = fixed_interval(less, math.hypot(group.depth_error, other.depth_error), alpha=by.alpha)
        shallow = group.attribute == LOYALTY and around.high < 0
        message = (
            f"loyal customers get offers of {_percent(group.depth)} on average, others of {_percent(other.depth)}"
            if shallow
            else None
        )
        outcome = WARN if shallow else OK
        rows.append(
            _row(group, "depth_gap", group.depths, less, around, other.group_name, outcome=outcome, message=message)
        )
    return rows


def _outcome(group: Group, ratio: float, around: Interval, least: float) -> str:
    """Loyal customers may need no offer to come, and of whom nothing is known may be a customer seldom seen: that these
    get fewer is told, and stops nothing."""
    if ratio >= least:
        return OK
    may_stop = group.attribute != LOYALTY and group.group_name != UNKNOWN_GROUP
    return STOP if around.high < least and may_stop else WARN


def _row(
    group: Group,
    metric: str,
    n: int,
    estimate: float | None = None,
    around: Interval | None = None,
    reference: str | None = None,
    *,
    outcome: str = OK,
    message: str | None = None,
) -> Row:
    return {
        Fairness.attribute: group.attribute,
        Fairness.group_name: group.group_name,
        Fairness.metric: metric,
        Fairness.estimate: None if estimate is None else round(estimate, _DECIMALS),
        Fairness.ci_low: None if around is None else round(around.low, _DECIMALS),
        Fairness.ci_high: None if around is None else round(around.high, _DECIMALS),
        Fairness.n: n,
        Fairness.reference: reference,
        Fairness.outcome: outcome,
        Fairness.message: message,
    }


def _too_few(group: Group, least: int) -> Row:
    why = f"{group.may} users of {_name(group)} may get offers, fewer than promote.fairness.least_users = {least}"
    return _row(group, "offer_rate", group.may, outcome=INSUFFICIENT, message=why)


def _few_depths(group: Group) -> str:
    return f"{group.depths} users of {_name(group)} get an offer on the date; a mean depth is told of {_LEAST_DEPTHS}"


def _of_ratio(group: Group, other: Group, ratio: float, around: Interval, least: float) -> str:
    return (
        f"{_percent(group.rate)} of {_name(group)} have an offer, {_percent(other.rate)} of {_name(other)}: "
        f"{ratio:.2f} times as many ({around.low:.2f} to {around.high:.2f}), "
        f"promote.fairness.least_ratio is {least:g}"
    )


def _name(group: Group) -> str:
    return f"{group.attribute}={group.group_name}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f}%"
