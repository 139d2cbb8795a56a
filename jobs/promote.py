"""Decides who gets which offer for the date, and who gets none and why, within the budgets.

Scenarios propose what every user who may be targeted could be offered, at every depth. What each would bring follows
from what is learnt of effects (uplift, elasticity) and of what happens by itself (propensity); what it gives is its
cost: the shop's, but for the share that a supplier's fund pays. Prices of all limits together, budgets of funds,
campaigns and departments and scarce stock too, say which offers are made; one that brings less than a stated gain never
is. An offer of an earlier date that still holds counts against a user's most, and is not made again; it ends where the
user's consent was withdrawn. A keyed-hash holdout gets nothing, nor does an account that risk blocks; the explore arm
gets what chance says, and all that it could have drawn is written down. What users who are held out would have got is
written down too, for what is measured, and given to nobody. Where approval is required, offers are proposed
until `approve` runs. What was adjusted by what earlier offers did, the version of decisions.policy in force, changes
depths, budgets and expectations within bounds; without one the settings alone decide. What earlier offers of points and
rebates earned is booked in decisions.points. All promises of decisions.promotions are checked before anything is
written, and groups of users are compared: measurement.fairness says who gets offers, and how deep. Where a group gets
them too seldom, that is said, or nothing is decided (promote.fairness.gate).
"""

from __future__ import annotations

from promo_spark.contracts.decisions import Actions, Budget, Explored, Frontier, Points, Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.measurement import Fairness
from promo_spark.contracts.models import Forecasts, Metrics, Recommendations, Segments
from promo_spark.contracts.silver import (
    OrderLines,
    PointRedemptions,
    Users,
)
from promo_spark.contracts.withheld import Withheld
from promo_spark.decisions.metrics import decision_metrics
from promo_spark.decisions.users import with_profile
from promo_spark.flows import policy as policies
from promo_spark.flows import promote as flow
from promo_spark.flows.fairness import fairness_of_date
from promo_spark.flows.points import booked_points
from promo_spark.flows.promote_inputs import DECIDED_BY
from promo_spark.flows.stream.offers import refreshed_by_stream
from promo_spark.runtime.job import ByHand, Context, Earlier, Everyone, job, main
from promo_spark.settings.promote import PromoteSettings


@job(
    reads=[UserProfile, ProductProfile, Segments, Recommendations, Forecasts],
    optional=[
        *DECIDED_BY,
        Earlier(Points),
        Earlier(Withheld),
        Everyone(OrderLines, why="points and rebates that were promised are booked, whoever has withdrawn since"),
        Everyone(PointRedemptions, why="the same: points stay the user's"),
        ByHand(Actions),
        Everyone(Users, why="whoever may not be profiled gets a `none` that says so"),
    ],
    writes=[Promotions, Budget, Frontier, Explored, Withheld, Points, Fairness, Metrics],
    settings=PromoteSettings,
    leaves=refreshed_by_stream,
)
def run(ctx: Context[PromoteSettings]) -> None:
    policy = policies.policy_in_force(ctx)
    ctx = policies.by_policy(ctx, policy)
    of = flow.considered(ctx, flow.users_of_the_day(ctx), policy, with_held_out=True)
    decided = flow.decided(ctx, of, flow.allocated(ctx, of))
    flow.checked(ctx, decided, of)
    fairness = fairness_of_date(ctx, of.users, of.held, decided.promotions)
    ctx.metrics(
        decision_metrics(
            promotions=decided.promotions, budget=decided.budget, offers=of.offers, users=with_profile(of.users)
        )
    )
    ctx.write(Fairness, fairness)
    ctx.write(Points, booked_points(ctx))
    ctx.write(Explored, decided.explored)
    ctx.write(Withheld, decided.withheld)
    ctx.write(Frontier, decided.frontier)
    # The offers come last: where they stand, the budget they were given under stands too.
    ctx.write_few(Budget, decided.budget)
    ctx.write(Promotions, decided.promotions)
    flow.say_what_waits(ctx, decided.promotions)


if __name__ == "__main__":
    main(run)
