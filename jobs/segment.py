"""Groups users by how they buy (MLlib KMeans): stable ids, names that say what is special, portraits."""

from __future__ import annotations

import numpy as np
from pyspark.sql import functions as F

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Metrics, SegmentPortraits, Segments
from promo_spark.models.segments import clustering
from promo_spark.models.segments.assignment import RFM, Scaling, checked_features, segments, user_sample
from promo_spark.models.segments.ids import known_segments, stable_ids
from promo_spark.models.segments.names import segment_names
from promo_spark.models.segments.portraits import segment_portraits
from promo_spark.models.segments.quality import segment_quality
from promo_spark.runtime.job import Context, Earlier, job
from promo_spark.settings import SegmentSettings


@job(
    reads=[UserProfile],
    optional=[Earlier(SegmentPortraits)],
    writes=[Segments, SegmentPortraits, Metrics],
    settings=SegmentSettings,
)
def run(ctx: Context[SegmentSettings]) -> None:
    chosen, as_of = ctx.settings, F.lit(ctx.date)
    features = checked_features(chosen.features)
    profiles = ctx.keep(ctx.read(UserProfile))
    sample = user_sample(
        profiles, sorted({*features, *RFM}), users=chosen.sample_users, min_orders=chosen.min_orders, seed=chosen.seed
    )
    scaling = Scaling.of(sample, features)
    points = scaling.scaled(sample)
    past = known_segments(ctx.read_earlier(SegmentPortraits), features)

    ctx.say(f"choosing the number of segments on {len(points):,} users")
    effort = {"starts": chosen.starts, "max_iterations": chosen.max_iterations, "seed": chosen.seed}
    tried = clustering.candidates(points, chosen.k, rounds=chosen.stability_rounds, **effort)
    k = clustering.chosen(
        tried, min_share=chosen.min_share, usual=len(past.latest) or None, margin=chosen.k_switch_margin
    )
    ctx.say(f"fitting {k} segments")
    centres = (
        clustering.kmeans_centres(ctx.spark, points, features, k, **effort) if k > 1 else np.zeros((1, len(features)))
    )
    ids = stable_ids(
        scaling.logs(centres), scaling.deviation, past.latest, highest=past.highest_id, max_drift=chosen.max_drift
    )
    names = segment_names(features, centres.tolist())
    assigned = ctx.keep(segments(profiles, scaling, centres, ids, names))
    ctx.write(Segments, assigned.withColumn(Segments.as_of, as_of))
    portraits = segment_portraits(
        profiles, assigned, scaling, matched_from=past.origins(ids), categories_kept=chosen.top_categories
    )
    ctx.write(SegmentPortraits, portraits.withColumn(SegmentPortraits.as_of, as_of))
    ctx.metrics(Metrics.frame(ctx.spark, segment_quality(sample, points, centres, tried, **effort)))
