"""What each user would be given at some prices: the best set of options, each by itself and no two about the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.decisions.allocation.options import Bools, Floats, Ints, Options

_WIDE = 4  # times as many places as options, up to which a row per user is sorted


@dataclass(frozen=True)
class BestSets:
    """`chosen`: of the options, a set that can be given. `bounding`: a set that no set of the user is worth more than.

    They are the same where a user may have two options at most; with more, topics are left out of the second.
    """

    chosen: Bools
    bounding: Bools


def best_sets(of: Options, net: Floats) -> BestSets:
    """The sets that are worth most by `net`, the value of each option after prices. Ties go to the first options."""
    sets = _Sets(of, net, _best_first(of, net))
    chosen = np.zeros(len(of), bool)
    chosen[sets.singles()] = True
    pairs = sets.pairs()
    chosen[sets.first_of[pairs[0]]] = False
    chosen[pairs[1]], chosen[pairs[2]] = True, True
    if not (of.room > 2).any():
        return BestSets(chosen, chosen)
    return sets.larger(chosen)


def _best_first(of: Options, net: Floats) -> Ints:
    """The options user by user, the best first; ties as they stand.

    Where users have about as many options each, a row per user is sorted, ten times faster than all at once.
    """
    count = np.bincount(of.owner, minlength=of.users)
    width = int(count.max(initial=0))
    if of.users * width > _WIDE * len(of):
        return np.asarray(np.lexsort((-net, of.owner)), np.int64)
    there = np.arange(width) < count[:, None]
    negative = np.full(there.shape, np.inf)
    negative[there] = -net  # what is worth −∞ ties with the empty places, which come after it
    place = np.argsort(negative, axis=1, kind="stable")
    first = np.cumsum(count) - count
    return np.asarray((first[:, None] + place)[there], np.int64)


class _Sets:
    """Options by user, the best first."""

    def __init__(self, of: Options, net: Floats, order: Ints) -> None:
        self.of, self.net, self.order = of, net, order
        self.start = np.searchsorted(of.owner[order], np.arange(of.users))
        worth = np.bincount(of.owner, net > 0, of.users).astype(np.int64)
        self.count = np.where(of.room > 0, worth, 0)  # options of a user that are worth something
        self.first_of = np.full(of.users, -1, np.int64)
        has = self.count > 0
        self.first_of[has] = order[self.start[has]]

    def at(self, user: Ints, place: Ints | int) -> Ints:
        """The option of each user at a place."""
        return np.asarray(self.order[self.start[user] + place], np.int64)

    def singles(self) -> Ints:
        return self.first_of[self.first_of >= 0]

    def pairs(self) -> tuple[Ints, Ints, Ints]:
        """Users for whom two options are worth more than one, and both.

        With the option at some place goes the next one that does not conflict with it. A pair from a place on is worth
        no more than the options there and at the next: where that is not more than what was found, the search ends.
        """
        user = np.flatnonzero((self.of.room > 1) & (self.count > 1))
        best = np.full(self.of.users, -np.inf)
        best[user] = self.net[self.first_of[user]]
        pair = np.full((2, self.of.users), -1, np.int64)
        place = 0
        while len(user):
            here = self.at(user, place)
            after = self.at(user, place + 1)
            going = self.net[here] + self.net[after] > best[user]
            user, here = user[going], here[going]
            partner = self._partners(user, here, place)
            found = partner >= 0
            worth = np.where(found, self.net[here] + self.net[np.maximum(partner, 0)], -np.inf)
            better = worth > best[user]
            best[user[better]] = worth[better]
            pair[0, user[better]], pair[1, user[better]] = here[better], partner[better]
            place += 1
            user = user[self.count[user] > place + 1]
        paired = np.flatnonzero(pair[0] >= 0)
        return paired, pair[0, paired], pair[1, paired]

    def _partners(self, user: Ints, here: Ints, place: int) -> Ints:
        """The first option after the place that does not conflict with the one there; −1: none."""
        partner = np.full(len(user), -1, np.int64)
        seeking, step = np.arange(len(user)), place + 1
        while len(seeking):
            other = self.at(user[seeking], step)
            free = ~self.of.conflict(here[seeking], other)
            partner[seeking[free]] = other[free]
            step += 1
            seeking = seeking[~free]
            seeking = seeking[self.count[user[seeking]] > step]
        return partner

    def larger(self, chosen: Bools) -> BestSets:
        """With users who may have more than two: options in order, none in conflict; or the pair, if it is better."""
        of, net = self.of, self.net
        many = of.room > 2
        greedy, bounding = chosen & ~many[of.owner], chosen & ~many[of.owner]
        place = np.arange(len(of)) - self.start[of.owner[self.order]]
        first = self.order[place < np.minimum(of.room, self.count)[of.owner[self.order]]]
        bounding[first[many[of.owner[first]]]] = True
        given = [np.full(of.users, -1, np.int64) for _ in range(int(of.room.max()))]
        size = np.zeros(of.users, np.int64)
        for step in range(int(self.count[many].max(initial=0))):
            user = np.flatnonzero(many & (self.count > step) & (size < of.room))
            option = self.at(user, step)
            free = np.ones(len(user), bool)
            for held in given:
                free &= ~of.conflict(option, held[user])
            user, option = user[free], option[free]
            for held_places in range(len(given)):
                at_place = size[user] == held_places
                given[held_places][user[at_place]] = option[at_place]
            size[user] += 1
            greedy[option] = True
        worth = [np.bincount(of.owner, np.where(which, net, 0.0), of.users) for which in (greedy, chosen)]
        better = many & (worth[1] > worth[0])
        return BestSets(np.where(better[of.owner], chosen, greedy), bounding)
