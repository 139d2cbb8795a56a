"""What users do in one visit: how long they look at products, and which things they do one after the other."""

from __future__ import annotations

import datetime

from pyspark.ml.fpm import PrefixSpan
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.contracts.silver import Events
from promo_spark.measures.computed import computed

GAP_SECONDS = 30 * 60  # a longer pause ends a visit, and nothing is looked at for longer
_EVENTS = Events.columns()
_FREQUENCY = "freq"  # as MLlib names it
_AT, _BEGINS, _VISIT = "at", "begins", "visit"  # columns of a single step below


class SessionEvent(Frame):
    """One row per event of a session."""

    session = Col(T.StringType(), "the visit", required=True)
    user_id = Col(T.StringType(), "who; null for visitors nobody knows", personal=Personal.IDENTIFIER)
    event_type = _EVENTS[Events.event_type]
    product_id = _EVENTS[Events.product_id]
    event_date = _EVENTS[Events.event_date]
    ts = _EVENTS[Events.ts]
    event_id = _EVENTS[Events.event_id]
    seconds = Col(
        T.DoubleType(),
        "how long it was looked at: as measured, else until the next event, at most 30 minutes; 0: the last",
        "s",
        required=True,
    )


class SessionEvents(Frame):
    """One row per session: its kinds of events in order, each as a list of one, as PrefixSpan wants them."""

    sequence = Col(T.ArrayType(T.ArrayType(T.StringType())), "the kinds of events", required=True)


class EventPattern(Frame):
    """One row per kinds of events that follow one another in many sessions, others between them or not."""

    pattern = Col(T.StringType(), "the kinds, such as view>cart>purchase", required=True)
    sessions = Col(T.LongType(), "sessions that hold it", required=True)
    share = Col(T.DoubleType(), "those as a share of all sessions", "share", required=True)


def session_events(events: DataFrame, *, as_of: datetime.date, days: int) -> DataFrame:
    """One row per event of the `days` before a date that belongs to a session. Events → SessionEvent.

    Where the shop does not say, a session is what a user did without a pause of more than 30 minutes. Of a visitor
    nobody knows without a session nothing is taken.
    """
    day = F.col(Events.event_date)
    inside = events.filter((day < F.lit(as_of)) & (day >= F.lit(as_of - datetime.timedelta(days=days))))
    known = inside.filter(F.col(Events.session_id).isNotNull() | F.col(Events.user_id).isNotNull())
    at = known.withColumn(_AT, F.unix_micros(Events.ts) / F.lit(1_000_000))
    own = F.when(F.col(Events.session_id).isNull(), F.col(Events.user_id))
    of_user = Window.partitionBy(Events.session_id, own).orderBy(_AT, Events.event_id)
    pause = F.col(_AT) - F.lag(_AT).over(of_user)
    begins = (F.col(Events.session_id).isNull() & (F.coalesce(pause, F.lit(0.0)) > GAP_SECONDS)).cast("int")
    numbered = at.withColumn(_BEGINS, begins).withColumn(_VISIT, F.sum(_BEGINS).over(of_user))
    session = F.coalesce(
        F.concat(F.lit("session:"), Events.session_id),
        F.concat_ws(":", F.lit("user"), F.col(_VISIT).cast("string"), Events.user_id),
    )
    named = numbered.withColumn(SessionEvent.session, session)
    until = F.lead(_AT).over(Window.partitionBy(SessionEvent.session).orderBy(_AT, Events.event_id)) - F.col(_AT)
    at_most = F.when(until.isNotNull(), F.least(until, F.lit(float(GAP_SECONDS))))  # least passes over nulls
    seconds = F.coalesce(Events.duration_s, at_most, F.lit(0.0))
    return named.withColumn(SessionEvent.seconds, seconds).select(*SessionEvent.columns())


def event_patterns(of_sessions: DataFrame, *, least_share: float, longest: int) -> DataFrame:
    """One row per pattern of at least two events. SessionEvent → EventPattern. Source: PrefixSpan (Pei et al. 2001)."""
    step = F.struct(SessionEvent.ts, SessionEvent.event_id, SessionEvent.event_type)
    steps = F.array_sort(F.collect_list(step))
    kinds = F.transform(steps, lambda one: F.array(one[SessionEvent.event_type]))
    sequences = of_sessions.groupBy(SessionEvent.session).agg(kinds.alias(SessionEvents.sequence))
    whole = sequences.select(*SessionEvents.columns()).persist()
    try:
        count = whole.count()
        if not count:
            return EventPattern.frame(of_sessions.sparkSession)
        miner = PrefixSpan(minSupport=least_share, maxPatternLength=longest, sequenceCol=SessionEvents.sequence)
        found = miner.findFrequentSequentialPatterns(whole)
        several = found.filter(F.size(SessionEvents.sequence) > 1)
        patterns = several.select(
            F.array_join(F.flatten(SessionEvents.sequence), ">").alias(EventPattern.pattern),
            F.col(_FREQUENCY).alias(EventPattern.sessions),
            (F.col(_FREQUENCY) / F.lit(count)).alias(EventPattern.share),
        )
        return computed(patterns)
    finally:
        whole.unpersist()
