"""Product vectors are stored by product and found again in another day's catalogue."""

from __future__ import annotations

import datetime

import numpy as np
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.models import ItemFactors
from promo_spark.models.recommenders.stored import factor_rows, modelled_products, stored_model
from promo_spark.models.recommenders.strengths import CatalogueItem

MONDAY, TUESDAY = datetime.date(2017, 11, 6), datetime.date(2017, 11, 7)
VECTORS = np.array([[1 / 3, 2], [-1, 1e-7]], np.float32)  # of the products at positions 0 and 2


def test_vectors_are_found_by_product_wherever_it_stands(spark: SparkSession) -> None:
    """Since the fit b and c left, a1 and d came: d at position 2, where c was."""
    fitted_on = CatalogueItem.frame(spark, [{"product_id": p, "item": i} for i, p in enumerate("abcd")])
    rows = factor_rows(fitted_on, np.array([0, 2]), VECTORS, recommender="als", trained_on=MONDAY, made_by="made-1")
    monday = rows.withColumn(ItemFactors.as_of, F.lit(MONDAY))
    newer = monday.withColumns({ItemFactors.as_of: F.lit(TUESDAY), ItemFactors.recommender: F.lit("blend")})
    stored = stored_model(monday.unionByName(newer))
    assert stored is not None
    assert (stored.recommender, stored.trained_on, stored.made_by) == ("blend", MONDAY, "made-1")
    kept = {r.product_id: r.factors for r in stored.factors.collect()}
    assert kept == {"a": VECTORS[0].tolist(), "c": VECTORS[1].tolist()}

    today = [("a", 9, 4), ("a1", 5, 1), ("c", 4, 2), ("d", 5, 5)]  # c has too few buyers now
    catalogue = CatalogueItem.frame(
        spark,
        [
            {"product_id": p, "item": i, "buyers": buyers, "recent_buyers": recent}
            for i, (p, buyers, recent) in enumerate(today)
        ],
    )
    products = modelled_products(stored.factors, catalogue.repartition(3), min_buyers=5, rank=2)
    assert products.items.tolist() == [0, 1, 3]
    assert products.vectors.tolist() == [VECTORS[0].tolist(), [0, 0], [0, 0]]
    assert products.share_without_vector() == 0.6  # (1 + 5) / (4 + 1 + 5)


def test_without_rows_there_is_no_model_and_without_products_no_drift(spark: SparkSession) -> None:
    assert stored_model(ItemFactors.frame(spark)) is None
    nothing = factor_rows(
        CatalogueItem.frame(spark),
        np.empty(0, np.int64),
        np.empty((0, 2), np.float32),
        recommender="blend",
        trained_on=MONDAY,
        made_by="made-1",
    )
    assert nothing.isEmpty()
    products = modelled_products(nothing, CatalogueItem.frame(spark), min_buyers=1, rank=2)
    assert products.vectors.shape == (0, 2)
    assert products.share_without_vector() == 0
