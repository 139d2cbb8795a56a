"""Measures what the offers of earlier dates did: effects, whether they can be believed, and how the shop does.

Users who may get offers are compared with those held out, everyone counts, in windows that are over and in all the days
since offers began. Users for whom chance drew an offer are compared with those for whom it drew none, by scenario,
mechanic and depth; that also tells what the policy of the dates is worth, and what challengers of it would bring more
(adjust.challengers). Users who were given offers of one kind are compared with those held out who would have been given
such; how the users of a segment answer to offers of a mechanic follows from that. What participants did against
others, and against before, is told too, but is no effect. Checks say what is doubtful: arms that are not of the size
that was drawn, halves of the holdout that differ, days without decisions, exposures of unknown promotions, deliveries
that are late, features that have moved since models were fitted, predictions that do not hold. `alarms` tells of
these. Key figures say how the shop does, whatever the reason.
"""

from __future__ import annotations

from promo_spark.contracts.decisions import Budget, Explored, Promotions
from promo_spark.contracts.features import DailySales, ProductProfile, UserProfile
from promo_spark.contracts.measurement import Checks, Effects, KpiDaily, SegmentResponses
from promo_spark.contracts.models import Recommendations, Registry
from promo_spark.contracts.policy import Policy
from promo_spark.contracts.predictions import Propensity
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.silver import (
    Campaigns,
    Events,
    Exposures,
    Feedback,
    Inventory,
    Market,
    OrderLines,
    Redemptions,
)
from promo_spark.contracts.withheld import Withheld
from promo_spark.flows.evaluate.effects import effects_and_checks
from promo_spark.flows.evaluate.inputs import input_checks
from promo_spark.flows.evaluate.key_figures import key_figures
from promo_spark.measurement.segment_responses import segment_responses
from promo_spark.runtime.job import Context, Earlier, Everyone, job, main
from promo_spark.settings.adjust import AdjustSettings
from promo_spark.settings.evaluate import EvaluateSettings

_WHY = "effects are sums over arms, key figures over all: whoever withdraws must not vanish from one of them"


@job(
    reads=[Everyone(OrderLines, why=_WHY), UserProfile, ProductProfile, DailySales],
    optional=[
        *[Everyone(table, why=_WHY) for table in (Events, Feedback, Redemptions, Exposures)],
        Campaigns,
        Inventory,
        Market,
        Risk,
        Policy,
        Earlier(Policy),
        Earlier(Promotions),
        Earlier(Explored),
        Earlier(Withheld),
        Earlier(Budget),
        Earlier(Propensity),
        Earlier(Recommendations),
        Earlier(Registry),
        Earlier(UserProfile),
        Earlier(DailySales),
    ],
    writes=[Effects, SegmentResponses, Checks, KpiDaily],
    settings=EvaluateSettings,
    beside=[AdjustSettings],
)
def run(ctx: Context[EvaluateSettings]) -> None:
    effects, of_experiment = effects_and_checks(ctx)
    checks = [*of_experiment, *input_checks(ctx)]
    for row in checks:
        if row[Checks.outcome] == "alarm":
            ctx.note(f"{row[Checks.check]} ({row[Checks.slice]}): {row[Checks.message]}")
    ctx.say("counting key figures")
    ctx.write(KpiDaily, key_figures(ctx))
    ctx.write(Checks, checks)
    ctx.write(SegmentResponses, segment_responses(effects))
    ctx.write(Effects, effects)


if __name__ == "__main__":
    main(run)
