"""How good lists of the first stage are: every recommender by the same figures, per user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from promo_spark.models.recommenders.item_model import NO_ITEM
from promo_spark.models.recommenders.ranking_metrics import (
    METRICS,
    Doubles,
    diversity_of,
    graded_ndcg_at,
    miscalibration_of,
    novelty_of,
)
from promo_spark.models.recommenders.similarities import tied_at_all
from promo_spark.models.recommenders.top_n import Integers

TRAITS = ("novelty", "diversity", "miscalibration")
LIST_METRICS = (*METRICS, "ndcg_graded", "recall_of_new_items", *TRAITS)


@dataclass(frozen=True)
class Audience:
    """What lists are compared with: of each item the share of users who have it, and the group it is of."""

    shares: Doubles
    group: Integers

    @staticmethod
    def of(sample: sparse.csr_array, group: Integers) -> Audience:
        """By a sample of users × items."""
        users = max(sample.shape[0], 1)
        return Audience(np.asarray(tied_at_all(sample).sum(axis=0), np.float64).ravel() / users, group)


def list_figures(
    lists: Integers, truth: sparse.csr_array, history: sparse.csr_array, audience: Audience, k: int
) -> Doubles:
    """Users × LIST_METRICS, of users × ranks. `truth`: users × items with grades above 0; `history`: what was
    learnt from.

    NaN where a figure is not defined: of a user to whom nothing is relevant all but novelty, diversity and
    miscalibration, of one without a history the last. recall_of_new_items is of relevant items that nobody had.
    """
    rows = np.arange(len(lists))[:, None]
    there = lists != NO_ITEM
    grade = np.where(there, truth[rows, np.maximum(lists, 0)].toarray(), 0.0) if lists.size else np.zeros(lists.shape)
    hits = grade > 0
    relevant = np.diff(truth.indptr).astype(np.int64)
    asked = relevant > 0
    found = np.full((len(lists), len(LIST_METRICS)), np.nan)
    for place, metric in enumerate(METRICS.values()):
        found[asked, place] = metric(hits[asked], relevant[asked], k)
    best = np.zeros((len(lists), k))
    for user in np.flatnonzero(asked):
        grades = np.sort(truth.data[truth.indptr[user] : truth.indptr[user + 1]])[::-1][:k]
        best[user, : len(grades)] = grades
    found[asked, len(METRICS)] = graded_ndcg_at(grade[asked], best[asked], k)
    new = audience.shares == 0
    of_new = np.asarray(tied_at_all(truth) @ new.astype(np.float64))
    hits_of_new = (hits & new[np.maximum(lists, 0)])[:, :k].sum(axis=1)
    found[of_new > 0, len(METRICS) + 1] = hits_of_new[of_new > 0] / of_new[of_new > 0]
    found[:, len(METRICS) + 2 :] = traits_of_lists(lists[:, :k], history, audience)
    return found


def traits_of_lists(lists: Integers, history: sparse.csr_array, audience: Audience) -> Doubles:
    """Users × novelty, diversity and miscalibration of users × ranks; NaN where a figure is not defined."""
    there = lists != NO_ITEM
    shown = np.where(there, lists, 0)
    shares = np.where(there, audience.shares[shown], np.nan) if lists.size else np.zeros(lists.shape)
    groups = np.where(there, audience.group[shown], -1) if lists.size else np.zeros(lists.shape, np.int64)
    of_history, of_lists = (
        _group_shares(of, audience.group) for of in (tied_at_all(history), _listed(lists, history.shape))
    )
    return np.column_stack([novelty_of(shares), diversity_of(groups), miscalibration_of(of_history, of_lists)])


def _listed(lists: Integers, shape: tuple[int, int]) -> sparse.csr_array:
    user, rank = np.nonzero(lists != NO_ITEM)
    return sparse.csr_array((np.ones(len(user), np.float32), (user, lists[user, rank])), shape=shape)


def _group_shares(of: sparse.csr_array, group: Integers) -> Doubles:
    groups = int(group.max(initial=0)) + 1
    by_group = sparse.csr_array((np.ones(len(group)), (np.arange(len(group)), group)), shape=(len(group), groups))
    count = np.asarray((of @ by_group).toarray(), np.float64)
    return np.asarray(count / np.maximum(count.sum(axis=1, keepdims=True), 1), np.float64)
