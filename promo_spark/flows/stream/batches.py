"""The batches of a date, one after the other: each is whole before the next one begins."""

from __future__ import annotations

import datetime
import time

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.intraday import IntradayActivity, IntradayPropensity, IntradayRisk, StreamBatches
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Events, Feedback, OrderLines, Users
from promo_spark.features.users.intraday import activity
from promo_spark.flows.stream.decisions import welcome
from promo_spark.flows.stream.intake import (
    Ctx,
    KnownPersons,
    StreamSource,
    Taken,
    batches_done,
    count_sources,
    known_persons,
    query_name,
    rows_of_batch,
    sources_of_date,
    stored_rows,
    taken,
)
from promo_spark.flows.stream.morning import Morning
from promo_spark.flows.stream.offers import pause_offers, run_of_batch
from promo_spark.flows.stream.propensity import propensity_so_far
from promo_spark.flows.stream.renewals import renew
from promo_spark.flows.stream.risk import risk_so_far
from promo_spark.measures.consent import profiled
from promo_spark.settings.stream import StreamSettings
from promo_spark.storage import streams


def why_idle(settings: StreamSettings) -> str:
    """Why there is nothing to do; empty: there is."""
    return "" if settings.sources else "nothing to do: no source is named in [stream.sources], see docs/stream.md"


def streamed(ctx: Ctx) -> None:
    """Takes what arrived for the date: once, or again and again until the run is asked to stop."""
    sources, persons, done = sources_of_date(ctx), known_persons(ctx), batches_done(ctx)
    morning = Morning()
    began, every = time.monotonic(), ctx.settings.every_seconds
    try:
        while True:
            round_began = time.monotonic()
            for source in sources:
                _take(ctx, source, done, persons, morning)
            if every is None or _stopped(ctx, began, round_began, every):
                return
    finally:
        count_sources(ctx, done)


def _stopped(ctx: Ctx, began: float, round_began: float, every: int) -> bool:
    """Waits for the next round; whether the run is to end instead."""
    most = ctx.settings.stop_after_seconds
    wait = max(0.0, round_began + every - time.monotonic())
    if most:
        wait = min(wait, max(0.0, began + most - time.monotonic()))
    return ctx.stop_asked.wait(wait) or bool(most and time.monotonic() >= began + most)


def _take(ctx: Ctx, source: StreamSource, done: Taken, persons: KnownPersons, morning: Morning) -> None:
    folder = ctx.settings.checkpoints.rstrip("/") or ctx.checkpoints()
    checkpoint = f"{folder}/{ctx.date}/{source.name}"
    settings, place = ctx.settings, (ctx.spark, source.name)

    def take(batch: streams.Batch) -> None:
        _batch(ctx, source, batch, done, persons, morning)

    if source.settings.format == "kafka":
        streams.take_messages(*place, source.settings, checkpoint, settings.messages_per_batch, take)
    elif source.settings.format == "delta":
        streams.take_rows(*place, source.path, checkpoint, settings.files_per_batch, take)
    else:
        streams.take_files(*place, source.path, checkpoint, settings.files_per_batch, take)


def _batch(
    ctx: Ctx, source: StreamSource, batch: streams.Batch, done: Taken, persons: KnownPersons, morning: Morning
) -> None:
    """One batch, whole: its rows, what follows from them, and last its row in ops.stream_batches."""
    place = (query_name(source, batch), batch.number)
    if place in done.batches:
        return  # it was done before Spark could write that down
    ctx.say(f"{source.name}: batch {batch.number}")
    row = taken(ctx, source, batch, done, persons)
    if row[StreamBatches.accepted]:
        users = _users(ctx, rows_of_batch(ctx, source, batch))
        _count_activity(ctx, users)
        if source.table is OrderLines:
            _score(ctx, users, morning)
        if source.table is not Events:
            _pause(ctx, source, row[StreamBatches.newest_at])
        if ctx.settings.offers != "none" and source.table is not Feedback:
            _make_offers(ctx, source, batch, row[StreamBatches.newest_at], users, morning)
    ctx.write(StreamBatches, [row])
    done.batches[place] = row
    ctx.settle()
    ctx.note(_told(source, row))


def _pause(ctx: Ctx, source: StreamSource, at: datetime.datetime) -> None:
    count = pause_offers(ctx, source.table, at)
    if count:
        ctx.note(f"{source.name}: {count:,} pauses of offers, see decisions.actions")


def _make_offers(
    ctx: Ctx, source: StreamSource, batch: streams.Batch, at: datetime.datetime, users: DataFrame, morning: Morning
) -> None:
    decisions = morning.decisions(ctx)
    if decisions is None:
        return
    count = welcome(ctx, users, run_of_batch(ctx, source.name, batch.number), decisions)
    if count:
        ctx.note(f"{source.name}: {count:,} new users are decided for, see decisions.promotions")
    if ctx.settings.offers == "all" and source.table is OrderLines:
        count = renew(ctx, users, source.name, batch.number, at, decisions)
        if count:
            ctx.note(f"{source.name}: {count:,} users are given something else, see decisions.promotions")


def _users(ctx: Ctx, new: DataFrame) -> DataFrame:
    """The users who may be profiled of whom a batch brought rows. Rows → user_id."""
    named = new.select(IntradayActivity.user_id).filter(F.col(IntradayActivity.user_id).isNotNull()).distinct()
    unknown = ctx.business.privacy.unknown_profiling_consent
    return ctx.keep(profiled(named, ctx.read_everyone(Users), unknown_consent=unknown))


def _count_activity(ctx: Ctx, users: DataFrame) -> None:
    """Counts anew what users did on the date."""
    rows = [stored_rows(ctx, table).join(users, IntradayActivity.user_id, "left_semi") for table in _TABLES]
    _merge(ctx, IntradayActivity, activity(*rows))


_TABLES = (Events, OrderLines, Feedback)


def _score(ctx: Ctx, users: DataFrame, morning: Morning) -> None:
    """Judges users who ordered anew: whether they cheat, and what they are likely to do next."""
    risk, models = morning.risk(ctx), morning.models(ctx)
    if risk is not None:
        _merge(ctx, IntradayRisk, risk_so_far(ctx, users, risk))
    if models is not None:
        _merge(ctx, IntradayPropensity, propensity_so_far(ctx, users, models))


def _merge(ctx: Ctx, table: type[Table], rows: DataFrame) -> None:
    """Writes the rows of some users in place of those that they had. A merge reads them several times."""
    ctx.write(table, ctx.keep(rows), by_key=True)


def _told(source: StreamSource, row: dict[str, object]) -> str:
    beside = [
        f"{row[name]:,} {name.replace('_', ' ')}"
        for name in (
            StreamBatches.quarantined,
            StreamBatches.blank,
            StreamBatches.repeated,
            StreamBatches.late,
            StreamBatches.other_days,
        )
        if row[name]
    ]
    also = f" ({', '.join(beside)})" if beside else ""
    return f"{source.name}, batch {row[StreamBatches.batch]}: {row[StreamBatches.accepted]:,} rows count{also}"
