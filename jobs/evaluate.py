"""Measures what the offers of earlier dates did: effects, whether they can be believed, and how the shop does.

Users who may get offers are compared with those held out, everyone counts, in windows that are over and in all the
days since offers began. Users for whom chance drew an offer are compared with those for whom it drew none, by scenario,
mechanic and depth; that also tells what the policy of the dates is worth. What participants did against others, and
against before, is told too, but is no effect. Checks say what is doubtful: arms that are not of the size that was
drawn, halves of the holdout that differ, days without decisions, exposures of unknown promotions.
"""

from __future__ import annotations

from promo_spark.contracts.decisions import Budget, Explored, Promotions
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.measurement import Checks, Effects
from promo_spark.contracts.predictions import Propensity
from promo_spark.contracts.silver import Campaigns, Exposures, Feedback, OrderLines, Redemptions
from promo_spark.flows.evaluate import effects_and_checks
from promo_spark.runtime.job import Context, Earlier, Everyone, job, main
from promo_spark.settings.evaluate import EvaluateSettings


@job(
    reads=[
        Everyone(OrderLines, why="effects are sums over arms: whoever withdraws must not vanish from one of them"),
        ProductProfile,
    ],
    optional=[
        Everyone(Feedback, why="the same"),
        Everyone(Redemptions, why="the same"),
        Everyone(Exposures, why="the same"),
        Campaigns,
        Earlier(Promotions),
        Earlier(Explored),
        Earlier(Budget),
        Earlier(Propensity),
    ],
    writes=[Effects, Checks],
    settings=EvaluateSettings,
)
def run(ctx: Context[EvaluateSettings]) -> None:
    effects, checks = effects_and_checks(ctx)
    for row in checks:
        if row[Checks.outcome] == "alarm":
            ctx.note(f"{row[Checks.check]} ({row[Checks.slice]}): {row[Checks.message]}")
    ctx.write(Checks, checks)
    ctx.write(Effects, effects)


if __name__ == "__main__":
    main(run)
