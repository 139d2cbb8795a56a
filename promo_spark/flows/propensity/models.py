"""The models of a date: those of an earlier date where they are kept, else newly fitted ones."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.predictions import FittedModels
from promo_spark.contracts.schema import Table
from promo_spark.features.labels.users import KINDS
from promo_spark.flows.propensity.examples import Sample, population, user_examples
from promo_spark.flows.registry import Fit
from promo_spark.learners.boosting import BoostingEffort
from promo_spark.learners.representation import representation
from promo_spark.learners.stored_text import sha256_of
from promo_spark.measures.metric_rows import Figure
from promo_spark.measures.refitting import newest_rows, refit_reason
from promo_spark.models.propensity.fitting import (
    Effort,
    Examples,
    Fitted,
    FittedQuestion,
    Question,
    figures_of,
    fitted_question,
    joined,
)
from promo_spark.models.propensity.questions import user_questions
from promo_spark.runtime.job import Context
from promo_spark.runtime.side_by_side import side_by_side
from promo_spark.settings.fitting import FittingSettings
from promo_spark.settings.propensity import PropensitySettings
from promo_spark.settings.sections import Refit

_STORED = "stored"  # slice of figures: the models of an earlier date on the last whole window
_WORST_DECILE = "worst_decile"


@dataclass(frozen=True)
class ModelOfDate:
    """A model with its text, rules to read, and when it was fitted by what."""

    answer: FittedQuestion
    text: str
    rules: tuple[str, ...]
    trained_on: datetime.date
    made_by: str


@dataclass(frozen=True)
class ModelsOfDate:
    """The models by name, what is registered of those that were fitted on the date, and figures of all."""

    models: Mapping[str, ModelOfDate]
    fits: list[Fit]
    figures: list[Figure]


def models_of_date(ctx: Context[PropensitySettings], sample: Sample) -> ModelsOfDate:
    """Each model kept or fitted. All are of the same date, so that predictions of a date belong together."""
    questions = user_questions(KINDS)
    stored = stored_models(ctx.earlier(FittedModels), questions)
    reason: str | None = "there were none of an earlier date with these features"
    figures: list[Figure] = []
    if stored is not None:
        newest = {name: user_examples(sample, name, ctx.settings)[1] for name in questions}
        figures = [f for name, model in stored.items() for f in figures_of_stored(model, newest[name])]
        oldest = min(stored.values(), key=lambda model: model.trained_on)
        reason = refit_reason(
            ctx.settings.refit,
            date=ctx.date,
            trained_on=oldest.trained_on,
            same_maker=all(model.made_by == ctx.made_by for model in stored.values()),
            drifted=worst_decile_drift(figures, ctx.settings.refit_worst_decile),
        )
        if reason is None:
            ctx.say(f"keeps the models of {oldest.trained_on}")
            return ModelsOfDate(stored, [], figures)

    def fitted(name: str) -> _Answered:
        ctx.say(f"fitting {name}")
        examples = user_examples(sample, name, ctx.settings)
        return _fitted(ctx, sample, questions[name], examples, reason or "")

    models, fits = {}, []
    for name, answered in zip(questions, side_by_side(fitted, list(questions)), strict=True):  # each takes one core
        models[name] = answered.model
        fits += [answered.fit]
        figures += answered.figures
        for note in answered.notes:
            ctx.note(note)
    return ModelsOfDate(models, fits, figures)


def stored_models(rows: DataFrame | None, questions: Mapping[str, Question]) -> dict[str, ModelOfDate] | None:
    """FittedModels of earlier dates → the models of the newest of them; None: not all are there, or of other kinds."""
    newest = newest_rows(rows, FittedModels.as_of)
    if newest is None:
        return None
    found = {row[FittedModels.model]: row for row in newest[1].collect()}  # one row per model
    models = {}
    for name, question in questions.items():
        if name not in found:
            return None
        row = found[name]
        answer = FittedQuestion.from_text(question, row[FittedModels.text], row[FittedModels.sha256])
        if answer is None:
            return None
        trained_on, made_by = row[FittedModels.trained_on], row[FittedModels.made_by]
        rules = tuple(row[FittedModels.rules])
        models[name] = ModelOfDate(answer, row[FittedModels.text], rules, trained_on, made_by)
    return models


def model_rows(
    spark: SparkSession, models: Mapping[str, ModelOfDate], table: type[FittedModels] = FittedModels
) -> DataFrame:
    """One row per model. ModelOfDate → FittedModels, or a table like it."""
    rows = [
        {
            FittedModels.model: name,
            FittedModels.engine: model.answer.learner.engine,
            FittedModels.text: model.text,
            FittedModels.sha256: sha256_of(model.text),
            FittedModels.rules: list(model.rules),
            FittedModels.trained_on: model.trained_on,
            FittedModels.made_by: model.made_by,
        }
        for name, model in models.items()
    ]
    return table.frame(spark, rows)


@dataclass(frozen=True)
class _Answered:
    """A question's model, what is registered of it, its figures, and what a reader should know."""

    model: ModelOfDate
    fit: Fit
    figures: list[Figure]
    notes: list[str]


def _fitted(
    ctx: Context[PropensitySettings],
    sample: Sample,
    question: Question,
    examples: tuple[Examples, Examples],
    reason: str,
) -> _Answered:
    settings, (past, latest), notes = ctx.settings, examples, list[str]()
    learnt = joined(past, latest) if question.in_waves else past
    shares = representation(
        question.model,
        sample.groups,
        examples=learnt.user,
        population=population(sample, question.model, settings) if sample.groups else learnt.user,
        above=settings.reweight_above,
    )
    if shares.weight is not None:
        notes.append(shares.sentence())
        past, rest = past.weighted(shares.weight[: len(past)]), shares.weight[len(past) :]
        latest = latest.weighted(rest) if question.in_waves else latest
    fitted = fitted_question(question, past, latest, effort_of(settings, settings.seed))
    if fitted.instead:
        notes.append(f"{question.model}: all get the base rate, since {fitted.instead}")
    text = fitted.answer.to_text()
    if question.in_waves:
        past = latest = joined(past, latest)
    learnt_from = past if len(past) and not fitted.instead else latest
    fit = fit_of(
        fitted,
        learnt_from,
        text,
        day=sample.day,
        refit=settings.refit,
        reason=reason,
        features=past.table.names,
        state=FittedModels,
    )
    model = ModelOfDate(fitted.answer, text, fitted.rules, ctx.date, ctx.made_by)
    return _Answered(model, fit, [*fitted.figures, *shares.figures], notes)


def fit_of(
    fitted: Fitted,
    learnt_from: Examples,
    text: str,
    *,
    day: int,
    refit: Refit,
    reason: str,
    features: Sequence[str],
    state: type[Table],
    champion: bool = True,
) -> Fit:
    """What is registered of an answer whose text is stored. `day`: of the date, where there were no examples."""
    name, days = fitted.answer.question.model, learnt_from.day if len(learnt_from) else [day]
    return Fit(
        name,
        fitted.answer.learner.engine,
        refit,
        reason,
        rows=len(learnt_from),
        days=(_date(int(min(days))), _date(int(max(days)))),
        features=features,
        state=state,
        metrics={f.metric: f.value for f in fitted.figures if f.slice == name and f.value is not None},
        sha256=sha256_of(text),
        champion=champion,
    )


def effort_of(settings: FittingSettings, seed: int) -> Effort:
    """How models are fitted and chosen."""
    return Effort(
        BoostingEffort(settings.trees, settings.leaves, settings.rate, settings.rows_of_leaf, seed % 2**31),
        settings.ridge,
        settings.tie_margin,
        settings.least_rows,
        settings.calibration_rows,
    )


def figures_of_stored(model: ModelOfDate, latest: Examples) -> list[Figure]:
    """How good a model of an earlier date is on the last whole window."""
    question = model.answer.question
    predicted = model.answer.predicted(latest.table, latest.kind)
    return figures_of(question, f"{question.model}:{_STORED}", predicted, latest)


def worst_decile_drift(figures: Sequence[Figure], most: float) -> str:
    """Of figures of stored models, what is farther off than the settings allow; "": nothing."""
    off = [f for f in figures if f.metric == _WORST_DECILE and f.value is not None and f.value > most]
    if not off:
        return ""
    worst = max(off, key=lambda figure: (figure.value or 0.0, figure.slice))
    return (
        f"the worst decile of {worst.slice.removesuffix(':' + _STORED)} is off by {worst.value:.3f}, more than {most:g}"
    )


def _date(day: int) -> datetime.date:
    return datetime.date(1970, 1, 1) + datetime.timedelta(day)
