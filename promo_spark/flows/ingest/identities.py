"""Whom the rows are about: ids of channels become persons, ids become pseudonyms under the lake's one key."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.ops import IdKey
from promo_spark.contracts.raw_rows import IncomingRow, RawRow
from promo_spark.contracts.restricted import Identities, Suppressed
from promo_spark.contracts.schema import RESTRICTED, Personal, Table
from promo_spark.contracts.silver import SILVER, IdentityMap
from promo_spark.errors import SettingsError
from promo_spark.flows.ingest.deliveries import Delivery, refuse_wrong_mappings
from promo_spark.runtime.job import Context
from promo_spark.settings.business import BusinessSettings
from promo_spark.settings.ingest import IngestSettings
from promo_spark.sources import changes
from promo_spark.sources.checks import predicates, rules
from promo_spark.sources.mapping import mappings
from promo_spark.sources.persons import channels, encryption, pseudonyms, suppression

_SETTING = "business.privacy.pseudonymise"
_UNKNOWN_KEY = "pseudonyms of an unknown key"


def lake_key(ctx: Context[IngestSettings]) -> bytes | None:
    """The key that the lake's pseudonyms are made with; None where ids are kept as they are.

    Raises SettingsError where the lake's ids were made in another way: every user would become two.
    """
    privacy = ctx.business.privacy
    key = pseudonyms.pseudonym_key(privacy.key_secret) if privacy.pseudonymise else None
    if key is None:
        _refuse_direct_identifiers(ctx.settings)
        ctx.say(f"keeping ids of users as they are ({_SETTING} = false)")
    recorded = _recorded_key_id(ctx)
    if recorded not in (None, pseudonyms.key_id(key)):
        raise SettingsError(_refusal(recorded, key))
    return key


def refuse_before_reading(settings: IngestSettings, business: BusinessSettings) -> None:
    """Raises SettingsError for what is known to be wrong before Spark starts: mappings, and a key that is not there."""
    refuse_wrong_mappings(settings)
    if business.privacy.pseudonymise:
        pseudonyms.pseudonym_key(business.privacy.key_secret)
        encryption.encryption_key(business.privacy.encryption_key_secret)


def with_persons(ctx: Context[IngestSettings], delivered: Sequence[Delivery]) -> list[Delivery]:
    """The deliveries with the ids of channels replaced by persons, where the retailer says who is who."""
    maps = [d for d in delivered if d.table is IdentityMap]
    if not maps:
        return list(delivered)
    compared = predicates.ComparedWith(ctx.date, ctx.business.timezone)
    by = rules.rules(IdentityMap, compared, ctx.settings.policies)
    columns = [*IdentityMap.key, IdentityMap.user_id]
    entries = [rules.good(rules.screened(IdentityMap, d.rows, by)).select(*columns) for d in maps]
    if any(d.by_key for d in maps):
        entries.append(ctx.own(IdentityMap).select(*columns))
    persons = ctx.keep(functools.reduce(DataFrame.union, entries))
    return [replace(d, rows=channels.with_persons(d.table, d.rows, persons)) for d in delivered]


def without_erased(ctx: Context[IngestSettings], delivered: Sequence[Delivery]) -> list[Delivery]:
    """The deliveries with the rows of erased persons as blank ones: counted, and kept nowhere."""
    digests = frozenset(row.digest for row in ctx.read_by_hand(Suppressed).collect())  # as many as were erased
    if not digests:
        return list(delivered)
    key = suppression.suppression_key(ctx.business.privacy.suppression_key_secret)

    def marked(delivery: Delivery) -> Delivery:
        erased = suppression.of_erased(delivery.table, delivery.rows, digests, key)
        if erased is None:
            return delivery
        counts = delivery.rows.filter(erased).groupBy(IncomingRow.source).agg(F.count(F.lit(1)))
        found = {row[0]: row[1] for row in counts.collect()}  # a row per source
        for source, rows in found.items():
            ctx.note(f"source {source}: {rows:,} rows of erased persons were left out")
        rows = delivery.rows.withColumn(RawRow.blank, F.col(RawRow.blank) | erased) if found else delivery.rows
        return replace(delivery, rows=rows, erased=found)

    return [marked(delivery) for delivery in delivered]


def with_pseudonyms(ctx: Context[IngestSettings], delivery: Delivery, key: bytes | None) -> Delivery:
    """The delivery as it may be stored: free text masked, pseudonyms in place of ids, rows of test users marked.

    Of a change feed that was taken whole, rows of the lake that it no longer has count as deleted at the source.
    """
    rows = predicates.with_test_users(delivery.rows, ctx.settings.test_users)
    rows = pseudonyms.protected(delivery.table, rows, key)
    if delivery.gone is None:
        return replace(delivery, rows=rows)
    gone = pseudonyms.protected(delivery.table, delivery.gone, key)
    if delivery.whole_feed:
        gone = changes.no_longer_there(delivery.table, ctx.own(delivery.table), rows, delivery.whole_feed)
    gone = ctx.keep(gone)
    return replace(delivery, rows=rows, gone=gone, gone_rows=gone.count())


def write_key(ctx: Context[IngestSettings], key: bytes | None) -> None:
    """Writes the fingerprint of the key, at the first load of a lake."""
    if _any_value(ctx, IdKey, IdKey.key_id) is None:
        row = {IdKey.key_id: pseudonyms.key_id(key), IdKey.run_id: ctx.run_id}
        ctx.write(IdKey, [row])


def write_identities(ctx: Context[IngestSettings], delivered: Sequence[Delivery], key: bytes | None) -> None:
    """Writes who is behind the pseudonyms of the deliveries, given as they came: with ids as the shop has them."""
    if key is not None:
        rows = pseudonyms.identities([(d.table, d.rows) for d in delivered], key, ctx.run_id)
        sealing = encryption.encryption_key(ctx.business.privacy.encryption_key_secret)
        ctx.write(Identities, encryption.encrypted(Identities, rows, sealing))


def _refuse_direct_identifiers(settings: IngestSettings) -> None:
    sources = settings.sources if settings.adapter == "files" else {}
    direct = [name for name, s in sources.items() if mappings.mapped_table(name, s).layer == RESTRICTED]
    if direct:
        raise SettingsError(
            f"ingest.sources.{direct[0]} holds names or addresses, which go into {RESTRICTED} tables only: "
            f"set {_SETTING} = true, or take the mapping away"
        )


def _recorded_key_id(ctx: Context[IngestSettings]) -> str | None:
    """The fingerprint of the key that the lake's ids were made with; None where the lake holds no ids yet.

    A lake of a version that kept none tells it by restricted.identities or, without these, by how its ids look.
    """
    recorded = _any_value(ctx, IdKey, IdKey.key_id) or _any_value(ctx, Identities, Identities.key_id)
    if recorded is not None:
        return recorded
    users = (_any_value(ctx, table, column) for table, column in _user_columns())
    user = next((user for user in users if user is not None), None)
    if user is None:
        return None
    return _UNKNOWN_KEY if pseudonyms.is_pseudonym(user) else pseudonyms.RAW_IDS


def _any_value(ctx: Context[IngestSettings], table: type[Table], column: str) -> str | None:
    """A value of the column that is not null; None where the lake has none."""
    if not ctx.lake.exists(table):
        return None
    row = ctx.own(table).select(column).filter(F.col(column).isNotNull()).first()
    return None if row is None else str(row[0])


def _user_columns() -> list[tuple[type[Table], str]]:
    """A column of ids of users per silver table that has one."""
    return [(t, c) for t in SILVER for c, kind in list(t.personal().items())[:1] if kind is Personal.IDENTIFIER]


def _refusal(recorded: str | None, key: bytes | None) -> str:
    if key is None:
        return f"the lake holds pseudonyms, but {_SETTING} is false: set it to true, or point lake.root at a new lake"
    if recorded == pseudonyms.RAW_IDS:
        return (
            f"the lake holds ids as the shop has them, but {_SETTING} is true: point lake.root at a new lake and "
            "load everything again (docs/privacy.md)"
        )
    if recorded == _UNKNOWN_KEY:
        return (
            "the lake holds pseudonyms, and neither ops.id_key nor restricted.identities tells of which key: point "
            "lake.root at a new lake and load everything again (docs/privacy.md)"
        )
    return (
        "business.privacy.key_secret leads to another key than the one the lake's pseudonyms were made with: "
        "every user would become a new one. Put the old key back; for a new key, docs/privacy.md"
    )
