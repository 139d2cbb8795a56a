"""Vectors of users by the vectors of products that were fitted before: one step of implicit ALS.

MLlib's fit solves for products and for users in turns, for users last. So from the pairs that the products' vectors
were fitted on come the users' vectors of the fit; from later pairs, those of users as they are by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.models.recommenders.als import Factors, UserVector
from promo_spark.models.recommenders.strengths import ModelPair
from promo_spark.models.recommenders.top_n import Floats, Integers
from promo_spark.settings.recommend import RecommendSettings

Doubles = NDArray[np.float64]


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
    """What a user's vector is solved by: the products' vectors, Y, a row for each, and their product YᵀY."""

    vectors: Floats
    gram: Doubles
    alpha: float
    regularisation: float

    @classmethod
    def of(cls, vectors: Floats, *, alpha: float, regularisation: float) -> FoldIn:
        doubles = vectors.astype(np.float64)
        return cls(vectors, doubles.T @ doubles, alpha, regularisation)

    def user_vector(self, rows: Integers, strengths: Doubles) -> Doubles:
        """The vector of a user with pairs of these rows of Y, of strengths above 0.

        It is (YᵀY + Yᵀ(C − I)Y + λnI)⁻¹ YᵀCp, as in MLlib: C has the confidence 1 + alpha × strength of each pair and 1
        elsewhere, p is 1 for the n pairs and 0 elsewhere.

        >>> two_products = FoldIn.of(np.array([[1], [2]], np.float32), alpha=2, regularisation=1)
        >>> two_products.user_vector(np.array([1]), np.array([3.0])) * 30  # (1 + 2·3)·2 / (1 + 4 + 2·3·4 + 1)
        array([14.])
        """
        of_pairs, beyond_one = self.vectors[rows].astype(np.float64), self.alpha * strengths
        weighted = self.gram + of_pairs.T @ (of_pairs * beyond_one[:, None])
        weighted[np.diag_indices_from(weighted)] += self.regularisation * len(rows)
        return np.asarray(np.linalg.solve(weighted, of_pairs.T @ (1 + beyond_one)), np.float64)


def folded_in_factors(pairs: DataFrame, items: Integers, vectors: Floats, settings: RecommendSettings) -> Factors:
    """Factors of the pairs' users, by vectors of the products. ModelPair → Factors.

    `items` are the products' positions, rising; `vectors` has a row for each, of zeros where the product has none. A
    user all of whose products have none gets no vector.
    """
    has_vector = vectors.any(axis=1)
    known = items[has_vector]
    fold_in = FoldIn.of(vectors[has_vector], alpha=settings.alpha, regularisation=settings.regularisation)
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
    modelled, starts, counts = np.unique(users, return_index=True, return_counts=True)
    vectors = [
        fold_in.user_vector(rows[start:end], strengths[start:end]).astype(np.float32)
        for start, end in zip(starts, starts + counts, strict=True)
    ]
    return pa.RecordBatch.from_arrays(
        [
            batch.column(UserPairs.user_id).take(pa.array(modelled)),
            pa.array(vectors, pa.list_(pa.float32())),
        ],
        names=list(UserVector.columns()),
    )
