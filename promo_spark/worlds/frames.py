"""A world as Spark frames: each task makes whole blocks, so that rows do not depend on the number of tasks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.truth import (
    DirtyRows,
    TrueDemand,
    TrueEffects,
    TrueElasticities,
    TrueNextPurchases,
    TrueProducts,
    TrueRules,
    TrueUsers,
    Truth,
    Worlds,
)
from promo_spark.worlds import records, truths
from promo_spark.worlds.shopping import history
from promo_spark.worlds.spec import WorldSpec

_ROWS_PER_BATCH = 50_000
_COUNTS = "product bigint, segment bigint, day bigint, wanted bigint, lost bigint"


def raw_table(spark: SparkSession, spec: WorldSpec, table: str, partitions: int) -> DataFrame:
    """The rows of one raw file of the history. `late_order_lines` are order lines that are delivered later."""
    columns = records.ddl(records.RAW[table.removeprefix("late_")])
    if table == "campaigns":
        return spark.createDataFrame(records.campaigns(spec).to_pylist(), columns).coalesce(1)
    if table in records.OF_PRODUCT_BLOCK:
        made = functools.partial(records.OF_PRODUCT_BLOCK[table], spec)
        return of_blocks(spark, product_blocks(spec), partitions, made, columns)
    if table in records.OF_USER_BLOCK:
        return of_blocks(spark, spec.user_blocks, partitions, functools.partial(records.OF_USER_BLOCK[table], spec), columns)
    made = functools.partial(_of_history, records.OF_HISTORY[table], spec)
    return of_blocks(spark, spec.user_blocks, partitions, made, columns)


def raw_tables(spec: WorldSpec) -> list[str]:
    """Every raw table of the world's history; the late lines only where some come late."""
    late = ["late_order_lines"] if dict(spec.dirt).get("late_row") else []
    return [*records.RAW, *late]


def truth_table(spark: SparkSession, spec: WorldSpec, table: type[Truth], partitions: int) -> DataFrame:
    """The rows of one truth table."""
    if table is Worlds:
        return Worlds.frame(spark, [{"start": spec.start, "spec": spec.to_json()}])
    if table is TrueRules:
        return TrueRules.frame(spark, truths.rules(spec))
    if table is TrueElasticities:
        return TrueElasticities.frame(spark, truths.elasticities(spec))
    if table is TrueDemand:
        counts = of_blocks(
            spark, spec.user_blocks, partitions, functools.partial(_of_history, truths.demand_counts, spec), _COUNTS
        )
        added = counts.groupBy("product", "segment", "day").agg(F.sum("wanted").alias("wanted"), F.sum("lost").alias("lost"))
        return added.mapInArrow(functools.partial(_renamed, functools.partial(truths.demand, spec)), TrueDemand.schema())
    if table is TrueProducts:
        return of_blocks(
            spark, product_blocks(spec), partitions, functools.partial(truths.products, spec), TrueProducts.schema()
        )
    of_users = {TrueUsers: truths.users, TrueEffects: truths.effects}
    of_history = {TrueNextPurchases: truths.next_purchases, DirtyRows: records.dirty_rows}
    made = (
        functools.partial(of_users[table], spec) if table in of_users
        else functools.partial(_of_history, of_history[table], spec)
    )  # fmt: skip
    return of_blocks(spark, spec.user_blocks, partitions, made, table.schema())


def of_blocks(
    spark: SparkSession, blocks: int, partitions: int, made: Callable[[int], pa.RecordBatch],
    schema: str | T.StructType,
) -> DataFrame:  # fmt: skip
    """The rows that `made` gives for each block's number."""
    numbers = spark.range(0, blocks, 1, min(partitions, blocks))
    return numbers.mapInArrow(functools.partial(_made, made), schema)


def product_blocks(spec: WorldSpec) -> int:
    return -(-spec.products // records.PRODUCTS_PER_BLOCK)


def in_batches(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, rows.num_rows, _ROWS_PER_BATCH):
        yield rows.slice(start, _ROWS_PER_BATCH)


def _made(made: Callable[[int], pa.RecordBatch], numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in numbers:
        for block in batch.column(0).to_pylist():
            yield from in_batches(made(block))


def _of_history(made: Callable[..., pa.RecordBatch], spec: WorldSpec, block: int) -> pa.RecordBatch:
    return made(spec, history(spec, block), block)


def _renamed(
    made: Callable[[pa.RecordBatch], pa.RecordBatch], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield made(batch)
