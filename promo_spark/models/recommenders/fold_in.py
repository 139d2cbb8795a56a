"""Vectors of users by the vectors of products that were fitted before: one step of implicit ALS.

A fit solves for products and for users in turns, for users last. So from the pairs that the products' vectors
were fitted on come the users' vectors of the fit; from later pairs, those of users as they are by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.learners.implicit_factors import EXACT_STEPS, Objective, Ties, Turned, solved_rows
from promo_spark.measures.arrow_lists import lists_of_rows
from promo_spark.models.recommenders.als import objective
from promo_spark.models.recommenders.factors import Factors, UserVector
from promo_spark.models.recommenders.strengths import ModelPair
from promo_spark.models.recommenders.top_n import Floats, Integers
from promo_spark.settings.recommend import RecommendSettings


class UserPair(Frame):
    """One row per user and product that the model is fitted on: an entry of UserPairs.pairs."""

    item = Col(T.IntegerType(), "the product's position in the catalogue", required=True)
    strength = Col(T.DoubleType(), "how strongly purchases tie the two", required=True)


class UserPairs(Frame):
    """One row per user that is modelled."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    pairs = Col(T.ArrayType(UserPair.schema()), "the user's products, sorted by item", required=True)


@dataclass(frozen=True)
class FoldIn:
    """What users' vectors are solved by: the products' vectors, a row for each."""

    by: Turned
    objective: Objective

    @classmethod
    def of(cls, vectors: Floats, objective: Objective) -> FoldIn:
        return cls(Turned.of(vectors), objective)

    def user_vectors(self, ties: Ties) -> Floats:
        """A row for each user, who is tied to these products; zeros of a user who is tied to none.

        >>> two_products = FoldIn.of(np.array([[1], [2]], np.float32), Objective(2.0, 1.0, 1.0, 1.0, 0.0))
        >>> ties = Ties(np.array([0, 1]), np.array([1], np.int32), np.array([3.0], np.float32))
        >>> round(float(two_products.user_vectors(ties)[0, 0]) * 30, 4)  # (1 + 2·3)·2 / (1 + 4 + 2·3·4 + 1)
        14.0
        """
        return np.asarray(solved_rows(ties, self.by, self.objective, EXACT_STEPS) @ self.by.basis.T, np.float32)


def folded_in_factors(pairs: DataFrame, items: Integers, vectors: Floats, settings: RecommendSettings) -> Factors:
    """Factors of the pairs' users, by vectors of the products. ModelPair → Factors.

    `items` are the products' positions, rising; `vectors` has a row for each, of zeros where the product has none. A
    user all of whose products have none gets no vector.
    """
    has_vector = vectors.any(axis=1)
    known = items[has_vector]
    fold_in = FoldIn.of(vectors[has_vector], objective(settings))
    entry = F.struct(*UserPair.columns())
    of_users = pairs.groupBy(ModelPair.user_id).agg(F.sort_array(F.collect_list(entry)).alias(UserPairs.pairs))

    def solved(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return (user_vectors(batch, known, fold_in) for batch in batches)

    users = of_users.select(*UserPairs.columns()).mapInArrow(solved, UserVector.schema())
    return Factors(users, items, vectors)


def user_vectors(batch: pa.RecordBatch, items: Integers, fold_in: FoldIn) -> pa.RecordBatch:
    """One row per user with a pair of the items, which have the rows of the fold-in. UserPairs → UserVector."""
    pairs = batch.column(UserPairs.pairs)
    entries = pairs.flatten()
    positions = pc.struct_field(entries, UserPair.item).to_numpy().astype(np.int64)
    strengths = pc.struct_field(entries, UserPair.strength).to_numpy()
    users = np.repeat(np.arange(batch.num_rows), pc.list_value_length(pairs).to_numpy())
    counted = np.isin(positions, items) & (strengths > 0)
    rows, strengths, users = np.searchsorted(items, positions[counted]), strengths[counted], users[counted]
    modelled, starts = np.unique(users, return_index=True)
    ties = Ties(np.append(starts, len(users)), rows.astype(np.int32), strengths.astype(np.float32))
    vectors = fold_in.user_vectors(ties)
    return pa.RecordBatch.from_arrays(
        [
            batch.column(UserPairs.user_id).take(pa.array(modelled)),
            lists_of_rows(vectors),
        ],
        names=list(UserVector.columns()),
    )
