"""The steps of export: what goes to each target, whether it has that already, and sending what it has not."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Actions, Promotions
from promo_spark.contracts.exports import OUTGOING, REVOKE, SEND, Exported, Exports, OutgoingOffer, OutgoingSummary
from promo_spark.contracts.restricted import Identities
from promo_spark.contracts.schema.personal import redacted
from promo_spark.decisions.outgoing import (
    as_said,
    exported_after,
    offers_to_send,
    outgoing,
    revocations,
    summary,
    without_offer,
)
from promo_spark.errors import MissingDataError, TargetError
from promo_spark.runtime.context import Context
from promo_spark.runtime.freshness import digest
from promo_spark.settings.export import ExportSettings, TargetSettings
from promo_spark.sources.persons.encryption import decrypted, encryption_key
from promo_spark.storage import sinks
from promo_spark.storage.refused_rows import collected
from promo_spark.storage.sinks import Batch

_PSEUDONYM = "pseudonym"
_NOT_THE_PLACE = ("user_secret", "password_secret", "options_secret", "options")


@dataclass(frozen=True)
class _Decided:
    """What of the decisions concerns every target; frames are held, as each target reads them."""

    promotions: DataFrame  # of the date, with what people said of them
    to_send: DataFrame
    earlier: DataFrame | None  # of the dates since the first of which an offer that left may still hold; None: none
    exported: DataFrame | None  # what has left and would hold on the date; None: nothing
    count: int


@dataclass(frozen=True)
class _ToDo:
    """The rows for a target, and the row of ops.exports as far as it is known before anything is sent."""

    batch: Batch
    facts: dict[str, Any]


def why_idle(settings: ExportSettings) -> str:
    """Why there is nothing to do; empty: there is."""
    return "" if settings.targets else "nothing to do: no place is named in [export.targets], see docs/export.md"


def exported(ctx: Context[ExportSettings]) -> None:
    """Sends the decisions of the date to every target that does not have them yet; a failure of one stops no other."""
    decided = _decided(ctx)
    before = {row.target: row for row in collected(ctx.own(Exports).filter(F.col(Exports.date) == F.lit(ctx.date)))}
    to_do = {name: _batch(ctx, decided, name, target) for name, target in ctx.settings.targets.items()}
    batches, facts = {n: one.batch for n, one in to_do.items()}, {n: one.facts for n, one in to_do.items()}
    new = {name for name, batch in batches.items() if not _has_it(ctx, batch, before.get(name))}
    exported_now = _exported_now(ctx, decided)
    if new:
        ctx.write(Exported, exported_now, stays=True)  # whatever becomes of this run, what may have left is known
    failures: dict[str, str] = {}
    for name, target in ctx.settings.targets.items():
        if name not in new:
            facts[name] |= {n: before[name][n] for n in (Exports.files, Exports.bytes, Exports.sha256)}
            ctx.note(f"{name}: has this already ({_told(facts[name])})")
            continue
        try:
            ctx.say(f"sending to {name}")
            sinks.check(ctx.spark, batches[name], target)
            sent = sinks.send(ctx.spark, batches[name], target)
        except TargetError as error:
            failures[name] = str(error)
            facts[name] |= {Exports.outcome: "failed", Exports.message: redacted(str(error))[:2000]}
            continue
        facts[name] |= {Exports.files: sent.files, Exports.bytes: sent.bytes, Exports.sha256: sent.sha256}
        ctx.note(f"{name}: {_told(facts[name])} to {target.where()}")
    if failures:
        ctx.write(Exports, list(facts.values()), stays=True)  # the run is not done, what was sent is not sent again
        raise TargetError(_failed(ctx.date, failures, len(facts)))
    ctx.write(Exported, exported_now)
    ctx.write(Exports, list(facts.values()))


def _decided(ctx: Context[ExportSettings]) -> _Decided:
    said = ctx.read_by_hand(Actions)
    promotions = ctx.keep(as_said(ctx.read(Promotions), said))
    holds = (F.col(Exported.valid_to) >= F.lit(ctx.date)) & (F.col(Exported.date) <= F.lit(ctx.date))
    held = ctx.keep(ctx.own(Exported).filter(holds))
    since = held.agg(F.min(Exported.date)).collect()[0][0]
    earlier = None
    if since is not None and since < ctx.date:
        before = ctx.read_earlier(Promotions).filter(F.col(Promotions.date) >= F.lit(since))
        earlier = as_said(before, said).unionByName(promotions)
    return _Decided(
        promotions,
        ctx.keep(offers_to_send(promotions, ctx.date)),
        earlier,
        None if since is None else held,
        promotions.count(),
    )


def _batch(ctx: Context[ExportSettings], decided: _Decided, name: str, target: TargetSettings) -> _ToDo:
    """The rows for a target, held, what of them is told in ops.exports, and a digest of rows and place."""
    shape = OUTGOING[target.what]
    if target.what == "summary":
        rows = summary(decided.to_send, ctx.settings.least_group)
        offers, revoked = F.sum(OutgoingSummary.offers), F.lit(0)
    else:
        gone = None
        if decided.exported is not None:
            has = decided.exported.filter(F.col(Exported.target) == name)
            gone = revocations(has, decided.to_send, decided.earlier, ctx.date)
        nobodys = without_offer(decided.promotions) if target.rows == "all" else None
        rows = outgoing(decided.to_send, nobodys, gone)
        if target.ids == "channel":
            rows = _with_channel_ids(ctx, rows, name)
        offers, revoked = (F.count_if(F.col(OutgoingOffer.action) == action) for action in (SEND, REVOKE))
    rows = ctx.keep(rows)
    text = F.to_json(F.struct(*rows.columns), {"ignoreNullFields": "false"})  # a digest of columns leaves out null
    total = F.sum(F.xxhash64(text).cast("decimal(38,0)"))
    found = rows.agg(F.count(F.lit(1)), total, F.coalesce(offers, F.lit(0)), revoked).collect()[0]
    count, offers_sent, offers_revoked = int(found[0]), int(found[2]), int(found[3])
    # How it is reached makes no other export.
    place = {k: v for k, v in target.identity().items() if k not in _NOT_THE_PLACE}
    told = digest([list(shape.rows.columns()), count, str(found[1]), place, ctx.date.isoformat()])
    ids = target.ids if target.what == "promotions" else None
    facts = {
        Exports.target: name,
        Exports.kind: target.kind,
        Exports.what: target.what,
        Exports.ids: ids,
        Exports.outcome: "sent",
        Exports.rows: count,
        Exports.offers: offers_sent,
        Exports.revoked: offers_revoked,
        Exports.held_back: decided.count - (offers_sent if target.what == "summary" else count - offers_revoked),
        Exports.digest: told,
    }
    return _ToDo(Batch(name, ctx.date, ctx.run_id, target.what, ids, shape, rows, count, told), facts)


def _with_channel_ids(ctx: Context[ExportSettings], rows: DataFrame, name: str) -> DataFrame:
    """The rows with the ids as the shop has them. Raises MissingDataError where a user has none."""
    if not ctx.business.privacy.pseudonymise:
        return rows  # they are those already
    key = encryption_key(ctx.business.privacy.encryption_key_secret)
    ids = decrypted(Identities, ctx.read_optional(Identities), key).select(
        F.col(Identities.user_id).alias(_PSEUDONYM), Identities.raw_id
    )
    joined = ctx.keep(rows.join(ids, F.col(OutgoingOffer.user_id) == F.col(_PSEUDONYM), "left"))
    unknown = joined.filter(F.col(Identities.raw_id).isNull()).count()
    if unknown:
        raise MissingDataError(
            f'export.targets.{name}.ids = "channel": {unknown} rows are of users whom restricted.identities does not '
            'name; run ingest with their sources, or set ids = "pseudonyms". Nothing was sent'
        )
    return joined.select(
        [F.col(Identities.raw_id).alias(c) if c == OutgoingOffer.user_id else F.col(c) for c in rows.columns]
    )


def _has_it(ctx: Context[ExportSettings], batch: Batch, before: Any) -> bool:
    if ctx.force or before is None or before.outcome != "sent" or before.digest != batch.digest:
        return False
    return sinks.holds(ctx.spark, batch, ctx.settings.targets[batch.target])


def _exported_now(ctx: Context[ExportSettings], decided: _Decided) -> DataFrame:
    """What may have left for the date once this run has ended. → Exported"""
    ledger = ctx.own(Exported).filter(F.col(Exported.date) == F.lit(ctx.date))
    targets = [n for n, target in ctx.settings.targets.items() if target.what == "promotions"]
    rows = ledger.filter(~F.col(Exported.target).isin(targets)) if targets else ledger
    rows = rows.select(Exported.promotion_id, Exported.user_id, Exported.valid_to, Exported.target)
    for name in targets:
        rows = rows.unionByName(exported_after(ledger, decided.to_send, name))
    return ctx.keep(rows)


def _told(facts: Mapping[str, Any]) -> str:
    revoked = f", {facts[Exports.revoked]:,} revocations" if facts[Exports.revoked] else ""
    return f"{facts[Exports.rows]:,} rows, {facts[Exports.offers]:,} offers{revoked}"


def _failed(date: datetime.date, failures: Mapping[str, str], all_of_them: int) -> str:
    done = all_of_them - len(failures)
    rest = f"; the other {done} have theirs and get nothing again" if done else ""
    return f"export of {date}: {' | '.join(failures.values())}. Run again when it is set right{rest}"
