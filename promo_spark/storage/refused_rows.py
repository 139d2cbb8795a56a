"""Rows that a write refuses: how its query fails on them, and the error that is made of the query's."""

from __future__ import annotations

import re

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from promo_spark.contracts.schema import Table
from promo_spark.errors import ContractError
from promo_spark.measures.computed import computed
from promo_spark.storage.jvm import SparkFailure


def refusing_others(table: type[Table], predicate: str) -> Column:
    """True for rows of what is written; other rows fail, as they would where Delta replaces."""
    refused = F.raise_error(F.lit(f"[contract] {table.full_name()}: rows are written that are not of {predicate}"))
    return F.when(F.expr(predicate), True).otherwise(refused.cast("boolean"))


def collected(df: DataFrame) -> list[Row]:
    """The rows of a frame that has few. An error that a rule of ours raised on a worker is raised as its own kind."""
    try:
        return df.collect()
    except SparkFailure as error:
        raise readable(error) from error


def computed_rows(df: DataFrame) -> DataFrame:
    """The frame as `measures.computed` gives it, its errors as `collected` tells them."""
    try:
        return computed(df)
    except SparkFailure as error:
        raise readable(error) from error


def collected_table(df: DataFrame) -> pa.Table:
    """The same as columns."""
    try:
        return df.toArrow()
    except SparkFailure as error:
        raise readable(error) from error


def readable(error: Exception) -> Exception:
    """A contract failure raised inside a query, as the ContractError it is; any other error as it came."""
    text = str(error)
    found = re.search(r"\[contract\] ([^\n]*)", text)
    if found:
        return ContractError(re.sub(r" SQLSTATE: .*", "", found.group(1)).strip())
    if isinstance(error, AnalysisException):
        return ContractError(f"the write was refused: {text.splitlines()[0]}")
    return error
