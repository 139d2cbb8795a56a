"""Fitted models come back from their text to the bit, and from no other text."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.errors import ContractError
from promo_spark.learners.base_rates import BaseRate
from promo_spark.learners.boosting import BoostingEffort, fitted_trees
from promo_spark.learners.linear import fitted_linear
from promo_spark.learners.stored_text import Learner, model_text, read_model, sha256_of
from tests.learners.data import planted


@pytest.mark.parametrize("engine", ["logistic", "linear", "boosting", "base_rate"])
def test_what_is_read_again_predicts_the_same_to_the_bit(engine: str) -> None:
    table, happened, _ = planted(2000)
    learner: Learner = BaseRate(table.names, 0.3)
    if engine == "boosting":
        learner = fitted_trees(table, happened, "binary", BoostingEffort(trees=10))
    elif engine != "base_rate":
        learner = fitted_linear(table, happened, logit=engine == "logistic")
    text = model_text(learner, {"trained_on": "2017-12-01"})
    again, beside = read_model(text, sha256_of(text))
    assert again.engine == engine
    assert again.predicted(table).tolist() == learner.predicted(table).tolist()
    assert again.contributions(table).tolist() == learner.contributions(table).tolist()
    assert beside == {"trained_on": "2017-12-01"}
    assert model_text(again, beside) == text


def test_a_text_that_was_changed_is_refused() -> None:
    text = model_text(BaseRate(("x",), 0.3), {})
    with pytest.raises(ContractError, match="damaged"):
        read_model(text.replace("0.3", "0.9"), sha256_of(text))
    newer = text.replace('"form":1', '"form":2')
    with pytest.raises(ContractError, match="has the form 2, not 1"):
        read_model(newer, sha256_of(newer))


def test_a_base_rate_of_nothing_is_unknown() -> None:
    text = model_text(BaseRate(("x",), float("nan")), {})
    again, _ = read_model(text, sha256_of(text))
    table, _, _ = planted(3)
    assert np.isnan(again.contributions(table.columns(["weak"]))[:, -1]).all()
