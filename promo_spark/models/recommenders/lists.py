"""Ranked lists for a batch of users: one matrix product, what they bought, what is popular. Plain numpy.

A recommender is a way to score products for a user:
    als         how well product and user vectors agree
    buy_again   the strength of the user's own purchases, nothing else
    blend       als plus `repeat_weight` × that strength
    popularity  how many users bought it lately
    ranked      how likely the user buys it within 28 days: the second stage, among candidates
and those of the first stage, whose lists are made where histories are read (RankedItems).
Where others leave a list short, what is popular in the user's segment, then everywhere, fills it.
Popularity is the same for all users: what is published by it is what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promo_spark.contracts.vocabulary import FIRST_STAGE_MODELS, RECOMMENDATION_SOURCES
from promo_spark.models.recommenders.item_model import NO_ITEM, ItemModel, PopularItems
from promo_spark.models.recommenders.preferences import Preferences
from promo_spark.models.recommenders.top_n import Integers
from promo_spark.models.recommenders.user_batches import Ranked, UserBatch

Recommender = str  # als, buy_again, blend, popularity, ranked, or one of FIRST_STAGE_MODELS
SOURCES = RECOMMENDATION_SOURCES
LISTED = ("ranked", *FIRST_STAGE_MODELS)  # recommenders whose lists come with the users
BY_VECTORS = ("als", "blend")
SCORED = (*BY_VECTORS, "buy_again")  # of these all that is scored is compared


@dataclass(frozen=True)
class Lists:
    """A row per user, a column per rank. A list that is short ends in NO_ITEM."""

    items: Integers
    scores: NDArray[np.float64]
    sources: NDArray[np.int8]  # positions in SOURCES
    because: Integers  # own items that speak for them, where the recommender names them


def ranked_lists(
    model: ItemModel,
    users: UserBatch,
    preferred: Preferences | None,
    *,
    recommender: Recommender,
    repeat_weight: float,
    banned: NDArray[np.bool_],
    n: int,
    not_for: NDArray[np.bool_] | None = None,
) -> Lists:
    """The n best products of each user. `preferred` is overwritten; None where the recommender is none of SCORED.

    `banned` says of each of the users' own entries whether it must not be in the list; `not_for`, from `withheld`, of
    all products. Ties go to the product of lower position; a user without a vector gets what is popular.

    >>> no_popular_items = PopularItems(np.empty(0, np.int64), np.empty(0, np.int64))
    >>> model = ItemModel(np.array([0, 2, 3]), np.array([[1, 0], [0.5, 0], [0, 1]], np.float32), no_popular_items, {})
    >>> users = UserBatch(  # one user, who bought product 3
    ...     vectors=np.array([[1, 0]], np.float32), modelled=np.array([True]), segments=np.array([0]),
    ...     offsets=np.array([0, 1]), items=np.array([3]), strengths=np.array([2], np.float32),
    ...     orders=np.array([1]), due=np.array([False]), lately=np.array([False]),
    ... )
    >>> blend = ranked_lists(
    ...     model, users, Preferences(users.vectors @ model.vectors.T), recommender="blend", repeat_weight=0.4,
    ...     banned=users.banned("keep"), n=3,
    ... )
    >>> blend.items.tolist(), blend.scores.round(3).tolist(), [SOURCES[i] for i in blend.sources[0]]
    ([[0, 3, 2]], [[1.0, 0.8, 0.5]], ['als', 'buy_again', 'als'])
    """
    lists = Lists(
        np.full((len(users.modelled), n), NO_ITEM, np.int64),
        np.zeros((len(users.modelled), n)),
        np.zeros((len(users.modelled), n), np.int8),
        np.full((len(users.modelled), n), NO_ITEM, np.int64),
    )
    if recommender in LISTED:
        _take_ranked(lists, users, users.ranked.get(recommender), banned, not_for)
    elif preferred is not None and recommender in SCORED and len(model.items):
        _score_own(model, users, preferred, recommender, repeat_weight, banned)
        if not_for is not None:
            preferred.leave_out(not_for[:, model.items])
        columns, values = preferred.best(n)
        allowed = np.isfinite(values)
        width = columns.shape[1]
        lists.items[:, :width] = np.where(allowed, model.items[np.minimum(columns, len(model.items) - 1)], NO_ITEM)
        lists.scores[:, :width] = np.where(allowed, values, 0)
    for user in range(len(users.modelled)):
        own = users.own(user)
        bought = users.items[own]
        new = SOURCES.index(recommender) if recommender in LISTED else 0
        lists.sources[user] = np.where(np.isin(lists.items[user], bought), 1, new)
        of_segment = None if recommender == "popularity" else model.by_segment.get(int(users.segments[user]))
        forbidden = bought[banned[own]]
        if not_for is not None:
            forbidden = np.union1d(forbidden, np.flatnonzero(not_for[user]))
        _fill(lists, user, ((2, of_segment), (3, model.overall)), forbidden)
    return lists


def nearest_own(model: ItemModel, users: UserBatch, lists: Lists) -> Integers:
    """For each list entry the user's own product whose vector points most nearly the same way; else NO_ITEM.

    A product of no strength, which the user took back, is no reason for another, nor is one without a vector.
    """
    nearest = np.full(lists.items.shape, NO_ITEM, np.int64)
    lengths = np.linalg.norm(model.vectors, axis=1, keepdims=True)
    units = model.vectors / np.where(lengths > 0, lengths, 1)
    for user in np.flatnonzero(users.modelled):
        entries_of_user = users.own(int(user))
        own, _ = model.columns(users.items[entries_of_user][users.strengths[entries_of_user] > 0])
        own = own[model.has_vector[own]]
        entries, modelled = model.columns(lists.items[user])
        if len(own) and len(entries):
            closest = (units[entries] @ units[own].T).argmax(axis=1)
            nearest[user, modelled] = model.items[own[closest]]
    return nearest


def _score_own(
    model: ItemModel,
    users: UserBatch,
    preferred: Preferences,
    recommender: str,
    repeat_weight: float,
    banned: NDArray[np.bool_],
) -> None:
    """Adds the strengths of the users' own purchases to the scores, and takes out what is banned.

    A product without a vector has no other score than that.
    """
    columns, modelled = model.columns(users.items)
    rows = np.repeat(np.arange(len(users.modelled)), np.diff(users.offsets))[modelled]
    scores, places, strengths = preferred.values, preferred.places(rows, columns), users.strengths[modelled]
    if recommender == "buy_again":
        scores[:] = -np.inf
        scores[rows, places] = np.where(users.modelled[rows], strengths, -np.inf)
    elif recommender == "blend":
        without = users.modelled[rows] & ~model.has_vector[columns]
        scores[rows[without], places[without]] = 0
        scores[rows, places] += np.float32(repeat_weight) * strengths
    forbidden = banned[modelled]
    scores[rows[forbidden], places[forbidden]] = -np.inf


def _take_ranked(
    lists: Lists,
    users: UserBatch,
    ranked: Ranked | None,
    banned: NDArray[np.bool_],
    not_for: NDArray[np.bool_] | None,
) -> None:
    """Puts the users' best items that are not banned into their lists."""
    if ranked is None:
        return
    for user in range(len(users.modelled)):
        own, of_user = users.own(user), slice(ranked.offsets[user], ranked.offsets[user + 1])
        free = ~np.isin(ranked.items[of_user], users.items[own][banned[own]])
        if not_for is not None:
            free &= ~not_for[user, ranked.items[of_user]]
        items = ranked.items[of_user][free][: lists.items.shape[1]]
        lists.items[user, : len(items)] = items
        lists.scores[user, : len(items)] = ranked.scores[of_user][free][: len(items)]
        lists.because[user, : len(items)] = ranked.because[of_user][free][: len(items)]


def _fill(lists: Lists, user: int, fillers: Sequence[tuple[int, PopularItems | None]], forbidden: Integers) -> None:
    """Puts popular products, by their source, into the free end of a user's list."""
    items = lists.items[user]
    for source, popular in fillers:
        filled = int((items != NO_ITEM).sum())
        missing = len(items) - filled
        if not missing or popular is None:
            continue
        taken = np.concatenate([items[:filled], forbidden])
        first = slice(0, missing + len(taken))  # enough, even if all that is taken stands in front
        chosen = np.flatnonzero(~np.isin(popular.items[first], taken))[:missing]
        end = slice(filled, filled + len(chosen))
        lists.items[user, end], lists.scores[user, end] = popular.items[chosen], popular.buyers[chosen]
        lists.sources[user, end] = source
