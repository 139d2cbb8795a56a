"""Who was erased stays erased: rows of sources that are about such a person, known by keyed digests of their ids."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.contracts.schema import Personal, Table
from promo_spark.sources.persons.pseudonyms import hashed, keyed_digest, long_key

ERASED_PERSON = "erased_person"  # why a row was left out, in the counts of a source


@dataclass(frozen=True)
class SuppressedPersons:
    """Who was erased: digests of ids, and the key that they were made with."""

    digests: frozenset[str]
    key: bytes = field(repr=False)


def suppression_key(key_secret: str) -> bytes:
    """The key of the digests of erased persons' ids. Raises SettingsError for a missing or short one."""
    return long_key(key_secret, "business.privacy.suppression_key_secret")


def suppression_digest(an_id: str, key: bytes) -> str:
    """
    >>> suppression_digest("anna", b"a key of thirty-two bytes or more")
    '4cb4dfe4492617dc41df8fae3bed171c'
    """
    return keyed_digest(key, "erased", an_id)


def of_erased(table: type[Table], rows: DataFrame, persons: SuppressedPersons) -> Column | None:
    """Whether a row, with ids as the shop has them, is about an erased person; None: the table has no persons.

    False of a row that cannot be taken apart: nobody knows whom it is about.
    """
    named = [c for c, kind in table.personal().items() if kind is Personal.IDENTIFIER and c in rows.columns]
    if not named:
        return None
    key, known = persons.key, sorted(persons.digests)
    digest = hashed(lambda value: suppression_digest(value, key))
    about = functools.reduce(Column.__or__, [F.coalesce(digest(F.col(c)).isin(known), F.lit(False)) for c in named])
    return about & ~F.col(RawRow.blank) & ~F.col(RawRow.broken)
