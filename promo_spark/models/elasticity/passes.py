"""The passes over all categories with Spark: a category's rows go to one Python call, and a few numbers come back."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.measurement import PromotionPnl
from promo_spark.contracts.schema import Col, Frame
from promo_spark.models.elasticity.categories import Fitting, estimate_row, evidence_row, profit_rows
from promo_spark.models.elasticity.frames import PROMOTED, CategoryEstimate, CategoryEvidence, ProductWeek
from promo_spark.settings.elasticity import ElasticitySettings

_PNL = PromotionPnl.columns()
_DECIMALS = 6


class Profits(Frame):
    """One row per week and product on promotion: PromotionPnl without its date and run."""

    week = _PNL[PromotionPnl.week]
    product_id = _PNL[PromotionPnl.product_id]
    category = _PNL[PromotionPnl.category]
    depth = _PNL[PromotionPnl.depth]
    units = _PNL[PromotionPnl.units]
    gross_units = _PNL[PromotionPnl.gross_units]
    cannibalised = _PNL[PromotionPnl.cannibalised]
    pulled_forward = _PNL[PromotionPnl.pulled_forward]
    halo = Col(_PNL[PromotionPnl.halo].type, "as there; NaN: not measurable")
    incremental_units = _PNL[PromotionPnl.incremental_units]
    incremental_margin = _PNL[PromotionPnl.incremental_margin]
    ci_low = _PNL[PromotionPnl.ci_low]
    ci_high = _PNL[PromotionPnl.ci_high]
    cost_is_assumed = _PNL[PromotionPnl.cost_is_assumed]


def category_evidence(weekly: DataFrame, weeks: int, settings: ElasticitySettings) -> DataFrame:
    """One row per category. ProductWeek → CategoryEvidence."""

    def of_category(rows: pd.DataFrame) -> pd.DataFrame:
        return evidence_row(rows, weeks, settings)

    return weekly.groupBy(ProductWeek.category).applyInPandas(of_category, CategoryEvidence.schema())


def category_estimates(weekly: DataFrame, fitting: Fitting) -> DataFrame:
    """One row per category. ProductWeek → CategoryEstimate."""

    def of_category(rows: pd.DataFrame) -> pd.DataFrame:
        return estimate_row(rows, fitting)

    return weekly.groupBy(ProductWeek.category).applyInPandas(of_category, CategoryEstimate.schema())


def promotion_profits(
    estimates: DataFrame,
    *,
    first: datetime.date,
    halo_units: Sequence[float] | None,
    halo_margin: Sequence[float] | None,
) -> DataFrame:
    """One row per week and product on promotion. CategoryEstimate → PromotionPnl, to six places."""

    def of_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for rows in batches:
            told = profit_rows(rows, first=first, halo_units=halo_units, halo_margin=halo_margin)
            if len(told):
                yield told

    rows = estimates.select(CategoryEstimate.category, *PROMOTED).mapInPandas(of_batches, Profits.schema())
    numbers = [name for name, col in Profits.columns().items() if col.type.simpleString() == "double"]
    rounded = {name: F.round(F.when(~F.isnan(name), F.col(name)), _DECIMALS) for name in numbers}
    return rows.withColumns(rounded)
