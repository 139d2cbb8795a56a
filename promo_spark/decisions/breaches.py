"""Rules that are stated as their breach, counted in one pass over a frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame

_BREACHES = "breaches"


class RuleBreach(Frame):
    """One row per rule: how many rows break it."""

    rule = Col(T.StringType(), "the promise in words", required=True)
    rows = Col(T.LongType(), "rows that break it; null: none")
    example = Col(T.StringType(), "the smallest key of those rows; null: none")


def counted(df: DataFrame, rules: Mapping[str, Column], key: Column) -> DataFrame:
    """One row per rule, given as its breach. → RuleBreach."""
    return breaches(
        df, [(rule, F.count(F.when(breach, 1)), F.min(F.when(breach, key))) for rule, breach in rules.items()]
    )


def breaches(df: DataFrame, found: Iterable[tuple[str, Column, Column]]) -> DataFrame:
    """One row per rule, of one pass over a frame: its words, the rows that break it, an example. → RuleBreach."""
    structs = [
        F.struct(
            F.lit(rule).alias(RuleBreach.rule),
            rows.cast("long").alias(RuleBreach.rows),
            example.alias(RuleBreach.example),
        )
        for rule, rows, example in found
    ]
    return df.agg(F.array(*structs).alias(_BREACHES)).select(F.inline(_BREACHES))


def fails(condition: Column) -> Column:
    """Whether a condition is false or null."""
    return ~F.coalesce(condition, F.lit(False))
