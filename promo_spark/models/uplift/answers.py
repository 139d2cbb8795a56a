"""How likely what each user did is, if the user answers to offers in one way or another.

Three answers are told apart, each on a grid: the pull on visits, the readiness to use what has to be used, and how much
more of what an offer is for comes into the basket. Each grid value has a likelihood for each user, up to a factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from promo_spark.models.uplift.histories import Bools, Floats, Histories, Ints, Messages

PULLS: Final = np.linspace(-9.0, 10.5, 27)  # log of the factor on visits per unit of an offer's strength
READINESS: Final = np.array([0.03, 0.08, 0.15, 0.25, 0.4, 0.55, 0.7, 0.85])  # chance to use a large saving
MENTIONS: Final = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.5, 7.0])  # log of the factor on lines per saving
GRIDS: Final = (PULLS, READINESS, MENTIONS)
_SHAPE = 2.0  # of the gamma by which lines of a visit scatter around what is usual


@dataclass(frozen=True)
class Circumstances:
    """What the likelihoods need to know beside a user's own rows, from all users.

    `rate`: order days per day of a usual user. `use_savings`, `use_levels`: how the share of those who use an offer
    rises with the saving, 1 at its highest.
    """

    rate: float
    use_savings: tuple[float, ...]
    use_levels: tuple[float, ...]

    def use_level(self, saving: Floats) -> Floats:
        """What the readiness of a user is multiplied by at a saving."""
        return np.interp(saving, self.use_savings, self.use_levels)

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Circumstances:
        return Circumstances(plain["rate"], tuple(plain["use_savings"]), tuple(plain["use_levels"]))


def strength(saving: Floats, share: Floats) -> Floats:
    """What an offer's pull is a multiple of, before data say more: saving × root of the share of spend it applies to.

    >>> strength(np.array([0.2, 0.2]), share=np.array([0.25, 1.0])).round(3).tolist()
    [0.1, 0.2]
    """
    return saving * np.sqrt(np.clip(share, 0.0, 1.0))


def circumstances(of: Histories) -> Circumstances:
    """From a sample of users."""
    active = active_days(of)
    rate = float((of.ordered & active).sum() + 1.0) / float(active.sum() + 7.0)
    told = of.messages.rows(of.messages.could_use)
    savings = np.unique(np.round(told.saving, 2))
    used = [np.r_[told.used[np.round(told.saving, 2) == saving], 0.5].mean() for saving in savings]
    rising = np.maximum.accumulate(np.array(used)) if len(used) else np.ones(1)
    points = tuple(float(saving) for saving in savings) or (1.0,)
    return Circumstances(rate, points, tuple(float(level / rising[-1]) for level in rising))


def active_days(of: Histories) -> Bools:
    """User × day: the user was known and had not ordered for the last time yet: nobody had left then."""
    day = np.arange(of.days)
    active: Bools = (day >= of.known_from[:, None]) & (day < of.last_order()[:, None])
    return active


def answer_likelihoods(of: Histories, known: Circumstances, levels: Floats) -> tuple[Floats, Floats, Floats]:
    """User × PULLS, user × READINESS, user × MENTIONS; the largest of each row is 1.

    `levels`: the season of each day, of more days if need be, see day_levels.
    """
    ended = of.messages.rows(of.messages.end <= of.days)
    logs = (
        _of_visits(of, known, levels),
        _of_uses(len(of), ended, known),
        _of_lines(len(of), ended),
    )
    pulls, readiness, mentions = (np.exp(log - log.max(axis=1, keepdims=True)) for log in logs)
    return pulls, readiness, mentions


def _of_visits(of: Histories, known: Circumstances, levels: Floats) -> Floats:
    """Visits are Poisson by day: own rate × season × exp(pull × strength). The own rate is a gamma, integrated out."""
    heard = _heard(of)
    active = active_days(of)
    visits = of.ordered & active
    user, day = np.nonzero(active & (heard > 0))
    level, own = levels[day], heard[user, day]
    silent = (active & (heard <= 0)) @ levels[: of.days]
    count, told = visits.sum(axis=1), (visits * heard).sum(axis=1)
    log = np.zeros((len(of), len(PULLS)))
    for place, pull in enumerate(PULLS):
        exposed = np.bincount(user, level * np.exp(pull * own), len(of))
        log[:, place] = pull * told - (count + 1.0) * np.log(1.0 / known.rate + silent + exposed)
    return log


def _heard(of: Histories) -> Floats:
    """User × day: the strength of all offers that held."""
    change = np.zeros((len(of), of.days + 1))
    messages = of.messages
    strong, end = strength(messages.saving, messages.share), np.minimum(messages.end, of.days)
    np.add.at(change, (messages.user, messages.start), strong)
    np.add.at(change, (messages.user, end), -strong)
    heard = np.cumsum(change[:, :-1], axis=1)
    return np.where(heard > 1e-9, heard, 0.0)


def _of_uses(users: int, messages: Messages, known: Circumstances) -> Floats:
    """Who could use an offer does so with a chance that is the user's readiness × the level of the saving."""
    asked = messages.rows(messages.could_use)
    level = known.use_level(asked.saving)
    chance = np.clip(level[:, None] * READINESS, 1e-4, 1 - 1e-4)
    return _by_user(users, asked.user, np.where(asked.used[:, None], np.log(chance), np.log1p(-chance)))


def _of_lines(users: int, messages: Messages) -> Floats:
    """Lines of what an offer is for are negative binomial around the usual ones × exp(mention × saving)."""
    seen = messages.rows((messages.visits > 0) & (messages.usual_lines > 0))
    expected = seen.usual_lines[:, None] * np.exp(MENTIONS * seen.saving[:, None])
    shape = _SHAPE * seen.visits[:, None]
    lines = seen.lines[:, None]
    return _by_user(users, seen.user, lines * np.log(expected) - (lines + shape) * np.log1p(expected / shape))


def _by_user(users: int, user: Ints, log: Floats) -> Floats:
    total = np.zeros((users, log.shape[1]))
    np.add.at(total, user, log)
    return total
