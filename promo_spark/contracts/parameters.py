"""What may be adjusted of how offers are decided, and how far: the names and bounds of decisions.policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from promo_spark.contracts.vocabulary import GIVING_MECHANICS

ALL: Final = "all"  # the scope of what concerns every offer
NONE: Final = "none"  # the parameter of a version in which nothing differs from the settings
BY_HAND: Final = "rollback"  # Policy.job of what a person said: it wins over what a job wrote for the same date
PAUSED, CLOSED = 1, 2  # of the parameter paused: explored users may still draw it; nobody gets it


@dataclass(frozen=True)
class Parameter:
    """What may be adjusted, of what, and how far. `scopes`: all, or the kinds of which a name follows."""

    name: str
    scopes: tuple[str, ...]
    least: float
    most: float
    meaning: str
    whole: bool = False  # whole numbers only


_OFFERS = ("mechanic", "scenario")
PARAMETERS: Final = (
    Parameter("value_factor", _OFFERS, 0.25, 4.0, "what such offers bring, before what is given, times this"),
    Parameter("cost_factor", _OFFERS, 0.25, 4.0, "what such offers give, times this"),
    Parameter("depth_most", ("scenario",), 0.0, 1.0, "its greatest depth, within promote.depth"),
    Parameter(
        "paused", _OFFERS, PAUSED, CLOSED, "1: only explored users may draw such an offer; 2: nobody gets one", True
    ),
    Parameter("explore_share", (ALL,), 0.002, 0.10, "promote.explore_share, unless that is 0"),
    Parameter("budget_factor", (ALL, "mechanic"), 0.1, 1.0, "the day's budget, or that of a mechanic, times this"),
)
BY_NAME: Final = {p.name: p for p in PARAMETERS}


def fault(parameter: str, scope: str, value: float | None) -> str:
    """Why no version may have the value; "": one may.

    >>> fault("value_factor", "mechanic:cupon", 0.5)
    'value_factor is of mechanic:NAME, scenario:NAME, found mechanic:cupon'
    >>> fault("paused", "mechanic:gift", 1.0)
    ''
    """
    known = BY_NAME.get(parameter)
    if known is None:
        return f"there is no parameter {parameter}; there are: {', '.join(BY_NAME)}"
    kind, _, name = scope.partition(":")
    is_named = bool(name) and (kind != "mechanic" or name in GIVING_MECHANICS)
    if kind not in known.scopes or (scope != ALL and not is_named):
        allowed = ", ".join(one if one == ALL else f"{one}:NAME" for one in known.scopes)
        return f"{parameter} is of {allowed}, found {scope}"
    if value is None or not known.least <= value <= known.most or (known.whole and value != int(value)):
        return f"{parameter} of {scope} has to be {known.least:g} to {known.most:g}, found {value}"
    return ""
