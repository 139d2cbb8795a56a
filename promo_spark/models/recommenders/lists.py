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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from promo_spark.contracts.models import Segments
from promo_spark.contracts.vocabulary import FIRST_STAGE_MODELS, RECOMMENDATION_SOURCES
from promo_spark.measures.arrow_lists import entries_of_lists
from promo_spark.models.recommenders.candidates import ListedItems, RankedItems
from promo_spark.models.recommenders.factors import UserVector
from promo_spark.models.recommenders.relevance import Relevance, usual_tiers
from promo_spark.models.recommenders.strengths import OwnProduct, OwnProducts
from promo_spark.models.recommenders.top_n import Floats, Integers, top_n

Recommender = str  # als, buy_again, blend, popularity, ranked, or one of FIRST_STAGE_MODELS
Policy = Literal["exclude", "keep", "due_again", "not_within_days"]
SOURCES = RECOMMENDATION_SOURCES
LISTED = ("ranked", *FIRST_STAGE_MODELS)  # recommenders whose lists come with the users
NO_ITEM = -1
OUTSIDE = "outside"  # the column of limits that a user does not meet

_TILE_SCORES = 1 << 23  # users × products scored at once: 32 MB
_MOST_USERS = 256


@dataclass(frozen=True)
class PopularItems:
    """Products by falling popularity, with the number of their recent buyers."""

    items: Integers
    buyers: Integers


@dataclass(frozen=True)
class ItemModel:
    """The products that lists are made of; the same in every task. `items` rises; `vectors` has a row for each.

    A product that is new since the vectors were fitted has a row of zeros.
    """

    items: Integers
    vectors: Floats
    overall: PopularItems
    by_segment: Mapping[int, PopularItems]
    relevance: Relevance | None = None  # None: every product is for everybody

    @cached_property
    def has_vector(self) -> NDArray[np.bool_]:
        return np.asarray(self.vectors.any(axis=1))

    @property
    def limits(self) -> int:
        """How many limits of products there are."""
        return 0 if self.relevance is None else len(self.relevance.limited)

    def users_at_once(self) -> int:
        return max(1, min(_MOST_USERS, _TILE_SCORES // max(1, len(self.items))))


@dataclass(frozen=True)
class Ranked:
    """What a recommender lists: of user i the entries from offsets[i] up to offsets[i + 1], best first."""

    offsets: Integers
    items: Integers
    scores: NDArray[np.float64]
    because: Integers


@dataclass(frozen=True)
class UserBatch:
    """A batch of users. User i bought the entries from offsets[i] up to offsets[i + 1], rising by item."""

    vectors: Floats  # zeros for users without a vector
    modelled: NDArray[np.bool_]
    segments: Integers
    offsets: Integers
    items: Integers
    strengths: Floats
    orders: Integers
    due: NDArray[np.bool_]
    lately: NDArray[np.bool_]
    outside: NDArray[np.bool_] | None = None  # users × limits of ItemModel.relevance: which the user does not meet
    ranked: Mapping[str, Ranked] = field(default_factory=dict)

    def own(self, user: int) -> slice:
        return slice(self.offsets[user], self.offsets[user + 1])

    def banned(self, policy: Policy) -> NDArray[np.bool_]:
        """Which of the entries must not be recommended. What a user took back, so that no order is left, never is.

        exclude: nothing that was bought. keep: no ban. due_again: only what is due by the user's own cadence may come
        back; a product bought once has none. not_within_days: what was bought lately is left out.
        """
        by_policy = {
            "exclude": np.ones_like(self.due),
            "keep": np.zeros_like(self.due),
            "due_again": ~self.due,
            "not_within_days": self.lately,
        }
        return np.asarray(by_policy[policy] | (self.orders == 0), bool)


@dataclass(frozen=True)
class Lists:
    """A row per user, a column per rank. A list that is short ends in NO_ITEM."""

    items: Integers
    scores: NDArray[np.float64]
    sources: NDArray[np.int8]  # positions in SOURCES
    because: Integers  # own items that speak for them, where the recommender names them


def chunks(batch: pa.RecordBatch, size: int) -> Iterator[pa.RecordBatch]:
    return (batch.slice(start, size) for start in range(0, batch.num_rows, size))


def user_batch(batch: pa.RecordBatch, rank: int, limits: int = 0) -> UserBatch:
    """UserToRank → the users as arrays; null stands for no vector, no segment, no purchase.

    `limits`: how many there are of products.
    """
    features, own = batch.column(UserVector.features), batch.column(OwnProducts.own)
    modelled = np.asarray(features.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
    vectors = np.zeros((batch.num_rows, rank), np.float32)
    vectors[modelled] = np.asarray(features.flatten(), dtype=np.float32).reshape(-1, rank)
    entries = own.flatten()
    counts = pc.list_value_length(own).fill_null(0).to_numpy(zero_copy_only=False)
    return UserBatch(
        vectors=vectors,
        modelled=modelled,
        segments=batch.column(Segments.segment_id).fill_null(0).to_numpy().astype(np.int64),
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        items=pc.struct_field(entries, OwnProduct.item).to_numpy().astype(np.int64),
        strengths=pc.struct_field(entries, OwnProduct.strength).to_numpy().astype(np.float32),
        orders=pc.struct_field(entries, OwnProduct.orders).to_numpy().astype(np.int64),
        due=pc.struct_field(entries, OwnProduct.due).to_numpy(zero_copy_only=False).astype(bool),
        lately=pc.struct_field(entries, OwnProduct.lately).to_numpy(zero_copy_only=False).astype(bool),
        outside=_outside(batch, limits) if limits else None,
        ranked=_ranked(batch) if RankedItems.lists in batch.schema.names else {},
    )


def withheld(model: ItemModel, users: UserBatch) -> NDArray[np.bool_] | None:
    """Users × catalogue: what is not for a user: limited to others, or new and too far in price; None: nothing.

    A price like the user's is one of the tiers around the usual one of what the user bought.
    """
    of = model.relevance
    if of is None:
        return None
    user = np.repeat(np.arange(len(users.modelled)), np.diff(users.offsets))
    usual = usual_tiers(user, of.tier[users.items], users.orders, len(users.modelled))
    far = of.too_far_in_price(usual)
    far[user, users.items] = False
    return far if users.outside is None else far | of.not_allowed(users.outside)


def preferences(model: ItemModel, users: UserBatch) -> Floats:
    """Users × modelled products: the product of their vectors; −inf where the user or the product has none."""
    scores: Floats = users.vectors @ model.vectors.T
    scores[:, ~model.has_vector] = -np.inf
    scores[~users.modelled] = -np.inf
    return scores


def ranked_lists(
    model: ItemModel,
    users: UserBatch,
    scores: Floats,
    *,
    recommender: Recommender,
    repeat_weight: float,
    banned: NDArray[np.bool_],
    n: int,
    not_for: NDArray[np.bool_] | None = None,
) -> Lists:
    """The n best products of each user. `scores`, from `preferences`, is overwritten.

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
    ...     model, users, preferences(model, users), recommender="blend", repeat_weight=0.4,
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
    elif recommender != "popularity" and len(model.items):
        _score_own(model, users, scores, recommender, repeat_weight, banned)
        if not_for is not None:
            scores[not_for[:, model.items]] = -np.inf
        columns, values = top_n(scores, n)
        allowed = np.isfinite(values)
        width = columns.shape[1]
        lists.items[:, :width] = np.where(allowed, model.items[columns], NO_ITEM)
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
        own, _ = _columns(model, users.items[entries_of_user][users.strengths[entries_of_user] > 0])
        own = own[model.has_vector[own]]
        entries, modelled = _columns(model, lists.items[user])
        if len(own) and len(entries):
            closest = (units[entries] @ units[own].T).argmax(axis=1)
            nearest[user, modelled] = model.items[own[closest]]
    return nearest


def _score_own(
    model: ItemModel,
    users: UserBatch,
    scores: Floats,
    recommender: str,
    repeat_weight: float,
    banned: NDArray[np.bool_],
) -> None:
    """Adds the strengths of the users' own purchases to the scores, and takes out what is banned.

    A product without a vector has no other score than that.
    """
    columns, modelled = _columns(model, users.items)
    rows = np.repeat(np.arange(len(users.modelled)), np.diff(users.offsets))[modelled]
    strengths = users.strengths[modelled]
    if recommender == "buy_again":
        scores[:] = -np.inf
        scores[rows, columns] = np.where(users.modelled[rows], strengths, -np.inf)
    elif recommender == "blend":
        without = users.modelled[rows] & ~model.has_vector[columns]
        scores[rows[without], columns[without]] = 0
        scores[rows, columns] += np.float32(repeat_weight) * strengths
    forbidden = banned[modelled]
    scores[rows[forbidden], columns[forbidden]] = -np.inf


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


def _outside(batch: pa.RecordBatch, limits: int) -> NDArray[np.bool_]:
    """Users × limits."""
    user, number = entries_of_lists(batch.column(OUTSIDE))
    found = np.zeros((batch.num_rows, limits), bool)
    found[user, number.to_numpy().astype(np.int64)] = True
    return found


def _ranked(batch: pa.RecordBatch) -> dict[str, Ranked]:
    lists = batch.column(RankedItems.lists)
    entries = lists.flatten()
    counts = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    user = np.repeat(np.arange(batch.num_rows), counts)
    name = pc.struct_field(entries, ListedItems.recommender).to_numpy(zero_copy_only=False)
    found = {}
    for recommender in dict.fromkeys(name):
        of_it = entries.filter(pa.array(name == recommender))
        items, scores, because = (
            pc.struct_field(of_it, column) for column in (ListedItems.items, ListedItems.scores, ListedItems.because)
        )
        sizes = np.zeros(batch.num_rows, np.int64)
        sizes[user[name == recommender]] = pc.list_value_length(items).to_numpy(zero_copy_only=False)
        found[str(recommender)] = Ranked(
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            items.flatten().to_numpy().astype(np.int64),
            scores.flatten().to_numpy().astype(np.float64),
            because.flatten().to_numpy().astype(np.int64),
        )
    return found


def _columns(model: ItemModel, items: Integers) -> tuple[Integers, NDArray[np.bool_]]:
    """The columns of those items that are modelled, and which of the items these are."""
    if not len(model.items):
        return np.empty(0, np.int64), np.zeros(len(items), bool)
    columns = np.minimum(np.searchsorted(model.items, items), len(model.items) - 1)
    modelled = model.items[columns] == items
    return columns[modelled], modelled


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
