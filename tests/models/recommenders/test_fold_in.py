"""Vectors of users by given vectors of products are what a fit would give."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.learners.implicit_factors import Objective, Ties
from promo_spark.models.recommenders.als import als_factors
from promo_spark.models.recommenders.factors import Factors
from promo_spark.models.recommenders.fold_in import FoldIn, folded_in_factors
from promo_spark.models.recommenders.strengths import ModelPair
from promo_spark.settings import load

ALS = load().recommend.model_copy(
    update={"rank": 4, "iterations": 1, "regularisation": 0.1, "alpha": 2.0, "blocks": 1, "seed": 1}
)

OBJECTIVE = Objective(alpha=2.0, unobserved=1.0, regularisation=0.1, exponent=1.0, counted=0.0)  # as MLlib has it


def ties(products: np.ndarray, strengths: np.ndarray) -> Ties:
    """Of one user."""
    return Ties(np.array([0, len(products)]), products.astype(np.int32), strengths.astype(np.float32))


def pairs(spark: SparkSession) -> DataFrame:
    """40 users, each with 3 to 6 of 12 products."""
    random = np.random.default_rng(5)
    bought = [random.permutation(12)[: 3 + user % 4] for user in range(40)]
    rows = [
        {"user_id": f"u{user:02}", "item": int(item), "strength": float(random.uniform(0.1, 5))}
        for user, items in enumerate(bought)
        for item in items
    ]
    return ModelPair.frame(spark, rows)


def vectors_of_users(factors: Factors) -> dict[str, list[float]]:
    return {row.user_id: row.features for row in factors.users.collect()}


@pytest.mark.parametrize("engine", ["blocked", "mllib"])
def test_on_the_pairs_of_the_fit_it_gives_the_users_vectors_of_the_fit(spark: SparkSession, engine: str) -> None:
    """Both engines solve for the users last; MLlib in double precision, and it hands over single precision."""
    settings = ALS.model_copy(update={"als": ALS.als.model_copy(update={"engine": engine})})
    of_fit = pairs(spark).repartition(3)
    fitted = als_factors(of_fit, settings)
    folded_in = folded_in_factors(of_fit, fitted.items, fitted.vectors, settings)
    expected, found = vectors_of_users(fitted), vectors_of_users(folded_in)
    assert len(expected) == 40
    assert sorted(found) == sorted(expected)
    for user, vector in expected.items():
        assert found[user] == pytest.approx(vector, rel=1e-4, abs=1e-6)
    again = folded_in_factors(of_fit.orderBy(F.desc("strength")).coalesce(1), fitted.items, fitted.vectors, settings)
    assert vectors_of_users(again) == found  # to the bit


def test_a_vector_has_the_least_loss() -> None:
    """The loss of Hu, Koren and Volinsky over all products, with regularisation by the number of pairs."""
    random = np.random.default_rng(3)
    products = random.normal(size=(9, 3)).astype(np.float32)
    rows, strengths = np.array([1, 4, 8]), np.array([0.5, 2.0, 1.0])
    confidence, preference = np.ones(9), np.zeros(9)
    confidence[rows] += 2.0 * strengths
    preference[rows] = 1

    def loss(vector: np.ndarray) -> float:
        return float((confidence * (preference - products @ vector) ** 2).sum() + 0.1 * 3 * (vector**2).sum())

    [vector] = FoldIn.of(products, OBJECTIVE).user_vectors(ties(rows, strengths)).astype(float)
    nearby = [vector + step * axis for axis in np.eye(3) for step in (-1e-3, 1e-3)]
    assert all(loss(vector) < loss(other) for other in nearby)


def test_products_without_a_vector_count_for_nobody(spark: SparkSession) -> None:
    """Product 2 is new since the fit: u1's vector is that of its pair with 5 alone, u2 has none."""
    vectors = np.array([[0, 0], [1, 0.5], [0.2, 1]], np.float32)  # of products 2, 5 and 7
    bought = [("u1", 2, 1.0), ("u1", 5, 3.0), ("u2", 2, 4.0), ("u3", 7, 0.0)]  # u3's purchases are too long ago
    rows = [{"user_id": user, "item": item, "strength": strength} for user, item, strength in bought]
    factors = folded_in_factors(ModelPair.frame(spark, rows), np.array([2, 5, 7]), vectors, ALS)
    [alone] = FoldIn.of(vectors[1:], OBJECTIVE).user_vectors(ties(np.array([0]), np.array([3.0])))
    assert vectors_of_users(factors) == {"u1": alone.tolist()}
    nothing = folded_in_factors(ModelPair.frame(spark, rows), np.array([2]), vectors[:1], ALS)
    assert vectors_of_users(nothing) == {}
