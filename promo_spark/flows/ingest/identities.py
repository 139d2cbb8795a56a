"""What ingest does with personal data: the restricted tables it writes, and the key they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.restricted import Identities, RawRows
from promo_spark.contracts.schema import RESTRICTED, Table
from promo_spark.contracts.silver import OrderLines
from promo_spark.errors import SettingsError
from promo_spark.runtime.job import Context
from promo_spark.sources.persons import pseudonyms
from promo_spark.storage.lake import SliceValue

_SETTING = "business.privacy.pseudonymise"


def recorded_key(ctx: Context[Any], candidates: Sequence[tuple[type[Table], DataFrame]]) -> bytes | None:
    """The key to make pseudonyms with, after restricted.identities has every id that the candidates name.

    None where ids are kept as they are. Raises SettingsError where the lake's ids were made in another way: a
    user would be two.
    """
    privacy = ctx.business.privacy
    if not privacy.pseudonymise:
        _refuse_raw_ids(ctx, [table for table, _ in candidates])
        ctx.say(f"keeping ids of users as they are ({_SETTING} = false)")
        return None
    key = pseudonyms.pseudonym_key(privacy.key_secret)
    _refuse_other_key(ctx, key)
    ctx.write(Identities, pseudonyms.identities(candidates, key, ctx.run_id))
    return key


def set_aside(
    ctx: Context[Any], table: type[Table], rejected: DataFrame, replaced: Mapping[str, SliceValue], key: bytes
) -> None:
    """Writes the raw rows of rejected rows in place of those whose rows in quarantine are `replaced`."""
    ctx.write(RawRows, pseudonyms.raw_rows(table, rejected, key), {RawRows.table: table.name, **replaced})


def _refuse_raw_ids(ctx: Context[Any], tables: Sequence[type[Table]]) -> None:
    direct = [t.name for t in tables if t.layer == RESTRICTED]
    if direct:
        raise SettingsError(
            f"ingest.sources.{direct[0]} holds names or addresses, which go into {RESTRICTED} tables only: "
            f"set {_SETTING} = true, or take the mapping away"
        )
    if _has_rows(ctx, Identities):
        raise SettingsError(
            f"the lake holds pseudonyms, but {_SETTING} is false: set it to true, or point lake.root at a new lake"
        )


def _refuse_other_key(ctx: Context[Any], key: bytes) -> None:
    if not _has_rows(ctx, Identities):
        if _has_rows(ctx, OrderLines):
            raise SettingsError(
                f"the lake holds ids as the shop has them, but {_SETTING} is true: point lake.root at a new lake and "
                "load everything again (docs/privacy.md)"
            )
        return
    others = ctx.lake.read(Identities).filter(F.col(Identities.key_id) != pseudonyms.key_id(key))
    if not others.isEmpty():
        raise SettingsError(
            "business.privacy.key_secret leads to another key than the one the lake's pseudonyms were made with: "
            "every user would become a new one. Put the old key back; for a new key, docs/privacy.md"
        )


def _has_rows(ctx: Context[Any], table: type[Table]) -> bool:
    """Whether a table that ingest itself writes holds anything yet; after a failed first load it is there, empty."""
    return ctx.lake.exists(table) and not ctx.lake.read(table).isEmpty()
