"""Play one day of a synthetic retailer: what its users do on the date, under the promotions that are valid then.

Adds the day's raw files to those of the history, wherever `generate` put these, as a delivery of its own
(`<table>/<date>`), so that a loop of `simulate` for a date and `pipeline` for the next one runs on. Without
promotions it plays the day without offers. The same world, date and promotions give the same day; users whose
offers do not differ act the same under both. A coupon can be redeemed once.
"""

from __future__ import annotations

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.truth import SimulatedStates, Worlds
from promo_spark.flows import simulate as flow
from promo_spark.runtime.job import Context, Earlier, job, main
from promo_spark.settings.simulate import SimulateSettings
from promo_spark.worlds.frames import simulated_table
from promo_spark.worlds.spec import spec_from_json


@job(
    reads=[Worlds],
    optional=[Promotions, Earlier(Promotions), SimulatedStates],
    writes=[SimulatedStates],
    settings=SimulateSettings,
)
def run(ctx: Context[SimulateSettings]) -> None:
    world = ctx.read(Worlds).collect()[0]  # one row
    spec = spec_from_json(world.spec)
    day = spec.future_day(ctx.date)
    offers = flow.valid_offers(ctx)
    users = flow.users_with_offers(ctx, spec, day, offers)
    flow.deliver_day(ctx, world, spec, day=day, users=users, offers=offers)
    ctx.write(SimulatedStates, simulated_table(users, spec, "states", day))


if __name__ == "__main__":
    main(run)
