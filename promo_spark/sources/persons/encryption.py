"""Direct identifiers encrypted where they are stored: AES-GCM under a key of its own, by Spark's own aes_encrypt.

What a value is encrypted with beside the key, its nonce, is a keyed digest of the value: so equal values of a column
are equal when encrypted, a delivery that repeats them changes nothing, and no nonce meets two values. Who reads the
table without the key can tell that two persons share a value, and nothing else. Each value names its key by a
fingerprint.
The key comes to the executors as a row of a frame, and stands in no plan and no event log.
"""

from __future__ import annotations

import functools
import hashlib
import hmac

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import RESTRICTED, Personal, Table
from promo_spark.errors import SettingsError
from promo_spark.sources.persons.pseudonyms import hashed, key_id, keyed_digest, long_key

SETTING = "business.privacy.encryption_key_secret"
_MARK = "aes1:"  # then the key's fingerprint, a colon, and nonce, text and tag in base64
_KEY = "_aes_key"
_BYTES_OF_NONCE = 12


def encryption_key(key_secret: str) -> bytes | None:
    """The key that the setting leads to; None: it is empty, nothing is encrypted. Raises SettingsError."""
    return long_key(key_secret, SETTING) if key_secret else None


def encrypted(table: type[Table], rows: DataFrame, key: bytes | None) -> DataFrame:
    """The rows of a restricted table with its texts of kind direct encrypted. Null stays null.

    Without a key, and of other tables, as they are; what is encrypted stays so.
    """
    columns = [] if key is None else _columns(table, rows)
    if key is None or not columns:
        return rows
    named = f"{_MARK}{key_id(key)}:"

    def one(column: str) -> Column:
        digest = hashed(lambda value: keyed_digest(key, f"nonce {column}", value))(F.col(column))
        nonce = F.unhex(F.substring(digest, 1, 2 * _BYTES_OF_NONCE))
        sealed = F.aes_encrypt(F.col(column), _KEY, F.lit("GCM"), F.lit("DEFAULT"), nonce, F.lit(column))
        return F.when(_is_encrypted(column), F.col(column)).otherwise(F.concat(F.lit(named), F.base64(sealed)))

    return _with_key(rows, key).withColumns({column: one(column) for column in columns}).drop(_KEY)


def decrypted(table: type[Table], rows: DataFrame, key: bytes | None) -> DataFrame:
    """The rows as they were before `encrypted`; texts that were stored before there was a key, as they are.

    Raises SettingsError where texts are encrypted, and the key is not theirs or not given.
    """
    columns = _columns(table, rows)
    if not columns:
        return rows
    named = "" if key is None else f"{_MARK}{key_id(key)}:"
    foreign = [_is_encrypted(c) & ~F.startswith(F.col(c), F.lit(named)) if named else _is_encrypted(c) for c in columns]
    if not rows.filter(functools.reduce(Column.__or__, foreign)).isEmpty():
        found = "is not set" if key is None else "leads to another key than the one they were encrypted with"
        raise SettingsError(
            f"{table.full_name()}: {', '.join(columns)} are encrypted, and {SETTING} {found}: say where that key is"
        )
    if key is None:
        return rows

    def one(column: str) -> Column:
        sealed = F.unbase64(F.substring(F.col(column), len(named) + 1, 1_000_000_000))
        opened = F.aes_decrypt(sealed, _KEY, F.lit("GCM"), F.lit("DEFAULT"), F.lit(column)).cast("string")
        return F.when(_is_encrypted(column), opened).otherwise(F.col(column))

    return _with_key(rows, key).withColumns({column: one(column) for column in columns}).drop(_KEY)


def _columns(table: type[Table], rows: DataFrame) -> list[str]:
    if table.layer != RESTRICTED:
        return []
    direct = [c for c, kind in table.personal().items() if kind is Personal.DIRECT and c in rows.columns]
    return [c for c in direct if table.type_of(c) == T.StringType()]


def _is_encrypted(column: str) -> Column:
    return F.coalesce(F.startswith(F.col(column), F.lit(_MARK)), F.lit(False))


def _with_key(rows: DataFrame, key: bytes) -> DataFrame:
    derived = hmac.digest(key, b"encryption", hashlib.sha256)  # 256 bits, whatever the secret looks like
    given = rows.sparkSession.createDataFrame([(bytearray(derived),)], f"{_KEY} binary")
    return rows.crossJoin(F.broadcast(given))
