"""A small market played for weeks: what is told of mechanics is wrong, and the loop finds it."""

from __future__ import annotations

import datetime

import numpy as np

from promo_spark.decisions.adjustment.version import adjusted
from promo_spark.decisions.policy import AS_SET, InForce, values_of, version_rows
from promo_spark.settings import load
from tests.decisions.adjustment.effect_rows import gain

START = datetime.date(2024, 6, 3)
SETTINGS = load()
DRAWN = SETTINGS.adjust.model_copy(update={"chance": 0.5})  # a week's factors are drawn
NAMES = ("coupon", "discount", "gift")
TOLD = np.array([3.0, 2.8, 2.6])  # gained per offer, of which 1 is given
TRUE = np.array([1.2, 1.1, 3.6])  # the last is the best, and is told to be the worst
USERS = 2000  # offers a day; an offer's gain differs by ± 5 between users, what is told of it by a tenth
NOISE = 5.0
EXPLORED = 100  # draws a day, of each mechanic as many, and as many of none


class Market:
    """Weeks of offers, decided by the factors in force; what explored users say of each mechanic, in the end."""

    def __init__(self, learns: bool, seed: int = 1) -> None:
        self.draw = np.random.default_rng(seed)
        self.versions: dict[datetime.date, InForce] = {}
        self.shares: list[np.ndarray] = []
        self.explored: list[dict[str, list[float]]] = []
        self.gained: list[float] = []
        for day in range(56):
            date = START + datetime.timedelta(day)
            self._decide(date)
            if learns:
                self._adjust(date)

    def in_force(self, date: datetime.date) -> InForce:
        known = [day for day in self.versions if day <= date]
        return self.versions[max(known)] if known else AS_SET

    def _decide(self, date: datetime.date) -> None:
        factor = [self.in_force(date).factor("value_factor", f"mechanic:{name}") for name in NAMES]
        told = TOLD * np.array(factor) * (1 + 0.1 * self.draw.standard_normal((USERS, 3)))
        share = np.bincount(told.argmax(axis=1), minlength=3) / USERS
        self.shares.append(share)
        self.gained.append(float(share @ TRUE))
        each = EXPLORED // 4
        none = NOISE * self.draw.standard_normal(each)
        self.explored.append(
            {
                name: list(TRUE[n] + NOISE * self.draw.standard_normal(each) - none)  # beside one who drew none
                for n, name in enumerate(NAMES)
            }
        )

    def _adjust(self, date: datetime.date) -> None:
        seen, rows = self.explored[-28:], []
        first = date - datetime.timedelta(len(seen) + 6)
        for n, name in enumerate(NAMES):
            of = np.concatenate([day[name] for day in seen])
            days = [first + datetime.timedelta(k) for k in range(len(seen))]
            was = np.mean([self.in_force(day).factor("value_factor", f"mechanic:{name}") for day in days])
            error = float(of.std() / len(of) ** 0.5)
            rows += gain("explore", f"mechanic:{name}", float(of.mean()), float(TOLD[n] * was), error)
        rows = [row | {"date": date, "first_day": first} for row in rows]
        found = adjusted(rows, [], self.in_force, date, DRAWN, SETTINGS.promote)
        made = version_rows(found, parent=self.in_force(date), valid_from=date + datetime.timedelta(1), job="adjust")
        self.versions[date + datetime.timedelta(1)] = InForce(str(made[0]["version_id"]), values_of(made))


def test_the_best_mechanic_gets_most_offers_and_less_is_lost() -> None:
    """L01, L03: the best is told to be the worst; after weeks it has four fifths of the offers.

    What is lost beside the best all along is less than without the loop.
    """
    best = float(TRUE.max())
    frozen, loop = Market(learns=False), Market(learns=True)
    assert frozen.shares[-1][2] < 0.3
    assert np.mean([share[2] for share in loop.shares[-7:]]) >= 0.8
    lost = [sum(best - gained for gained in market.gained) for market in (frozen, loop)]
    assert lost[1] < 0.7 * lost[0]


def test_the_history_of_versions_is_kept() -> None:
    """L01 (versions): one a day, each after the last."""
    loop = Market(learns=True)
    assert sorted(loop.versions) == [START + datetime.timedelta(n) for n in range(1, 57)]
    assert len({of.version for of in loop.versions.values()}) == 56
