"""Play one day of a synthetic retailer: what its users do on the date, under the promotions that are valid then.

Adds the day's raw files to those of the history, wherever `generate` put these, as a delivery of its own
(`<table>/<date>`), so that a loop of `simulate` for a date and `pipeline` for the next one runs on. Without
promotions it plays the day without offers. The same world, date and promotions give the same day; users whose
offers do not differ act the same under both. A coupon can be redeemed once.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.truth import SimulatedStates, Worlds
from promo_spark.errors import MissingDataError, SettingsError
from promo_spark.runtime.job import Context, Earlier, job
from promo_spark.settings import SimulateSettings
from promo_spark.storage.raw_files import write_raw
from promo_spark.worlds import frames, records
from promo_spark.worlds.spec import WorldSpec, spec_from_json

_OF_USERS = ("order_lines", "events", "redemptions")


@job(
    reads=[Worlds],
    optional=[Promotions, Earlier(Promotions), SimulatedStates],
    writes=[SimulatedStates],
    settings=SimulateSettings,
)
def run(ctx: Context[SimulateSettings]) -> None:
    world = ctx.read(Worlds).collect()[0]  # one row
    spec = spec_from_json(world.spec)
    day = spec.day(ctx.date)
    if not spec.days <= day < spec.all_days - 1:
        raise SettingsError(
            f"--date {ctx.date}: the world's history ends before {spec.date(spec.days)} and its future on "
            f"{spec.date(spec.all_days - 2)}; choose a date between, or set generate.horizon_days"
        )
    valid = ctx.keep(_valid_offers(ctx))
    states = ctx.keep(_states(ctx, spec, day))  # on the first day they take the whole history to make
    users = ctx.keep(frames.users_with_offers(states, valid))
    for table in _OF_USERS:
        _deliver(ctx, world, table, frames.simulated_table(users, spec, table, day))
    _deliver(ctx, world, "users", frames.newcomers(ctx.spark, spec, day))
    _deliver(ctx, world, "inventory", frames.stock_of_day(ctx.spark, spec, day))
    carried = valid.filter((F.col(Promotions.date) == F.lit(ctx.date)) & (F.col(Promotions.mechanic) == "coupon"))
    _deliver(ctx, world, "contacts", _contacts(carried))
    _deliver(ctx, world, "campaigns", _campaigns(carried))
    ctx.write(SimulatedStates, frames.simulated_table(users, spec, "states", day), {"date": spec.date(day + 1)})


def _valid_offers(ctx: Context[SimulateSettings]) -> DataFrame:
    """The offers that hold on the date, of this date's promotions and of earlier ones."""
    known = ctx.read_optional(Promotions).unionByName(ctx.read_earlier(Promotions))
    holds = F.lit(ctx.date).between(F.col(Promotions.valid_from), F.col(Promotions.valid_to))
    return known.filter((F.col(Promotions.mechanic) != "none") & holds)


def _states(ctx: Context[SimulateSettings], spec: WorldSpec, day: int) -> DataFrame:
    if day == spec.days:
        return frames.first_states(ctx.spark, spec, ctx.settings.partitions)
    found = ctx.read_optional(SimulatedStates).filter(F.col(SimulatedStates.world) == spec.digest)
    if found.isEmpty():
        raise MissingDataError(
            f"truth.simulated_states has nothing of this world for {ctx.date}: simulate the day before first"
        )
    return found


def _contacts(carried: DataFrame) -> DataFrame:
    """Who got coupons today; all coupons of a date are one campaign."""
    return carried.select(
        frames.campaign_of(F.col(Promotions.date)).alias("campaign_id"),
        "user_id",
        F.col(Promotions.valid_from).cast("string").alias("contacted_on"),
        "channel",
    ).distinct()


def _campaigns(carried: DataFrame) -> DataFrame:
    return carried.groupBy(frames.campaign_of(F.col(Promotions.date)).alias("campaign_id")).agg(
        F.lit("promotions").alias("kind"),
        F.min(Promotions.valid_from).cast("string").alias("start_date"),
        F.max(Promotions.valid_to).cast("string").alias("end_date"),
    )


def _deliver(ctx: Context[SimulateSettings], world: Row, table: str, rows: DataFrame) -> None:
    """Writes the day's rows beside those of the history and in their format. Worlds says where and which."""
    wanted = list(records.RAW[table])
    place = f"{table}/{ctx.date.isoformat()}"
    count = write_raw(rows.select(*wanted), world.folder, place, world.format)
    ctx.say(f"{table}: {count:,} rows")
