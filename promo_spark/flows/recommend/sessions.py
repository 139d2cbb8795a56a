"""What the events of users say to recommend: ties to products, and what users do one after the other."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.silver import Events
from promo_spark.measures.metric_rows import Figure
from promo_spark.models.recommenders.sessions import EventPattern, SessionEvent, event_patterns, session_events
from promo_spark.models.recommenders.strengths import with_browsing, with_events
from promo_spark.runtime.job import Context
from promo_spark.settings.recommend import RecommendSettings

Ctx = Context[RecommendSettings]


def with_what_was_met(ctx: Ctx, pairs: DataFrame, as_of: datetime.date) -> DataFrame:
    """One row per user and product that was bought, or met in events that count. Strength, silver.events → Strength."""
    settings = ctx.settings
    weights, browsing = settings.event_weights, settings.sessions.minute_weight
    if not ctx.exists(Events) or not (weights or browsing):
        return pairs
    events, half_life = ctx.read_optional(Events), settings.half_life_days
    tied = with_events(pairs, events, weights=weights, as_of=as_of, half_life_days=half_life) if weights else pairs
    if not browsing:
        return tied
    looked_at = session_events(events, as_of=as_of, days=settings.history_days)
    return with_browsing(tied, looked_at, per_minute=browsing, as_of=as_of, half_life_days=half_life)


def session_figures(ctx: Ctx) -> list[Figure]:
    """How many sessions there were, how long, and which kinds of events follow one another in them; none: no events."""
    if not ctx.exists(Events):
        return []
    of = ctx.settings.sessions
    rows = ctx.keep(session_events(ctx.read_optional(Events), as_of=ctx.date, days=of.days))
    seconds = rows.groupBy(SessionEvent.session).agg(F.sum(SessionEvent.seconds).alias(SessionEvent.seconds))
    count, median = seconds.agg(F.count("*"), F.percentile(SessionEvent.seconds, F.lit(0.5))).collect()[0]
    if not count:
        return []
    patterns = event_patterns(rows, least_share=of.least_share, longest=of.longest)
    most = patterns.orderBy(F.desc(EventPattern.sessions), EventPattern.pattern).limit(of.patterns).collect()
    return [
        Figure("sessions", "events", float(count), count),
        Figure("session_seconds", "events", median, count),
        *(
            Figure("session_share", row[EventPattern.pattern], row[EventPattern.share], row[EventPattern.sessions])
            for row in most
        ),
    ]
