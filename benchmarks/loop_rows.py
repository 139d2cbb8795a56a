"""Rows of measurement.effects of a day of benchmarks/loop.py, by the job's own functions.

Figures are arrays here, where the job has tables; how they become moments, and these rows, is the same code.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from loop_days import HOLDS, Made, Run, joined
from loop_worlds import KNOWN_BEFORE

from promo_spark.contracts.measurement import Effects
from promo_spark.measurement.differences import Difference, difference, mean
from promo_spark.measurement.effects import Compared, Judging, counted_row, effect_rows, judged, policy_row
from promo_spark.measurement.figures import COVARIATES, METRICS, USERS
from promo_spark.measurement.moments import Moments, moments_of_arrays
from promo_spark.measurement.off_policy import PolicyValue, value_by_doubly_robust
from promo_spark.measurement.windows import Window, finished_windows
from promo_spark.settings import load
from promo_spark.worlds import response
from promo_spark.worlds.streams import Bools, Floats, Ints

START = datetime.date(2024, 6, 1)  # day 0
POOLED = 28  # days of draws, and of offers, that are told together
_SETTINGS = load("reference", []).evaluate
BY = Judging(_SETTINGS.alpha, _SETTINGS.least_users, max(_SETTINGS.windows), _SETTINGS.before_days)
# Of all figures these only are not 0 here
_TOLD = ("margin", "given")
_FIGURES = (USERS, *_TOLD, *KNOWN_BEFORE)
_ALL = tuple(dict.fromkeys((*_FIGURES, *COVARIATES, *(n for m in METRICS.values() for n in (m.of, m.per, *m.over)))))


def date_of(day: int) -> datetime.date:
    return START + datetime.timedelta(day)


def effects_of(run: Run, day: int) -> list[dict[str, Any]]:
    """All rows that `evaluate` would write for the date of the day. → Effects."""
    made, given = joined(run.made[:day]), np.concatenate(run.given[:day])
    drawn = _explored(run, made, day)
    rows = effect_rows([*_held_out(run, made, day), *drawn.compared(), *withheld(run, day)], BY)
    rows += drawn.policy() + _counted(run, made, given, day)
    return [row | {Effects.date: date_of(day)} for row in judged(rows, BY)]


# those who were held out


def _held_out(run: Run, made: Made, day: int) -> list[Compared]:
    windows = finished_windows([HOLDS], start=START, date=date_of(day), most_days=_SETTINGS.most_days)
    found = []
    for window in windows:
        first = (window.first - START).days
        sums = [values[first : first + window.days].sum(axis=0) for values in (run.margin, run.counted)]
        arms = [_moments(run, arm, [values[arm] for values in sums]) for arm in _arms(run.held_out)]
        share = np.minimum(made.day + HOLDS, first + window.days) - np.maximum(made.day, first)
        share = np.maximum(share, 0) / HOLDS / arms[0].users
        told = {"margin": float(made.told_value @ share), "given": float(made.told_given @ share)}
        found.append(Compared("all", "holdout", window, arms[0], arms[1], told))
    return found


def _arms(held_out: Bools) -> tuple[Ints, Ints]:
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


# those for whom chance drew


@dataclass(frozen=True)
class _Explored:
    """The draws whose days are over, with what came of them."""

    run: Run
    made: Made
    margin: Floats
    given: Floats

    def compared(self) -> list[Compared]:
        if not len(self.made):
            return []
        return [self._slice("all", np.ones(len(response.NAMES), bool))] + [
            self._slice(f"mechanic:{name}", np.arange(len(response.NAMES)) == number)
            for number, name in enumerate(response.NAMES)
            if (self.run.of.mechanic[self.made.candidate] == number)[self.made.candidate >= 0].any()
        ]

    def _slice(self, name: str, of: Bools) -> Compared:
        made, mechanic = self.made, self.run.of.mechanic
        has = made.candidate >= 0
        inside = has & of[mechanic[np.maximum(made.candidate, 0)]]
        candidates = made.drawable if of.all() else np.full(len(made), of[mechanic].sum())
        weights = 1 / (made.propensity * np.maximum(candidates, 1))
        treated = self._of(inside, weights)
        control = self._of(~has, 1 / made.propensity)
        total = weights[inside].sum()
        told = {
            "margin": float(weights[inside] @ made.told_value[inside] / total),
            "given": float(weights[inside] @ made.told_given[inside] / total),
        }
        return Compared(name, "explore", self._window, treated, control, told)

    @property
    def _window(self) -> Window:
        return _window(int(self.made.day.min()), HOLDS)

    def _of(self, rows: Bools, weights: Floats) -> Moments:
        """Moments of users, each of whose draws counts with its weight."""
        users, place = np.unique(self.made.user[rows], return_inverse=True)
        own = weights[rows]
        figures = [np.bincount(place, own * values[rows], len(users)) for values in (self.margin, self.given)]
        count: Floats = np.bincount(place, own, len(users)).astype(np.float64)
        return _moments(self.run, users, figures, count)

    @property
    def rest(self) -> Floats:
        """The margin of the week after a draw, beyond what is usual of its user."""
        usual = self.run.of.before[KNOWN_BEFORE.index("before_margin"), self.made.user]
        beyond: Floats = self.margin - usual * (HOLDS / BY.before_days)
        return beyond

    def policy(self) -> list[dict[str, Any]]:
        made = self.made
        if not len(made):
            return []
        w_policy = (made.candidate == made.would) / made.propensity
        w_none = (made.candidate < 0) / made.propensity
        value = _value(made, w_policy, w_none, self.rest, made.told_value, made.told_would)
        users = len(np.unique(made.user))
        return [policy_row("dr_policy", self._window, users, value, float(made.told_would.mean()), BY)]


def _explored(run: Run, made: Made, day: int) -> _Explored:
    rows = np.flatnonzero(made.explored & (made.day + HOLDS <= day) & (made.day > day - HOLDS - POOLED))
    some = Made(**{name: getattr(made, name)[rows] for name in Made.__dataclass_fields__})
    return _Explored(run, some, *(_week_after(values, some.user, some.day) for values in (run.margin, run.counted)))


def _week_after(values: npt.NDArray[np.float32], user: Ints, day: Ints) -> Floats:
    total: Floats = values[day[:, None] + np.arange(HOLDS), user[:, None]].sum(axis=1, dtype=np.float64)
    return total


def policy_values(run: Run, day: int) -> dict[str, PolicyValue]:
    """What the policy and its rival bring beyond none per decision, and how much more the rival; by what chance drew.

    Both by the same draws, so the error of the difference is less than that of either: where both would have given
    the same nothing is left of it. The rival stands in the place of the policy, and the policy in that of none.
    """
    drawn = _explored(run, joined(run.made[:day]), day)
    made, rest = drawn.made, drawn.rest
    none = np.where(made.candidate < 0, 1 / made.propensity, 0.0)
    weights = {"policy": (made.candidate == made.would), "rival": (made.candidate == made.rival)}
    weights = {name: same / made.propensity for name, same in weights.items()}
    told = {"policy": made.told_would, "rival": made.told_rival}
    found = {name: _value(made, w, none, rest, made.told_value, told[name]) for name, w in weights.items()}
    more = told["rival"] - told["policy"]
    beyond = rest - made.told_value
    return found | {"difference": _value(made, weights["rival"], weights["policy"], beyond, 0.0, more)}


def _value(
    made: Made, w_policy: Floats, w_none: Floats, rest: Floats, told_drawn: Floats | float, told: Floats
) -> PolicyValue:
    columns = {
        "contexts": np.ones(len(made)),
        "weight_policy": w_policy,
        "weight_none": w_none,
        "rest_policy": w_policy * (rest - told_drawn),
        "rest_none": w_none * rest,
        "told": told,
    }
    users, place = np.unique(made.user, return_inverse=True)
    of_users = {name: np.bincount(place, values, len(users)) for name, values in columns.items()}
    return value_by_doubly_robust(moments_of_arrays(of_users))


# what receipts say of single offers


def _counted(run: Run, made: Made, given: Floats, day: int) -> list[dict[str, Any]]:
    """Of the offers whose days ended in the last week."""
    over = (made.candidate >= 0) & (made.day + HOLDS <= day) & (made.day + HOLDS > day - HOLDS)
    if not over.any():
        return []
    rows, mechanic = [], run.of.mechanic[np.maximum(made.candidate, 0)]
    window = _window(day - HOLDS, HOLDS)
    for number, name in [(-1, "all"), *((n, f"mechanic:{name}") for n, name in enumerate(response.NAMES))]:
        own = over & (mechanic == number) if number >= 0 else over
        if own.any():
            users, place = np.unique(made.user[own], return_inverse=True)
            counts = np.bincount(place, minlength=len(users))
            per_user = {"offers": counts, "given": np.bincount(place, given[own], len(users))}
            value = mean(moments_of_arrays(per_user), {"given": 1.0}, per="offers")
            rows.append(counted_row(window, name, "given", len(users), value, float(made.told_given[own].mean()), BY))
    return rows


def explored(run: Run, day: int) -> list[Compared]:
    """Of those for whom chance drew an offer or none, by slice."""
    return _explored(run, joined(run.made[:day]), day).compared()


# what the held out would have got


def withheld(run: Run, day: int) -> list[Compared]:
    """The weeks of those who were given an offer of a mechanic, against those held out who would have got one.

    Of offers whose days are over. Who is held out is chance, so both are the same users but for the offer.
    """
    made = joined(run.made[:day])
    given = Made(**{name: getattr(made, name)[~made.explored] for name in Made.__dataclass_fields__})
    user = np.concatenate([users for _, users, _ in run.withheld[:day]])
    of_day = np.concatenate([np.full(len(users), one) for one, users, _ in run.withheld[:day]])
    what = np.concatenate([candidates for _, _, candidates in run.withheld[:day]])
    found = []
    for number, name in enumerate(response.NAMES):
        one, rows = _weeks(run, number, day, given.user, given.day, given.candidate)
        other, others = _weeks(run, number, day, user, of_day, what)
        if rows.any() and others.any():
            told = {"margin": given.told_value[rows].mean(), "given": given.told_given[rows].mean()}
            window = _window(int(given.day[rows].min()), HOLDS)
            compared = Compared(f"mechanic:{name}", "withheld", window, one, other, told)
            found.append(compared)
    return found


def _weeks(run: Run, mechanic: int, day: int, user: Ints, of_day: Ints, what: Ints) -> tuple[Moments, Bools]:
    """The moments of the users to whom offers of a mechanic go, by the weeks after; and which offers these are."""
    rows = (run.of.mechanic[what] == mechanic) & (of_day + HOLDS <= day) & (of_day > day - HOLDS - POOLED)
    users, place = np.unique(user[rows], return_inverse=True)
    weeks = [_week_after(values, user[rows], of_day[rows]) for values in (run.margin, run.counted)]
    figures = [np.bincount(place, values, len(users)) for values in weeks]
    return _moments(run, users, figures, np.bincount(place, minlength=len(users)).astype(np.float64)), rows


def margin_of(one: Compared) -> Difference | None:
    """What such offers brought, however few."""
    return difference(one.treated, one.control, {"margin": 1.0}, per=USERS, covariates=KNOWN_BEFORE)


# moments


def _moments(run: Run, users: Ints, figures: list[Any], weights: Floats | None = None) -> Moments:
    """The moments of some users: margin and given are there, what was known before; all other figures are 0."""
    one = np.ones(len(users)) if weights is None else weights
    known = run.of.before[:, users] * one
    table = np.column_stack([one, *(np.asarray(values, np.float64) for values in figures), *known])
    places = np.array([_ALL.index(name) for name in _FIGURES])
    sums, products = np.zeros(len(_ALL)), np.zeros((len(_ALL), len(_ALL)))
    sums[places] = table.sum(axis=0)
    products[np.ix_(places, places)] = table.T @ table
    return Moments(len(users), _ALL, sums, products)


def _window(first: int, days: int) -> Window:
    return Window(date_of(first), days)
