"""Whether decisions and measurements rest on sound data: how old it is, what has changed, whether models still hold."""

from __future__ import annotations

from promo_spark.contracts.features import DailySales, UserProfile
from promo_spark.contracts.models import Registry
from promo_spark.contracts.predictions import Propensity
from promo_spark.contracts.silver import Events, Inventory, OrderLines
from promo_spark.measurement.calibration import calibration
from promo_spark.measurement.check_rows import CheckRow
from promo_spark.measurement.drift import compared_day, profile_drift, sales_drift
from promo_spark.measurement.freshness import freshness
from promo_spark.runtime.job import Context
from promo_spark.settings.evaluate import EvaluateSettings


def input_checks(ctx: Context[EvaluateSettings]) -> list[CheckRow]:
    """How old deliveries are, how far features have moved since models were fitted, how well these tell. → Checks."""
    by = ctx.settings.alarms
    lines = ctx.read_everyone(OrderLines)
    profiles = ctx.read_earlier(UserProfile)
    before = compared_day(profiles, ctx.earlier(Registry), date=ctx.date)
    ctx.say("checking deliveries, features and models")
    return [
        *freshness(
            lines,
            ctx.read_everyone(Events),
            ctx.read_optional(Inventory),
            date=ctx.date,
            oldest_days=by.oldest_days,
        ),
        *profile_drift(ctx.read(UserProfile), profiles, before=before, date=ctx.date, threshold=by.drift),
        *sales_drift(
            ctx.read(DailySales), ctx.read_earlier(DailySales), before=before, date=ctx.date, threshold=by.drift
        ),
        *calibration(
            ctx.read_earlier(Propensity),
            lines,
            date=ctx.date,
            threshold=by.calibration,
            oldest_days=by.oldest_days,
        ),
    ]
