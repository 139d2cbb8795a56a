"""Direct identifiers are stored encrypted, are read with the key alone, and repeat themselves to the byte."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.restricted import Identities, Persons
from promo_spark.contracts.silver import Users
from promo_spark.errors import SettingsError
from promo_spark.sources.persons.encryption import decrypted, encrypted, encryption_key

KEY, OTHER = b"k" * 32, b"o" * 32
ROWS: list[dict[str, Any]] = [
    {"user_id": "u1", "person_name": "Ann 李", "email": "ann@other.example", "birth_date": "1990-02-01"},
    {"user_id": "u2", "person_name": "Ann 李"},  # another one of that name; nothing else is known
]


def test_a_direct_identifier_is_no_plain_text_and_comes_back_with_the_key_alone(spark: SparkSession) -> None:
    """N01: encrypted column ≠ plaintext, decrypts with the key, fails without, and with another."""
    plain = Persons.frame(spark, ROWS)
    sealed = Persons.conform(encrypted(Persons, plain, KEY))
    first, second = sealed.collect()
    assert first.user_id == "u1" and first.phone is None  # a pseudonym, and what is not there, stay
    assert first.person_name.startswith("aes1:") and first.email.startswith("aes1:")
    assert "Ann" not in first.person_name and "other" not in first.email
    assert first.person_name == second.person_name  # so that a repeated delivery changes nothing
    assert sealed.collect() == Persons.conform(encrypted(Persons, sealed, KEY)).collect()  # once is enough
    assert decrypted(Persons, sealed, KEY).collect() == plain.collect()
    for key, found in ((None, "is not set"), (OTHER, "leads to another key than the one they were encrypted with")):
        with pytest.raises(SettingsError, match=rf"restricted\.persons: .*\.encryption_key_secret {found}"):
            decrypted(Persons, sealed, key)
    assert decrypted(Persons, plain, KEY).collect() == plain.collect()  # stored before there was a key


def test_the_key_is_in_no_plan_and_nothing_else_is_encrypted(spark: SparkSession) -> None:
    """N01 (part): the key is in no log: plans go to Spark's event log."""
    rows = encrypted(Identities, Identities.frame(spark, [{"user_id": "u1", "raw_id": "ann", "key_id": "k"}]), KEY)
    derived = hmac.digest(KEY, b"encryption", hashlib.sha256)
    for frame in (rows, decrypted(Identities, rows.localCheckpoint(), KEY)):
        frame.collect()
        plan = frame._jdf.queryExecution().toString().lower()
        for secret in (KEY.decode(), derived.hex(), str(list(derived)), "bytearray"):
            assert secret.lower() not in plan
    users = Users.frame(spark, [{"user_id": "u1"}])
    assert encrypted(Users, users, KEY) is users and encrypted(Persons, users, None) is users
    assert encryption_key("") is None
