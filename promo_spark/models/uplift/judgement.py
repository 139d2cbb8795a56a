"""How good fitted effects are, on the half of the users that they were not fitted on.

What is predicted of a user must not tell which arm the user came to: users without an offer are asked about one that
somebody of their experiment had, drawn by their number, and arms about their mean share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from promo_spark.learners.meta_learners import could_have_had
from promo_spark.learners.tables import FeatureTable
from promo_spark.measures.metric_rows import Figure
from promo_spark.models.uplift.cost_curves import JudgedArms, cost_figures
from promo_spark.models.uplift.effects import Evidence
from promo_spark.models.uplift.histories import Floats, Ints
from promo_spark.models.uplift.uplift_metrics import (
    Estimate,
    Judged,
    arm_chances,
    calibration_slope,
    mean_effect,
    qini,
)

ALL = "all"
_DECIMALS = 9
_LEAST_ROWS = 50  # of an arm of an experiment: with fewer it is not judged
Predicted = Callable[[Ints, Floats, Floats], Floats]  # mechanic, saving, share → extra visits, row by row


@dataclass(frozen=True)
class OutOfSample:
    """The evidence, and what models that have not seen a row say of it. `per_visit`: currency of a usual basket."""

    evidence: Evidence
    experiment: Ints
    user: Ints
    predicted: Predicted
    per_visit: Floats


def effect_figures(of: OutOfSample) -> list[Figure]:
    """Qini, calibration and mean effect of the offers as they were; Qini and area of several arms with costs."""
    evidence, chance = of.evidence, arm_chances(of.evidence, of.experiment)
    both = (chance > 0) & (chance < 1)
    if not both.any():
        return []
    has, names = evidence.mechanic >= 0, ("mechanic", "saving", "share")
    own = FeatureTable(names, np.column_stack([getattr(evidence, name) for name in names]))
    mechanic, saving, share = could_have_had(own, evidence.mechanic, of.experiment, of.user).values.T
    told = of.predicted(mechanic.astype(np.int64), saving, share)
    judged = Judged(told[both], evidence.visits[both], has[both], chance[both], of.user[both])
    measured = {
        "qini": qini(judged),
        "calibration_slope": calibration_slope(judged),
        "mean_effect": mean_effect(judged),
    }
    arms = judged_arms(of)
    rows = _rows(ALL, measured, int(both.sum()))
    return rows if arms is None else rows + _rows(ALL, cost_figures(arms), len(arms.user))


def judged_arms(of: OutOfSample) -> JudgedArms | None:
    """The rows of experiments with arms that are judged. None: there are none.

    A score is the predicted effect, corrected by what the row's own arm shows of it (augmented inverse probability
    weights); the probability of an arm is the share of the experiment's rows that came to it. A cost is what the offer
    would give, were it used at each visit: visits expected under it × saving × share × usual basket. Only how costs are
    to each other counts, not their level.
    """
    evidence = of.evidence
    arm = np.where(evidence.mechanic >= 0, evidence.mechanic * 1000 + np.rint(evidence.saving * 100), -1).astype(int)
    arms, place = np.unique(arm, return_inverse=True)
    number = np.unique(of.experiment, return_inverse=True)[1]
    shape = (int(number.max()) + 1, len(arms))
    count = np.bincount(number * len(arms) + place, minlength=shape[0] * shape[1]).reshape(shape)
    size = count.sum(axis=1)
    judged = (count >= _LEAST_ROWS) & (arms >= 0)
    sound = judged.any(axis=1) & (arms[0] < 0) & (count[:, 0] >= _LEAST_ROWS)
    rows = np.flatnonzero(sound[number])
    if not len(rows):
        return None
    total = np.bincount(number * len(arms) + place, evidence.share, shape[0] * shape[1]).reshape(shape)
    share_of = total / np.maximum(count, 1)
    chance = np.maximum(count[number] / size[number][:, None], 1e-9)  # row × arm
    without = evidence.weight * (evidence.visits - evidence.baseline)
    of_nothing = np.where(arm < 0, without / chance[:, 0], 0.0)
    predicted, score, cost = np.full((3, len(rows), len(arms)), np.nan)
    for column in np.flatnonzero(judged.any(axis=0)):
        mechanic, saving = np.divmod(arms[column], 1000)
        n, share = len(evidence), share_of[number, column]
        told = of.predicted(np.full(n, mechanic), np.full(n, saving / 100), share)
        of_arm = np.where(place == column, (without - evidence.weight * told) / chance[:, column], 0.0)
        could = judged[number, column]
        visits = np.maximum(evidence.baseline + told, 0.0)
        given = np.maximum(visits * (saving / 100) * share * of.per_visit, 1e-9)
        for table, values in ((predicted, told), (score, told + of_arm - of_nothing), (cost, given)):
            table[:, column] = np.where(could, values, np.nan)[rows]
    keep = np.flatnonzero(judged.any(axis=0))
    return JudgedArms(cost[:, keep], predicted[:, keep], score[:, keep], of.experiment[rows], of.user[rows])


def _rows(slice_: str, measured: dict[str, Estimate], n: int) -> list[Figure]:
    rows = []
    for metric, estimate in measured.items():
        rows.append(Figure(metric, slice_, round(estimate.value, _DECIMALS), n))
        rows.append(Figure(f"{metric}_se", slice_, round(estimate.error, _DECIMALS), n))
    return rows
