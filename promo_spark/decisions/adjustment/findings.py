"""What was measured, as the rules of adjustment read it: rows of measurement.effects of some dates, looked up."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promo_spark.contracts.measurement import Effects

Row = Mapping[str, Any]

# What tells of single mechanics and scenarios: whom chance drew for; who was given such, against who would have been.
OF_KINDS = ("explore", "withheld")
_USERS_BEFORE = 10  # that count as seen, where receipts tell of few


@dataclass(frozen=True)
class Finding:
    """What was seen per user or offer of a slice, its standard error, and what had been told of just these.

    `first` and `last`: the dates on which they were decided, if they hold as
    long as most. `text`: for a version's evidence.
    """

    seen: float
    error: float
    told: float
    first: datetime.date
    last: datetime.date
    text: str

    @property
    def ratio(self) -> float:
        """Seen over told."""
        return self.seen / self.told

    @property
    def ratio_error(self) -> float:
        """The standard error of it; what was told is known."""
        return self.error / abs(self.told)


class Findings:
    """The rows of measurement.effects by date, method, slice and metric, those of the shortest window that tell."""

    def __init__(self, rows: Iterable[Row], valid_days: int) -> None:
        self._valid_days = valid_days
        self._rows: dict[tuple[datetime.date, str, str, str], Row] = {}
        for row in sorted(rows, key=lambda row: -int(row[Effects.window_days])):
            if row[Effects.estimate] is not None and row[Effects.se] is not None:
                key = (row[Effects.date], row[Effects.method], row[Effects.slice], row[Effects.metric])
                self._rows[key] = row  # the shortest comes last

    def row(self, date: datetime.date, method: str, slice_: str, metric: str) -> Row | None:
        """The row, if something was told."""
        return self._rows.get((date, method, slice_, metric))

    def surest(self, date: datetime.date, slice_: str, metric: str) -> str:
        """Of the methods that tell of kinds of offers the one whose error is least."""
        rows = {method: self.row(date, method, slice_, metric) for method in OF_KINDS}
        errors = {method: row[Effects.se] for method, row in rows.items() if row is not None}
        return min(errors, key=lambda method: (errors[method], method), default=OF_KINDS[0])

    def slices(self, date: datetime.date, method: str, metric: str) -> list[str]:
        """The slices of which something was told, mechanics and scenarios only."""
        found = {key[2] for key in self._rows if (key[0], key[1], key[3]) == (date, method, metric)}
        return sorted(name for name in found if name.partition(":")[0] in ("mechanic", "scenario"))

    def gain(self, date: datetime.date, method: str, slice_: str) -> Finding | None:
        """What such offers brought before what was given: margin and what was given together, per user.

        The error is that of both as if they had nothing to do with each other, which is no less than it is.
        """
        margin, given = (self.row(date, method, slice_, metric) for metric in ("margin", "given"))
        if margin is None or given is None or margin[Effects.window_days] != given[Effects.window_days]:
            return None
        both = (margin[Effects.expected], given[Effects.expected])
        if None in both or sum(both) <= 0:
            return None
        error = (margin[Effects.se] ** 2 + given[Effects.se] ** 2) ** 0.5
        seen = margin[Effects.estimate] + given[Effects.estimate]
        return self._finding(margin, "margin before what was given", seen, error, sum(both), date)

    def cost(self, date: datetime.date, slice_: str) -> Finding | None:
        """What receipts say was given per offer.

        Few offers may by chance all be used, or none: what is seen does not differ then, and its error comes out as 0.
        So it counts as if ten users more had been seen, who differ by as much as was told.
        """
        given = self.row(date, "counted", slice_, "given")
        if given is None or not given[Effects.expected] or given[Effects.expected] <= 0:
            return None
        seen, told = given[Effects.estimate], given[Effects.expected]
        users = given[Effects.n_treated]
        variance = ((users * given[Effects.se]) ** 2 + _USERS_BEFORE * told**2) / (users + _USERS_BEFORE)
        error = (variance / users) ** 0.5
        return self._finding(given, "given per offer", seen, error, told, date)

    def _finding(self, row: Row, what: str, seen: float, error: float, told: float, date: datetime.date) -> Finding:
        days = datetime.timedelta(row[Effects.window_days])
        first, last = row[Effects.first_day], date - datetime.timedelta(1)
        holds = datetime.timedelta(self._valid_days - 1)
        method = row[Effects.method]
        if method in OF_KINDS:  # first_day is the first of the dates whose days are over
            last = date - days
        elif method == "counted":  # they ended in the window
            first, last = first - holds, last - holds
        else:  # they held in the window, some of them for a part of it
            first = first - holds
        text = (
            f"{what} {seen:.3f} ± {error:.3f} beside {told:.3f} told, n {row[Effects.n_treated]:,}, "
            f"{method} {row[Effects.slice]} of measurement.effects {date}"
        )
        return Finding(seen, error, told, first, last, text)


def dates_back(date: datetime.date, *, every: int, memory_days: int) -> Sequence[datetime.date]:
    """The date and those before it whose windows of so many days do not overlap.

    >>> [day.day for day in dates_back(datetime.date(2024, 6, 30), every=7, memory_days=21)]
    [30, 23, 16]
    """
    return [date - datetime.timedelta(days) for days in range(0, memory_days, every)]
