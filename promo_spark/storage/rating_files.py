"""Tables that somebody has as a file, such as ratings, read as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.errors import SourceError
from promo_spark.storage.landing import csv_rows, typed_rows

_TYPED = (".parquet", ".orc")


def text_rows(spark: SparkSession, path: str, columns: Sequence[str], also: Callable[[str], bool]) -> DataFrame:
    """The named columns of a file or folder, and others that `also` wants, as text; columns of lists as they are.

    By the end of the name: .parquet, .orc; .tsv with tabs between columns; else CSV with commas, with a header. Raises
    SourceError for a path that is not there, a column that is missing, and a line that is no row of its file.
    """
    ending = path.rstrip("/").lower()
    if ending.endswith(_TYPED):
        rows = typed_rows(spark, path, ending.rsplit(".", 1)[1], columns, also)
    else:
        rows = csv_rows(spark, path, columns, "\t" if ending.endswith(".tsv") else ",", also)
        broken = rows.filter(F.col(RawRow.fault).isNotNull()).select(RawRow.raw, RawRow.fault).take(1)
        if broken:
            raise SourceError(f"source {path}: {broken[0][1]} in the line {str(broken[0][0])[:200]!r}: mend the file")
    wanted = [c for c in rows.columns if c not in RawRow.columns()]
    lists = {f.name for f in rows.schema.fields if f.dataType.typeName() == "array"}
    return rows.filter(~F.col(RawRow.blank)).select(
        [F.col(f"`{c}`") if c in lists else F.col(f"`{c}`").cast("string").alias(c) for c in wanted]
    )
