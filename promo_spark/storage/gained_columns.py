"""Columns that a contract gained since a table of it was made; and tables whose contract is newer than this code."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Table, contract_version
from promo_spark.errors import ContractError


def gained(table: type[Table], stored: T.StructType) -> dict[str, Col]:
    """Columns that rows may lack and the stored table does not have yet."""
    return {n: c for n, c in table.columns().items() if not c.required and n not in stored.names}


def with_gained(table: type[Table], stored: DataFrame) -> DataFrame:
    """The rows with them: null."""
    missing = {n: F.lit(None).cast(c.type) for n, c in gained(table, stored.schema).items()}
    return stored.withColumns(missing) if missing else stored


def refuse_newer(table: type[Table], stored: T.StructType) -> None:
    """Raises ContractError for a table that was written by a newer contract than this code's."""
    found = contract_version(stored)
    if found > table.version:
        raise ContractError(
            f"{table.full_name()} was written by contract version {found}, this code knows version "
            f"{table.version}: update promo_spark, or point lake.root at another lake"
        )
