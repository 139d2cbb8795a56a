"""The steps of the preview command: a date decided as promote would, beside what stands, and nothing written."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.features import UserProfile
from promo_spark.decisions.previews import (
    Decisions,
    Limit,
    changed_users,
    decision_counts,
    example_offers,
    preview,
)
from promo_spark.errors import MissingDataError
from promo_spark.flows.promote import Ctx, allocated, checked, considered, decided, users_of_the_day
from promo_spark.runtime.job import Context, Job
from promo_spark.runtime.progress import Progress, Step
from promo_spark.settings import Settings, parsed_date
from promo_spark.storage.lake import Lake


def previewed(lake: Lake, settings: Settings, promote: Job, *, date: str) -> str:
    """What promote would decide for the date by these settings, each figure beside that of what stands.

    Raises MissingDataError where the date has no profiles, and InvariantError as promote does.
    """
    day = parsed_date(date)
    if not lake.exists(UserProfile) or lake.read(UserProfile, date=day).isEmpty():
        raise MissingDataError(
            f"features.user_profile has no row of {day}, so nothing can be decided for it; run the jobs before promote "
            f"first: scripts/submit.sh pipeline --date {day}"
        )
    ctx: Ctx = Context(promote, day, settings.promote, settings.business, "preview", lake, Step(Progress(), "preview"))
    try:
        of = considered(ctx, users_of_the_day(ctx))
        made = decided(ctx, of, allocated(ctx, of))
        checked(ctx, made, of)
        standing = _standing(lake, day)
        money = f"{{:,.{digits_of(settings.business.currency)}f}} {settings.business.currency}"
        lines = preview(
            None if standing is None else _told(standing, lake.read(Budget, date=day)),
            _told(made.promotions, made.budget),
            changed=0 if standing is None else changed_users(standing, made.promotions),
            examples=[row.asDict() for row in example_offers(made.promotions).collect()],  # ten of a scenario
            money=money,
        )
    finally:
        ctx.release()
    heading = (
        f"Nothing is decided for {day} yet. With these settings it would be:"
        if standing is None
        else f"{day}, as decided → as it would be with these settings:"
    )
    return "\n".join([heading, *lines, "Nothing was written."])


def _standing(lake: Lake, day: datetime.date) -> DataFrame | None:
    """Promotions of the date, where there are any."""
    rows = lake.read(Promotions, date=day) if lake.exists(Promotions) else None
    return None if rows is None or rows.isEmpty() else rows


def _told(promotions: DataFrame, budget: DataFrame) -> Decisions:
    """Promotions, Budget of a date → what they come to. A row per scenario and reason, and one per limit."""
    limits = budget.select(F.col(Budget.constraint), Budget.planned, Budget.reserved, Budget.dual_price).collect()
    return Decisions(
        counts=[row.asDict() for row in decision_counts(promotions).collect()],
        limits={name: Limit(planned, reserved, price) for name, planned, reserved, price in limits},
    )
