"""Random allocations, and the best of each by an integer program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, csr_matrix, hstack, vstack

from promo_spark.decisions.allocation.options import Bools, Ints, Options


def instance(seed: int, *, users: int, candidates: int, room: int, tight: float) -> tuple[Options, Ints]:
    """Values, costs, topics and limits by chance: one limit of all, three of a part each. `tight`: 0 nothing fits."""
    draw = np.random.default_rng(seed)
    owner = np.repeat(np.arange(users), candidates)
    cost, part = draw.integers(1, 400, len(owner)), draw.integers(1, 4, len(owner))
    every = np.arange(len(owner))
    uses = csr_array(
        (np.r_[cost, cost], (np.r_[every, every], np.r_[np.zeros(len(owner), int), part])),
        shape=(len(owner), 4),
        dtype=np.int64,
    )
    of = Options(
        users=users,
        owner=owner,
        room=draw.integers(0, room + 1, users),
        value=draw.integers(1, 3_000_000, len(owner)),
        uses=uses,
        topics=draw.integers(0, 3 * candidates, (len(owner), 2)),
        alone=draw.random(len(owner)) < 0.1,
    )
    most = np.round(of.used(np.ones(len(of), bool)) * tight * draw.uniform(0.3, 1.0, 4)).astype(np.int64)
    return of, most


def with_stock(seed: int, of: Options, most: Ints, *, tight: float) -> tuple[Options, Ints]:
    """The same with the stock of each product that an option is about, as a limit of its own: pieces in thousandths."""
    draw = np.random.default_rng(seed)
    product, every = of.topics[:, 0], np.arange(len(of))
    pieces = csr_array((draw.integers(200, 2500, len(of)), (every, product)), dtype=np.int64)
    stocked = replace(of, uses=csr_array(hstack([of.uses, pieces]), dtype=np.int64))
    wanted = stocked.used(np.ones(len(of), bool))[len(most) :]
    return stocked, np.r_[most, np.round(wanted * tight * draw.uniform(0.2, 1.5, len(wanted)))].astype(np.int64)


def broken(of: Options, most: Ints, chosen: Bools) -> list[str]:
    """What an allocation breaks; nothing, where it is right."""
    found = []
    if (of.used(chosen) > most).any():
        found.append(f"limits: {of.used(chosen).tolist()} of {most.tolist()}")
    for user in range(of.users):
        own = np.flatnonzero(chosen & (of.owner == user))
        if len(own) > of.room[user]:
            found.append(f"user {user} has {len(own)} of {of.room[user]}")
        found += [
            f"options {a} and {b}"
            for a in own
            for b in own
            if a < b and of.conflict(own[:1] * 0 + a, own[:1] * 0 + b)[0]
        ]
    return found


def best_value(of: Options, most: Ints) -> int:
    """The most that any allocation within the limits is worth, by HiGHS."""
    n = len(of)
    of_user = csr_matrix((np.ones(n), (of.owner, np.arange(n))), shape=(of.users, n))
    pairs = [
        (a, b)
        for user in range(of.users)
        for a in np.flatnonzero(of.owner == user)
        for b in np.flatnonzero(of.owner == user)
        if a < b and of.conflict(np.array([a]), np.array([b]))[0]
    ]
    rows = [csr_matrix(of.uses.T.tocsr()), of_user]
    upper = [most.astype(float), of.room.astype(float)]
    if pairs:
        places = np.repeat(np.arange(len(pairs)), 2)
        rows.append(csr_matrix((np.ones(2 * len(pairs)), (places, np.ravel(pairs))), shape=(len(pairs), n)))
        upper.append(np.ones(len(pairs)))
    constraint = LinearConstraint(vstack(rows), -np.inf, np.concatenate(upper))
    solution = milp(-of.value.astype(float), constraints=constraint, integrality=np.ones(n), bounds=Bounds(0, 1))
    value: float = -solution.fun
    return round(value)
