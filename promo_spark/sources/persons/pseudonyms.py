"""Who a row is about, without saying it: ids become keyed pseudonyms before anything is written.

A pseudonym is HMAC-SHA256 of the id under the shop's key, cut to 128 bits: the same id gives the same pseudonym
in every source and on every day, another key gives others, and without the key no list of guessed ids leads back.
What a mapping makes of an id, such as the number of an order or the digest of a row, is keyed too; a device or an
address, which several persons may share, is a digest even where ids stay as they are. The key lives in
the closure of an Arrow function; a key that were a literal would stand in plans and event logs.
Free text loses its e-mail addresses and phone numbers, by patterns: what they miss, such as a name, stays.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import arrow_udf

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.contracts.restricted import Identities, RawRows
from promo_spark.contracts.schema import Personal, Table
from promo_spark.contracts.schema.personal import EMAIL, PHONE
from promo_spark.contracts.silver import Quarantined
from promo_spark.errors import SettingsError
from promo_spark.secret_references import resolved

RAW_IDS = "raw ids"
PSEUDONYM = "u[0-9a-f]{32}"  # how every pseudonym looks

_SHORTEST_KEY = 32
_SETTING = "business.privacy"


def pseudonym_key(key_secret: str) -> bytes:
    """The key that a reference leads to. Raises SettingsError for a missing or short key."""
    instead = f" For public data, whose ids mean nobody: {_SETTING}.pseudonymise = false"
    return long_key(key_secret, f"{_SETTING}.key_secret", instead)


def long_key(key_secret: str, name: str, instead: str = "") -> bytes:
    """The key that the setting of a name leads to. Raises SettingsError for a missing or short one.

    `instead` says what else can be set where there is none.
    """
    try:
        key = resolved(key_secret, name).encode()
    except SettingsError as error:
        raise SettingsError(
            f"{error}; a new key: openssl rand -hex 32. It must stay the same for the life of the lake.{instead}"
        ) from None
    if len(key) < _SHORTEST_KEY:
        raise SettingsError(
            f"{name} leads to a key of {len(key)} bytes; it takes {_SHORTEST_KEY} or more: openssl rand -hex 32"
        )
    return key


def key_id(key: bytes | None) -> str:
    """Tells keys apart without telling anything of them; without a key, that ids are kept as they are."""
    return RAW_IDS if key is None else keyed_digest(key, "key", "")[:8]


def pseudonym(raw_id: str, key: bytes) -> str:
    """The pseudonym of one id: a letter and 32 hex digits, so that no program takes it for a number.

    >>> pseudonym("anna", b"a key of thirty-two bytes or more")
    'ubd4d07f9aeec288072d6d87bf13a5651'
    """
    return "u" + keyed_digest(key, "user", raw_id)


def is_pseudonym(an_id: str) -> bool:
    """Whether an id looks as pseudonyms do."""
    return re.fullmatch(PSEUDONYM, an_id) is not None


def protected(table: type[Table], rows: DataFrame, key: bytes | None) -> DataFrame:
    """The rows with free text masked, digests of what is shared and, given a key, pseudonyms in place of ids.

    Null stays null.

    To be applied once, after ids of several channels became one: a pseudonym of a pseudonym is another. The rows
    may have only some of the table's columns, such as its key.
    """
    changed: dict[str, Column] = {}
    for name, kind in table.personal().items():
        if name not in rows.columns:
            continue
        if kind is Personal.FREE_TEXT:
            changed[name] = masked(F.col(name))
        if kind is Personal.SHARED:
            changed[name] = _digests_of_shared(name, key)(F.nullif(_plain(F.col(name)), F.lit("")))
        if kind is Personal.IDENTIFIER and key is not None:
            changed[name] = _pseudonyms(key)(F.col(name))
    return rows.withColumns(changed) if changed else rows


def keyed(rows: DataFrame, columns: Iterable[str], key: bytes | None) -> DataFrame:
    """The rows with keyed digests in these columns, whose values are made of ids of persons. Null stays null.

    Equal values stay equal, so that lines of an order stay together. Without a key the values stay as they are.
    """
    if key is None:
        return rows
    digest = hashed(lambda value: keyed_digest(key, "made of ids", value))
    return rows.withColumns({column: digest(F.col(column)) for column in columns})


def masked(text: Column) -> Column:
    """The text with [email] and [phone] in place of what looks like one."""
    return F.regexp_replace(F.regexp_replace(text, EMAIL, "[email]"), PHONE, "[phone]")


def identities(sources: Iterable[tuple[type[Table], DataFrame]], key: bytes, run_id: str) -> DataFrame:
    """One row per id that the rows name, before `protected`. Candidates → Identities."""
    named = [
        rows.filter(~F.col(RawRow.blank) & ~F.col(RawRow.broken) & F.col(name).isNotNull()).select(
            F.col(name).alias(Identities.raw_id)
        )
        for table, rows in sources
        for name, kind in table.personal().items()
        if kind is Personal.IDENTIFIER
    ]
    ids = functools.reduce(DataFrame.union, named).distinct()
    return ids.select(
        _pseudonyms(key)(F.col(Identities.raw_id)).alias(Identities.user_id),
        Identities.raw_id,
        F.lit(key_id(key)).alias(Identities.key_id),
        F.lit(run_id).alias(Identities.run_id),
    )


def without_raw(rejected: DataFrame, key: bytes) -> DataFrame:
    """Rows of quarantine with a keyed digest in place of the raw row. Quarantined → Quarantined."""
    return rejected.withColumn(Quarantined.raw, _raw_digests(key)(F.col(Quarantined.raw)))


def raw_rows(table: type[Table], rejected: DataFrame, key: bytes) -> DataFrame:
    """One row per file and different raw row, under the digest that quarantine has of it. Quarantined → RawRows."""
    different = rejected.groupBy(Quarantined.source, Quarantined.source_file, Quarantined.raw).agg(
        F.first(Quarantined.run_id).alias(RawRows.run_id)  # the same in all of them
    )
    return different.withColumns(
        {RawRows.table: F.lit(table.name), RawRows.digest: _raw_digests(key)(F.col(Quarantined.raw))}
    )


def _plain(text: Column) -> Column:
    """The text in small letters with single spaces, so that an address written twice is one address."""
    return F.lower(F.trim(F.regexp_replace(text, r"\s+", " ")))


def _digests_of_shared(column: str, key: bytes | None) -> Callable[[Column], Column]:
    """Of equal values equal digests, within the column; without a key whoever guesses a value can tell it."""
    return hashed(lambda value: keyed_digest(key or b"", f"shared {column}", value))


def _pseudonyms(key: bytes) -> Callable[[Column], Column]:
    return hashed(lambda value: pseudonym(value, key))


def _raw_digests(key: bytes) -> Callable[[Column], Column]:
    return hashed(lambda value: keyed_digest(key, "raw", value))


def hashed(of_one: Callable[[str], str]) -> Callable[[Column], Column]:
    """A column function that works each different value of a batch once: rows of a user come in runs."""

    def of_each(values: pa.Array) -> pa.Array:
        encoded = values.dictionary_encode()
        different = pa.array([of_one(v) for v in encoded.dictionary.to_pylist()], pa.string())
        return different.take(encoded.indices)  # a null index takes a null

    as_function: Callable[[Column], Column] = arrow_udf(of_each, T.StringType())  # type: ignore[call-overload]  # its stubs take no type object
    return as_function


def keyed_digest(key: bytes, purpose: str, value: str) -> str:
    """128 bits in hex; the purpose keeps a digest of one kind from being looked up among another's."""
    return hmac.digest(key, f"{purpose}\0{value}".encode(), hashlib.sha256)[:16].hex()
