"""Which segment a user is of, told from the plain figures of a profile: what another system places new users by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.segments import SegmentClassifiers
from promo_spark.contracts.vocabulary import VALUE
from promo_spark.learners.softmax import SoftmaxModel, fitted_softmax, macro_f1
from promo_spark.learners.stored_text import plain_text, read_plain, sha256_of
from promo_spark.learners.tables import FeatureTable
from promo_spark.measures.metric_rows import DECIMALS, Figure
from promo_spark.models.segments.stored import FittedSegments

CLASSIFIER = "classifier"


@dataclass(frozen=True)
class SegmentClassifier:
    """A classifier of a grouping: learnt on one half of the sample, judged on the users of the other."""

    grouping: str
    model: SoftmaxModel
    users: int
    agreement: float
    macro_f1: float


def fitted_classifier(sample: pd.DataFrame, fitted: FittedSegments) -> SegmentClassifier | None:
    """user_sample → what places users as the segments do; None: the users of a half are all of one segment."""
    features = fitted.scaling.features
    shares = tuple(UserProfile.columns()[f].unit == "share" for f in features)
    logs = sample[list(features)].to_numpy(float)
    values = np.where(np.array(shares), logs, np.sign(logs) * np.expm1(np.abs(logs)))
    table = FeatureTable(features, values)
    of = np.array(fitted.ids, np.int64)[fitted.prototypes.labels(fitted.scaling.scaled(sample))]
    half = np.arange(len(of)) % 2 == 0
    if len(np.unique(of[half])) < 2 or half.all():
        return None
    model = fitted_softmax(table.rows(half), of[half], shares=shares)
    said, true = model.predicted(table.rows(~half)), of[~half]
    return SegmentClassifier(
        fitted.grouping, model, int(half.sum()), float((said == true).mean()), macro_f1(said, true)
    )


def classifier_rows(classifiers: Sequence[SegmentClassifier]) -> list[dict[str, Any]]:
    """One row per grouping. → SegmentClassifiers."""
    return [_row(of, plain_text(of.model.to_plain())) for of in classifiers]


def _row(of: SegmentClassifier, text: str) -> dict[str, Any]:
    return {
        SegmentClassifiers.grouping: of.grouping,
        SegmentClassifiers.model: text,
        SegmentClassifiers.sha256: sha256_of(text),
        SegmentClassifiers.users: of.users,
        SegmentClassifiers.agreement: round(of.agreement, DECIMALS),
        SegmentClassifiers.macro_f1: round(of.macro_f1, DECIMALS),
    }


def stored_classifier(text: str, sha256: str) -> SoftmaxModel:
    """The classifier of a row; ContractError where the text is not the one that the checksum was made of."""
    return SoftmaxModel.from_plain(read_plain(text, sha256))


def classifier_figures(of: SegmentClassifier) -> list[Figure]:
    """How well it does on users whom it did not learn from. Slices: classifier, behaviour:classifier."""
    slice_ = CLASSIFIER if of.grouping == VALUE else f"{of.grouping}:{CLASSIFIER}"
    return [
        Figure("agreement", slice_, round(of.agreement, DECIMALS), of.users),
        Figure("macro_f1", slice_, round(of.macro_f1, DECIMALS), of.users),
    ]
