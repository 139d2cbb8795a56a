"""The steps of the preview command: a date decided as promote would, beside what stands, and nothing written."""

from __future__ import annotations

import datetime

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.decisions.policy import InForce, changes
from promo_spark.decisions.previews import changed_users, decisions_of, example_offers, preview
from promo_spark.flows.policy import by_policy, policy_in_force
from promo_spark.flows.promote import Decided, allocated, checked, considered, decided, users_of_the_day
from promo_spark.flows.promote_context import newest_versions, promote_context
from promo_spark.runtime.job import Job
from promo_spark.settings import Settings, parsed_date
from promo_spark.storage.lake import Lake


def previewed(lake: Lake, settings: Settings, promote: Job, *, date: str) -> str:
    """What promote would decide for the date by these settings, each figure beside that of what stands.

    Raises what promote raises: MissingDataError where the date has no profiles, InvariantError for a broken promise.
    """
    day = parsed_date(date)
    ctx = promote_context(
        lake,
        promote,
        day,
        settings=settings.promote,
        business=settings.business,
        versions=newest_versions(lake, promote),
        command="preview",
    )
    try:
        policy = policy_in_force(ctx)
        ctx = by_policy(ctx, policy)
        of = considered(ctx, users_of_the_day(ctx), policy)
        made = decided(ctx, of, allocated(ctx, of))
        checked(ctx, made, of)
        heading, *lines = _compared(lake, day, made, settings.business.currency)
        return "\n".join([heading, *_adjusted(policy), *lines, "Nothing was written."])
    finally:
        ctx.release()


def _adjusted(policy: InForce) -> list[str]:
    """What differs from the settings as given, if anything: a budget of them need not be the one that counts."""
    told = "; ".join(changes({}, policy.values)) or "nothing"
    return [] if policy.version is None else [f"  adjusted by the version {policy.version} of decisions.policy: {told}"]


def _compared(lake: Lake, day: datetime.date, made: Decided, currency: str) -> list[str]:
    """A heading, and a line per figure."""
    standing = lake.read(Promotions, date=day) if lake.exists(Promotions) else None
    if standing is None or standing.isEmpty():
        before, changed = None, 0
        heading = f"Nothing is decided for {day} yet. With these settings it would be:"
    else:
        before = decisions_of(standing, lake.read(Budget, date=day))
        changed = changed_users(standing, made.promotions)
        heading = f"{day}, as decided → as it would be with these settings:"
    lines = preview(
        before,
        decisions_of(made.promotions, made.budget),
        changed=changed,
        examples=[row.asDict() for row in example_offers(made.promotions).collect()],  # ten of a scenario at most
        money=f"{{:,.{digits_of(currency)}f}} {currency}",
    )
    return [heading, *lines]
