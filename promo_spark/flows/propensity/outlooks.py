"""What follows from what the models say: sales that could be made, and what users are worth."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.predictions import CustomerValue, ItemPropensity, Propensity
from promo_spark.contracts.silver import Events
from promo_spark.measures.behaviour_segments import by_behaviour
from promo_spark.models.propensity.customer_value import (
    customer_values,
    fitted_value,
    order_groups,
    order_summaries,
)
from promo_spark.models.propensity.opportunities import opportunities
from promo_spark.runtime.job import Context
from promo_spark.settings.propensity import PropensitySettings


def opportunities_of_date(ctx: Context[PropensitySettings], histories: DataFrame) -> DataFrame:
    """One row per user and opportunity, by what this run has written. UserHistory → Opportunities."""
    return opportunities(
        histories,
        events=ctx.read_optional(Events),
        products=ctx.read(ProductProfile),
        segments=by_behaviour(ctx.read_optional(Segments)),
        users=ctx.own(Propensity).filter(F.col(Propensity.as_of) == F.lit(ctx.date)),
        pairs=ctx.read_optional(ItemPropensity),
        as_of=ctx.date,
        settings=ctx.settings,
    )


def values_of_date(ctx: Context[PropensitySettings], histories: DataFrame) -> DataFrame:
    """One row per user who ordered; none, and a note, where too few came again. UserHistory → CustomerValue."""
    settings = ctx.settings
    summaries = ctx.keep(order_summaries(histories, (ctx.date - datetime.date(1970, 1, 1)).days))
    groups = order_groups(summaries)
    model = fitted_value(summaries, groups, least_users=settings.least_rows)
    if model is None:
        ctx.note(f"no customer values: fewer than {settings.least_rows} users ordered on two days or more")
        return CustomerValue.frame(ctx.spark)
    return customer_values(summaries, groups, model, weeks=settings.value_weeks)
