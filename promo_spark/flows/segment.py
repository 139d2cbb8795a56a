"""The steps of segment: whether the stored segments are kept, and how others are fitted."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from pyspark.sql import DataFrame

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.segments import SegmentCentres, SegmentPortraits
from promo_spark.contracts.vocabulary import BEHAVIOUR, VALUE
from promo_spark.flows.registry import Fit
from promo_spark.measures.metric_rows import Figure
from promo_spark.measures.refitting import newest_rows, refit_reason
from promo_spark.models.segments.assignment import segments
from promo_spark.models.segments.clustering import Effort, chosen_k, kmeans_centres, tried_clusterings
from promo_spark.models.segments.drift import Drift, Nearness
from promo_spark.models.segments.ids import earlier_segments
from promo_spark.models.segments.metrics import ALL, drift_metrics, fit_metrics, of_behaviour, segment_metrics
from promo_spark.models.segments.names import segment_names
from promo_spark.models.segments.portraits import excluded_categories, segment_portraits
from promo_spark.models.segments.scaling import Scaling
from promo_spark.models.segments.stored import FittedSegments, stored_segments
from promo_spark.runtime.job import Context
from promo_spark.settings.segment import SegmentSettings


@dataclass(frozen=True)
class SegmentsOfDate:
    """The segments of a grouping for the date, and figures of them; why they were fitted, "" if they are kept."""

    fitted: FittedSegments
    figures: list[Figure]
    reason: str


@dataclass(frozen=True)
class GroupingsOfDate:
    """The groupings by value and by behaviour; None: there is no second one."""

    value: SegmentsOfDate
    behaviour: SegmentsOfDate | None

    def fits(self, ctx: Context[SegmentSettings]) -> list[Fit | None]:
        """What was fitted on the date, of each grouping; None: nothing."""
        behaviour = _fit(ctx, "behaviour_segments", self.behaviour) if self.behaviour else None
        return [_fit(ctx, "segments", self.value), behaviour]

    def figures(self) -> list[Figure]:
        """Figures of both."""
        return self.value.figures + (of_behaviour(self.behaviour.figures) if self.behaviour else [])

    def fitted(self) -> list[FittedSegments]:
        """The segments of each."""
        return [self.value.fitted, *([self.behaviour.fitted] if self.behaviour else [])]


def groupings_of_date(ctx: Context[SegmentSettings], sample: pd.DataFrame) -> GroupingsOfDate:
    """Both groupings, by the sample that user_sample gives of the features of both."""
    settings = ctx.settings
    by_value = _Asked(VALUE, settings.features, settings.k)
    value, by = _segments_of_date(ctx, sample, by_value, []), settings.behaviour
    if not by.features:
        return GroupingsOfDate(value, None)
    by_behaviour = _Asked(BEHAVIOUR, by.features, by.k)
    return GroupingsOfDate(value, _segments_of_date(ctx, sample, by_behaviour, value.fitted.ids))


def assigned_users(ctx: Context[SegmentSettings], profiles: DataFrame, of_date: GroupingsOfDate) -> DataFrame:
    """One row per user, held until the job ends. UserProfile → Segments."""
    before = newest_rows(ctx.earlier(Segments), Segments.as_of)
    behaviour = of_date.behaviour.fitted if of_date.behaviour else None
    return ctx.keep(
        segments(
            profiles,
            of_date.value.fitted,
            behaviour,
            before=before[1] if before else None,
            stay=ctx.settings.stay_margin,
        )
    )


def portraits(
    ctx: Context[SegmentSettings], profiles: DataFrame, assigned: DataFrame, of_date: GroupingsOfDate
) -> DataFrame:
    """One row per segment with users, of both groupings. UserProfile, Segments → SegmentPortraits."""
    excluded = excluded_categories(ctx.read_optional(ProductProfile))
    kept = ctx.settings.top_categories
    each = [
        segment_portraits(profiles, assigned, fitted, excluded=excluded, categories_kept=kept)
        for fitted in of_date.fitted()
    ]
    return functools.reduce(DataFrame.unionByName, each)


@dataclass(frozen=True)
class _Asked:
    grouping: str
    features: Sequence[str]
    ks: Sequence[int]


def _segments_of_date(
    ctx: Context[SegmentSettings], sample: pd.DataFrame, asked: _Asked, taken: Sequence[int]
) -> SegmentsOfDate:
    """The stored segments of the newest earlier date where these are to be kept, else newly fitted ones."""
    stored = stored_segments(ctx.earlier(SegmentCentres), asked.grouping, asked.features)
    reason: str | None = "there were none of an earlier date with these features"
    figures: list[Figure] = []
    if stored is not None:
        reason, figures = _judged(ctx, stored, sample)
        if reason is None:
            ctx.say(f"keeps the segments by {asked.grouping} of {stored.trained_on}")
            measured = segment_metrics(sample, stored.scaling.scaled(sample), stored.centres)
            return SegmentsOfDate(stored, figures + measured, "")
    fitted, fit_figures = _fitted(ctx, sample, asked, taken)
    return SegmentsOfDate(fitted, figures + fit_figures, reason or "")


def _fit(ctx: Context[SegmentSettings], model: str, of_date: SegmentsOfDate) -> Fit | None:
    if not of_date.reason:
        return None
    fitted = of_date.fitted
    return Fit(
        model,
        "kmeans",
        ctx.settings.refit,
        of_date.reason,
        rows=sum(fitted.nearness.users),
        days=(ctx.date, ctx.date),
        features=fitted.scaling.features,
        state=SegmentCentres,
        metrics={f.metric: f.value for f in of_date.figures if f.slice == ALL and f.value is not None},
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
    ctx: Context[SegmentSettings], sample: pd.DataFrame, asked: _Asked, taken: Sequence[int]
) -> tuple[FittedSegments, list[Figure]]:
    """Segments fitted on the sample, with the ids of the earlier segments that they continue; and figures of them."""
    settings, features = ctx.settings, asked.features
    scaling = Scaling.of(sample, features)
    points = scaling.scaled(sample)
    earlier = earlier_segments(ctx.earlier(SegmentPortraits), asked.grouping, features)
    effort = Effort(settings.starts, settings.max_iterations, settings.seed)

    ctx.say(f"choosing the number of segments by {asked.grouping} on {len(points):,} users")
    tried = tried_clusterings(points, asked.ks, rounds=settings.stability_rounds, effort=effort)
    usual, margin = len(earlier.latest) or None, settings.k_switch_margin
    k = chosen_k(tried, min_share=settings.min_share, usual=usual, margin=margin)
    ctx.say(f"fitting {k} segments")
    centres = kmeans_centres(ctx.spark, points, features, k, effort=effort)
    ids = earlier.stable_ids(scaling.logs(centres), scaling.deviation, max_drift=settings.max_drift, taken=taken)
    fitted = FittedSegments(
        asked.grouping,
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
