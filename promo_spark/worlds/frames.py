"""A world as Spark frames: each task makes whole blocks, so that rows do not depend on the number of tasks."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.schema import MONEY, RATE, Col, Frame, Personal
from promo_spark.contracts.silver import Campaigns, Contacts
from promo_spark.contracts.truth import (
    DirtyRows,
    SimulatedStates,
    TrueDemand,
    TrueElasticities,
    TrueNextPurchases,
    TrueOffers,
    TrueProducts,
    TrueRules,
    TrueUsers,
    Truth,
)
from promo_spark.measures.best_rows import best_rows
from promo_spark.measures.offers_in_force import approved_offers
from promo_spark.worlds import deliveries, outreach, records, truths, welcomes
from promo_spark.worlds import true_offers as expected
from promo_spark.worlds.offers import offers_from
from promo_spark.worlds.population import population
from promo_spark.worlds.raw_columns import RAW, ddl
from promo_spark.worlds.response import FATIGUE_DAYS, ONCE
from promo_spark.worlds.shopping import History, State, history
from promo_spark.worlds.simulation import Day, simulated_day
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Floats

_ROWS_PER_BATCH = 50_000
_SORTED_PRODUCTS = "sorted_products"


class DemandCount(Frame):
    """One row per product, segment and day of a block: all by number."""

    product = Col(T.LongType(), "the product", required=True)
    segment = Col(T.LongType(), "the planted segment", required=True)
    day = Col(T.LongType(), "day of the world", required=True)
    wanted = Col(T.LongType(), "units wanted", unit="pieces", required=True)
    lost = Col(T.LongType(), "of those, units that were out of stock", unit="pieces", required=True)


class DayOffer(Frame):
    """One offer that a user holds on a simulated day."""

    promotion_id = Col(T.StringType(), "as in Promotions", required=True)
    mechanic = Col(T.StringType(), "as in Promotions", required=True)
    product_ids = Col(T.ArrayType(T.StringType()), "as in Promotions", required=True)
    discount_rate = Col(RATE, "share off the list price, which a world's prices start from", unit="share")
    coupon_amount = Col(MONEY, "as in Promotions", unit="currency")
    min_spend = Col(MONEY, "as in Promotions", unit="currency")
    campaign_id = Col(T.StringType(), "stands for the promotions of its date", required=True)
    valid_from = Col(T.DateType(), "as in Promotions", required=True)
    spent = Col(T.BooleanType(), "used before, and good for one order only", required=True)


class UserOffers(Frame):
    """One row per user with offers on a simulated day."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    offers = Col(T.ArrayType(DayOffer.schema()), "see DayOffer; in the order of their ids")
    recent = Col(T.LongType(), "offers that began in the 28 days before", required=True)


def raw_table(spark: SparkSession, spec: WorldSpec, table: str, partitions: int) -> DataFrame:
    """The rows of one raw file of the history. `late_order_lines` are order lines that are delivered later."""
    columns = ddl(RAW[table.removeprefix("late_")])
    if table == "campaigns":
        return spark.createDataFrame(outreach.campaigns(spec).to_pylist(), columns).coalesce(1)
    if table in deliveries.OF_PRODUCT_BLOCK:
        made = functools.partial(deliveries.OF_PRODUCT_BLOCK[table], spec)
        return of_blocks(spark, product_blocks(spec), partitions, made, columns)
    if table in deliveries.OF_USER_BLOCK:
        made = functools.partial(deliveries.OF_USER_BLOCK[table], spec)
        return of_blocks(spark, spec.user_blocks, partitions, made, columns)
    made = functools.partial(_of_history, deliveries.OF_HISTORY[table], spec)
    return of_blocks(spark, spec.user_blocks, partitions, made, columns)


def raw_tables(spec: WorldSpec) -> list[str]:
    """Every raw table of the world's history; the late lines only where some come late."""
    late = ["late_order_lines"] if dict(spec.dirt).get("late_row") else []
    return [*RAW, *late]


def truth_table(spark: SparkSession, spec: WorldSpec, table: type[Truth], partitions: int) -> DataFrame:
    """The rows of one truth table of the history, but for run_id: that is known when they are written."""
    if table is TrueRules:
        return TrueRules.frame(spark, truths.rules(spec))
    if table is TrueElasticities:
        return TrueElasticities.frame(spark, truths.elasticities(spec))
    if table is TrueDemand:
        counted = functools.partial(_of_history, truths.demand_counts, spec)
        counts = of_blocks(spark, spec.user_blocks, partitions, counted, DemandCount.schema())
        sums = [F.sum(c).alias(c) for c in (DemandCount.wanted, DemandCount.lost)]
        named = functools.partial(_of_batches, functools.partial(truths.demand, spec))
        of_all_blocks = counts.groupBy(DemandCount.product, DemandCount.segment, DemandCount.day).agg(*sums)
        return of_all_blocks.mapInArrow(named, drawn_columns(TrueDemand))
    if table is TrueProducts:
        made = functools.partial(truths.products, spec)
        return of_blocks(spark, product_blocks(spec), partitions, made, drawn_columns(table))
    if table is TrueOffers:
        return of_blocks(spark, 1, 1, functools.partial(truths.offers, spec), drawn_columns(table))
    of_users = {TrueUsers: truths.users}
    of_history = {TrueNextPurchases: truths.next_purchases, DirtyRows: records.dirty_rows}
    made = (
        functools.partial(of_users[table], spec)
        if table in of_users
        else functools.partial(_of_history, of_history[table], spec)
    )
    return of_blocks(spark, spec.user_blocks, partitions, made, drawn_columns(table))


def drawn_columns(table: type[Truth]) -> T.StructType:
    """The schema of a truth table without run_id, which is no part of the world."""
    return T.StructType([field for field in table.schema().fields if field.name != Truth.run_id])


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
    return of_blocks(spark, spec.user_blocks, partitions, made, drawn_columns(SimulatedStates))


def states_of_world(states: DataFrame, spec: WorldSpec) -> DataFrame:
    """The states of one world's users. SimulatedStates → SimulatedStates."""
    return states.filter(F.col(SimulatedStates.world) == spec.digest)


def recent_offers(promotions: DataFrame, date: datetime.date) -> DataFrame:
    """One row per user who got offers in the 28 days before the date, and how many. Promotions → user, recent."""
    made = F.datediff(F.lit(date), F.col(Promotions.date)).between(1, FATIGUE_DAYS)
    offers = approved_offers(promotions).filter(made)
    return offers.groupBy(Promotions.user_id).agg(F.count("*").alias(UserOffers.recent))


def users_with_offers(states: DataFrame, promotions: DataFrame, recent: DataFrame) -> DataFrame:
    """One row per user: the state and the offers. SimulatedStates, valid Promotions → SimulatedStates, UserOffers.

    An offer that is made again while it still holds is one offer, at its best terms; one that is spent stays in mind.
    """
    user_id, promotion_id, rate = Promotions.user_id, Promotions.promotion_id, F.col(Promotions.discount_rate)
    off_list = F.coalesce(1 - F.col(Promotions.offer_price) / F.col(Promotions.list_price), rate).cast(RATE)
    spent = F.array_contains(SimulatedStates.used, F.col(promotion_id))
    held = best_rows(
        promotions.join(states.select(user_id, SimulatedStates.used), user_id).withColumns(
            {_SORTED_PRODUCTS: F.array_sort(Promotions.product_ids), DayOffer.spent: spent}
        ),
        of=[user_id, Promotions.mechanic, _SORTED_PRODUCTS, Promotions.category],
        by=[DayOffer.spent, F.desc(Promotions.discount_rate), F.desc(Promotions.coupon_amount), promotion_id],
        keep=1,
    ).withColumns({DayOffer.campaign_id: campaign_of(F.col(Promotions.date)), DayOffer.discount_rate: off_list})
    # a user's offers in an order of their own, whatever order the rows come in
    offers = F.array_sort(F.collect_list(F.struct(*DayOffer.columns())))
    with_offers = states.join(held.groupBy(user_id).agg(offers.alias(UserOffers.offers)), user_id, "left")
    return with_offers.join(recent, user_id, "left").fillna(0, [UserOffers.recent])


def campaign_of(date: Column) -> Column:
    """The campaign that stands for a date's promotions in contacts and redemptions."""
    return F.concat(F.lit("PROMOTIONS-"), date.cast("string"))


def contacts_of_day(coupons: DataFrame) -> DataFrame:
    """One row per user who gets coupons; all coupons of a date are one campaign. Promotions → raw contacts."""
    return coupons.select(
        campaign_of(F.col(Promotions.date)).alias(Contacts.campaign_id),
        Promotions.user_id,
        F.col(Promotions.valid_from).cast("string").alias(Contacts.contacted_on),
        Promotions.channel,
    ).distinct()


def campaigns_of_day(coupons: DataFrame) -> DataFrame:
    """One row per date with coupons. Promotions → raw campaigns."""
    return coupons.groupBy(campaign_of(F.col(Promotions.date)).alias(Campaigns.campaign_id)).agg(
        F.lit("promotions").alias(Campaigns.kind),
        F.min(Promotions.valid_from).cast("string").alias(Campaigns.start_date),
        F.max(Promotions.valid_to).cast("string").alias(Campaigns.end_date),
    )


def welcome_contacts(spark: SparkSession, spec: WorldSpec, day: int) -> DataFrame:
    """One row per user who registers on the day and is sent a welcome coupon. → raw contacts."""
    made = functools.partial(outreach.welcome_contacts, spec, day=day)
    return of_blocks(spark, spec.user_blocks, 1, made, ddl(RAW["contacts"]))


def welcome_campaigns(spark: SparkSession, spec: WorldSpec, day: int) -> DataFrame:
    """The campaign of the welcome coupons of the day; no row where there are none. → raw campaigns."""
    rows = [outreach.welcome_campaign(spec, day)] if spec.welcome_saving else []
    return spark.createDataFrame(rows, ddl(RAW["campaigns"]))


def coupons_made_on(offers: DataFrame, date: datetime.date) -> DataFrame:
    """The coupons among the offers that were made for the date itself. Promotions → Promotions."""
    return offers.filter((F.col(Promotions.date) == F.lit(date)) & (F.col(Promotions.mechanic) == "coupon"))


def simulated_table(users: DataFrame, spec: WorldSpec, table: str, day: int) -> DataFrame:
    """Rows of one raw table of the day, or with `states` the states of the day after. One task per block."""
    schema = drawn_columns(SimulatedStates) if table == "states" else ddl(RAW[table])

    def of_block(rows: pa.Table) -> pa.Table:  # Spark reads its hints, which a partial does not show
        return _simulated(spec, table, day, rows)

    return users.groupBy(SimulatedStates.block).applyInArrow(of_block, schema)


def true_offers(users: DataFrame, spec: WorldSpec, day: int) -> DataFrame:
    """What each offer changes, each by itself. SimulatedStates and UserOffers as of the day → TrueOffers.

    The offers may be any: those that could be made as well as those that were.
    """

    def of_block(rows: pa.Table) -> pa.Table:
        return _true_offers(spec, day, rows)

    return users.groupBy(SimulatedStates.block).applyInArrow(of_block, drawn_columns(TrueOffers))


def stock_of_day(spark: SparkSession, spec: WorldSpec, day: int) -> DataFrame:
    made = functools.partial(records.inventory, spec, day=day)
    return of_blocks(spark, product_blocks(spec), 1, made, ddl(RAW["inventory"]))


def newcomers(spark: SparkSession, spec: WorldSpec, day: int) -> DataFrame:
    """Accounts that are opened on the day."""
    made = functools.partial(records.users, spec, first_day=day, end=day + 1)
    return of_blocks(spark, spec.user_blocks, 1, made, ddl(RAW["users"]))


def _simulated(spec: WorldSpec, table: str, day: int, rows: pa.Table) -> pa.Table:
    rows = rows.sort_by("user_number")
    block = rows.column("block")[0].as_py()
    offers = offers_from(spec, rows)
    done = simulated_day(spec, block, day, _state_of(spec, rows), offers, _numbers_of(rows, UserOffers.recent))
    if table == "states":
        used = _used(rows.column("used").to_pylist(), done)
        made = truths.states(spec, done.past.users, done.past.state, block, day + 1, used)
    elif table == "order_lines":
        made = records.order_lines(spec, done.past, block, day=day, coupon_ids=done.offers.ids)
    elif table == "redemptions":
        made = outreach.redemptions_of_day(spec, done.past, done.offers, done.uses, day)
    elif table == "exposures":
        made = outreach.exposures_of_day(spec, done.past.users, done.offers, done.opened, day)
    elif table == "feedback":
        made = outreach.feedback_of_day(spec, done.past.users, done.pull, done.offers, done.opened, day)
    else:
        made = records.events(spec, done.past, block, day)
    return pa.Table.from_batches([made])


def _true_offers(spec: WorldSpec, day: int, rows: pa.Table) -> pa.Table:
    rows = rows.sort_by("user_number")
    block, offers = rows.column("block")[0].as_py(), offers_from(spec, rows)
    truth = expected.true_offers(spec, block, day, _state_of(spec, rows), offers)
    return pa.Table.from_batches([truths.told_offers(population(spec, block), offers, truth)])


def _state_of(spec: WorldSpec, rows: pa.Table) -> State:
    """Where a block's users stand, from their rows' columns."""
    due = rows.column("due").combine_chunks().flatten().to_numpy().reshape(rows.num_rows, -1)
    used, joined = rows.column("used").to_pylist(), population(spec, rows.column("block")[0].as_py()).joined
    own = welcomes.coupon_ids(spec, joined.astype(np.int64)).to_pylist()
    spent = np.array([name in names for name, names in zip(own, used, strict=True)], bool)
    return State(due, _numbers_of(rows, SimulatedStates.habit), _numbers_of(rows, SimulatedStates.strain), spent)


def _numbers_of(rows: pa.Table, column: str) -> Floats:
    numbers: Floats = rows.column(column).to_numpy().astype(np.float64)
    return numbers


def _used(before: list[list[str]], done: Day) -> list[list[str]]:
    """Each user's spent offers when the day ends."""
    offers = done.offers
    once = np.unique(done.uses.offer[ONCE[offers.mechanic[done.uses.offer]]])
    for offer in once.tolist():
        before[offers.user[offer]].append(offers.ids[offer].as_py())
    return before


def _state_of_history(spec: WorldSpec, past: History, block: int) -> pa.RecordBatch:
    return truths.states(spec, past.users, past.state, block, spec.days)


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


def _of_batches(
    made: Callable[[pa.RecordBatch], pa.RecordBatch], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield made(batch)
