"""Columns that a contract gained since a table of it was made."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import Col, Table


def gained(table: type[Table], stored: DataFrame) -> dict[str, Col]:
    """Columns that rows may lack and the stored table does not have yet."""
    return {n: c for n, c in table.columns().items() if not c.required and n not in stored.columns}


def with_gained(table: type[Table], stored: DataFrame) -> DataFrame:
    """The rows with them: null."""
    missing = {n: F.lit(None).cast(c.type) for n, c in gained(table, stored).items()}
    return stored.withColumns(missing) if missing else stored
