"""At most one candidate per user under shared limits, by the allocation of the job promote."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from promo_spark.decisions.allocation.options import NO_TOPIC, Options
from promo_spark.decisions.allocation.prices import solved
from promo_spark.worlds.streams import Floats, Ints

NOTHING = -1
_MICRO, _PARTS = 1_000_000, 10_000  # of a unit of currency: of values, and of what limits count


@dataclass(frozen=True)
class Problem:
    """`value`: user × candidate. `use`: limit × user × candidate, never negative. `most`: what each limit allows."""

    value: Floats
    use: Floats
    most: Floats


def best_choices(problem: Problem) -> Ints:
    """Each user's candidate, or NOTHING.

    >>> value, use = np.array([[3.0, 2.0], [3.0, 2.0]]), np.array([[[2.0, 1.0], [2.0, 1.0]]])
    >>> sorted(best_choices(Problem(value, use, most=np.array([3.0]))).tolist())
    [0, 1]
    """
    users, candidates = problem.value.shape
    kept = np.flatnonzero(problem.value.ravel() > 0)
    uses = np.ceil(np.round(problem.use.reshape(len(problem.most), -1)[:, kept].T * _PARTS, 3)).astype(np.int64)
    of = Options(
        users=users,
        owner=kept // candidates,
        room=np.ones(users, np.int64),
        value=np.floor(problem.value.ravel()[kept] * _MICRO).astype(np.int64),
        uses=csr_array(uses),
        topics=np.full((len(kept), 1), NO_TOPIC),
        alone=np.zeros(len(kept), bool),
    )
    _, chosen = solved(of, np.floor(problem.most * _PARTS).astype(np.int64))
    choice = np.full(users, NOTHING)
    choice[of.owner[chosen]] = kept[chosen] % candidates
    return choice


def used(problem: Problem, choice: Ints) -> Floats:
    """What a choice uses of each limit."""
    rows = np.flatnonzero(choice != NOTHING)
    total: Floats = problem.use[:, rows, choice[rows]].sum(axis=1)
    return total


def worth(problem: Problem, choice: Ints) -> float:
    """What a choice is worth."""
    rows = np.flatnonzero(choice != NOTHING)
    return float(problem.value[rows, choice[rows]].sum())
