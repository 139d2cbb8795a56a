"""One model of what happens: a regression and boosted trees are fitted, the better one is taken and calibrated.

Both are fitted on past windows that end before the last whole window begins. On that one they are compared, and the one
that is taken is calibrated. Its figures there are those of halves of the users, each calibrated by the other half.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promo_spark.learners.base_rates import BaseRate
from promo_spark.learners.boosting import BoostingEffort, Objective, fitted_trees
from promo_spark.learners.calibration import Calibration, Method, fitted_calibration
from promo_spark.learners.judgement import auc, judged, log_loss
from promo_spark.learners.linear import fitted_linear
from promo_spark.learners.stored_text import Learner, model_text, read_model
from promo_spark.learners.tables import FeatureTable, Floats, Ints
from promo_spark.learners.trees import DecisionTree, fitted_tree
from promo_spark.measures.metric_rows import Figure

ALL = "all"  # the kind of an example where there is nothing to go by
_DECIMALS = 6
_SPREAD = 2654435761  # a prime: neighbours by number come to either half
_DEPTH = 3


@dataclass(frozen=True)
class Examples:
    """What was known of each row as of a day, what happened next, which kind it is of, and the number of its user.

    `weight`: how many rows each counts for where models are fitted; None: one.
    """

    table: FeatureTable
    happened: Floats
    kind: Ints
    user: Ints
    day: Ints
    weight: Floats | None = None

    def __len__(self) -> int:
        return len(self.happened)

    def rows(self, chosen: NDArray[np.bool_]) -> Examples:
        """Some of them, in their order."""
        table, happened = self.table.rows(chosen), self.happened[chosen]
        weight = None if self.weight is None else self.weight[chosen]
        return Examples(table, happened, self.kind[chosen], self.user[chosen], self.day[chosen], weight)

    def weighted(self, weight: Floats | None) -> Examples:
        """The same, each counting for so many."""
        return replace(self, weight=weight)


@dataclass(frozen=True)
class Question:
    """What is asked. `objective`: binary is a probability, the others are amounts. `kinds`: calibrated each by itself.

    `rising`: features with which the prediction may only rise, the others held fixed. `in_waves`: examples come few and
    far between, as campaigns do; then no window is kept apart.
    """

    model: str
    objective: Objective
    kinds: tuple[str, ...]
    rising: tuple[str, ...] = ()
    in_waves: bool = False

    @property
    def is_amount(self) -> bool:
        return self.objective != "binary"


@dataclass(frozen=True)
class Effort:
    """How models are fitted and chosen, as settings have it."""

    boosting: BoostingEffort
    ridge: float
    tie_margin: float
    least_rows: int
    calibration_rows: int


@dataclass(frozen=True)
class FittedQuestion:
    """What answers a question: a learner and its calibration."""

    question: Question
    learner: Learner
    calibration: Calibration

    def predicted(self, table: FeatureTable, kind: Ints) -> Floats:
        """Per row the calibrated probability or amount, rounded; NaN where nobody knows."""
        worth = self.calibration.applied(plain(self.question, self.learner, table), kind, self.question.kinds)
        return np.round(worth, _DECIMALS)

    def to_text(self) -> str:
        """The whole as text; equal models give equal texts."""
        return model_text(self.learner, {"kinds": self.question.kinds, "calibration": self.calibration.to_plain()})

    @staticmethod
    def from_text(question: Question, text: str, sha256: str) -> FittedQuestion | None:
        """What a text says; None where it was fitted on other features or kinds than the question has now."""
        learner, beside = read_model(text, sha256)
        if tuple(beside["kinds"]) != question.kinds:
            return None
        return FittedQuestion(question, learner, Calibration.from_plain(beside["calibration"]))


@dataclass(frozen=True)
class Fitted:
    """A fitted question, its figures, why it is the base rate ("": it is a model), and rules to read."""

    answer: FittedQuestion
    figures: list[Figure]
    instead: str
    rules: tuple[str, ...] = ()


def fitted_question(question: Question, past: Examples, latest: Examples, effort: Effort) -> Fitted:
    """The better of regression and boosting, the regression where they are as good; calibrated on the latest examples.

    Where they come in waves, the latest are too few to say so: then all examples do, those of each half of the users by
    a model of the other half.

    The base rate of the latest examples, by kind, where there is too little to fit on, where of two outcomes one is too
    rare, or where no model is better than the base rate.
    """
    if question.in_waves:
        past = latest = joined(past, latest)
    instead = _why_not(question, past, latest, effort.least_rows)
    if instead:
        return _base_rate(question, past, latest, effort, instead)
    amount = question.is_amount
    engines = ("linear" if amount else "logistic", "boosting")
    learners = {engine: _learner(engine, question, past, effort) for engine in engines}
    if question.in_waves:
        raw = {engine: _by_halves(engine, question, latest, effort) for engine in engines}
    else:
        raw = {engine: plain(question, learner, latest.table) for engine, learner in learners.items()}
    losses = {engine: _loss(predicted, latest.happened, amount) for engine, predicted in raw.items()}
    engine = engines[losses[engines[1]] < losses[engines[0]] * (1 - effort.tie_margin)]
    figures = [
        Figure(_name_of_loss(amount), f"{question.model}:{name}", round(loss, _DECIMALS), len(latest))
        for name, loss in losses.items()
    ]
    figures += [
        Figure("auc", f"{question.model}:{name}", _rounded(auc(predicted, latest.happened)), len(latest))
        for name, predicted in raw.items()
        if not amount
    ]
    measured = _halves(question, raw[engine], latest, effort)
    instead = _refusal(measured, latest.happened, amount)
    if instead:
        return _base_rate(question, past, latest, effort, instead, figures)
    calibration = _calibration(question, raw[engine], latest, effort)
    answer = FittedQuestion(question, learners[engine], calibration)
    rules = () if amount else tuple(readable_tree(past, effort).rules())
    return Fitted(answer, [*figures, *figures_of(question, question.model, measured, latest)], "", rules)


def _learner(engine: str, question: Question, examples: Examples, effort: Effort) -> Learner:
    table, happened, weight = examples.table, examples.happened, examples.weight
    if engine == "boosting":
        return fitted_trees(table, happened, question.objective, effort.boosting, rising=question.rising, weight=weight)
    is_logit = not question.is_amount
    return fitted_linear(table, happened, logit=is_logit, ridge=effort.ridge, rising=question.rising, weight=weight)


def _by_halves(engine: str, question: Question, examples: Examples, effort: Effort) -> Floats:
    """Predictions of each half of the users by a model of the other half."""
    predicted = np.zeros(len(examples))
    for half in (0, 1):
        here = _half(examples.user) == half
        learner = _learner(engine, question, examples.rows(~here), effort)
        predicted[here] = plain(question, learner, examples.table.rows(here))
    return predicted


def _half(user: Ints) -> Ints:
    """0 or 1, whatever order or pattern the numbers of the users have."""
    return (user * _SPREAD % 2**32 >> 16) % 2


def joined(*parts: Examples) -> Examples:
    """The examples of all parts, one after the other; they have the same features, and there is at least one part."""
    values = np.concatenate([part.table.values for part in parts])
    rest = (np.concatenate([getattr(part, n) for part in parts]) for n in ("happened", "kind", "user", "day"))
    weighted = any(part.weight is not None for part in parts)
    weights = [np.ones(len(part)) if part.weight is None else part.weight for part in parts]
    whole = Examples(FeatureTable(parts[0].table.names, values), *rest)
    return whole.weighted(np.concatenate(weights) if weighted else None)


def readable_tree(examples: Examples, effort: Effort) -> DecisionTree:
    """A tree of a few rules on the examples: to be read, it predicts nothing."""
    least = max(effort.boosting.rows_of_leaf, len(examples) // 50)
    return fitted_tree(examples.table, examples.happened, depth=_DEPTH, rows_of_leaf=least)


def plain(question: Question, learner: Learner, table: FeatureTable) -> Floats:
    """What a learner predicts before it is calibrated; amounts are 0 at least."""
    predicted = learner.predicted(table)
    return np.maximum(predicted, 0.0) if question.is_amount else predicted


def figures_of(question: Question, slice_: str, predicted: Floats, examples: Examples) -> list[Figure]:
    """How good predictions are on examples, under a slice; unknown ones do not count. None where there are none."""
    known = ~np.isnan(predicted)
    predicted, happened = predicted[known], examples.happened[known]
    if not len(predicted):
        return []
    figures = dict(_amount_figures(predicted, happened) if question.is_amount else _share_figures(predicted, happened))
    return [Figure(metric, slice_, _rounded(value), len(predicted)) for metric, value in figures.items()]


def _share_figures(p: Floats, happened: Floats) -> Iterator[tuple[str, float | None]]:
    of = judged(p, happened)
    yield from (("auc", of.auc), ("log_loss", of.log_loss), ("base_log_loss", of.base_log_loss), ("brier", of.brier))
    yield from (("base_rate", of.base_rate), ("worst_decile", of.worst_decile), ("f1", of.f1))
    yield from (("accuracy", of.accuracy), ("base_accuracy", of.base_accuracy))


def _amount_figures(amount: Floats, came: Floats) -> Iterator[tuple[str, float | None]]:
    yield "rmse", float(np.sqrt(((amount - came) ** 2).mean()))
    yield "base_rmse", float(np.sqrt(((came.mean() - came) ** 2).mean()))
    yield "mean", float(came.mean())
    yield "bias", float(amount.mean() - came.mean())


def _why_not(question: Question, past: Examples, latest: Examples, least_rows: int) -> str:
    """Why nothing is fitted; "": it can be."""
    for when, examples in (("before", past), ("in", latest)):
        if len(examples) < least_rows:
            return f"{len(examples)} examples {when} the last whole window are fewer than {least_rows}"
        if question.is_amount:
            if not examples.happened.any():
                return f"nothing came of any example {when} the last whole window"
            continue
        rarer = int(min(examples.happened.sum(), len(examples) - examples.happened.sum()))
        if rarer < max(1, least_rows // 10):
            return f"of the two outcomes {when} the last whole window the rarer happened {rarer} times"
    return ""


def _base_rate(
    question: Question,
    past: Examples,
    latest: Examples,
    effort: Effort,
    instead: str,
    figures: Sequence[Figure] = (),
) -> Fitted:
    """The share or the mean of the latest examples, else of those before; for all the same."""
    known = latest if len(latest) else past
    value = float(known.happened.mean()) if len(known) else float("nan")
    learner = BaseRate(past.table.names, value)
    flat = np.full(len(known), value)
    calibration = _calibration(question, flat, known, effort) if len(known) else Calibration({})
    answer = FittedQuestion(question, learner, calibration)
    measured = figures_of(question, question.model, answer.predicted(known.table, known.kind), known)
    return Fitted(answer, [*figures, *measured], instead)


def _calibration(question: Question, predicted: Floats, examples: Examples, effort: Effort) -> Calibration:
    method: Method = "ratio" if question.is_amount else "platt"
    return fitted_calibration(
        predicted, examples.happened, examples.kind, question.kinds, method=method, least_rows=effort.calibration_rows
    )


def _halves(question: Question, predicted: Floats, examples: Examples, effort: Effort) -> Floats:
    """Predictions of the examples, those of each half of the users calibrated on the other half."""
    calibrated = np.full(len(examples), np.nan)
    for half in (0, 1):
        here = _half(examples.user) == half
        if here.any() and not here.all():
            curves = _calibration(question, predicted[~here], examples.rows(~here), effort)
            calibrated[here] = curves.applied(predicted[here], examples.kind[here], question.kinds)
    return calibrated


def _refusal(predicted: Floats, happened: Floats, amount: bool) -> str:
    known = ~np.isnan(predicted)
    predicted, happened = predicted[known], happened[known]
    if not len(predicted):
        return "no kind of users has examples in both halves of the last whole window"
    if not amount:
        return judged(predicted, happened).fails()
    figures = dict(_amount_figures(predicted, happened))
    rmse, base = figures["rmse"] or 0.0, figures["base_rmse"] or 0.0
    return "" if rmse < base else f"RMSE is {rmse:.2f}, no better than that of the mean, {base:.2f}"


def _loss(predicted: Floats, happened: Floats, amount: bool) -> float:
    return float(np.sqrt(((predicted - happened) ** 2).mean())) if amount else log_loss(predicted, happened)


def _name_of_loss(amount: bool) -> str:
    return "rmse" if amount else "log_loss"


def _rounded(value: float | None) -> Any:
    return None if value is None else round(value, _DECIMALS)
