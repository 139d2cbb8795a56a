"""Which experiments are evidence: those whose arms were drawn with probabilities that add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Assignments

_CLOSE = 0.02


class Experiment(Frame):
    """One row per experiment."""

    campaign_id = Col(T.StringType(), "the experiment", required=True)
    arms = Col(T.LongType(), "arms that users came to", required=True)
    treated = Col(T.LongType(), "users with an offer", required=True)
    control = Col(T.LongType(), "users without", required=True)
    probability = Col(T.DoubleType(), "sum of the arms' mean probabilities", required=True)


def experiments(assignments: DataFrame) -> DataFrame:
    """One row per experiment. Assignments → Experiment."""
    arm = assignments.groupBy(Assignments.campaign_id, Assignments.arm).agg(
        F.avg(Assignments.propensity).cast("double").alias(Experiment.probability),
        F.count_if(F.col(Assignments.depth) > 0).alias(Experiment.treated),
        F.count_if(F.col(Assignments.depth) == 0).alias(Experiment.control),
    )
    return Experiment.shaped(
        arm.groupBy(Assignments.campaign_id).agg(
            F.count("*").alias(Experiment.arms),
            F.sum(Experiment.treated).alias(Experiment.treated),
            F.sum(Experiment.control).alias(Experiment.control),
            F.round(F.sum(F.round(Experiment.probability, 9).cast("decimal(20,9)")), 9)
            .cast("double")
            .alias(Experiment.probability),
        )
    )


def fault(experiment: Mapping[str, Any]) -> str:
    """Why an Experiment is no evidence; "": it is.

    >>> fault({"arms": 2, "treated": 40, "control": 60, "probability": 0.7})
    "its arms' probabilities add up to 0.7, not to 1: an arm is missing, or they are wrong"
    """
    if not experiment[Experiment.control]:
        return "nobody is without an offer"
    if not experiment[Experiment.treated]:
        return "nobody has an offer"
    total = experiment[Experiment.probability]
    if abs(total - 1) > _CLOSE:
        return f"its arms' probabilities add up to {total:g}, not to 1: an arm is missing, or they are wrong"
    return ""
