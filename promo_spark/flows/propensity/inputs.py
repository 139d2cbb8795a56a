"""What propensity works on: the catalogue, every user's history, and the sample that models are fitted on."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.predictions import UserHistory
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Redemptions, Users
from promo_spark.features.labels.batches import Catalogue, batch_of
from promo_spark.features.labels.user_histories import user_histories
from promo_spark.flows.propensity.examples import Sample
from promo_spark.flows.representation import groups_of_users
from promo_spark.learners.samples import hashed_sample
from promo_spark.models.propensity.questions import CHURN_DAYS
from promo_spark.runtime.job import Context
from promo_spark.settings.propensity import PropensitySettings


def catalogue_of_date(ctx: Context[PropensitySettings]) -> Catalogue:
    """The products of the date by number, with their categories."""
    return catalogue_of(ctx.read(ProductProfile))


def catalogue_of(products: DataFrame) -> Catalogue:
    """The products by number, with their categories. ProductProfile → arrays on the driver."""
    category = F.coalesce(ProductProfile.subcategory, ProductProfile.category, ProductProfile.department)
    return Catalogue.of(dict(products.select(ProductProfile.product_id, category).collect()))


def histories_of_date(ctx: Context[PropensitySettings]) -> DataFrame:
    """One row per user known before the date. Silver tables → UserHistory.

    As many days as the earliest training date looks back.
    """
    return ctx.keep(histories_with(ctx, ctx.read(OrderLines), lambda rows: rows))


def histories_with(
    ctx: Context[PropensitySettings],
    lines: DataFrame,
    of_users: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """One row per user. OrderLines and tables of silver, cut to some users → UserHistory."""
    settings = ctx.settings
    whole_windows = 2 * max(CHURN_DAYS, settings.redemption_days)
    days = settings.lookback_days + whole_windows + settings.training_every_days * settings.training_dates
    return user_histories(
        of_users(lines),
        users=of_users(ctx.read_optional(Users)),
        campaigns=ctx.read_optional(Campaigns),
        contacts=of_users(ctx.read_optional(Contacts)),
        redemptions=of_users(ctx.read_optional(Redemptions)),
        as_of=ctx.date,
        days=days,
        timezone=ctx.business.timezone,
    )


def sample_of_date(ctx: Context[PropensitySettings], histories: DataFrame, catalogue: Catalogue) -> Sample:
    """A hashed sample of the users, bounded by the settings, on the driver and sorted by id."""
    settings = ctx.settings
    drawn = hashed_sample(histories, UserHistory.user_id, at_most=settings.sample_users, seed=settings.seed)
    rows = drawn.toArrow().sort_by(UserHistory.user_id)
    if not len(rows):
        ctx.note(f"nobody who may be profiled bought or registered before {ctx.date}: there is nothing to predict")
    sample = Sample.of(batch_of(rows, catalogue), (ctx.date - datetime.date(1970, 1, 1)).days, settings.seed)
    if not settings.represented or not ctx.exists(Users):
        return sample
    return replace(sample, groups=groups_of_users(drawn, ctx.read_optional(Users), settings.represented))
