"""Fitted product vectors: as they are stored, read again on a later date, and put to that date's catalogue."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.models import ItemFactors
from promo_spark.measures.arrow_lists import lists_of_rows
from promo_spark.measures.refitting import newest_rows
from promo_spark.models.recommenders.lists import Recommender
from promo_spark.models.recommenders.strengths import CatalogueItem
from promo_spark.models.recommenders.top_n import Floats, Integers


@dataclass(frozen=True)
class StoredModel:
    """What the newest earlier date made its lists by: the products' vectors (ItemFactors) and the recommender."""

    factors: DataFrame
    recommender: Recommender
    trained_on: datetime.date
    made_by: str


@dataclass(frozen=True)
class ModelledProducts:
    """The products of a date that a fit on it would be of: positions, rising, and of each what was fitted before.

    `vectors` has a row of zeros for a product that the fit did not know. `recent_buyers` are those of the date.
    """

    items: Integers
    vectors: Floats
    recent_buyers: Integers

    def share_without_vector(self) -> float:
        """The share of recent purchases, one per product and buyer, whose product has no vector; 0: there are none.

        >>> vectors = np.array([[1.0, 0.5], [0.0, 0.0]], np.float32)
        >>> ModelledProducts(np.array([4, 7]), vectors, np.array([3, 1])).share_without_vector()
        0.25
        """
        without = self.recent_buyers[~self.vectors.any(axis=1)]
        return float(without.sum() / max(1, self.recent_buyers.sum()))


def drift(without_vector: float, age_days: int, *, most_without_vector: float, most_days: int) -> str:
    """Which limit was passed since the fit, in words; empty: none.

    >>> drift(0.08, 3, most_without_vector=0.05, most_days=28)
    '0.080 of recent purchases were of products without a vector, more than 0.05'
    >>> drift(0.05, 28, most_without_vector=0.05, most_days=28)
    'it was 28 days old'
    >>> drift(0.05, 27, most_without_vector=0.05, most_days=28)
    ''
    """
    if without_vector > most_without_vector:
        return (
            f"{without_vector:.3f} of recent purchases were of products without a vector, "
            f"more than {most_without_vector:g}"
        )
    return f"it was {age_days} days old" if age_days >= most_days else ""


def factor_rows(
    catalogue: DataFrame,
    items: Integers,
    vectors: Floats,
    *,
    recommender: Recommender,
    trained_on: datetime.date,
    made_by: str,
) -> DataFrame:
    """One row per product that has a vector. CatalogueItem, vectors of its positions → ItemFactors."""
    arrays = {
        CatalogueItem.item: pa.array(items, pa.int32()),
        ItemFactors.factors: lists_of_rows(vectors.astype(np.float32, copy=False)),
    }
    by_position = catalogue.sparkSession.createDataFrame(pa.table(arrays))
    return catalogue.join(F.broadcast(by_position), CatalogueItem.item).select(
        CatalogueItem.product_id,
        ItemFactors.factors,
        F.lit(recommender).alias(ItemFactors.recommender),
        F.lit(trained_on).alias(ItemFactors.trained_on),
        F.lit(made_by).alias(ItemFactors.made_by),
    )


def stored_model(earlier: DataFrame | None) -> StoredModel | None:
    """ItemFactors of earlier dates → the model of the newest of them; None: there is none."""
    newest = newest_rows(earlier, ItemFactors.as_of)
    if newest is None:
        return None
    _, factors = newest
    # the rows of a date are of one fit
    [fit] = factors.select(ItemFactors.recommender, ItemFactors.trained_on, ItemFactors.made_by).take(1)
    return StoredModel(
        factors, cast(Recommender, fit[ItemFactors.recommender]), fit[ItemFactors.trained_on], fit[ItemFactors.made_by]
    )


def modelled_products(factors: DataFrame, catalogue: DataFrame, *, min_buyers: int, rank: int) -> ModelledProducts:
    """The products with enough buyers, and their vectors. ItemFactors, CatalogueItem → arrays on the driver.

    Products are found by their ids: their positions differ from date to date.
    """
    enough = catalogue.filter(F.col(CatalogueItem.buyers) >= min_buyers)
    rows = (
        enough.join(factors.select(ItemFactors.product_id, ItemFactors.factors), CatalogueItem.product_id, "left")
        .select(CatalogueItem.item, CatalogueItem.recent_buyers, ItemFactors.factors)
        .orderBy(CatalogueItem.item)
        .toArrow()
        .combine_chunks()
    )
    found = rows[ItemFactors.factors].combine_chunks()
    vectors = np.zeros((len(rows), rank), np.float32)
    vectors[found.is_valid().to_numpy(zero_copy_only=False)] = np.asarray(found.flatten()).reshape(-1, rank)
    return ModelledProducts(
        rows[CatalogueItem.item].to_numpy().astype(np.int64),
        vectors,
        rows[CatalogueItem.recent_buyers].to_numpy().astype(np.int64),
    )
