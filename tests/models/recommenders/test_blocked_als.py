"""Implicit ALS in blocks: the same factors on the driver and by tasks, however rows lie, whatever tasks are sent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.learners.implicit_factors import Objective
from promo_spark.models.recommenders import blocked_als
from promo_spark.models.recommenders.blocked_als import Fit, fitted_factors
from promo_spark.models.recommenders.factors import Factors
from promo_spark.models.recommenders.strengths import ModelPair

FIT = Fit(
    rank=4,
    iterations=3,
    objective=Objective(alpha=2.0, unobserved=1.0, regularisation=0.01, exponent=1.0, counted=1.0),
    blocks=3,
    seed=7,
    driver_pairs=0,
    broadcast_bytes=1 << 20,
)
ON_DRIVER = replace(FIT, driver_pairs=1000)


@pytest.fixture(scope="module")
def pairs(spark: SparkSession) -> DataFrame:
    """60 users of two tastes; products 0, 3, 6, … up to 57 in the catalogue, of which the even tenth is of taste 0."""
    random = np.random.default_rng(5)
    rows = [
        {"user_id": f"u{user:02}", "item": item * 3, "strength": float(random.uniform(0.1, 5))}
        for user in range(60)
        for item in range(20)
        if random.random() < (0.6 if item % 2 == user % 2 else 0.05)
    ]
    rows.append({"user_id": "too long ago", "item": 3, "strength": 0.0})  # it counts as if it were not there
    return ModelPair.frame(spark, rows).persist()


def vectors(factors: Factors) -> tuple[list[str], np.ndarray]:
    rows = {row.user_id: row.features for row in factors.users.collect()}
    return sorted(rows), np.array([rows[user] for user in sorted(rows)], np.float32)


def test_the_same_rows_give_the_same_factors(spark: SparkSession, pairs: DataFrame) -> None:
    """O03 (part): to the bit, whatever the order and the partitions; and what was kept for the fit is gone after it."""
    pairs.count()
    kept_before = spark.sparkContext._jsc.getPersistentRDDs().size()
    first = fitted_factors(pairs.repartition(4), FIT)
    again = fitted_factors(pairs.orderBy(F.desc("strength")).coalesce(1), FIT)
    users, of_users = vectors(first)
    assert users == [f"u{user:02}" for user in range(60)]
    assert first.items.tolist() == list(range(0, 60, 3))
    assert np.array_equal(of_users, vectors(again)[1])
    assert np.array_equal(first.vectors, again.vectors)
    # the two frames of users' vectors, which the caller holds
    assert spark.sparkContext._jsc.getPersistentRDDs().size() <= kept_before + 2


def test_few_pairs_are_solved_on_the_driver_to_the_same_bit(pairs: DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """O03 (part): as by tasks, whatever the order and the partitions."""
    by_tasks = fitted_factors(pairs, FIT)
    monkeypatch.setattr(blocked_als, "_solved_blocks", None)  # no task is asked
    for rows, local_bytes in ((pairs.repartition(3), 1000), (pairs.orderBy(F.desc("strength")).coalesce(1), 0)):
        monkeypatch.setattr(blocked_als, "_LOCAL_BYTES", local_bytes)  # 60 users × 4 × 4 bytes, or in tasks
        on_driver = fitted_factors(rows, ON_DRIVER)
        assert np.array_equal(on_driver.items, by_tasks.items) and np.array_equal(on_driver.vectors, by_tasks.vectors)
        (users, of_users), (same, of_same) = vectors(on_driver), vectors(by_tasks)
        assert users == same and np.array_equal(of_users, of_same)


def test_planted_tastes_are_found(pairs: DataFrame) -> None:
    """G06 (part): every user scores the products of the own taste above the others."""
    factors = fitted_factors(pairs, FIT)
    _, users = vectors(factors)
    scores = users @ factors.vectors.T
    own = (np.arange(60)[:, None] % 2) == (np.arange(20)[None] % 2)
    assert np.isfinite(scores).all()
    of_own, of_others = np.where(own, scores, 0).sum(1) / 10, np.where(own, 0, scores).sum(1) / 10
    assert (of_own > of_others).all()
    assert of_own.mean() > 4 * of_others.mean()


def test_sent_vectors_give_what_broadcast_ones_give(pairs: DataFrame) -> None:
    """O03 (part): where users' vectors are too many for one machine, the fit goes on, with the same numbers."""
    whole, sent = fitted_factors(pairs, FIT), fitted_factors(pairs, replace(FIT, broadcast_bytes=0))
    (users, of_whole), (same_users, of_sent) = vectors(whole), vectors(sent)
    assert users == same_users
    assert of_sent @ sent.vectors.T == pytest.approx(of_whole @ whole.vectors.T, abs=1e-4)


@pytest.mark.parametrize("fit", [ON_DRIVER, FIT, replace(FIT, broadcast_bytes=0)], ids=["driver", "broadcast", "sent"])
def test_there_may_be_more_blocks_than_users_and_products(spark: SparkSession, fit: Fit) -> None:
    """Two users, two products, five blocks: some have nobody, some no product."""
    rows = [{"user_id": user, "item": item, "strength": 2.0} for user, item in [("a", 4), ("b", 4), ("b", 9)]]
    few = fitted_factors(ModelPair.frame(spark, rows), replace(fit, blocks=5))
    users, of_users = vectors(few)
    assert (users, few.items.tolist()) == (["a", "b"], [4, 9])
    assert (of_users @ few.vectors.T)[[0, 1, 1], [0, 0, 1]] == pytest.approx(0.9, abs=0.1)


def test_of_nothing_nothing_is_fitted(spark: SparkSession) -> None:
    nothing = fitted_factors(ModelPair.frame(spark, [{"user_id": "u", "item": 1, "strength": 0.0}]), FIT)
    assert nothing.users.isEmpty()
    assert nothing.vectors.shape == (0, 4)
