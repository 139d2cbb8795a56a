"""Rows of models.metrics, without the job and its date, which a write adds: from figures in Python, and from frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame

DECIMALS = 6


class MetricRow(Frame):
    """One row per metric and slice that a job measured."""

    metric = Col(T.StringType(), "what is measured", required=True)
    slice = Col(T.StringType(), "of what: a model, a baseline, a level; 'all' for the whole", required=True)
    value = Col(T.DoubleType(), "the figure; null: not measurable on these data")
    n = Col(T.LongType(), "how many users, series or rows it rests on", required=True)


class Figure(NamedTuple):
    """A metric of a slice that was computed in Python; value None: not measurable."""

    metric: str
    slice: str
    value: float | None
    n: int


def figure_entries(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    """One row per figure, held by the driver. Figures → MetricRow."""
    return [figure._asdict() for figure in figures]


def metric_rows(
    rows: DataFrame, metric: str, *, of: Column, value: Column, n: Column, decimals: int = DECIMALS
) -> DataFrame:
    """One row per row of a frame: the metric of the slice `of`, its rounded value and its n. Any → MetricRow."""
    return rows.select(*_columns(metric, of, value, n, decimals))


def metric_counts(rows: DataFrame, metric: str, *, of: Column) -> DataFrame:
    """One row per slice `of`: the number of its rows, as value and as n. Any → MetricRow."""
    counts = rows.groupBy(of.alias(MetricRow.slice)).agg(F.count("*").alias(MetricRow.n))
    return metric_rows(counts, metric, of=F.col(MetricRow.slice), value=F.col(MetricRow.n), n=F.col(MetricRow.n))


def metric_struct(metric: str, *, of: Column, value: Column, n: Column, decimals: int = DECIMALS) -> Column:
    """One metric row as a struct: F.inline over an array of these makes several metric rows of one row."""
    return F.struct(*_columns(metric, of, value, n, decimals))


def _columns(metric: str, of: Column, value: Column, n: Column, decimals: int) -> list[Column]:
    return [
        F.lit(metric).alias(MetricRow.metric),
        of.alias(MetricRow.slice),
        F.round(value.cast("double"), decimals).alias(MetricRow.value),
        n.cast("long").alias(MetricRow.n),
    ]
