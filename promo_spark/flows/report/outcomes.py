"""What is told of earlier offers: effects, checks and key figures as they stand, promotions by week."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.measurement import Checks, Effects, KpiDaily, PromotionPnl, SegmentResponses
from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.flows.report.reading import Ctx, rows_of
from promo_spark.measures.exact_sums import exact_sum
from promo_spark.reports.sections.outcomes import OutcomeRows, PnlProduct, PnlWeek

WEEKS = 8
PRODUCTS = 5  # that a promotion did most for, and as many that it did least for


def outcome_rows(ctx: Ctx) -> OutcomeRows:
    """What the section of earlier offers is made of."""
    pnl = ctx.read_optional(PromotionPnl)
    week_before = F.col(KpiDaily.date) == F.lit(ctx.date - datetime.timedelta(7))
    portraits = ctx.read_optional(SegmentPortraits)
    return OutcomeRows(
        effects=rows_of(ctx.read_optional(Effects)),
        answers=rows_of(ctx.read_optional(SegmentResponses)),
        checks=rows_of(ctx.read_optional(Checks)),
        figures=rows_of(ctx.read_optional(KpiDaily)),
        before=rows_of(ctx.read_earlier(KpiDaily).filter(week_before)),
        weeks=rows_of(pnl_weeks(pnl)),
        products=rows_of(pnl_products(pnl, ctx.read_optional(ProductProfile))),
        segments=rows_of(portraits.select(SegmentPortraits.segment_id, SegmentPortraits.segment_name)),
    )


def pnl_weeks(pnl: DataFrame) -> DataFrame:
    """One row per week, the newest. PromotionPnl of a date → PnlWeek."""
    summed = (
        PnlWeek.gross_units,
        PnlWeek.cannibalised,
        PnlWeek.pulled_forward,
        PnlWeek.incremental_units,
        PnlWeek.incremental_margin,
    )
    weeks = pnl.groupBy(PromotionPnl.week).agg(
        F.count(F.lit(1)).alias(PnlWeek.products), *[exact_sum(name).alias(name) for name in summed]
    )
    return weeks.orderBy(F.desc(PnlWeek.week)).limit(WEEKS)


def pnl_products(pnl: DataFrame, products: DataFrame) -> DataFrame:
    """Products of the newest week whose promotion brought most, or least. PromotionPnl, ProductProfile → PnlProduct."""
    newest = pnl.groupBy().agg(F.max(PromotionPnl.week).alias(PromotionPnl.week))
    of_week = pnl.join(F.broadcast(newest), PromotionPnl.week)
    margin, product = F.col(PromotionPnl.incremental_margin), F.col(PromotionPnl.product_id)
    most = of_week.orderBy(margin.desc(), product).limit(PRODUCTS)
    least = of_week.orderBy(margin, product).limit(PRODUCTS)
    titles = products.select(ProductProfile.product_id, ProductProfile.title)
    told = most.unionByName(least).dropDuplicates([PromotionPnl.product_id])
    return told.join(titles, PnlProduct.product_id, "left").select(*PnlProduct.columns())
