"""The days whose orders are compared: some before the date, or all since offers began to be measured."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """So many days up to the day before the date.

    `from_start`: it begins where the experiment does, so that each day adds to it, and looks at it every day can be
    told from looks at something else.
    """

    first: datetime.date
    days: int
    from_start: bool = False

    @property
    def last(self) -> datetime.date:
        """The last day whose orders count."""
        return self.first + datetime.timedelta(self.days - 1)

    @property
    def over_on(self) -> datetime.date:
        """The first date that can tell of it."""
        return self.first + datetime.timedelta(self.days)


def finished_windows(days: Sequence[int], *, start: datetime.date, date: datetime.date, most_days: int) -> list[Window]:
    """The windows that are over on the date, the shortest first: some of a length, and the one since the start.

    >>> day = datetime.date(2024, 1, 11)
    >>> told = finished_windows([7, 28], start=datetime.date(2024, 1, 1), date=day, most_days=90)
    >>> [(str(one.first), one.days, one.from_start) for one in told]
    [('2024-01-04', 7, False), ('2024-01-01', 10, True)]
    """
    since = (date - start).days
    found = {n: Window(date - datetime.timedelta(n), n, n == since) for n in days if n <= since}
    if min(days) <= since <= most_days:
        found[since] = Window(start, since, True)
    return [found[n] for n in sorted(found)]


def pending_windows(days: Sequence[int], *, start: datetime.date, date: datetime.date) -> list[Window]:
    """The windows that are not over: too few days have passed since the start.

    >>> told = pending_windows([7, 28], start=datetime.date(2024, 1, 1), date=datetime.date(2024, 1, 11))
    >>> [(one.days, str(one.over_on)) for one in told]
    [(28, '2024-01-29')]
    """
    return [Window(start, n, True) for n in days if n > (date - start).days]
