"""A model is chosen, calibrated and refused by what happened later; data whose right answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from promo_spark.learners.base_rates import BaseRate
from promo_spark.learners.boosting import BoostingEffort
from promo_spark.learners.judgement import auc
from promo_spark.learners.stored_text import sha256_of
from promo_spark.learners.tables import FeatureTable, Floats
from promo_spark.measures.metric_rows import Figure
from promo_spark.models.propensity.fitting import (
    Effort,
    Examples,
    Fitted,
    FittedQuestion,
    Question,
    fitted_question,
    joined,
)

EFFORT = Effort(
    BoostingEffort(trees=60, rows_of_leaf=30), ridge=1.0, tie_margin=0.002, least_rows=200, calibration_rows=50
)
KINDS = ("new", "old", "never seen")
BUYS = Question("order_14d", "binary", KINDS)
NAMES = ("recency_days", "orders", "noise")


def examples(seed: int, rows: int = 5000, shift: float = 0.0, bent: bool = False) -> tuple[Examples, Floats]:
    """Orders make it likelier, recency less likely, and `shift` all together. Bent: only of 2 to 4 orders.

    Half of the rows are new, half old; the true probability beside.
    """
    draw = np.random.default_rng(seed)
    values = np.column_stack([draw.integers(1, 60, rows), draw.integers(0, 8, rows), draw.normal(0, 1, rows)]).astype(
        float
    )
    logs = np.log1p(values[:, :2])
    score = 2.0 * logs[:, 1] - 1.0 * logs[:, 0] + shift
    if bent:
        score = np.where((values[:, 1] >= 2) & (values[:, 1] < 5), 2.0, -2.0) + shift
    p = 1 / (1 + np.exp(-score))
    happened = (draw.random(rows) < p).astype(float)
    number = np.arange(rows)
    return Examples(FeatureTable(NAMES, values), happened, number % 2, number // 2, np.full(rows, 100)), p


def figures(fitted: Fitted, slice_: str) -> dict[str, float | None]:
    return {f.metric: f.value for f in fitted.figures if f.slice == slice_}


def test_a_later_window_is_told_apart_and_its_tenths_are_right() -> None:
    """H01: learnt on earlier examples, judged on later ones, all likelier: AUC ≥ .75, each tenth within 3 points.

    With shuffled answers nothing is found, and the base rate is taken.
    """
    past, latest, (later, p) = examples(1)[0], examples(2, shift=0.7)[0], examples(3, shift=0.7)
    fitted = fitted_question(BUYS, past, latest, EFFORT)
    predicted = fitted.answer.predicted(later.table, later.kind)
    reached, best = auc(predicted, later.happened), auc(p, later.happened)
    assert reached is not None and best is not None
    assert 0.75 <= best - 0.01 < reached
    tenths = np.array_split(np.argsort(predicted), 10)
    assert max(abs(predicted[rows].mean() - p[rows].mean()) for rows in tenths) <= 0.03
    told = figures(fitted, "order_14d")
    assert told["auc"] is not None and told["auc"] >= 0.75
    assert told["worst_decile"] is not None and told["worst_decile"] <= 0.05

    draw = np.random.default_rng(4)
    shuffled = [replace(e, happened=draw.permutation(e.happened)) for e in (past, latest, later)]
    blind = fitted_question(BUYS, shuffled[0], shuffled[1], EFFORT)
    assert blind.answer.learner.engine == "base_rate"
    assert "no better than" in blind.instead
    tried = figures(blind, "order_14d:boosting")["auc"]
    assert tried == pytest.approx(0.5, abs=0.02)
    assert auc(blind.answer.predicted(later.table, later.kind), shuffled[2].happened) == pytest.approx(0.5, abs=0.02)


def test_the_regression_wins_ties_and_trees_win_where_lines_cannot_follow() -> None:
    straight = fitted_question(BUYS, examples(1)[0], examples(2)[0], EFFORT)
    assert straight.answer.learner.engine == "logistic"
    bent = fitted_question(BUYS, examples(1, bent=True)[0], examples(2, bent=True)[0], EFFORT)
    assert bent.answer.learner.engine == "boosting"
    losses = [figures(bent, f"order_14d:{engine}")["log_loss"] or 0.0 for engine in ("logistic", "boosting")]
    assert losses[1] < losses[0] * 0.9


def test_a_kind_that_nobody_was_of_is_unknown() -> None:
    fitted = fitted_question(BUYS, examples(1)[0], examples(2)[0], EFFORT)
    table = examples(3, rows=3)[0].table
    predicted = fitted.answer.predicted(table, np.array([0, 1, 2]))
    assert np.isnan(predicted).tolist() == [False, False, True]


@pytest.mark.parametrize("bent", [False, True])
def test_the_score_of_leaving_rises_with_the_days_of_silence(bent: bool) -> None:
    """H07: AUC of planted leaving ≥ .75; and who is silent for longer, all else the same, is likelier to have left.

    So it is with regression and with trees.
    """
    leaves = Question("churn_60d", "binary", KINDS, rising=("recency_days",))
    parts = [examples(seed, bent=bent)[0] for seed in (1, 2, 3)]
    past, latest, later = (replace(e, happened=1 - e.happened) for e in parts)
    fitted = fitted_question(leaves, past, latest, EFFORT)
    assert fitted.answer.learner.engine == ("boosting" if bent else "logistic")
    reached = auc(fitted.answer.predicted(later.table, later.kind), later.happened)
    assert reached is not None and reached >= 0.75
    for orders in (0.0, 3.0, 7.0):
        days = np.arange(1.0, 60.0)
        grid = FeatureTable(NAMES, np.column_stack([days, np.full(59, orders), np.zeros(59)]))
        score = fitted.answer.predicted(grid, np.ones(59, np.int64))
        assert (np.diff(score) >= 0).all()
        assert bent or score[-1] > score[0] + 0.2


def test_too_little_gives_the_base_rate_by_kind() -> None:
    """100 examples are too few. Of the latest 40 of 50 new and 10 of 50 old ones bought."""
    few = examples(1, rows=100)[0]
    happened = np.where(few.kind == 0, few.user % 5 < 4, few.user % 5 < 1).astype(float)
    fitted = fitted_question(BUYS, few, replace(few, happened=happened), EFFORT)
    assert isinstance(fitted.answer.learner, BaseRate)
    assert fitted.answer.learner.value == 0.5
    assert fitted.instead == "100 examples before the last whole window are fewer than 200"
    predicted = fitted.answer.predicted(few.table, few.kind)
    assert predicted[:2].tolist() == pytest.approx([0.8, 0.2], abs=0.03)
    nothing = few.rows(np.zeros(100, bool))
    unknown = fitted_question(BUYS, nothing, nothing, EFFORT)
    assert np.isnan(unknown.answer.predicted(few.table, few.kind)).all()


def test_what_comes_in_waves_is_learnt_of_all_waves() -> None:
    """Of 150 latest examples alone no model is made; with 5,000 before, which are likelier, all is calibrated on all.

    Seen are (5,000 × .5 + 150 × .1) / 5,150 or so: the mean prediction meets what happened in all waves.
    """
    past, latest = examples(1, shift=0.5)[0], examples(2, rows=150, shift=-2.0)[0]
    apart = fitted_question(BUYS, past, latest, EFFORT)
    assert apart.instead == "150 examples in the last whole window are fewer than 200"
    fitted = fitted_question(replace(BUYS, in_waves=True), past, latest, EFFORT)
    every, (later, p) = joined(past, latest), examples(3, shift=0.5)
    assert fitted.answer.learner.engine == "logistic" and not fitted.instead
    assert fitted.answer.predicted(every.table, every.kind).mean() == pytest.approx(every.happened.mean(), abs=0.01)
    reached, best = auc(fitted.answer.predicted(later.table, later.kind), later.happened), auc(p, later.happened)
    assert reached is not None and best is not None and reached > best - 0.01


def test_of_what_hardly_ever_happens_no_model_is_made() -> None:
    """Of 5,000 examples 19 bought, and 20 would do."""
    past, latest = examples(1)[0], examples(2)[0]
    rare = np.where(np.arange(5000) < 19, 1.0, 0.0)
    fitted = fitted_question(BUYS, replace(past, happened=rare), latest, EFFORT)
    assert fitted.instead == "of the two outcomes before the last whole window the rarer happened 19 times"


def test_amounts_are_expected_and_come_out_in_sum() -> None:
    """What is paid is 20 where something is bought. The mean of the latest window is met, which is higher."""
    spends = Question("spend_30d", "tweedie", KINDS)
    past, latest = (replace(e, happened=e.happened * 20) for e in (examples(1)[0], examples(2, shift=0.7)[0]))
    fitted = fitted_question(spends, past, latest, EFFORT)
    predicted = fitted.answer.predicted(latest.table, latest.kind)
    assert predicted.min() >= 0
    assert predicted.mean() == pytest.approx(latest.happened.mean(), rel=0.01)
    told = figures(fitted, "spend_30d")
    assert told["rmse"] is not None and told["base_rmse"] is not None
    assert told["rmse"] < told["base_rmse"]


def test_a_stored_model_says_the_same_to_the_bit() -> None:
    fitted = fitted_question(BUYS, examples(1, bent=True)[0], examples(2)[0], EFFORT)
    text, later = fitted.answer.to_text(), examples(3)[0]
    again = FittedQuestion.from_text(BUYS, text, sha256_of(text))
    assert again is not None
    predicted = [a.predicted(later.table, later.kind).tolist() for a in (fitted.answer, again)]
    assert predicted[0] == predicted[1]
    assert FittedQuestion.from_text(replace(BUYS, kinds=("others",)), text, sha256_of(text)) is None


def test_figures_of_a_model_stand_beside_the_base_rate() -> None:
    """H08: accuracy never stands alone."""
    fitted = fitted_question(BUYS, examples(1)[0], examples(2)[0], EFFORT)
    told = figures(fitted, "order_14d")
    assert set(told) == {
        *("auc", "log_loss", "base_log_loss", "brier", "base_rate", "worst_decile"),
        *("f1", "accuracy", "base_accuracy"),
    }
    assert Figure("auc", "order_14d", told["auc"], 5000) in fitted.figures
