"""Products searched by their vectors, beside comparing all of them."""

from __future__ import annotations

import importlib.util
import pickle
from dataclasses import replace

import numpy as np
import pytest

from promo_spark.errors import SettingsError
from promo_spark.models.recommenders.holdout import search_recall
from promo_spark.models.recommenders.item_model import NO_ITEM, ItemModel, PopularItems
from promo_spark.models.recommenders.lists import BY_VECTORS, SCORED, Lists, ranked_lists
from promo_spark.models.recommenders.preferences import preferences
from promo_spark.models.recommenders.user_batches import Policy, UserBatch
from promo_spark.models.recommenders.vector_search import VectorSearch

PRODUCTS, USERS, RANK, OWN, N = 6000, 60, 16, 30, 10
NOTHING = PopularItems(np.empty(0, np.int64), np.empty(0, np.int64))
EVERY_CELL = 100_000


def vectors(rows: int, seed: int) -> np.ndarray:
    """Of long and short ones, as of products that many and that few users buy."""
    rng = np.random.default_rng(seed)
    weight = 1 / np.sqrt(1 + np.arange(RANK))
    long = np.exp(rng.normal(0, 0.5, (rows, 1)))
    return np.asarray(rng.normal(0, 1, (rows, RANK)) * weight * long, np.float32)


def model(probes: int = 0) -> ItemModel:
    """Every third position of the catalogue is not modelled; the first 40 modelled ones have no vector."""
    of = vectors(PRODUCTS, 1)
    of[:40] = 0
    items = np.flatnonzero(np.arange(PRODUCTS * 2) % 3 > 0)[:PRODUCTS]
    search = VectorSearch.of(of, probes=probes, seed=7) if probes else None
    return ItemModel(items, of, NOTHING, {}, search=search)


def users() -> UserBatch:
    """Of the last one no vector is known; the one before has bought nothing."""
    rng = np.random.default_rng(3)
    counts = np.where(np.arange(USERS) == USERS - 2, 0, OWN)
    bought = [np.sort(rng.choice(PRODUCTS * 3 // 2, count, replace=False)) for count in counts]
    total = int(counts.sum())
    of = vectors(USERS, 2)
    of[-1] = 0
    return UserBatch(
        vectors=of,
        modelled=np.arange(USERS) < USERS - 1,
        segments=np.zeros(USERS, np.int64),
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        items=np.concatenate(bought),
        strengths=rng.uniform(0.5, 9, total).astype(np.float32),
        orders=rng.integers(0, 4, total),
        due=rng.random(total) < 0.5,
        lately=rng.random(total) < 0.3,
    )


def lists(of: ItemModel, who: UserBatch, recommender: str, policy: Policy = "keep", not_for: bool = False) -> Lists:
    withheld = np.random.default_rng(4).random((len(who.modelled), PRODUCTS * 3 // 2)) < 0.2 if not_for else None
    return ranked_lists(
        of,
        who,
        preferences(of, who, N),
        recommender=recommender,
        repeat_weight=0.4,
        banned=who.banned(policy),
        n=N,
        not_for=withheld,
    )


@pytest.mark.parametrize("policy", ["keep", "exclude", "due_again", "not_within_days"])
@pytest.mark.parametrize("recommender", SCORED)
def test_where_every_cell_is_compared_lists_are_those_of_all_products(recommender: str, policy: Policy) -> None:
    who = users()
    exact, found = lists(model(), who, recommender, policy), lists(model(EVERY_CELL), who, recommender, policy)
    assert (exact.items == found.items).all()
    listed = (exact.items != NO_ITEM).any(axis=1).sum()  # who bought nothing has nothing to buy again
    assert listed == (USERS - 1 if recommender in BY_VECTORS else 0 if policy == "exclude" else USERS - 2)
    np.testing.assert_allclose(found.scores, exact.scores, atol=1e-5)


@pytest.mark.parametrize("recommender", BY_VECTORS)
def test_few_cells_hold_most_of_a_list_and_more_hold_more(recommender: str) -> None:
    """Of 4·√5,960 = 309 cells. The sixth part: 80 % of the ten at least; what is listed has its true score."""
    who = users()
    right = lists(model(), who, recommender)
    recall = []
    for probes in (2, 50):
        found = lists(model(probes), who, recommender)
        recall.append(np.nanmean(search_recall(found.items, right.items)))
        same = found.items == right.items
        np.testing.assert_allclose(found.scores[same], right.scores[same], atol=1e-5)
    assert recall[0] < recall[1]
    assert recall[1] >= 0.8


def test_what_is_not_for_a_user_is_in_no_list() -> None:
    """A fifth of the products at random; what was searched for is left out after it was found."""
    who = users()
    exact, found = (lists(of, who, "als", not_for=True) for of in (model(), model(EVERY_CELL)))
    listed = found.items[:-1]
    assert (listed[listed != NO_ITEM] == exact.items[:-1][listed != NO_ITEM]).all()
    assert (listed != NO_ITEM).mean() > 0.9


def test_a_users_list_is_the_same_whoever_comes_with_the_user_and_however_the_search_travels() -> None:
    """One at a time, all at once, and by a search that was sent to another process; the same cells on every run."""
    of, who = model(20), users()
    together = lists(of, who, "als").items
    assert of.search is not None and (again := model(20).search) is not None
    assert (of.search.index == again.index).all()
    sent = replace(of, search=pickle.loads(pickle.dumps(of.search)))  # our own bytes
    assert (lists(sent, who, "als").items == together).all()
    for user in (0, 7, USERS - 2):
        own = who.own(user)
        alone = UserBatch(
            who.vectors[user : user + 1],
            who.modelled[user : user + 1],
            who.segments[user : user + 1],
            np.array([0, own.stop - own.start]),
            who.items[own],
            who.strengths[own],
            who.orders[own],
            who.due[own],
            who.lately[own],
        )
        assert (lists(of, alone, "als").items[0] == together[user]).all()


def test_products_without_a_vector_make_no_search() -> None:
    assert VectorSearch.of(np.zeros((5, 3), np.float32), probes=1, seed=1) is None
    assert VectorSearch.of(np.empty((0, 3), np.float32), probes=1, seed=1) is None


def test_that_faiss_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"als\.probes = 8 .* pip install 'promo-spark\[ann\]', or write 0"):
        VectorSearch.of(np.ones((5, 3), np.float32), probes=8, seed=1)
