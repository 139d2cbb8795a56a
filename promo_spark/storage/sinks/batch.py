"""What a target takes at a time: the rows of a date, with what tells one export from another."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.exports import Outgoing
from promo_spark.storage.arrow_tables import SEPARATOR

INSTANT = "yyyy-MM-dd'T'HH:mm:ss'Z'"  # how times of UTC are written where all is text


@dataclass(frozen=True)
class Batch:
    """The rows that a target takes for a date, as `shape` says; `digest` is another one for other rows."""

    target: str
    date: datetime.date
    run_id: str
    what: str
    ids: str | None
    shape: Outgoing
    rows: DataFrame
    count: int
    digest: str


@dataclass(frozen=True)
class Sent:
    """What lies there now, where it is files."""

    files: int | None = None
    bytes: int | None = None
    sha256: str | None = None


def flat(rows: DataFrame) -> DataFrame:
    """The rows without nested columns: a list of texts is one text, its values joined by "; "."""
    return rows.select([_flat(field) for field in rows.schema.fields])


def _flat(field: T.StructField) -> Column:
    if isinstance(field.dataType, T.ArrayType):
        joined = F.concat_ws(SEPARATOR, F.col(field.name))  # of null it would be an empty text
        return F.when(F.col(field.name).isNotNull(), joined).alias(field.name)
    return F.col(field.name)
