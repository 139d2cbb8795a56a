"""Several recommenders as one: their scores, brought to one scale for each user, are added with learnt weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from promo_spark.models.recommenders.first_stage.interface import FirstStage, UserItems, free
from promo_spark.models.recommenders.item_model import NO_ITEM
from promo_spark.models.recommenders.ranking_metrics import ndcg_at
from promo_spark.models.recommenders.top_n import Floats, Integers, top_n

GRID = (0.0, 0.1, 0.25, 0.5, 1.0)
Weights = Mapping[str, float]
_OF_EACH = 200  # items of a user and recommender


@dataclass(frozen=True)
class Hybrid:
    """Σ weight × score, each recommender's scores of a user from 0 to 1. One that says nothing of an item adds nothing.

    With a weight of 1 of one and 0 of the others, the items are in the order of that one.
    """

    names: tuple[str, ...]
    models: tuple[FirstStage, ...]
    weights: tuple[float, ...]

    @staticmethod
    def of(models: Mapping[str, FirstStage], weights: Weights) -> Hybrid:
        """By name; recommenders of no weight are left out."""
        used = [name for name in sorted(models) if weights.get(name, 0) > 0]
        return Hybrid(tuple(used), tuple(models[name] for name in used), tuple(float(weights[name]) for name in used))

    def scores(self, users: UserItems) -> Floats:
        return mixed([scaled(model.scores(users)) for model in self.models], self.weights, (len(users), users.items))

    def because(self, users: UserItems, user: Integers, item: Integers) -> Integers:
        """What the first of the recommenders names, of those of most weight first."""
        found = np.full(len(item), NO_ITEM, np.int64)
        for place in np.argsort(-np.asarray(self.weights), kind="stable"):
            open_ = np.flatnonzero(found == NO_ITEM)
            found[open_] = self.models[place].because(users, user[open_], item[open_])
        return found


def scaled(scores: Floats) -> Floats:
    """Each user's scores from just above 0 for the lowest to 1 for the highest; −inf stays.

    >>> of = scaled(np.array([[2.0, 4.0, 3.0, -np.inf], [7.0, -np.inf, -np.inf, 7.0]], np.float32))
    >>> of.astype(float).round(3).tolist()
    [[0.001, 1.0, 0.501, -inf], [1.0, -inf, -inf, 1.0]]
    """
    known = np.isfinite(scores)
    low = np.where(known, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(known, scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    flat = ~(high > low)
    span = np.where(flat, 1.0, high - low)
    share = np.where(known, (np.where(known, scores, 0) - np.where(np.isfinite(low), low, 0)) / span, 0.0)
    lifted = np.where(flat, 1.0, 0.001 + 0.999 * share)
    return np.where(known, lifted, -np.inf).astype(np.float32)


def mixed(scores: Sequence[Floats], weights: Sequence[float], shape: tuple[int, int]) -> Floats:
    """The weighted sum of scaled scores; −inf where none of a weight says anything."""
    total, said = np.zeros(shape, np.float32), np.zeros(shape, bool)
    for of_model, weight in zip(scores, weights, strict=True):
        known = np.isfinite(of_model)
        if weight > 0:
            total += np.where(known, np.float32(weight) * of_model, np.float32(0))
            said |= known
    return np.where(said, total, -np.inf).astype(np.float32)


def window_worth(
    models: Mapping[str, FirstStage],
    users: UserItems,
    bought: sparse.csr_array,
    *,
    allowed: NDArray[np.bool_],
    k: int,
    own: bool = True,
) -> Callable[[Weights], float]:
    """What weights are worth: mean nDCG@k of the users' lists against what they came to be tied to afterwards.

    `allowed` and `own` as in best_items. Of each recommender the best items of a user count, which is where the k best
    of any mixture come from.
    """
    asked = np.flatnonzero(np.diff(bought.indptr) > 0)
    keys, values = [], []
    for model in models.values():
        of_model = []
        for first, part in users.parts():
            scores = scaled(model.scores(part))
            scores = free(scores, part, allowed, own)
            column, value = top_n(scores, min(_OF_EACH, part.items))
            user, rank = np.nonzero(np.isfinite(value))
            of_model.append(((user + first) * users.items + column[user, rank], value[user, rank]))
        keys.append(np.concatenate([np.zeros(0, np.int64), *(key for key, _ in of_model)]))
        values.append(np.concatenate([np.zeros(0, np.float32), *(value for _, value in of_model)]))
    every = np.unique(np.concatenate([np.zeros(0, np.int64), *keys]))
    table = np.zeros((len(every), len(models)), np.float64)
    for place, (key, value) in enumerate(zip(keys, values, strict=True)):
        table[np.searchsorted(every, key), place] = value
    user, item = np.divmod(every, users.items)
    relevant = np.diff(bought.indptr)[asked].astype(np.int64)
    row, column = bought.nonzero()
    happened = np.isin(every, row * users.items + column)

    def worth(weights: Weights) -> float:
        score = table @ np.array([weights.get(name, 0.0) for name in models])
        order = np.flatnonzero(score > 0)
        order = order[np.lexsort((item[order], -score[order], user[order]))]
        rank = np.arange(len(order)) - np.searchsorted(user[order], user[order])
        first = rank < k
        hits = np.zeros((len(users), k), bool)
        hits[user[order][first], rank[first]] = happened[order][first]
        return float(ndcg_at(hits[asked], relevant, k).mean()) if len(asked) else 0.0

    return worth


def learnt_weights(names: Sequence[str], worth: Callable[[Weights], float]) -> Weights:
    """Weights by which lists of a validation window are worth most; there never less than the best one alone.

    Begins with the best recommender alone, then tries the GRID for each of the others in turn, best alone first, twice,
    and keeps what is worth more. The same whatever the order of the names.

    >>> def best_at(w): return -abs(w["a"] - 1) - abs(w.get("b", 0) - 0.25)
    >>> learnt_weights(["b", "a"], best_at)
    {'a': 1.0, 'b': 0.25}
    """
    ordered = sorted(names)
    alone = {name: worth({other: float(other == name) for other in ordered}) for name in ordered}
    ranking = sorted(ordered, key=lambda name: (-alone[name], name))
    weights = {name: float(name == ranking[0]) for name in ordered}
    best = alone[ranking[0]] if ranking else 0.0
    for _ in range(2):
        for name in ranking[1:]:
            for weight in GRID:
                tried = {**weights, name: weight}
                if tried != weights and (value := worth(tried)) > best:
                    best, weights = value, tried
    return weights
