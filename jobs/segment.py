"""Groups users twice, by value and by behaviour (MLlib KMeans): stable ids, names that say what is special, portraits.

On dates without a fit (segment.refit) users are assigned to the stored centres of an earlier date.
"""

from __future__ import annotations

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Metrics, Registry, Segments
from promo_spark.contracts.segments import SegmentCentres, SegmentPortraits
from promo_spark.flows.registry import registry_rows
from promo_spark.flows.segment import assigned_users, groupings_of_date, portraits
from promo_spark.measures.metric_rows import figure_entries
from promo_spark.models.segments.scaling import checked_features, user_sample
from promo_spark.models.segments.stored import centre_rows
from promo_spark.runtime.job import Context, Earlier, job, main
from promo_spark.settings.segment import SegmentSettings


@job(
    reads=[UserProfile],
    optional=[ProductProfile, Earlier(Segments), Earlier(SegmentPortraits), Earlier(SegmentCentres)],
    writes=[Segments, SegmentPortraits, SegmentCentres, Registry, Metrics],
    settings=SegmentSettings,
)
def run(ctx: Context[SegmentSettings]) -> None:
    settings = ctx.settings
    features = checked_features(list(dict.fromkeys([*settings.features, *settings.behaviour.features])))
    profiles = ctx.keep(ctx.read(UserProfile))
    sample = user_sample(
        profiles, features, users=settings.sample_users, min_orders=settings.min_orders, seed=settings.seed
    )
    of_date = groupings_of_date(ctx, sample)
    assigned = assigned_users(ctx, profiles, of_date)
    ctx.write(Segments, assigned)
    ctx.write_few(SegmentPortraits, portraits(ctx, profiles, assigned, of_date))
    ctx.write(SegmentCentres, [row for fitted in of_date.fitted() for row in centre_rows(fitted)])
    ctx.write(Registry, registry_rows(ctx, *of_date.fits(ctx)))
    ctx.metrics(figure_entries(of_date.figures()))


if __name__ == "__main__":
    main(run)
