"""What is told of groups of customers: the date's comparison, and shares among the examples of models."""

from __future__ import annotations

import datetime

from pyspark.sql import functions as F

from promo_spark.contracts.measurement import Fairness
from promo_spark.contracts.models import Metrics
from promo_spark.flows.report.reading import Ctx, rows_of
from promo_spark.measures.best_rows import best_rows
from promo_spark.reports.sections.fairness import PSI, PSI_WEIGHTED, FairnessRows


def fairness_rows(ctx: Ctx) -> FairnessRows:
    """What the section of fairness is made of."""
    since = F.col(Metrics.as_of) >= F.lit(ctx.date - datetime.timedelta(ctx.settings.days))
    measured = ctx.read_optional(Metrics).unionByName(ctx.read_earlier(Metrics).filter(since))
    of_training = measured.filter(F.col(Metrics.metric).isin(PSI, PSI_WEIGHTED))
    newest = best_rows(of_training, of=[Metrics.job, Metrics.metric, Metrics.slice], by=[F.desc(Metrics.as_of)], keep=1)
    return FairnessRows(groups=rows_of(ctx.read_optional(Fairness)), training=rows_of(newest))
