"""Takes in what happens between the days: events, orders and answers of the date, in micro-batches, as they arrive.

Each table [stream.sources.NAME] of the settings is a folder of files, a Delta table or a topic of Kafka in which rows
of the day arrive, read by a mapping of ingest. What is there is taken once (`trigger = "available_now"`), or every so
many seconds until the run is stopped. A row counts once, however often; a batch that was cut off comes again as it
was. Who orders is judged anew: whether the account cheats, by the rules of job risk, and what the user is likely to do
next, by the models of the morning. Offers are paused whose budget is spent, whose scores are bad, or whose account
cheats. Who is new gets a welcome, and who ordered is decided anew while nobody has the offers of the morning: as
promote would, at the prices of its limits, of what these have left. The decisions of the date are then left as they
are, unless promote is forced. The silver tables stay what ingest makes of whole days.
"""

from __future__ import annotations

from promo_spark.contracts.decisions import Actions, Budget, Promotions
from promo_spark.contracts.exports import Exported
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.intraday import (
    INTRADAY_OF,
    IntradayActivity,
    IntradayPropensity,
    IntradayRisk,
    StreamBatches,
)
from promo_spark.contracts.models import Forecasts, Recommendations, Segments
from promo_spark.contracts.ops import IdKey
from promo_spark.contracts.predictions import FittedModels
from promo_spark.contracts.restricted import Suppressed
from promo_spark.contracts.silver import Campaigns, Contacts, Products, Redemptions, Users
from promo_spark.flows.promote_inputs import DECIDED_BY
from promo_spark.flows.stream.batches import streamed, why_idle
from promo_spark.runtime.job import ByHand, Context, Everyone, job, main
from promo_spark.settings.adjust import AdjustSettings
from promo_spark.settings.ingest import IngestSettings
from promo_spark.settings.promote import PromoteSettings
from promo_spark.settings.propensity import PropensitySettings
from promo_spark.settings.risk import RiskSettings
from promo_spark.settings.stream import StreamSettings


@job(
    reads=[],
    optional=[
        IdKey,
        Products,
        Users,
        Campaigns,
        Contacts,
        Redemptions,
        UserProfile,
        ProductProfile,
        Segments,
        Recommendations,
        Forecasts,
        *DECIDED_BY,
        FittedModels,
        Exported,
        ByHand(Actions),
        ByHand(Suppressed),
        Everyone(Users, why="whoever may not be profiled is left out of counters, and gets no offer"),
    ],
    writes=[*INTRADAY_OF.values(), IntradayActivity, IntradayRisk, IntradayPropensity, StreamBatches],
    settings=StreamSettings,
    refreshes=[Promotions, Budget, Actions],
    beside=[IngestSettings, RiskSettings, PropensitySettings, PromoteSettings, AdjustSettings],
    idle=why_idle,
    goes_on=True,
)
def run(ctx: Context[StreamSettings]) -> None:
    if not ctx.settings.sources:
        ctx.note(why_idle(ctx.settings))
        return
    streamed(ctx)


if __name__ == "__main__":
    main(run)
