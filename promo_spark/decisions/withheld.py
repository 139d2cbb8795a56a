"""Users who are held out, as if they were not: what they would be given, and what of it they would still hold."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.withheld import Withheld
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.held import HeldOffers
from promo_spark.decisions.promotions import Considered, Decision, HeldOutOffers, offer_rows


def is_held_out() -> Column:
    """Whether a user is held out and could be offered something otherwise. Of UserEligibility."""
    return F.col(UserEligibility.exclusions) == F.array(F.lit("holdout"))


def as_promotions(withheld: DataFrame, held_out: DataFrame) -> DataFrame:
    """What users who are held out now would have got. Withheld, UserEligibility → Promotions."""
    of_them = withheld.join(held_out, Withheld.user_id, "left_semi")
    return Promotions.frame(withheld.sparkSession).unionByName(of_them, allowMissingColumns=True)


def held_and_withheld(held: DataFrame, of_held_out: DataFrame, held_out: DataFrame) -> DataFrame:
    """What users hold, and what those who are held out would hold. Twice HeldOffers, UserEligibility → HeldOffers."""
    return held.join(held_out, HeldOffers.user_id, "left_anti").unionByName(of_held_out)


def withheld_offers(of: Considered, held_out: HeldOutOffers, chosen: DataFrame, decision: Decision) -> DataFrame:
    """One row per offer that is not given. ChosenOffer of users who are held out → Withheld."""
    return Withheld.conform(
        offer_rows(replace(of, offers=held_out.offers), chosen, decision)
        .select([c for c in Withheld.columns() if c not in (Withheld.date, Withheld.run_id)])
        .withColumns({Withheld.date: F.lit(decision.date), Withheld.run_id: F.lit(None)})
    )
