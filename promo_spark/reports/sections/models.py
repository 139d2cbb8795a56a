"""The models that are in use: when each was fitted and on what, and a card of each with what it is for and not for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promo_spark.contracts.model_features import meaning_of
from promo_spark.contracts.models import Metrics, Registry
from promo_spark.reports.blocks import Block, Cell, Facts, Grid, Heading, Link, Section, Sentence
from promo_spark.reports.sections.fairness import PSI, PSI_WEIGHTED
from promo_spark.reports.sections.told import Row, Told
from promo_spark.reports.wording import NOTHING

SHARES = ("training_share", "population_share")


@dataclass(frozen=True)
class ModelRows:
    """What cards are made of. Registry: the newest fit of each model; Metrics of the dates of these fits.

    `settings`: those of each job that fits a model, by name.
    """

    fits: Sequence[Row]
    metrics: Sequence[Row]
    settings: Mapping[str, Mapping[str, object]]


def cards_page_name(date: object) -> str:
    """What the page of the cards of a date is called."""
    return f"models-{date}"


def models_section(of: ModelRows, told: Told) -> Section:
    """ModelRows → the section of the page of a date, which leads to the cards."""
    w = told.words
    title = w.say("models.title")
    if not of.fits:
        return Section("models", title, [told.why_empty(Registry)])
    cells: list[list[Cell]] = [
        [
            _name(fit, told),
            fit[Registry.engine],
            w.day(fit[Registry.as_of]),
            w.count(fit[Registry.trained_rows]),
            fit[Registry.reason],
        ]
        for fit in _in_order(of.fits)
    ]
    columns = told.columns("model", "engine", "fitted_on", "#examples", "~reason")
    link = Link(w.say("models.cards"), cards_page_name(told.date))
    return Section("models", title, [Sentence(w.say("models.lead"), "quiet"), Grid(columns, cells), link])


def card_sections(of: ModelRows, told: Told) -> list[Section]:
    """A section per model: its card. ModelRows → sections of the page of cards, or one that says why none."""
    if not of.fits:
        return [models_section(of, told)]
    return [Section(fit[Registry.model], _name(fit, told), _card(fit, of, told)) for fit in _in_order(of.fits)]


def _in_order(fits: Sequence[Row]) -> list[Row]:
    return sorted(fits, key=lambda fit: (fit[Registry.job], fit[Registry.model]))


def _name(fit: Row, told: Told) -> str:
    return told.words.word("model", fit[Registry.model])


def _card(fit: Row, of: ModelRows, told: Told) -> list[Block]:
    w, model = told.words, fit[Registry.model]
    own = _of_model(fit, of)
    facts = [
        (w.say("models.fitted_on"), w.day(fit[Registry.as_of])),
        (w.say("models.engine"), str(fit[Registry.engine])),
        (w.say("models.examples"), w.count(fit[Registry.trained_rows])),
        (w.say("models.from"), w.day(fit[Registry.trained_from])),
        (w.say("models.to"), w.day(fit[Registry.trained_to])),
        (w.say("models.refit"), str(fit[Registry.refit])),
    ]
    blocks: list[Block] = []
    for key in ("for", "limits"):
        if w.knows(f"card.{key}", model):
            blocks.append(Sentence(w.word(f"card.{key}", model)))
    blocks += [
        Facts(facts),
        Sentence(w.say("models.why", reason=fit[Registry.reason]), "quiet"),
        Sentence(w.say("models.state", job=fit[Registry.job], state=fit[Registry.state]), "quiet"),
        *_quality(fit, own, told),
        *_groups(own, told),
        Grid(told.columns("feature", "~meaning"), _features(fit), folded=w.say("models.features")),
    ]
    settings = of.settings.get(fit[Registry.job], {})
    if settings:
        rows: list[list[Cell]] = [[f"{fit[Registry.job]}.{k}", _plain(v)] for k, v in sorted(settings.items())]
        blocks.append(Grid(told.columns("setting", "~value"), rows, folded=w.say("models.settings")))
    return blocks


def _of_model(fit: Row, of: ModelRows) -> list[Row]:
    """The figures of the fit's own date that are of the model; where a job has one model, all of the job."""
    model, job, day = fit[Registry.model], fit[Registry.job], fit[Registry.as_of]
    alone = sum(other[Registry.job] == job for other in of.fits) == 1
    return [
        row
        for row in of.metrics
        if row[Metrics.job] == job
        and row[Metrics.as_of] == day
        and (alone or row[Metrics.slice].partition(":")[0] == model)
    ]


def _quality(fit: Row, own: Sequence[Row], told: Told) -> list[Block]:
    """What was measured when it was fitted: figures of the registry, then those of parts of it."""
    w = told.words
    whole = fit[Registry.metrics] or {}
    cells: list[list[Cell]] = [[metric, NOTHING, w.figure(value), NOTHING] for metric, value in sorted(whole.items())]
    parts = [r for r in own if r[Metrics.metric] not in (*SHARES, PSI, PSI_WEIGHTED)]
    told_already = {(metric, fit[Registry.model]) for metric in whole}
    cells += [
        [r[Metrics.metric], r[Metrics.slice], w.figure(r[Metrics.value]), w.count(r[Metrics.n])]
        for r in sorted(parts, key=lambda r: (r[Metrics.metric], r[Metrics.slice]))
        if (r[Metrics.metric], r[Metrics.slice]) not in told_already
    ]
    if not cells:
        return []
    columns = told.columns("metric", "of", "#value", "#n")
    return [Grid(columns, cells, folded=w.say("models.quality", n=len(cells)))]


def _groups(own: Sequence[Row], told: Told) -> list[Block]:
    """Shares of groups among the examples and the users, and how far they are apart; none where none were looked at."""
    w = told.words
    values = {(r[Metrics.metric], r[Metrics.slice]): r[Metrics.value] for r in own}
    slices = sorted({r[Metrics.slice] for r in own if r[Metrics.metric] in SHARES})
    if not slices:
        return []
    cells: list[list[Cell]] = []
    for slice_ in slices:
        of_attribute, _, group = slice_.partition("=")
        cells.append(
            [
                w.word("attribute", of_attribute.partition(":")[2]),
                w.word("group", group),
                *[w.share(values.get((metric, slice_))) for metric in SHARES],
                *[w.number(values.get((metric, of_attribute)), 3) for metric in (PSI, PSI_WEIGHTED)],
            ]
        )
    columns = told.columns("of", "group", "#of_examples", "#users_share", "#psi", "#psi_weighted")
    return [Heading(w.say("fairness.training")), Grid(columns, cells)]


def _features(fit: Row) -> list[list[Cell]]:
    job = fit[Registry.job]
    return [[name, meaning_of(job, name) or NOTHING] for name in fit[Registry.features] or []]


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
