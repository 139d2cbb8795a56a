"""Groups users by how they buy (MLlib KMeans): stable ids, names that say what is special, portraits.

On dates without a fit (segment.refit) users are assigned to the stored centres of an earlier date.
"""

from __future__ import annotations

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Metrics, Registry, SegmentCentres, SegmentPortraits, Segments
from promo_spark.flows.registry import registry_rows
from promo_spark.flows.segment import fit_of_date, segments_of_date
from promo_spark.measures.metric_rows import figure_entries
from promo_spark.models.segments.assignment import checked_features, segments, user_sample
from promo_spark.models.segments.portraits import segment_portraits
from promo_spark.models.segments.stored import centre_rows
from promo_spark.runtime.job import Context, Earlier, job, main
from promo_spark.settings.segment import SegmentSettings


@job(
    reads=[UserProfile],
    optional=[Earlier(SegmentPortraits), Earlier(SegmentCentres)],
    writes=[Segments, SegmentPortraits, SegmentCentres, Registry, Metrics],
    settings=SegmentSettings,
)
def run(ctx: Context[SegmentSettings]) -> None:
    settings, features = ctx.settings, checked_features(ctx.settings.features)
    profiles = ctx.keep(ctx.read(UserProfile))
    sample = user_sample(
        profiles, features, users=settings.sample_users, min_orders=settings.min_orders, seed=settings.seed
    )
    of_date = segments_of_date(ctx, sample, features)
    fitted = of_date.fitted
    assigned = ctx.keep(segments(profiles, fitted.scaling, fitted.centres, fitted.ids, fitted.names))
    ctx.write(Segments, assigned)
    origins, kept = fitted.ids_from, settings.top_categories
    portraits = segment_portraits(profiles, assigned, fitted.scaling, matched_from=origins, categories_kept=kept)
    ctx.write_few(SegmentPortraits, portraits)
    ctx.write(SegmentCentres, centre_rows(fitted))
    ctx.write(Registry, registry_rows(ctx, fit_of_date(ctx, of_date)))
    ctx.metrics(figure_entries(of_date.figures))


if __name__ == "__main__":
    main(run)
