"""Rows of measurement.effects and of decisions.policy as the tests of adjustment need them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from promo_spark.contracts.measurement import Effects
from promo_spark.decisions.adjustment.factors import InForceOn
from promo_spark.decisions.adjustment.version import adjusted
from promo_spark.decisions.policy import AS_SET, Entry, InForce
from promo_spark.settings import load

DATE = datetime.date(2024, 6, 30)  # a Sunday: the next date is the day on which depths and draws change
SETTINGS = load()
WEEK = 7
Rows = Sequence[Mapping[str, Any]]


def effect(
    method: str, slice_: str, metric: str, estimate: float | None, se: float = 0.1, **more: Any
) -> dict[str, Any]:
    """A row whose interval is two errors wide; of a week that is over, or of offers of four weeks."""
    empty: dict[str, Any] = dict.fromkeys(Effects.columns())
    wide = 28 if method == "counted" else WEEK
    first = DATE - datetime.timedelta(35 if method == "explore" else wide)
    known = {
        "date": DATE,
        "window_days": wide,
        "first_day": first,
        "slice": slice_,
        "metric": metric,
        "method": method,
        "estimate": estimate,
        "se": se,
        "n_treated": 1000,
        "n_control": 100,
    }
    if estimate is not None:
        known |= {"ci_low": estimate - 2 * se, "ci_high": estimate + 2 * se}
        known["verdict"] = "ship" if estimate > 2 * se else "stop" if estimate < -2 * se else "hold"
    return empty | known | more


def gain(method: str, slice_: str, seen: float, told: float, se: float = 0.1, **more: Any) -> list[dict[str, Any]]:
    """Margin and what was given: 1 is given, as was told; so margin before it is `seen` beside `told`."""
    margin = effect(method, slice_, "margin", seen - 1, se, expected=told - 1, **more)
    return [margin, effect(method, slice_, "given", 1.0, 1e-6, expected=1.0, **more)]


def entries(
    rows: Rows, kpis: Rows = (), in_force: InForceOn | InForce = AS_SET, date: datetime.date = DATE, **settings: Any
) -> dict[tuple[str, str], Entry]:
    """What a version would have, by parameter and scope; without draws, if not said otherwise."""
    by = SETTINGS.adjust.model_copy(update={"chance": 0.0} | settings)
    versions = (lambda _: in_force) if isinstance(in_force, InForce) else in_force
    found = adjusted(rows, kpis, versions, date, by, SETTINGS.promote)
    return {(entry.parameter, entry.scope): entry for entry in found}


def value(found: Mapping[tuple[str, str], Entry], parameter: str, scope: str) -> float | None:
    entry = found.get((parameter, scope))
    return None if entry is None else entry.value
