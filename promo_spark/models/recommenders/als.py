"""Implicit ALS by the engine that settings name: in blocks, or MLlib's."""

from __future__ import annotations

from pyspark.sql import DataFrame

from promo_spark.learners.implicit_factors import Objective
from promo_spark.models.recommenders.blocked_als import Fit, fitted_factors
from promo_spark.models.recommenders.factors import Factors
from promo_spark.models.recommenders.mllib_als import mllib_factors
from promo_spark.settings.recommend import RecommendSettings


def als_factors(pairs: DataFrame, settings: RecommendSettings) -> Factors:
    """Factors of implicit ALS (Hu, Koren, Volinsky 2008). ModelPair → Factors."""
    if settings.als.engine == "mllib":
        return mllib_factors(pairs, settings)
    fit = Fit(
        rank=settings.rank,
        iterations=settings.iterations,
        objective=objective(settings),
        blocks=settings.blocks,
        seed=settings.seed,
        driver_pairs=settings.als.driver_pairs,
        broadcast_bytes=settings.als.broadcast_mb << 20,
    )
    return fitted_factors(pairs, fit)


def objective(settings: RecommendSettings) -> Objective:
    """What the engine makes least. MLlib's: pairs that are not there weigh 1, and λ is times own pairs."""
    if settings.als.engine == "mllib":
        return Objective(settings.alpha, 1.0, settings.regularisation, 1.0, 0.0)
    of = settings.als
    return Objective(settings.alpha, of.unobserved, settings.regularisation, of.exponent, of.regularised_unobserved)
