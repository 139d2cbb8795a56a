"""Which experiments are evidence: those whose arms were drawn with probabilities that add up, and lost nobody since.

Where users are missing from an arm, those who are left differ by more than the offer: sample ratio mismatch (Fabijan
et al. 2019). Of those in an arm the sum of 1 / probability estimates all who took part (Horvitz and Thompson 1952),
whether all had the same probability or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Assignments
from promo_spark.measures.exact_sums import exact_sum

_CLOSE = 0.02
_FAR = 4.0  # standard errors: by chance one arm in 16,000 is as far off


class Experiment(Frame):
    """One row per experiment."""

    campaign_id = Col(T.StringType(), "the experiment", required=True)
    arms = Col(T.LongType(), "arms that users came to", required=True)
    treated = Col(T.LongType(), "users with an offer", required=True)
    control = Col(T.LongType(), "users without", required=True)
    probability = Col(T.DoubleType(), "sum of the arms' mean probabilities, harmonic means", required=True)
    off = Col(
        T.DoubleType(),
        "how far the arm that is farthest off lies from the size that was drawn, above 0: too many users",
        unit="standard errors",
        required=True,
    )


def experiments(assignments: DataFrame) -> DataFrame:
    """One row per experiment. Assignments → Experiment."""
    probability = F.col(Assignments.propensity).cast("double")
    arm = assignments.groupBy(Assignments.campaign_id, Assignments.arm).agg(
        (F.count("*") / exact_sum(1 / probability)).alias(Experiment.probability),
        F.count_if(F.col(Assignments.depth) > 0).alias(Experiment.treated),
        F.count_if(F.col(Assignments.depth) == 0).alias(Experiment.control),
        F.count("*").alias(_USERS),
        exact_sum(1 / probability).alias(_ESTIMATED),
        exact_sum((1 - probability) / (probability * probability)).alias(_VARIANCE),
    )
    of_experiment = Window.partitionBy(Assignments.campaign_id)
    surplus = F.col(_ESTIMATED) - F.sum(_USERS).over(of_experiment)
    off = F.when(F.col(_VARIANCE) > 0, surplus / F.sqrt(_VARIANCE)).otherwise(0.0)
    arm = arm.withColumn(Experiment.off, F.round(off, 3))
    return Experiment.shaped(
        arm.groupBy(Assignments.campaign_id).agg(
            F.count("*").alias(Experiment.arms),
            F.sum(Experiment.treated).alias(Experiment.treated),
            F.sum(Experiment.control).alias(Experiment.control),
            F.round(F.sum(F.round(Experiment.probability, 9).cast("decimal(20,9)")), 9)
            .cast("double")
            .alias(Experiment.probability),
            F.max_by(Experiment.off, F.struct(F.abs(Experiment.off), Experiment.off)).alias(Experiment.off),
        )
    )


_USERS, _ESTIMATED, _VARIANCE = "users_of_arm", "users_by_arm", "variance_of_them"


def fault(experiment: Mapping[str, Any]) -> str:
    """Why an Experiment is no evidence; "": it is.

    >>> fault({"arms": 2, "treated": 40, "control": 60, "probability": 0.7, "off": 0.0})
    "its arms' probabilities add up to 0.7, not to 1: an arm is missing, or they are wrong"
    >>> fault({"arms": 2, "treated": 4000, "control": 5000, "probability": 1.0, "off": 10.541})
    'an arm has more users than were drawn, by 10.5 standard errors: users are missing, or probabilities are wrong'
    """
    if not experiment[Experiment.control]:
        return "nobody is without an offer"
    if not experiment[Experiment.treated]:
        return "nobody has an offer"
    total = experiment[Experiment.probability]
    if abs(total - 1) > _CLOSE:
        return f"its arms' probabilities add up to {total:g}, not to 1: an arm is missing, or they are wrong"
    off = experiment[Experiment.off]
    if abs(off) > _FAR:
        return (
            f"an arm has {'more' if off > 0 else 'fewer'} users than were drawn, by {abs(off):.1f} standard errors: "
            "users are missing, or probabilities are wrong"
        )
    return ""
