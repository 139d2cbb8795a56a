"""The gate of challengers: one takes the place of today's values only once it is sure to bring more than these.

Sure is a difference whose confidence sequence lies above 0: it holds on all dates together, however often one looks.
What took over stays as it is named for as long as settings name it, but for pauses of what is seen to lose margin or
to be disliked.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from promo_spark.contracts.measurement import Effects
from promo_spark.decisions.policy import Entry, InForce, Values
from promo_spark.settings.adjust import AdjustSettings, Challenger

CHALLENGED_BY = "dr_policy"  # the method of the rows
_SLICE = "policy:"
Row = Mapping[str, Any]


def with_challengers(
    entries: Sequence[Entry], effects: Sequence[Row], current: InForce, date: datetime.date, settings: AdjustSettings
) -> tuple[list[Entry], list[str]]:
    """The version's entries with those of a challenger that takes over or has taken over; and a line of each other.

    `effects`: Effects of the date, others do not count. Of several that are sure to bring more the one takes over that
    brings most for sure: the others are compared with it from the next date on.
    """
    of_name = {
        str(row[Effects.slice]).removeprefix(_SLICE): row
        for row in effects
        if row[Effects.method] == CHALLENGED_BY and row[Effects.date] == date
    }
    held: list[Entry] = []
    sure: list[tuple[float, str]] = []
    said = []
    for name, values in sorted(settings.challengers.items()):
        row = of_name.get(name)
        if all(current.values.get(of) == value for of, value in _values(values).items()):
            held += _entries(values, f"as in {current.version}", f"challenger {name} took over: it stays as named")
        elif row is None:
            said.append(f"challenger {name}: measurement.effects {date} has no row of it, as nobody was explored yet")
        elif row[Effects.estimate] is None:
            said.append(f"challenger {name} stays out: {row[Effects.reason]}")
        elif row[Effects.cs_low] > 0:
            sure.append((row[Effects.cs_low], name))
        else:
            said.append(f"challenger {name} stays out: {_told(name, row)}")
    sure.sort(reverse=True)
    for place, (low, name) in enumerate(sure):
        if place:
            said.append(f"challenger {name} brings more for sure, and waits: {sure[0][1]} does so by more")
            continue
        evidence = f"{_told(name, of_name[name])}, at least {low:.3f} at every look, measurement.effects {date}"
        held += _entries(settings.challengers[name], evidence, f"challenger {name} brings more for sure: it takes over")
        said.append(f"challenger {name} takes over: {evidence}")
    return _over(entries, held), said


def _values(challenger: Challenger) -> Values:
    return {(parameter, scope): value for parameter, of in challenger.items() for scope, value in of.items()}


def _entries(challenger: Challenger, evidence: str, reason: str) -> list[Entry]:
    return [Entry(*name, value, evidence, reason) for name, value in sorted(_values(challenger).items())]


def _over(entries: Sequence[Entry], held: Sequence[Entry]) -> list[Entry]:
    """The entries with the held ones in their place; of pauses the stronger one."""
    found = {(entry.parameter, entry.scope): entry for entry in entries}
    for entry in held:
        own = found.get((entry.parameter, entry.scope))
        weaker = own is not None and entry.parameter == "paused" and (own.value or 0) > (entry.value or 0)
        if not weaker:
            found[entry.parameter, entry.scope] = entry
    return list(found.values())


def _told(name: str, row: Row) -> str:
    """What is known of a challenger, in a line."""
    estimate, error, contexts = row[Effects.estimate], row[Effects.se], row[Effects.n_control]
    tellable = estimate - row[Effects.cs_low]
    return (
        f"at {contexts:,} explored decisions a difference of ±{tellable:.3f} each can be told; "
        f"{name}'s is {estimate:.3f} ± {error:.3f}"
    )
