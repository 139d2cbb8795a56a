"""Users whose lists are made together, as arrays: their vectors, what they bought, what is ranked for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from promo_spark.contracts.models import Segments
from promo_spark.measures.arrow_lists import entries_of_lists
from promo_spark.models.recommenders.candidates import ListedItems, RankedItems
from promo_spark.models.recommenders.factors import UserVector
from promo_spark.models.recommenders.strengths import OwnProduct, OwnProducts
from promo_spark.models.recommenders.top_n import Floats, Integers

Policy = Literal["exclude", "keep", "due_again", "not_within_days"]
OUTSIDE = "outside"  # the column of limits that a user does not meet


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
