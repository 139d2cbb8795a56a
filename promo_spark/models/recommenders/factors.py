"""What a factorisation of who bought what gives: vectors of users and of products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.models.recommenders.strengths import ModelPair


@dataclass(frozen=True)
class Factors:
    """What a fit gives: a vector per user (UserVector) and, on the driver, one per product.

    `items` are the products' positions, rising; `vectors` has a row for each. Their size is bounded by the
    catalogue: a million products of rank 64 are 256 MB.
    """

    users: DataFrame
    items: NDArray[np.int64]
    vectors: NDArray[np.float32]

    @classmethod
    def of_nothing(cls, pairs: DataFrame, rank: int) -> Factors:
        """Of ModelPair without rows."""
        no_vector = F.array().cast(T.ArrayType(T.FloatType())).alias(UserVector.features)
        users = pairs.select(ModelPair.user_id, no_vector)
        return cls(users, np.empty(0, np.int64), np.empty((0, rank), np.float32))


class UserVector(Frame):
    """One row per user that is modelled."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    features = Col(T.ArrayType(T.FloatType()), "the user's vector", required=True)
