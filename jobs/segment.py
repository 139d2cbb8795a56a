"""Groups users by how they buy (MLlib KMeans): stable ids, names that say what is special, portraits."""

from __future__ import annotations

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Metrics, SegmentPortraits, Segments
from promo_spark.measures.metric_rows import figure_rows
from promo_spark.models.segments.assignment import Scaling, checked_features, segments, user_sample
from promo_spark.models.segments.clustering import Effort, chosen_k, kmeans_centres, tried_clusterings
from promo_spark.models.segments.ids import earlier_segments
from promo_spark.models.segments.metrics import segment_metrics
from promo_spark.models.segments.names import segment_names
from promo_spark.models.segments.portraits import segment_portraits
from promo_spark.runtime.job import Context, Earlier, job, main
from promo_spark.settings.segment import SegmentSettings


@job(
    reads=[UserProfile],
    optional=[Earlier(SegmentPortraits)],
    writes=[Segments, SegmentPortraits, Metrics],
    settings=SegmentSettings,
)
def run(ctx: Context[SegmentSettings]) -> None:
    settings, features = ctx.settings, checked_features(ctx.settings.features)
    profiles = ctx.keep(ctx.read(UserProfile))
    sample = user_sample(
        profiles, features, users=settings.sample_users, min_orders=settings.min_orders, seed=settings.seed
    )
    scaling = Scaling.of(sample, features)
    points = scaling.scaled(sample)
    earlier = earlier_segments(ctx.read_earlier(SegmentPortraits), features)
    effort = Effort(settings.starts, settings.max_iterations, settings.seed)

    ctx.say(f"choosing the number of segments on {len(points):,} users")
    tried = tried_clusterings(points, settings.k, rounds=settings.stability_rounds, effort=effort)
    usual, margin = len(earlier.latest) or None, settings.k_switch_margin
    k = chosen_k(tried, min_share=settings.min_share, usual=usual, margin=margin)
    ctx.say(f"fitting {k} segments")
    centres = kmeans_centres(ctx.spark, points, features, k, effort=effort)
    ids = earlier.stable_ids(scaling.logs(centres), scaling.deviation, max_drift=settings.max_drift)
    names = segment_names(features, centres.tolist())
    assigned = ctx.keep(segments(profiles, scaling, centres, ids, names))
    ctx.write(Segments, assigned)
    origins, kept = earlier.origins(ids), settings.top_categories
    portraits = segment_portraits(profiles, assigned, scaling, matched_from=origins, categories_kept=kept)
    ctx.write(SegmentPortraits, portraits)
    ctx.metrics(figure_rows(ctx.spark, segment_metrics(sample, points, centres, tried, effort=effort)))


if __name__ == "__main__":
    main(run)
