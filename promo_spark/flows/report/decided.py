"""What is told of the decisions of the date: few rows, however many users there are."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import ENDED, Budget, Frontier, Promotions
from promo_spark.contracts.schema import MONEY
from promo_spark.flows.report.reading import Ctx, rows_of
from promo_spark.measures.best_rows import best_rows
from promo_spark.reports.sections.decided import DecidedRows, OfferGroup

EXAMPLES = 10
_KINDS = {
    "scenario": Promotions.scenario,
    "mechanic": Promotions.mechanic,
    "channel": Promotions.channel,
    "arm": Promotions.arm,
    "status": Promotions.status,
}
_PLACE = "_place"


def decided_rows(ctx: Ctx) -> DecidedRows:
    """What the section of the decisions is made of."""
    promotions = ctx.read_optional(Promotions)
    return DecidedRows(
        groups=rows_of(offer_groups(promotions)),
        examples=rows_of(example_offers(promotions)),
        budget=rows_of(ctx.read_optional(Budget)),
        frontier=rows_of(ctx.read_optional(Frontier)),
    )


def offer_groups(promotions: DataFrame) -> DataFrame:
    """One row per kind of group and group. Promotions of a date → OfferGroup."""
    is_offer = F.col(Promotions.mechanic) != "none"

    def group(kind: str, name: str) -> Column:
        return F.struct(F.lit(kind).alias("kind"), F.coalesce(F.col(name), F.lit("")).alias("name"))

    everyone = F.struct(F.lit("all").alias("kind"), F.lit("all").alias("name"))
    reasons = F.transform(
        F.col(Promotions.reason_codes),
        lambda code: F.struct(F.lit("reason").alias("kind"), F.split_part(code, F.lit(":"), F.lit(1)).alias("name")),
    )
    groups = F.array(everyone, *[group(kind, column) for kind, column in _KINDS.items()])
    without = F.concat(F.array(everyone, group("arm", Promotions.arm)), reasons)
    of_groups = promotions.withColumn("_group", F.explode(F.when(is_offer, groups).otherwise(without)))
    return of_groups.groupBy("_group.kind", "_group.name").agg(
        F.countDistinct(Promotions.user_id).alias(OfferGroup.users),
        F.countDistinct(F.when(is_offer, F.col(Promotions.user_id))).alias(OfferGroup.users_with_offers),
        F.count_if(is_offer).alias(OfferGroup.offers),
        F.sum(Promotions.expected_cost).cast(MONEY).alias(OfferGroup.cost),
        F.coalesce(F.sum(Promotions.incremental_margin), F.lit(0)).cast(MONEY).alias(OfferGroup.gain),
    )


def example_offers(promotions: DataFrame) -> DataFrame:
    """The offers that are expected to bring most, of as many scenarios as there are. Promotions of a date → some of it.

    Stopped ones, which nobody gets, are none of them, nor those that chance drew to learn from.
    """
    chosen = (F.col(Promotions.mechanic) != "none") & (F.col(Promotions.arm) != "explore")
    offered = promotions.filter(chosen & ~F.coalesce(Promotions.status, F.lit("active")).isin(list(ENDED)))
    gain = F.desc_nulls_last(Promotions.incremental_margin)
    order = (gain, Promotions.user_id, Promotions.promotion_id)
    of_each = best_rows(offered, of=[Promotions.scenario], by=order, keep=EXAMPLES, place=_PLACE)
    return of_each.orderBy(_PLACE, *order).limit(EXAMPLES)
