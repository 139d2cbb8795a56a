"""What every recommender of the first stage is given, and what it answers. Plain numpy and scipy.

Given is what users are tied to: by purchases, ratings, or anything else that has a strength. Answered is a score for
every user and item, and the item of the user's own that speaks most for it. So all are ranked, measured, mixed and
published by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from promo_spark.models.recommenders.item_model import NO_ITEM
from promo_spark.models.recommenders.top_n import Floats, Integers, top_n

NOBODY = -1  # place of a user who is not in the sample; group of a user who has none
_TILE_SCORES = 1 << 23  # users × items scored at once: 32 MB


@dataclass(frozen=True)
class UserItems:
    """Some users: what each is tied to, as users × items, by strengths above 0; the wider the matrix, the more items.

    `recent` holds those of late only. `place`: where each user stands in the sample that models were fitted on, so that
    nobody is a neighbour of their own. `group`: whom the user is like, such as by the main store.
    """

    strength: sparse.csr_array
    recent: sparse.csr_array
    place: Integers
    group: Integers

    @staticmethod
    def of(
        strength: sparse.csr_array,
        recent: sparse.csr_array | None = None,
        place: Integers | None = None,
        group: Integers | None = None,
    ) -> UserItems:
        """Without more being known, all is of late, nobody is in the sample, and nobody has a group."""
        nobody = np.full(strength.shape[0], NOBODY, np.int64)
        return UserItems(
            sparse.csr_array(strength, dtype=np.float32),
            sparse.csr_array(strength if recent is None else recent, dtype=np.float32),
            nobody if place is None else place,
            nobody if group is None else group,
        )

    def __len__(self) -> int:
        return int(self.strength.shape[0])

    @property
    def items(self) -> int:
        return int(self.strength.shape[1])

    def rows(self, first: int, end: int) -> UserItems:
        """The users from `first` on and before `end`."""
        return UserItems(self.strength[first:end], self.recent[first:end], self.place[first:end], self.group[first:end])

    def chosen(self, users: Integers) -> UserItems:
        """Some of the users, in that order."""
        return UserItems(self.strength[users], self.recent[users], self.place[users], self.group[users])

    def parts(self) -> list[tuple[int, UserItems]]:
        """As many users at a time as can be scored at once, with the number of the first."""
        size = max(1, min(256, _TILE_SCORES // max(1, self.items)))
        return [(first, self.rows(first, min(first + size, len(self)))) for first in range(0, len(self), size)]


class FirstStage(Protocol):
    """A fitted recommender. It goes to the executors, so it holds nothing but arrays."""

    def scores(self, users: UserItems, /) -> Floats:
        """Users × items: the higher, the better; −inf where it says nothing."""
        ...

    def because(self, users: UserItems, user: Integers, item: Integers, /) -> Integers:
        """Of pairs of user and item, the item of the user's own that speaks most for it; NO_ITEM where none does."""
        ...


@dataclass(frozen=True)
class Best:
    """A row per user, a column per rank. A list that is short ends in NO_ITEM."""

    items: Integers
    scores: Floats
    because: Integers
    filled: NDArray[np.bool_]  # by the filler


def best_items(
    model: FirstStage,
    users: UserItems,
    n: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
    own: bool = True,
    filler: FirstStage | None = None,
) -> Best:
    """The n best items of each user; equal scores in the order of items, so that a list is always the same.

    `allowed`: which of the items may be shown at all. Without `own`, what a user is tied to is left out. What `filler`
    says fills lists that the model leaves short.
    """
    width = min(n, users.items)
    items = np.full((len(users), n), NO_ITEM, np.int64)
    scores = np.zeros((len(users), n), np.float32)
    because = np.full((len(users), n), NO_ITEM, np.int64)
    filled_up = np.zeros((len(users), n), bool)
    for first, part in users.parts():
        here = slice(first, first + len(part))
        said = free(model.scores(part), part, allowed, own)
        column, value = top_n(said, width)
        found = np.isfinite(value)
        items[here, :width] = np.where(found, column, NO_ITEM)
        scores[here, :width] = np.where(found, value, 0)
        row, rank = np.nonzero(found)
        because[here][row, rank] = model.because(part, row, column[row, rank])
        if filler is not None and not found.all():
            rest = free(filler.scores(part), part, allowed, own)
            row, rank = np.nonzero(found)
            rest[row, column[row, rank]] = -np.inf
            column, value = top_n(rest, width)
            for short in np.flatnonzero(~found.all(axis=1)):
                filled = int(found[short].sum())
                more = column[short][np.isfinite(value[short])][: width - filled]
                items[first + short, filled : filled + len(more)] = more
                filled_up[first + short, filled : filled + len(more)] = True
    return Best(items, scores, because, filled_up)


@dataclass(frozen=True)
class Entries:
    """One row per user and item of the best ones, by user, best first, then by item."""

    user: Integers
    item: Integers
    score: Floats
    because: Integers


def best_entries(
    model: FirstStage, users: UserItems, *, most_own: int, most_new: int, allowed: NDArray[np.bool_]
) -> Entries:
    """Of what each user is tied to the best `most_own`, and of the rest the best `most_new`; no item not `allowed`.

    So lists are full whatever of the user's own may not be shown.
    """
    found: list[tuple[Integers, Integers, Floats, Integers]] = []
    for first, part in users.parts():
        said = free(model.scores(part), part, allowed, own=True)
        own = np.full_like(said, -np.inf)
        tied = part.strength.nonzero()
        own[tied] = said[tied]
        said[tied] = -np.inf
        for scores, most in ((own, most_own), (said, most_new)):
            column, value = top_n(scores, min(most, part.items))
            user, rank = np.nonzero(np.isfinite(value))
            item = column[user, rank]
            found.append((user + first, item, value[user, rank], model.because(part, user, item)))
    user, item, because = (
        np.concatenate([np.zeros(0, np.int64), *(part[place] for part in found)]) for place in (0, 1, 3)
    )
    score = np.concatenate([np.zeros(0, np.float32), *(part[2] for part in found)])
    order = np.lexsort((item, -score, user))
    return Entries(user[order], item[order], score[order], because[order])


def free(scores: Floats, users: UserItems, allowed: NDArray[np.bool_] | None, own: bool) -> Floats:
    """The scores, −inf where an item is not allowed, or the user's own without `own`."""
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    if not own:
        scores[users.strength.nonzero()] = -np.inf
    return scores


def strongest_link(links: sparse.csr_array, users: UserItems, user: Integers, item: Integers) -> Integers:
    """Of pairs, the own item of most strength × link; NO_ITEM where none is linked. `links`: items × items."""
    if not len(item):
        return np.zeros(0, np.int64)
    of_pairs = sparse.csr_array(links[item].multiply(users.strength[user]))
    value = np.asarray(of_pairs.max(axis=1).toarray()).ravel()
    return np.where(value > 0, np.asarray(of_pairs.argmax(axis=1)).ravel(), NO_ITEM).astype(np.int64)
