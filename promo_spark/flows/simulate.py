"""The steps of simulate: the offers that hold, the states of the users, and the day's raw files."""

from __future__ import annotations

from pyspark.sql import DataFrame, Row

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.truth import SimulatedStates
from promo_spark.errors import MissingDataError
from promo_spark.measures.offers_in_force import offers_in_force
from promo_spark.runtime.job import Context
from promo_spark.settings.simulate import SimulateSettings
from promo_spark.storage.raw_files import write_raw
from promo_spark.worlds import frames
from promo_spark.worlds.raw_columns import RAW
from promo_spark.worlds.spec import WorldSpec

_DRAWN_BY_USER = ("order_lines", "events", "redemptions", "exposures", "feedback")


def valid_offers(ctx: Context[SimulateSettings]) -> DataFrame:
    """The offers that can be used on the date, of this date's promotions and of earlier ones. → Promotions."""
    promotions = ctx.read_optional(Promotions).unionByName(ctx.read_earlier(Promotions))
    return ctx.keep(offers_in_force(promotions, ctx.date))


def users_with_offers(ctx: Context[SimulateSettings], spec: WorldSpec, day: int, offers: DataFrame) -> DataFrame:
    """One row per user: the state, the offers, and how many there were lately. → SimulatedStates, UserOffers."""
    recent = frames.recent_offers(ctx.read_earlier(Promotions), ctx.date)
    return ctx.keep(frames.users_with_offers(states(ctx, spec, day), offers, recent))


def states(ctx: Context[SimulateSettings], spec: WorldSpec, day: int) -> DataFrame:
    """One row per user: where the day begins. → SimulatedStates. The first day's follow from the whole history.

    Raises MissingDataError where the day before was not simulated.
    """
    if day == spec.days:
        return ctx.keep(frames.first_states(ctx.spark, spec, ctx.settings.partitions))
    of_world = frames.states_of_world(ctx.read_optional(SimulatedStates), spec)
    if of_world.isEmpty():
        raise MissingDataError(
            f"truth.simulated_states has nothing of this world for {ctx.date}: simulate the day before first"
        )
    return ctx.keep(of_world)


def deliver_day(
    ctx: Context[SimulateSettings], world: Row, spec: WorldSpec, *, day: int, users: DataFrame, offers: DataFrame
) -> None:
    """Writes the day's raw files. Worlds, users with offers, Promotions."""
    for table in _DRAWN_BY_USER:
        deliver(ctx, world, table, frames.simulated_table(users, spec, table, day))
    deliver(ctx, world, "users", frames.newcomers(ctx.spark, spec, day))
    deliver(ctx, world, "inventory", frames.stock_of_day(ctx.spark, spec, day))
    coupons = frames.coupons_made_on(offers, ctx.date)
    contacts, campaigns = frames.contacts_of_day(coupons), frames.campaigns_of_day(coupons)
    welcomed = frames.welcome_contacts(ctx.spark, spec, day)
    deliver(ctx, world, "contacts", contacts.unionByName(welcomed))
    deliver(ctx, world, "campaigns", campaigns.unionByName(frames.welcome_campaigns(ctx.spark, spec, day)))


def deliver(ctx: Context[SimulateSettings], world: Row, table: str, rows: DataFrame) -> None:
    """Writes the day's rows beside those of the history and in their format. Worlds says where and which."""
    name = f"{table}/{ctx.date.isoformat()}"
    count = write_raw(rows.select(*RAW[table]), world.folder, name, world.format)
    ctx.say(f"{table}: {count:,} rows")
