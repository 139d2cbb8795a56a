"""The steps of segment: whether the stored segments are kept, and how others are fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from promo_spark.contracts.models import SegmentCentres, SegmentPortraits
from promo_spark.flows.registry import Fit
from promo_spark.measures.metric_rows import Figure
from promo_spark.measures.refitting import refit_reason
from promo_spark.models.segments.assignment import Scaling
from promo_spark.models.segments.clustering import Effort, chosen_k, kmeans_centres, tried_clusterings
from promo_spark.models.segments.drift import Drift, Nearness
from promo_spark.models.segments.ids import earlier_segments
from promo_spark.models.segments.metrics import ALL, drift_metrics, fit_metrics, segment_metrics
from promo_spark.models.segments.names import segment_names
from promo_spark.models.segments.stored import FittedSegments, stored_segments
from promo_spark.runtime.job import Context
from promo_spark.settings.segment import SegmentSettings


@dataclass(frozen=True)
class SegmentsOfDate:
    """The segments that users of the date are assigned to, and figures of them; why they were fitted, "" if kept."""

    fitted: FittedSegments
    figures: list[Figure]
    reason: str


def segments_of_date(ctx: Context[SegmentSettings], sample: pd.DataFrame, features: Sequence[str]) -> SegmentsOfDate:
    """The stored segments of the newest earlier date where these are to be kept, else newly fitted ones."""
    stored = stored_segments(ctx.earlier(SegmentCentres), features)
    reason: str | None = "there were none of an earlier date with these features"
    figures: list[Figure] = []
    if stored is not None:
        reason, figures = _judged(ctx, stored, sample)
        if reason is None:
            ctx.say(f"keeps the segments of {stored.trained_on}")
            measured = segment_metrics(sample, stored.scaling.scaled(sample), stored.centres)
            return SegmentsOfDate(stored, figures + measured, "")
    fitted, fit_figures = _fitted(ctx, sample, features)
    return SegmentsOfDate(fitted, figures + fit_figures, reason or "")


def fit_of_date(ctx: Context[SegmentSettings], segments: SegmentsOfDate) -> Fit | None:
    """What was fitted on the date; None: nothing."""
    if not segments.reason:
        return None
    fitted = segments.fitted
    return Fit(
        "segments",
        "kmeans",
        ctx.settings.refit,
        segments.reason,
        rows=sum(fitted.nearness.users),
        days=(ctx.date, ctx.date),
        features=fitted.scaling.features,
        state=SegmentCentres,
        metrics={f.metric: f.value for f in segments.figures if f.slice == ALL and f.value is not None},
    )


def _judged(
    ctx: Context[SegmentSettings], stored: FittedSegments, sample: pd.DataFrame
) -> tuple[str | None, list[Figure]]:
    """Why stored segments are fitted again, None if they are kept; and how far the users have drifted from them."""
    if len(stored.ids) < 2:
        return "there was one segment: too few users to tell apart", []
    settings = ctx.settings
    drift = Drift.between(stored.nearness, Nearness.of(stored.scaling.scaled(sample), stored.centres))
    reason = refit_reason(
        settings.refit,
        date=ctx.date,
        trained_on=stored.trained_on,
        same_maker=stored.made_by == ctx.made_by,
        drifted=drift.beyond(share_shift=settings.refit_share_shift, distance_growth=settings.refit_distance_growth),
    )
    return reason, drift_metrics(drift, len(sample))


def _fitted(
    ctx: Context[SegmentSettings], sample: pd.DataFrame, features: Sequence[str]
) -> tuple[FittedSegments, list[Figure]]:
    """Segments fitted on the sample, with the ids of the earlier segments that they continue; and figures of them."""
    settings = ctx.settings
    scaling = Scaling.of(sample, features)
    points = scaling.scaled(sample)
    earlier = earlier_segments(ctx.earlier(SegmentPortraits), features)
    effort = Effort(settings.starts, settings.max_iterations, settings.seed)

    ctx.say(f"choosing the number of segments on {len(points):,} users")
    tried = tried_clusterings(points, settings.k, rounds=settings.stability_rounds, effort=effort)
    usual, margin = len(earlier.latest) or None, settings.k_switch_margin
    k = chosen_k(tried, min_share=settings.min_share, usual=usual, margin=margin)
    ctx.say(f"fitting {k} segments")
    centres = kmeans_centres(ctx.spark, points, features, k, effort=effort)
    ids = earlier.stable_ids(scaling.logs(centres), scaling.deviation, max_drift=settings.max_drift)
    fitted = FittedSegments(
        scaling,
        centres,
        tuple(ids),
        tuple(segment_names(features, centres.tolist())),
        Nearness.of(points, centres),
        ctx.date,
        ctx.made_by,
        earlier.origins(ids),
    )
    measured = segment_metrics(sample, points, centres)
    return fitted, measured + fit_metrics(points, len(centres), tried, effort=effort)
