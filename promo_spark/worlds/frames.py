"""A world as Spark frames: each task makes whole blocks, so that rows do not depend on the number of tasks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.truth import (
    DirtyRows,
    SimulatedStates,
    TrueDemand,
    TrueEffects,
    TrueElasticities,
    TrueNextPurchases,
    TrueProducts,
    TrueRules,
    TrueUsers,
    Truth,
)
from promo_spark.worlds import records, truths
from promo_spark.worlds.shopping import NO_CAMPAIGN, History, history
from promo_spark.worlds.simulation import Offers, offers_from, simulated_day
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
        made = functools.partial(records.OF_USER_BLOCK[table], spec)
        return of_blocks(spark, spec.user_blocks, partitions, made, columns)
    made = functools.partial(_of_history, records.OF_HISTORY[table], spec)
    return of_blocks(spark, spec.user_blocks, partitions, made, columns)


def raw_tables(spec: WorldSpec) -> list[str]:
    """Every raw table of the world's history; the late lines only where some come late."""
    late = ["late_order_lines"] if dict(spec.dirt).get("late_row") else []
    return [*records.RAW, *late]


def truth_table(spark: SparkSession, spec: WorldSpec, table: type[Truth], partitions: int) -> DataFrame:
    """The rows of one truth table of the history."""
    if table is TrueRules:
        return TrueRules.frame(spark, truths.rules(spec))
    if table is TrueElasticities:
        return TrueElasticities.frame(spark, truths.elasticities(spec))
    if table is TrueDemand:
        counts = of_blocks(
            spark, spec.user_blocks, partitions, functools.partial(_of_history, truths.demand_counts, spec), _COUNTS
        )
        sums = [F.sum(c).alias(c) for c in ("wanted", "lost")]
        named = functools.partial(_renamed, functools.partial(truths.demand, spec))
        return counts.groupBy("product", "segment", "day").agg(*sums).mapInArrow(named, TrueDemand.schema())
    if table is TrueProducts:
        return of_blocks(
            spark, product_blocks(spec), partitions, functools.partial(truths.products, spec), TrueProducts.schema()
        )
    of_users = {TrueUsers: truths.users, TrueEffects: truths.effects}
    of_history = {TrueNextPurchases: truths.next_purchases, DirtyRows: records.dirty_rows}
    made = (
        functools.partial(of_users[table], spec)
        if table in of_users
        else functools.partial(_of_history, of_history[table], spec)
    )
    return of_blocks(spark, spec.user_blocks, partitions, made, table.schema())


def of_blocks(
    spark: SparkSession,
    blocks: int,
    partitions: int,
    made: Callable[[int], pa.RecordBatch],
    schema: str | T.StructType,
) -> DataFrame:
    """The rows that `made` gives for each block's number."""
    numbers = spark.range(0, blocks, 1, min(partitions, blocks))
    return numbers.mapInArrow(functools.partial(_made, made), schema)


# a simulated day


def first_states(spark: SparkSession, spec: WorldSpec, partitions: int) -> DataFrame:
    """Where every user's staples stand when the history ends. → SimulatedStates"""
    made = functools.partial(_of_history, _state_of_history, spec)
    return of_blocks(spark, spec.user_blocks, partitions, made, SimulatedStates.schema())


def users_with_offers(states: DataFrame, promotions: DataFrame) -> DataFrame:
    """One row per user: the state and what is offered on the day. SimulatedStates, valid Promotions → both.

    An offer that is made again while it still holds is one offer, at its best terms; a spent coupon is none.
    """
    spent = F.array_contains(SimulatedStates.used, F.col("promotion_id"))
    unspent = promotions.join(states.select("user_id", SimulatedStates.used), "user_id").filter(~spent)
    same = Window.partitionBy("user_id", "mechanic", F.array_sort("product_ids"), "category")
    best = same.orderBy(F.desc("discount_rate"), F.desc("coupon_amount"), "promotion_id")
    held = unspent.withColumn("place", F.row_number().over(best)).filter(F.col("place") == 1)
    named = {"campaign_id": campaign_of(F.col(Promotions.date))}
    parts = [
        F.col(c) if c not in named else named[c].alias(c)
        for c in (
            "promotion_id",
            "mechanic",
            "product_ids",
            "discount_rate",
            "coupon_amount",
            "min_spend",
            "campaign_id",
        )
    ]
    # a user's offers in an order of their own, whatever order the rows come in
    offers = held.groupBy("user_id").agg(F.array_sort(F.collect_list(F.struct(*parts))).alias("offers"))
    return states.join(offers, "user_id", "left")


def campaign_of(date: Column) -> Column:
    """The campaign that stands for a date's promotions in contacts and redemptions."""
    return F.concat(F.lit("PROMOTIONS-"), date.cast("string"))


def simulated_table(users: DataFrame, spec: WorldSpec, table: str, day: int) -> DataFrame:
    """Rows of one raw table of the day, or with `states` the states of the day after. One task per block."""
    schema = SimulatedStates.schema() if table == "states" else records.ddl(records.RAW[table])

    def of_block(rows: pa.Table) -> pa.Table:  # Spark reads its hints, which a partial does not show
        return _simulated(spec, table, day, rows)

    return users.groupBy("block").applyInArrow(of_block, schema)


def stock_of_day(spark: SparkSession, spec: WorldSpec, day: int) -> DataFrame:
    made = functools.partial(records.inventory, spec, day=day)
    return of_blocks(spark, product_blocks(spec), 1, made, records.ddl(records.RAW["inventory"]))


def newcomers(spark: SparkSession, spec: WorldSpec, day: int) -> DataFrame:
    """Accounts that are opened on the day."""
    made = functools.partial(records.users, spec, first_day=day, end=day + 1)
    return of_blocks(spark, spec.user_blocks, 1, made, records.ddl(records.RAW["users"]))


def _simulated(spec: WorldSpec, table: str, day: int, rows: pa.Table) -> pa.Table:
    rows = rows.sort_by("user_number")
    block = rows.column("block")[0].as_py()
    due = rows.column("due").combine_chunks().flatten().to_numpy().reshape(rows.num_rows, -1)
    offers = offers_from(rows)
    past, due_after = simulated_day(spec, block, day, due, offers)
    if table == "states":
        used = _used(rows.column("used").to_pylist(), past, offers)
        made = truths.states(spec, past.users, due_after, block, day + 1, used)
    elif table == "order_lines":
        made = records.order_lines(spec, past, block, day=day, coupon_ids=offers.ids)
    elif table == "redemptions":
        made = records.redemptions(spec, past, offers.ids, offers.carriers)
    else:
        made = records.events(spec, past, block, day)
    return pa.Table.from_batches([made])


def _used(before: list[list[str]], past: History, offers: Offers) -> list[list[str]]:
    """Each user's spent coupons when the day ends."""
    lines = past.lines
    rows = np.flatnonzero(lines.campaign != NO_CAMPAIGN)
    pairs = np.unique(np.stack([past.orders.user[lines.order[rows]], lines.campaign[rows]], axis=1), axis=0)
    for user, offer in pairs.tolist():
        before[user].append(offers.ids[offer].as_py())
    return before


def _state_of_history(spec: WorldSpec, past: History, block: int) -> pa.RecordBatch:
    return truths.states(spec, past.users, past.due, block, spec.days)


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
