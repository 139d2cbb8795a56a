"""Days of one run of benchmarks/loop.py: who is held out, who is explored, who gets what, and what comes of it.

A user holds one offer at a time, for a week. On each day chance explores some of those who hold nothing, and the others
of them get what brings most after what it takes of the day's budget, at one price for all. An offer adds a seventh of
its true gain to each of its days, in orders of chance; how often it is used is chance too. Without offers a user's day
is any of the same user's days of seven played weeks. All chance is drawn by day and user, whatever was decided, so that
two runs of the same number differ by what they decide alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from loop_worlds import DAYS_WITHOUT, Retailer, Truth

from promo_spark.contracts.policy import ALL, CLOSED, PAUSED
from promo_spark.decisions.policy import AS_SET, InForce
from promo_spark.worlds import response
from promo_spark.worlds.streams import Bools, Floats, Ints

HOLDS = 7  # days that an offer holds
HELD_OUT, EXPLORED = 0.1, 0.007  # promote.holdout_share, promote.explore_share
NONE_DRAWN = 0.25  # of those who are explored
BUDGET = 0.2  # per user and week
SCOPES = tuple(f"mechanic:{name}" for name in response.NAMES)
_NONE = -1


def daily_budget(users: int) -> float:
    return BUDGET / HOLDS * users * (1 - HELD_OUT)


@dataclass(frozen=True)
class Told:
    """What a policy tells of each candidate, by what is in force: user × candidate."""

    value: Floats
    given: Floats


def told_by_promote(of: Retailer, policy: InForce) -> Told:
    """The job's own valuation with the factors of the version in force."""
    value_factor = _by_candidate(of, policy, "value_factor")
    given = of.told_given * _by_candidate(of, policy, "cost_factor")
    return Told(of.told_gain * value_factor - given, given)


def _by_candidate(of: Retailer, policy: InForce, parameter: str) -> Floats:
    factors = np.array([policy.factor(parameter, scope) for scope in SCOPES])
    return factors[of.mechanic]


@dataclass
class Made:
    """The offers of all days, and the draws of none, one entry each; lists of arrays until they are put together."""

    user: Ints
    day: Ints
    candidate: Ints  # −1: chance drew none
    explored: Bools
    propensity: Floats  # of the candidate among those that chance could draw; 1 of those that were chosen
    told_value: Floats
    told_given: Floats
    would: Ints  # of those who were explored: what the policy would have given; −1: nothing
    told_would: Floats
    drawable: Ints  # of those who were explored: how many candidates chance could draw
    rival: Ints  # of those who were explored: what another policy would have given
    told_rival: Floats  # by the policy that decides, as of all that is compared: who proposes does not judge

    def __len__(self) -> int:
        return len(self.user)


def joined(parts: list[Made]) -> Made:
    return Made(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in Made.__dataclass_fields__})


@dataclass
class Run:
    """A month of one replication under one way to decide. `truth(day)` is what is true of offers on the day."""

    of: Retailer
    seed: int
    number: int
    truth: Callable[[int], Truth]
    last: int  # days
    with_noise: bool = True
    rival: Told | None = None  # what another policy tells, that decides nothing

    made: list[Made] = field(default_factory=list)
    given: list[Floats] = field(default_factory=list)  # by part of `made`: counted
    withheld: list[tuple[int, Ints, Ints]] = field(default_factory=list)  # day, user, candidate that nobody gave
    price: float = 0.5
    prices: list[float] = field(default_factory=list)  # by day
    rival_price: float = 0.5

    def __post_init__(self) -> None:
        n = self.of.users
        self.held_out = self._chance("arms", 0).random(n) < HELD_OUT
        self.until = np.zeros(n, np.int64)  # first day on which the user is free again
        self.held = np.full(n, _NONE)
        self.since, self.part, self.place = np.zeros((3, n), np.int64)
        self.spent = np.zeros(n, bool)
        self.margin, self.counted = np.zeros((2, self.last, n), np.float32)
        self.true_value, self.true_given, self.told_given, self.told_value = np.zeros((4, self.last))
        self.offers = np.zeros((self.last, len(SCOPES)))

    def _chance(self, what: str, day: int) -> np.random.Generator:
        names = ("arms", "explored", "played")
        return np.random.default_rng((self.seed, self.number, names.index(what), day))

    def decide(self, day: int, told: Told, policy: InForce = AS_SET) -> None:
        """Gives the day's offers."""
        free = self.until <= day
        draw = self._chance("explored", day)
        chance, which = draw.random((2, self.of.users))
        share = policy.values.get(("explore_share", ALL), EXPLORED)
        exploring = free & ~self.held_out & (chance < share)
        pauses = np.array([policy.pause(scope) for scope in SCOPES])[self.of.mechanic]
        drawable = np.flatnonzero(pauses < CLOSED)
        rows = np.flatnonzero(exploring)
        place = np.floor((which[rows] - NONE_DRAWN) / (1 - NONE_DRAWN) * len(drawable)).astype(np.int64)
        drew = np.where(place >= 0, drawable[np.maximum(place, 0)] if len(drawable) else _NONE, _NONE)

        value = np.where(pauses < PAUSED, told.value, -1.0)
        treated = np.flatnonzero(free & ~self.held_out & ~exploring)
        budget = daily_budget(self.of.users)
        chosen = self._chosen(treated, value, told.given, budget, policy)
        self.prices.append(self.price)
        would = self._at_prices(rows, value, told.given)
        rival = self._of_rival(treated, rows, budget)
        got = chosen != _NONE
        zero = np.zeros(int(got.sum()), np.int64)
        given_to, what = treated[got], chosen[got]
        own = Made(
            user=np.concatenate([given_to, rows]),
            day=np.full(len(given_to) + len(rows), day),
            candidate=np.concatenate([what, drew]),
            explored=np.arange(len(given_to) + len(rows)) >= len(given_to),
            propensity=np.concatenate(
                [zero + 1.0, np.where(drew == _NONE, NONE_DRAWN, (1 - NONE_DRAWN) / max(len(drawable), 1))]
            ),
            told_value=np.concatenate([told.value[given_to, what], _of(told.value, rows, drew)]),
            told_given=np.concatenate([told.given[given_to, what], _of(told.given, rows, drew)]),
            would=np.concatenate([zero - 1, would]),
            told_would=np.concatenate([zero * 0.0, _of(told.value, rows, would)]),
            drawable=np.concatenate([zero, np.full(len(rows), len(drawable))]),
            rival=np.concatenate([zero - 1, rival]),
            told_rival=np.concatenate([zero * 0.0, _of(told.value, rows, rival)]),
        )
        self.made.append(own)
        self.given.append(np.zeros(len(own)))
        self.until[own.user], self.held[own.user] = day + HOLDS, own.candidate
        self.since[own.user], self.spent[own.user] = day, False
        self.part[own.user], self.place[own.user] = day, np.arange(len(own))
        self.offers[day] = np.bincount(self.of.mechanic[what], minlength=len(SCOPES))
        if self.with_noise:
            out = np.flatnonzero(free & self.held_out)
            kept = self._at_prices(out, value, told.given)
            self.withheld.append((day, out[kept != _NONE], kept[kept != _NONE]))
            self.until[out[kept != _NONE]] = day + HOLDS  # nobody gets anything, but is asked again in a week

    def _of_rival(self, treated: Ints, rows: Ints, budget: float) -> Ints:
        """What the other policy would have given to the explored, at its own price."""
        if self.rival is None:
            return np.full(len(rows), _NONE)
        own, (value, given) = self.price, (self.rival.value, self.rival.given)
        every = np.ones(len(self.of.mechanic), bool)
        self.price = self._lowest(value[treated], given[treated], budget, every, self.rival_price)
        would = self._at_prices(rows, value, given)
        self.price, self.rival_price = own, self.price
        return would

    def _chosen(self, rows: Ints, value: Floats, given: Floats, budget: float, policy: InForce) -> Ints:
        """What brings most, at the lowest prices at which budgets hold: of the day, and of mechanics that have one."""
        self.budget_prices = np.zeros(len(SCOPES))
        most = budget * policy.factor("budget_factor", ALL)
        limits = {
            number: most * policy.values["budget_factor", scope]
            for number, scope in enumerate(SCOPES)
            if ("budget_factor", scope) in policy.values
        }
        own_value, own_given = value[rows], given[rows]
        for _ in range(1 + bool(limits)):
            self.price = self._lowest(own_value, own_given, most, np.ones(len(self.of.mechanic), bool), self.price)
            for number, limit in limits.items():
                of_it = self.of.mechanic == number
                self.budget_prices[number] = 0.0
                price = self._lowest(own_value, own_given, limit, of_it, self.price)
                self.budget_prices[number] = max(price - self.price, 0.0)
        if limits:
            self.price = self._lowest(own_value, own_given, most, np.ones(len(self.of.mechanic), bool), self.price)
        return self._at_prices(rows, value, given)

    def _lowest(self, value: Floats, given: Floats, most: float, counted: Bools, start: float) -> float:
        """The lowest price of what is given, of the counted candidates, at which it is no more than allowed."""
        extra = self.budget_prices[self.of.mechanic]

        def asked(price: float, of: Ints) -> float:
            prices = np.where(counted, price, self.price) + extra
            net = value[of] - prices * given[of]
            best = net.argmax(axis=1)
            rows = np.arange(len(of))
            used = given[of, best] * (net[rows, best] > 0) * counted[best]
            return float(used.sum())

        every = np.flatnonzero((value > 0).any(axis=1))
        if asked(0.0, every) <= most:
            return 0.0
        low, high = 0.0, max(start, 0.05)
        if asked(high, every) <= most:
            low = 0.7 * high if asked(0.7 * high, every) > most else 0.0
        while asked(high, every) > most:
            low, high = high, high * 1.5
        if counted.all():  # whoever wants nothing at the lower price wants nothing at a higher one
            every = every[((value[every] - (low + extra) * given[every]) > 0).any(axis=1)]
        while high - low > 1e-3 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if asked(middle, every) > most else (low, middle)
        return high

    def _at_prices(self, rows: Ints, value: Floats, given: Floats) -> Ints:
        net = value[rows] - (self.price + self.budget_prices[self.of.mechanic]) * given[rows]
        best = net.argmax(axis=1) if len(rows) else np.zeros(0, np.int64)
        return np.where(net[np.arange(len(rows)), best] > 0, best, _NONE)

    def play(self, day: int) -> None:
        """What everybody does on the day, and what it is worth by the truth."""
        truth = self.truth(day)
        user = np.flatnonzero((self.until > day) & (self.held != _NONE) & ~self.held_out)
        what = self.held[user]
        gain, given, uses = (values[user, what] / HOLDS for values in (truth.gain, truth.given, truth.uses))
        self.true_value[day], self.true_given[day] = (gain - given).sum(), given.sum()
        told = self.made
        for part in range(max(0, day - HOLDS + 1), day + 1):
            self.told_given[day] += told[part].told_given.sum() / HOLDS
            self.told_value[day] += told[part].told_value.sum() / HOLDS
        if not self.with_noise:
            return
        draw = self._chance("played", day)
        usual = draw.integers(0, DAYS_WITHOUT // 7, self.of.users) * 7 + day % 7
        margin = self.of.days[usual, np.arange(self.of.users)].astype(np.float64)
        chance, more = draw.random((2, self.of.users))[:, user]
        once = response.ONCE[self.of.mechanic[what]]
        passed = np.minimum(uses * (day - self.since[user]), 0.99)
        single = (chance < uses / (1 - passed)) & ~self.spent[user]
        times = np.where(once, single, poisson(chance, uses))
        self.spent[user] |= single
        counted = np.round(times * given / np.maximum(uses, 1e-12), 2)  # receipts are in cents
        orders = poisson(more, np.abs(gain) / self.of.visit[user])
        margin[user] += np.round(np.sign(gain) * orders * self.of.visit[user], 2) - counted
        self.margin[day] = margin
        self.counted[day, user] = counted
        for part in np.unique(self.part[user]):
            of_part = self.part[user] == part
            self.given[part][self.place[user[of_part]]] += counted[of_part]


def _of(table: Floats, rows: Ints, candidate: Ints) -> Floats:
    return np.where(candidate == _NONE, 0.0, table[rows, np.maximum(candidate, 0)])


def poisson(chance: npt.NDArray[np.float64], mean: Floats) -> Floats:
    """Poisson numbers of these means from uniform ones.

    >>> poisson(np.array([0.1, 0.95, 0.99]), np.array([0.5, 0.5, 0.0])).tolist()
    [0.0, 2.0, 0.0]
    """
    number, term = np.zeros(len(chance)), np.exp(-mean)
    reached, k = term.copy(), 0
    while (more := chance > reached).any() and k < 60:
        k += 1
        number += more
        term = term * mean / k
        reached = np.where(more, reached + term, reached)
    return number
