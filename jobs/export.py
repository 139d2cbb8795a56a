"""Sends the decisions of a date to where other systems take them: files, tables of databases, topics.

Each table [export.targets.NAME] of the settings is one place. Offers go out, and offers that were sent before and have
ended are revoked; what is proposed, stopped or held out stays. A target that has the rows already gets nothing again.
Pseudonyms become the ids of the shop here, where a target asks for them, and nowhere else.
"""

from __future__ import annotations

from promo_spark.contracts.decisions import Actions, Promotions
from promo_spark.contracts.exports import Exported, Exports
from promo_spark.contracts.restricted import Identities
from promo_spark.flows.export import exported, why_idle
from promo_spark.runtime.job import ByHand, Context, Earlier, job, main
from promo_spark.settings.export import ExportSettings


@job(
    reads=[Promotions],
    optional=[Identities, Earlier(Promotions), ByHand(Actions, follows=True)],
    writes=[Exported, Exports],
    settings=ExportSettings,
    idle=why_idle,
)
def run(ctx: Context[ExportSettings]) -> None:
    if not ctx.settings.targets:
        ctx.note(why_idle(ctx.settings))
        return
    exported(ctx)


if __name__ == "__main__":
    main(run)
