"""From sets at given prices to an allocation within all limits: whole offers, none more than a limit allows."""

from __future__ import annotations

import numpy as np

from promo_spark.decisions.allocation.best_sets import best_sets
from promo_spark.decisions.allocation.options import Bools, Floats, Ints, Options

_ROUNDS, _MOVES = 4, 100_000  # of filling what is left; moves that a round looks at, the best first


def within_limits(of: Options, most: Ints, prices: Floats) -> Bools:
    """Options that keep every limit: those that are best at the prices, cut and filled up."""
    after_prices = of.value - np.asarray(of.uses @ prices, np.float64)
    net = np.where(too_large(of, most), -np.inf, after_prices).astype(np.float64)
    chosen = best_sets(of, net).chosen
    return filled(of, cut(of, chosen, most, net), most, net)


def too_large(of: Options, most: Ints) -> Bools:
    """Options that by themselves are more than some limit allows."""
    uses = of.uses.tocoo()
    over = uses.data > most[uses.col]
    large = np.zeros(len(of), bool)
    large[uses.row[over]] = True
    return large


def cut(of: Options, chosen: Bools, most: Ints, net: Floats) -> Bools:
    """The chosen options without those that are worth least after prices, where a limit is passed."""
    kept = chosen.copy()
    columns = of.uses.tocsc()
    for constraint in np.flatnonzero(of.used(kept) > most):
        part = slice(columns.indptr[constraint], columns.indptr[constraint + 1])
        option, amount = columns.indices[part], columns.data[part]
        using = kept[option] & (amount > 0)
        option, amount = option[using], amount[using]
        order = np.lexsort((option, net[option]))
        over = int(amount.sum()) - int(most[constraint])
        if over > 0:
            count = int(np.searchsorted(np.cumsum(amount[order]), over)) + 1
            kept[option[order[:count]]] = False
    return kept


def filled_in_order(of: Options, most: Ints, order: Ints) -> Bools:
    """Options taken one after the other, where they fit into what the ones before left of limits, room and topics.

    >>> from scipy.sparse import csr_array
    >>> uses = csr_array(np.array([[2], [1], [2]]))  # of users 0, 0 and 1
    >>> topics, alone = np.array([[1], [2], [1]]), np.zeros(3, bool)
    >>> of = Options(2, np.array([0, 0, 1]), np.array([2, 1]), np.array([30, 20, 30]), uses, topics, alone)
    >>> filled_in_order(of, np.array([3]), np.array([0, 2, 1])).tolist()
    [True, True, False]
    """
    chosen, left = np.zeros(len(of), bool), most.copy()
    taken: list[list[int]] = [[] for _ in range(of.users)]
    for option in order.tolist():
        own = taken[of.owner[option]]
        uses = _row(of, option)
        fits = len(own) < of.room[of.owner[option]] and all(amount <= left[name] for name, amount in uses.items())
        if fits and not (own and of.conflict(np.full(len(own), option), np.array(own)).any()):
            own.append(option)
            chosen[option] = True
            for name, amount in uses.items():
                left[name] -= amount
    return chosen


def filled(of: Options, chosen: Bools, most: Ints, net: Floats) -> Bools:
    """What is left of the limits goes to the changes that gain most after prices, one of a user in a round.

    A change gives one option more, or one in place of another.
    """
    chosen = chosen.copy()
    left = most - of.used(chosen)
    for _ in range(_ROUNDS):
        option, given_up = _moves(of, chosen, net)
        moved = np.zeros(of.users, bool)
        changed = 0
        for place in range(len(option)):
            new, old = option[place], given_up[place]
            user = of.owner[new]
            if moved[user]:
                continue
            more = _row(of, new)
            less = _row(of, old) if old >= 0 else {}
            if all(amount - less.get(name, 0) <= left[name] for name, amount in more.items()):
                for name, amount in more.items():
                    left[name] -= amount
                for name, amount in less.items():
                    left[name] += amount
                chosen[new] = True
                if old >= 0:
                    chosen[old] = False
                moved[user] = True
                changed += 1
        if not changed:
            break
    return chosen


def _row(of: Options, option: int) -> dict[int, int]:
    """What an option uses, by constraint."""
    part = slice(of.uses.indptr[option], of.uses.indptr[option + 1])
    return dict(zip(of.uses.indices[part].tolist(), of.uses.data[part].tolist(), strict=True))


def _moves(of: Options, chosen: Bools, net: Floats) -> tuple[Ints, Ints]:
    """Options that could be given, and what would be given up for each, −1: nothing; the largest gain first."""
    held = _held(of, chosen)
    count = np.zeros(of.users, np.int64)
    np.add.at(count, of.owner[chosen], 1)
    free = np.flatnonzero(~chosen & np.isfinite(net))
    user = of.owner[free]
    conflicts = np.array([of.conflict(free, own[user]) for own in held]).reshape(len(held), len(free))
    options, given_up = [], []
    for place in range(-1, len(held)):
        old = np.full(len(free), -1) if place < 0 else held[place][user]
        others = np.delete(conflicts, place, axis=0) if place >= 0 else conflicts
        fits = ~others.any(axis=0) & ((count[user] < of.room[user]) if place < 0 else (old >= 0))
        gains = of.value[free] > np.where(old >= 0, of.value[old], 0)
        rows = np.flatnonzero(fits & gains)
        options.append(free[rows])
        given_up.append(old[rows])
    option, old = np.concatenate(options), np.concatenate(given_up)
    gain = net[option] - np.where(old >= 0, net[old], 0.0)
    order = np.lexsort((old, option, -gain))[:_MOVES]
    return option[order], old[order]


def _held(of: Options, chosen: Bools) -> list[Ints]:
    """For each place up to the most offers of a user: the chosen option of every user there; −1: none."""
    option = np.flatnonzero(chosen)
    owner = of.owner[option]
    place = np.arange(len(option)) - np.searchsorted(owner, owner)
    held = []
    for number in range(int(place.max(initial=-1)) + 1):
        own = np.full(of.users, -1, np.int64)
        own[owner[place == number]] = option[place == number]
        held.append(own)
    return held
