"""Whether groups of customers are treated alike: who of each has offers, how deep, and whom models learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promo_spark.contracts.measurement import Fairness
from promo_spark.contracts.models import Metrics
from promo_spark.reports.blocks import Block, Cell, Grid, Heading, Section, Sentence, Sentences, Tone, Toned
from promo_spark.reports.sections.told import Row, Told
from promo_spark.reports.wording import NOTHING

PSI, PSI_WEIGHTED = "training_psi", "training_psi_weighted"
LOYALTY = "loyalty"
_TONES: dict[str, Tone] = {"ok": "good", "warn": "warn", "stop": "bad", "insufficient": "quiet"}
_WORST_FIRST = list(reversed(_TONES))[1:]  # stop, warn, ok; what cannot be told is no verdict


@dataclass(frozen=True)
class FairnessRows:
    """What the section is made of. Fairness of the date; Metrics of shares of examples, the newest of each model."""

    groups: Sequence[Row]
    training: Sequence[Row]


def fairness_section(of: FairnessRows, told: Told) -> Section:
    """FairnessRows → the section."""
    w = told.words
    title = w.say("fairness.title")
    if not of.groups:
        return Section("fairness", title, [told.why_empty(Fairness), *_training(of.training, told)])
    blocks: list[Block] = [Sentence(w.say("fairness.lead"), "quiet")]
    if {row[Fairness.attribute] for row in of.groups} <= {LOYALTY}:
        blocks.append(Sentence(w.say("fairness.no_attributes"), "quiet"))
    unequal = [r for r in of.groups if r[Fairness.outcome] in ("warn", "stop")]
    if unequal:
        surely = sum(r[Fairness.outcome] == "stop" for r in unequal)
        verdict = w.say("fairness.unequal", n=len(unequal), surely=surely)
        blocks.append(Sentence(verdict, "bad" if surely else "warn"))
        blocks.append(Sentences([r[Fairness.message] for r in sorted(unequal, key=_worst)]))
    elif compared := _compared(of.groups):
        found = [w.say("fairness.equal")] if compared - {LOYALTY} else []
        found += [w.say("fairness.loyal_equal")] if LOYALTY in compared else []
        blocks += [Sentence(sentence, "good") for sentence in found]
    else:
        blocks.append(Sentence(w.say("fairness.untold"), "quiet"))
    columns = told.columns("of", "group", "#users", "#offer_rate", "#mean_depth", "#ratio", "#interval", "outcome")
    blocks.append(Grid(columns, _by_group(of.groups, told)))
    return Section("fairness", title, [*blocks, *_training(of.training, told)])


def _compared(rows: Sequence[Row]) -> set[str]:
    """The attributes of which some group was compared with another, and found well."""
    return {row[Fairness.attribute] for row in rows if row[Fairness.outcome] == "ok" and row[Fairness.reference]}


def _worst(row: Row) -> tuple[int, str, str]:
    return (_WORST_FIRST.index(row[Fairness.outcome]), row[Fairness.attribute], row[Fairness.group_name])


def _by_group(rows: Sequence[Row], told: Told) -> list[list[Cell]]:
    """One row per attribute and group."""
    groups: dict[tuple[str, str], dict[str, Row]] = {}
    for row in sorted(rows, key=lambda r: (r[Fairness.attribute], r[Fairness.group_name])):
        groups.setdefault((row[Fairness.attribute], row[Fairness.group_name]), {})[row[Fairness.metric]] = row
    return [_group(attribute, name, metrics, told) for (attribute, name), metrics in groups.items()]


def _group(attribute: str, name: str, of: dict[str, Row], told: Told) -> list[Cell]:
    w = told.words
    rate, depth, ratio = (of.get(metric) for metric in ("offer_rate", "mean_depth", "disparate_impact"))
    outcomes = {row[Fairness.outcome] for row in of.values() if row[Fairness.metric] != "mean_depth"}
    outcome = next((o for o in _WORST_FIRST if o in outcomes), "insufficient")
    return [
        w.word("attribute", attribute),
        w.word("group", name),
        w.people(rate[Fairness.n] if rate else None),
        w.share(rate[Fairness.estimate] if rate else None),
        w.share(depth[Fairness.estimate] if depth else None),
        w.number(ratio[Fairness.estimate] if ratio else None),
        _interval(ratio, told),
        Toned(w.word("outcome", outcome), _TONES[outcome]),
    ]


def _interval(row: Row | None, told: Told) -> str:
    if row is None or row[Fairness.ci_low] is None:
        return NOTHING
    w = told.words
    return w.say("outcomes.from_to", low=w.number(row[Fairness.ci_low]), high=w.number(row[Fairness.ci_high]))


def _training(rows: Sequence[Row], told: Told) -> list[Block]:
    """Whom models learnt from beside whom they are asked about; nothing, where no model was looked at."""
    w = told.words
    found = {(row[Metrics.metric], row[Metrics.slice]): row for row in rows}
    cells: list[list[Cell]] = []
    for (metric, slice_), row in sorted(found.items()):
        if metric == PSI:
            model, _, attribute = slice_.partition(":")
            weighted = found.get((PSI_WEIGHTED, slice_))
            cells.append(
                [
                    w.word("model", model),
                    w.word("attribute", attribute),
                    w.day(row[Metrics.as_of]),
                    w.count(row[Metrics.n]),
                    w.number(row[Metrics.value], 3),
                    w.number(weighted[Metrics.value] if weighted else None, 3),
                ]
            )
    if not cells:
        return []
    columns = told.columns("model", "of", "date", "#examples", "#psi", "#psi_weighted")
    return [
        Heading(w.say("fairness.training")),
        Sentence(w.say("fairness.training_lead"), "quiet"),
        Grid(columns, cells),
    ]
