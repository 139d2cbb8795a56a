"""New users are placed from the plain figures of their profiles."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from promo_spark.contracts.vocabulary import BEHAVIOUR, VALUE
from promo_spark.errors import ContractError
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.segments.classifier import (
    classifier_figures,
    classifier_rows,
    fitted_classifier,
    stored_classifier,
)
from promo_spark.models.segments.drift import Nearness
from promo_spark.models.segments.prototypes import Prototypes
from promo_spark.models.segments.scaling import Scaling
from promo_spark.models.segments.stored import FittedSegments

FEATURES = ("spend", "discounted_lines_share")


def users(n: int, seed: int) -> pd.DataFrame:
    """On the log scale: a cloud without gaps, so that many users lie near a border."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"spend": rng.normal(5, 1, n), "discounted_lines_share": rng.uniform(0, 1, n)})


def fitted(grouping: str, scaling: Scaling, prototypes: Prototypes, ids: tuple[int, ...]) -> FittedSegments:
    near = Nearness(tuple([1] * len(ids)), tuple([0.0] * len(ids)))
    names = tuple(map(str, ids))
    day = datetime.date(2017, 11, 6)
    return FittedSegments(
        grouping, scaling, "kmeans", np.zeros((len(ids), 2)), prototypes, ids, names, near, day, "made", {}
    )


def test_new_users_are_placed_as_the_segments_would() -> None:
    """D15: at least 95 % of users whom it never saw are placed as by the nearest centre, of either grouping."""
    sample, new = users(2000, seed=1), users(1000, seed=2)
    scaling = Scaling.of(sample, FEATURES)
    centres = Prototypes.of_centres(np.array([[-1.0, 0.0], [1.0, -1.0], [1.0, 1.0]]))
    four = Prototypes.of_centres(np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.5, 1.0]]))
    by_value = fitted(VALUE, scaling, centres, (4, 7, 9))
    by_behaviour = fitted(BEHAVIOUR, scaling, four, (11, 12, 13, 14))
    plain = new.assign(spend=np.expm1(new["spend"]))[["discounted_lines_share", "spend"]]  # as profiles have it
    classifiers = []
    for of in (by_value, by_behaviour):
        classifier = fitted_classifier(sample, of)
        assert classifier is not None
        classifiers.append(classifier)
        row = classifier_rows([classifier])[0]
        stored = stored_classifier(row["model"], row["sha256"])
        said = stored.predicted(FeatureTable(tuple(plain.columns), plain.to_numpy()))
        true = np.array(of.ids)[of.prototypes.labels(scaling.scaled(new))]
        assert (said == true).mean() >= 0.95
        assert classifier.agreement == pytest.approx((said == true).mean(), abs=0.03)
        assert classifier.macro_f1 >= 0.94
        with pytest.raises(ContractError, match="damaged"):
            stored_classifier(row["model"].replace("4", "5"), row["sha256"])
    told = {(f.slice, f.metric) for c in classifiers for f in classifier_figures(c)}
    assert ("behaviour:classifier", "macro_f1") in told and ("classifier", "agreement") in told


def test_where_all_are_of_one_segment_there_is_nothing_to_tell() -> None:
    sample = users(20, seed=1)
    one = fitted(VALUE, Scaling.of(sample, FEATURES), Prototypes.of_centres(np.zeros((1, 2))), (1,))
    assert fitted_classifier(sample, one) is None
    assert fitted_classifier(sample[:0], one) is None
