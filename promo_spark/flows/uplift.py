"""The steps of uplift: which experiments are sound, whether the stored model is kept, what is said of every user."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Explored, Promotions
from promo_spark.contracts.responses import OFFER_MECHANICS, ResponseHistory, ResponseModels, Uplift, UpliftCurves
from promo_spark.contracts.silver import (
    Assignments,
    Campaigns,
    Contacts,
    Coupons,
    Exposures,
    OrderLines,
    Redemptions,
    Users,
)
from promo_spark.flows.registry import Fit
from promo_spark.flows.representation import groups_of_users
from promo_spark.flows.scored_records import record, unstamped
from promo_spark.learners.boosting import BoostingEffort
from promo_spark.learners.representation import representation
from promo_spark.learners.samples import hashed_sample
from promo_spark.learners.stored_text import sha256_of
from promo_spark.measures.metric_rows import Figure
from promo_spark.measures.refitting import newest_rows, refit_reason
from promo_spark.models.uplift.batches import Batch, batch_of, usual_basket
from promo_spark.models.uplift.effects import SAVINGS, SHARES
from promo_spark.models.uplift.experiments import Experiment, experiments, fault
from promo_spark.models.uplift.explored_draws import explored_draws
from promo_spark.models.uplift.histories import Floats, day_levels
from promo_spark.models.uplift.judgement import ALL, effect_figures
from promo_spark.models.uplift.response_histories import Offered, response_histories
from promo_spark.models.uplift.response_model import FEATURES, FittedResponses, Fitting, ResponseModel, fitted_responses
from promo_spark.runtime.job import Context
from promo_spark.settings.uplift import UpliftSettings

MODEL = "responses"
_ENGINES = {"response": "latent_classes", "t": "t_learner", "x": "x_learner", "dr": "dr_learner"}
_FIRST = datetime.date(1970, 1, 1)
_DECIMALS = 9
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class ResponsesOfDate:
    """What users are scored by: the model, the season of each day, and what of it is stored and told.

    `reason` is why it was fitted, "" if it was kept.
    """

    model: ResponseModel
    levels: Floats
    text: str
    trained_on: datetime.date
    made_by: str
    figures: list[Figure]
    reason: str


def sound_experiments(ctx: Context[UpliftSettings], *, explored: bool) -> DataFrame:
    """The assignments that are evidence. → Assignments. What is refused is said by name, with the reason.

    `explored`: whether draws of explored users are evidence, too.
    """
    assignments = ctx.read_optional(Assignments).filter(F.col(Assignments.assigned_on) < F.lit(ctx.date))
    found = [row.asDict() for row in experiments(assignments).collect()]  # a row per experiment
    wrong = {row[Experiment.campaign_id]: why for row in found if (why := fault(row))}
    for campaign, why in sorted(wrong.items()):
        ctx.note(f"experiment {campaign} is no evidence: {why}")
    tried = {row[Experiment.campaign_id] for row in found}
    told = ctx.read_optional(Contacts).select(Contacts.campaign_id).distinct().collect()  # a row per campaign
    chosen = sorted({row[0] for row in told} - tried)
    if chosen:
        names = ", ".join(chosen[:5]) + (f" and {len(chosen) - 5} more" if len(chosen) > 5 else "")
        ctx.note(
            f"no evidence of effects: {names}: who got them was chosen, not drawn, as silver.assignments would say"
        )
    if not tried - set(wrong) and not explored:
        ctx.note("no sound experiment before the date: effects are what earlier answers suggest (basis prior)")
    return assignments.filter(~F.col(Assignments.campaign_id).isin(sorted(wrong)))


def histories_of_date(ctx: Context[UpliftSettings]) -> DataFrame:
    """One row per user who bought in the days before the date. Silver tables and what was drawn → ResponseHistory."""
    draws = _draws(ctx)
    offered = Offered(
        campaigns=ctx.read_optional(Campaigns),
        contacts=ctx.read_optional(Contacts),
        coupons=ctx.read_optional(Coupons),
        assignments=sound_experiments(ctx, explored=draws is not None),
        exposures=ctx.read_optional(Exposures),
        redemptions=ctx.read_optional(Redemptions),
        draws=draws,
    )
    return ctx.keep(response_histories(ctx.read(OrderLines), offered, as_of=ctx.date, settings=ctx.settings))


def _draws(ctx: Context[UpliftSettings]) -> DataFrame | None:
    """What chance drew on earlier dates whose offers are over. → ExploredDraw; None: nothing."""
    explored = ctx.earlier(Explored)
    if explored is None:
        return None
    since = ctx.date - datetime.timedelta(ctx.settings.history_days)
    draws = explored_draws(
        explored,
        ctx.read_earlier(Promotions),
        since=since,
        as_of=ctx.date,
        most_days=ctx.settings.most_days,
    )
    kept = ctx.keep(draws)
    return None if kept.isEmpty() else kept


def responses_of_date(ctx: Context[UpliftSettings], histories: DataFrame) -> ResponsesOfDate | None:
    """The stored model of the newest earlier date where it is to be kept, else a newly fitted one.

    None: nobody bought in the days before the date.
    """
    settings = ctx.settings
    drawn = hashed_sample(histories, ResponseHistory.user_id, at_most=settings.sample_users, seed=settings.seed)
    rows = drawn.toArrow().sort_by(ResponseHistory.user_id)
    if not len(rows):
        ctx.note(f"nobody who may be profiled bought in the {settings.history_days} days before {ctx.date}")
        return None
    stored = _stored(ctx.earlier(ResponseModels))
    reason: str | None = "there was none of an earlier date"
    if stored is not None:
        kept, text, trained_on, made_by = stored
        reason = refit_reason(settings.refit, date=ctx.date, trained_on=trained_on, same_maker=made_by == ctx.made_by)
        if reason is None:
            ctx.say(f"keeps the model of responses of {trained_on}")
            levels = day_levels(_batch(ctx, rows, kept.basket).histories)
            return ResponsesOfDate(kept, levels, text, trained_on, made_by, [], "")
    basket = usual_basket(rows)
    batch, shares = _represented(ctx, _batch(ctx, rows, basket), drawn)
    levels = day_levels(batch.histories)
    ctx.say(f"fitting responses on {len(batch):,} users, {len(batch.trials):,} rows of experiments")
    effort = BoostingEffort(settings.trees, settings.leaves, rows_of_leaf=settings.rows_of_leaf)
    fitting = Fitting(settings.classes, settings.rounds, settings.least_rows, effort, settings.engine)
    fitted = fitted_responses(batch, levels, basket, fitting)
    if settings.engine != "response" and fitted.model.meta is None:
        ctx.note(
            f"too few rows of experiments for uplift.engine = {settings.engine!r}: {len(fitted.evidence):,}, "
            f"uplift.least_rows is {settings.least_rows:,}; the curve of engine 'response' is told"
        )
    figures = [*_figures(fitted, len(batch), fitting), *shares]
    return ResponsesOfDate(fitted.model, levels, fitted.model.to_text(), ctx.date, ctx.made_by, figures, reason or "")


def _represented(ctx: Context[UpliftSettings], batch: Batch, drawn: DataFrame) -> tuple[Batch, list[Figure]]:
    """The users with the rows of their experiments counting as shares of groups ask for, and what these are.

    Rows that count unequally tell less: they count together for (Σw)² / Σw² rows (Kish 1965), so that errors hold.
    """
    if not ctx.settings.represented or not ctx.exists(Users) or not len(batch.trials):
        return batch, []
    shares = representation(
        MODEL,
        groups_of_users(drawn, ctx.read_optional(Users), ctx.settings.represented),
        examples=batch.trials.user,
        population=np.arange(len(batch)),
        above=ctx.settings.reweight_above,
    )
    if shares.weight is None:
        return batch, shares.figures
    ctx.note(shares.sentence())
    of_rows = shares.weight * shares.weight.sum() / (shares.weight**2).sum()
    trials = replace(batch.trials, weight=batch.trials.weight * of_rows)
    return replace(batch, trials=trials), shares.figures


def fit_of_date(ctx: Context[UpliftSettings], of_date: ResponsesOfDate | None) -> Fit | None:
    """What was fitted on the date; None: nothing."""
    if of_date is None or not of_date.reason:
        return None
    return Fit(
        MODEL,
        _ENGINES[ctx.settings.engine],
        ctx.settings.refit,
        of_date.reason,
        rows=next(f.n for f in of_date.figures if f.metric == "users"),
        days=(ctx.date - datetime.timedelta(ctx.settings.history_days), ctx.date - datetime.timedelta(1)),
        features=FEATURES,
        state=ResponseModels,
        metrics={f.metric: f.value for f in of_date.figures if f.slice == ALL and f.value is not None},
        sha256=sha256_of(of_date.text),
    )


def figures_of_date(of_date: ResponsesOfDate | None) -> list[Figure]:
    """What was measured of the model; where nobody bought, that nobody did: a row to know the date by."""
    return of_date.figures if of_date else [Figure("users", ALL, 0.0, 0)]


def model_rows(ctx: Context[UpliftSettings], of_date: ResponsesOfDate | None) -> DataFrame:
    """One row, or none. → ResponseModels."""
    if of_date is None:
        return ResponseModels.frame(ctx.spark)
    row = {
        ResponseModels.model: MODEL,
        ResponseModels.text: of_date.text,
        ResponseModels.sha256: sha256_of(of_date.text),
        ResponseModels.trained_on: of_date.trained_on,
        ResponseModels.made_by: of_date.made_by,
    }
    return ResponseModels.frame(ctx.spark, [row])


def curve_rows(ctx: Context[UpliftSettings], of_date: ResponsesOfDate | None) -> DataFrame:
    """One row per curve and knot. → UpliftCurves."""
    if of_date is None:
        return UpliftCurves.frame(ctx.spark)
    effects = of_date.model.effects
    known = of_date.model.known
    curves = {
        "saving": (SAVINGS, effects.savings),
        "share": (SHARES, effects.shares),
        "use": (np.array(known.use_savings), np.array(known.use_levels)),
    }
    rows = [
        {UpliftCurves.curve: curve, UpliftCurves.at: float(at), UpliftCurves.level: round(float(level), _DECIMALS)}
        for curve, (knots, levels) in curves.items()
        for at, level in zip(knots, levels, strict=True)
    ]
    return UpliftCurves.frame(ctx.spark, rows)


def uplift(ctx: Context[UpliftSettings], histories: DataFrame, of_date: ResponsesOfDate | None) -> DataFrame:
    """One row per user and mechanic. ResponseHistory → Uplift."""
    if of_date is None:
        return Uplift.frame(ctx.spark)
    model, levels = of_date.model, of_date.levels
    first_day, days = _first_day(ctx), ctx.settings.history_days

    def of_batches(batches: Batches) -> Batches:
        for rows in batches:
            batch = batch_of(rows, first_day=first_day, days=days, basket=model.basket)
            yield record(Uplift, _uplift_columns(model, batch, levels))

    return histories.mapInArrow(of_batches, unstamped(Uplift))


def _uplift_columns(model: ResponseModel, batch: Batch, levels: Floats) -> dict[str, pa.Array]:
    """User by user, mechanic by mechanic."""
    answered = model.answered(batch.histories, levels)
    mechanics, users = len(OFFER_MECHANICS), len(batch)
    weekly = model.weekly_visits(answered.features)
    stated = model.stated(answered, weekly)
    row = np.repeat(np.arange(users), mechanics)
    return {
        Uplift.user_id: batch.user_ids.take(pa.array(row)),
        Uplift.mechanic: pa.array(list(OFFER_MECHANICS) * users, pa.string()),
        Uplift.effect: pa.array(np.round(stated.effect.ravel(), _DECIMALS)),
        Uplift.effect_se: pa.array(np.round(stated.error.ravel(), _DECIMALS)),
        Uplift.visits_per_week: pa.array(np.round(weekly, _DECIMALS)[row]),
        **{
            name: pa.array(np.round(answered.features[:, FEATURES.index(name)], _DECIMALS)[row])
            for name in (Uplift.readiness, Uplift.mention)
        },
        Uplift.basis: pa.array(list(stated.basis) * users, pa.string()),
    }


def _figures(fitted: FittedResponses, users: int, fitting: Fitting) -> list[Figure]:
    """How much the effects rest on, and how good they are on the half of the users that they were not fitted on."""
    rows = len(fitted.evidence)
    figures = [Figure("users", ALL, float(users), users), Figure("randomised_rows", ALL, float(rows), rows)]
    if rows < fitting.least_rows:
        return figures
    return figures + effect_figures(fitted.out_of_sample(fitting))


def _stored(rows: DataFrame | None) -> tuple[ResponseModel, str, datetime.date, str] | None:
    """ResponseModels of earlier dates → the newest model of responses; None: there is none of this form."""
    of_model = None if rows is None else rows.filter(F.col(ResponseModels.model) == MODEL)
    newest = newest_rows(of_model, ResponseModels.as_of)
    if newest is None:
        return None
    row = newest[1].collect()[0]  # one row per model
    model = ResponseModel.from_text(row[ResponseModels.text], row[ResponseModels.sha256])
    if model is None:
        return None
    return model, row[ResponseModels.text], row[ResponseModels.trained_on], row[ResponseModels.made_by]


def _batch(ctx: Context[UpliftSettings], rows: pa.Table, basket: float) -> Batch:
    return batch_of(rows, first_day=_first_day(ctx), days=ctx.settings.history_days, basket=basket)


def _first_day(ctx: Context[UpliftSettings]) -> int:
    return (ctx.date - _FIRST).days - ctx.settings.history_days
