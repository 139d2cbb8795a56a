"""Recommenders of a table of ratings: fitted on a sample of users, measured, and the best one's lists for all users."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy import sparse

from promo_spark.contracts.ratings import ListFigures, RankedItem, RatedItem, RatedItems, Rating
from promo_spark.errors import MissingDataError, SettingsError, SourceError
from promo_spark.flows.rank.ratings import (
    PAST,
    TEST,
    VALIDATION,
    Items,
    by_user,
    items_of,
    matrices,
    named_columns,
    parted,
    ratings,
)
from promo_spark.flows.recommend.pairs import places_among
from promo_spark.learners.samples import hashed_sample
from promo_spark.models.recommenders.als import als_factors, objective
from promo_spark.models.recommenders.first_stage.content import Content, ItemFeatures
from promo_spark.models.recommenders.first_stage.evaluation import LIST_METRICS, TRAITS, Audience, list_figures
from promo_spark.models.recommenders.first_stage.fitting import OWN_STRENGTH, POPULAR, Parameters, fitted_models
from promo_spark.models.recommenders.first_stage.hybrid import Hybrid, learnt_weights, window_worth
from promo_spark.models.recommenders.first_stage.interface import FirstStage, UserItems, best_items
from promo_spark.models.recommenders.first_stage.vectors import Als
from promo_spark.models.recommenders.fold_in import FoldIn
from promo_spark.models.recommenders.item_model import NO_ITEM
from promo_spark.models.recommenders.ranking_metrics import Doubles, bootstrap_interval
from promo_spark.models.recommenders.strengths import ModelPair
from promo_spark.runtime.command import Asked
from promo_spark.settings import Settings
from promo_spark.settings.recommend import RecommendSettings
from promo_spark.storage.arrow_tables import folder_of
from promo_spark.storage.raw_files import what_would_be_lost, write_raw
from promo_spark.submission.local_mode import is_local

HYBRID, ALS = "hybrid", "als"
MODELS = ("als", "content", HYBRID, "item2vec", "item_neighbours", POPULAR, "svd", "together", "user_neighbours")
_SAMPLE = 5000  # users that recommenders are fitted on
_OF_GROUPS = ("diversity", "miscalibration")
_SHOWN = ("ndcg", "precision", "recall", "f1", "map", "map_of_all", "hit_rate", "mrr", "ndcg_graded")


@dataclass(frozen=True)
class _Question:
    """What is asked: how long lists are, whether what a user has may come back, from which rating on it is relevant."""

    top: int
    own: bool
    relevant: float
    settings: RecommendSettings


@dataclass(frozen=True)
class _Fitted:
    """Recommenders by name, what lists are compared with, and who was learnt from."""

    models: dict[str, FirstStage]
    audience: Audience
    sampled: pa.Array  # the users that they were fitted on

    def known(self, users: pa.Array, history: sparse.csr_array) -> UserItems:
        """What the users have; nobody is a neighbour of their own."""
        return UserItems.of(history, place=places_among(users, self.sampled))


def refuse_impossible(arguments: Mapping[str, str], settings: Settings) -> None:
    """Raises SettingsError for a number that is none, SourceError for a file of this machine that is not there."""
    _question(arguments, settings.recommend)
    named_columns(arguments["columns"])
    given = {name: arguments[name] for name in ("ratings", "test", "items") if arguments[name]}
    for name, path in given.items() if is_local(settings.spark.master) else ():
        here = folder_of(path)
        if here and not set("*?[{") & set(here) and not Path(here).exists():
            raise SourceError(f"--{name}: there is no file or folder {path}")


def _question(given: Mapping[str, str], settings: RecommendSettings) -> _Question:
    return _Question(
        _count(given["top"] or "10"), _answer("repeats", given["repeats"]), _number(given["relevant"] or "0"), settings
    )


def ranked(asked: Asked) -> str:
    """Fits, measures, writes lists; the figures as a table.

    Raises SettingsError for what cannot be asked, SourceError for files that cannot be read, MissingDataError where
    there is nothing to learn from.
    """
    given, spark = asked.arguments, asked.lake.spark
    question = _question(given, asked.settings.recommend)
    columns = named_columns(given["columns"])
    lost = given["out"] and what_would_be_lost(spark, given["out"], [given[n] for n in ("ratings", "test", "items")])
    if lost:
        raise SettingsError(
            f"--out {given['out']} holds {lost}, which would be lost: name a folder that is not there yet, or one that "
            "an earlier run of rank wrote"
        )
    graded = question.relevant > 0
    train = ratings(spark, given["ratings"], columns, rated_only=graded and not given["test"])
    test = ratings(spark, given["test"], columns, rated_only=graded) if given["test"] else None
    rows = parted(train, test, question.settings.seed).persist()
    items = items_of(spark, rows, given["items"], columns[Rating.item])
    names = _names(given["models"], items, question)
    users = by_user(spark, rows, items).persist()
    try:
        asked.say(f"fitting {', '.join(names)}")
        sample = _sample(users, question)
        weights, validated = _validated(users, sample, items, names, question)
        best = min(names, key=lambda name: (-validated[name], name))
        fitted = _fitted(users, sample, items, names, question, (PAST, VALIDATION))
        if weights:
            fitted.models[HYBRID] = Hybrid.of(fitted.models, weights)
        figures = _figures(users, items, fitted, question)
        told = [_heading(best, validated, weights), *_table(figures, question, items)]
        if given["out"]:
            parts: tuple[int, ...] = (PAST, VALIDATION)
            if test is None:  # what was measured by is known, too: the lists are of all that there is
                parts = (*parts, TEST)
                fitted = _fitted(users, sample, items, names if best == HYBRID else [best], question, parts)
                if best == HYBRID:
                    fitted.models[HYBRID] = Hybrid.of(fitted.models, weights)
            folder, _, name = given["out"].rstrip("/").rpartition("/")
            kind = "parquet" if name.endswith(".parquet") else "csv"
            count = write_raw(_lists(users, items, fitted, best, question, parts), folder or ".", name, kind)
            told.append(f"{count:,} rows of lists by {best} are in {given['out']}.")
        return "\n".join(told)
    finally:
        users.unpersist()
        rows.unpersist()


def _names(text: str, items: Items, question: _Question) -> list[str]:
    """The recommenders asked for; all that can be fitted, where none is named."""
    every = [name for name in MODELS if name != "content" or items.described]
    if question.own:
        every.append(OWN_STRENGTH)
    chosen = [name.strip() for name in text.split(",") if name.strip()] or every
    if unknown := [name for name in chosen if name not in every]:
        also = "" if items.described else "; content needs --items"
        there = f"there are: {', '.join(every)}{also}"
        raise SettingsError(f"--models {', '.join(unknown)}: there is no such recommender; {there}")
    if chosen == [HYBRID]:
        raise SettingsError(f"--models {HYBRID}: it mixes others: name these as well, or leave --models out for all")
    return sorted(set(chosen))


def _validated(
    users: DataFrame, sample: pa.Table, items: Items, names: Sequence[str], question: _Question
) -> tuple[Mapping[str, float], dict[str, float]]:
    """The weights of the hybrid, and what each recommender is worth on the ratings that were held back from fits."""
    fitted = _fitted(users, sample, items, names, question, (PAST,))
    past, later = matrices(sample, len(items.ids), (PAST,), (VALIDATION,))
    truth = _relevant(later, past, question)
    place = np.arange(past.shape[0])
    models = dict(fitted.models)
    worth = window_worth(
        models,
        UserItems.of(past, place=place),
        truth,
        allowed=np.ones(len(items.ids), bool),
        k=question.top,
        own=question.own,
    )
    found = {name: worth({name: 1.0}) for name in models}
    if HYBRID not in names:
        return {}, found
    weights = learnt_weights(list(models), worth)
    return weights, {**found, HYBRID: worth(weights)}


def _fitted(
    users: DataFrame,
    sample: pa.Table,
    items: Items,
    names: Sequence[str],
    question: _Question,
    parts: tuple[int, ...],
) -> _Fitted:
    """All but the hybrid, on the ratings of some parts."""
    settings = question.settings
    (tied,) = matrices(sample, len(items.ids), parts)
    if not tied.nnz:
        raise MissingDataError("nothing is left to learn from: give more ratings, or the test as a file of its own")
    ready: dict[str, FirstStage] = {}
    if "content" in names:
        ready["content"] = Content(ItemFeatures.of(items.contents))
    if ALS in names:
        ready[ALS] = _als(users, settings, parts)
    parameters = Parameters(
        measure=settings.first_stage.measure,
        nearest_items=settings.first_stage.nearest_items,
        nearest_users=settings.ranking.neighbours,
        rank=settings.rank,
        ridge=min(settings.ranking.neighbour_ridge, max(1.0, 0.1 * tied.shape[0])),
        least_users=1,
    )
    known = UserItems.of(tied, place=np.arange(tied.shape[0]))
    wanted = [name for name in names if name != HYBRID]
    return _Fitted(
        fitted_models(sorted({*wanted, POPULAR}), known.strength, known, parameters, ready),
        Audience.of(tied, items.group),
        sample[RatedItems.user].combine_chunks(),
    )


def _als(users: DataFrame, settings: RecommendSettings, parts: tuple[int, ...]) -> Als:
    """By all users."""
    entry = F.inline(F.filter(RatedItems.rated, lambda one: one[RatedItem.part].isin(*parts)))
    pairs = users.select(F.col(RatedItems.user).alias(ModelPair.user_id), entry).select(
        ModelPair.user_id,
        F.col(RatedItem.item).alias(ModelPair.item),
        F.col(RatedItem.rating).alias(ModelPair.strength),
    )
    factors = als_factors(pairs, settings)
    return Als(factors.items, factors.vectors, FoldIn.of(factors.vectors, objective(settings)))


def _sample(users: DataFrame, question: _Question) -> pa.Table:
    """The users that recommenders are fitted on, sorted. RatedItems → RatedItems."""
    learnt = users.filter(F.exists(RatedItems.rated, lambda one: one[RatedItem.part] != TEST))
    drawn = hashed_sample(learnt, RatedItems.user, at_most=_SAMPLE, seed=question.settings.seed)
    return drawn.toArrow().sort_by(RatedItems.user)


def _relevant(later: sparse.csr_array, history: sparse.csr_array, question: _Question) -> sparse.csr_array:
    """What counts: of the least rating or a higher one, and new to the user where nothing may come back."""
    counted = later.tocoo()
    keep = counted.data >= question.relevant
    user, item = counted.coords[0][keep], counted.coords[1][keep]
    if not question.own:
        had = history.tocoo()
        items = later.shape[1]
        new = ~np.isin(user * items + item, had.coords[0].astype(np.int64) * items + had.coords[1])
        return sparse.csr_array((counted.data[keep][new], (user[new], item[new])), shape=later.shape)
    return sparse.csr_array((counted.data[keep], (user, item)), shape=later.shape)


def _figures(
    users: DataFrame, items: Items, fitted: _Fitted, question: _Question
) -> Mapping[tuple[str, bool], tuple[Doubles, int]]:
    """By recommender and whether users are cold: users × LIST_METRICS, sorted by user, and how many items are listed.

    Of at most recommend.evaluation_users users.
    """
    count = len(items.ids)

    def of_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            history, later = matrices(batch, count, (PAST, VALIDATION), (TEST,))
            truth, known = _relevant(later, history, question), fitted.known(batch.column(RatedItems.user), history)
            cold = np.diff(history.indptr) == 0
            for name, model in fitted.models.items():
                best = best_items(model, known, question.top, own=question.own, filler=fitted.models[POPULAR])
                figures = list_figures(best.items, truth, history, fitted.audience, question.top)
                listed = [row[row != NO_ITEM] for row in best.items]
                columns = [
                    batch.column(RatedItems.user),
                    pa.array([name] * len(listed)),
                    pa.array(cold),
                    pa.array(list(figures), pa.list_(pa.float64())),
                    pa.array(listed, pa.list_(pa.int32())),
                ]
                asked = pa.array(np.diff(truth.indptr) > 0)
                yield pa.RecordBatch.from_arrays(columns, names=list(ListFigures.columns())).filter(asked)

    tested = users.filter(F.exists(RatedItems.rated, lambda one: one[RatedItem.part] == TEST))
    few = hashed_sample(
        tested, RatedItems.user, at_most=question.settings.evaluation_users, seed=question.settings.seed
    )
    table = few.mapInArrow(of_batches, ListFigures.schema()).toArrow().sort_by(ListFigures.user)
    found: dict[tuple[str, bool], tuple[Doubles, int]] = {}
    names = np.asarray(table[ListFigures.recommender].to_pylist(), object)
    cold = np.asarray(table[ListFigures.cold].to_pylist(), bool)
    for name in fitted.models:
        for of_cold in (False, True):
            chosen = table.filter(pa.array((names == name) & (cold == of_cold)))
            if chosen.num_rows:
                values = np.array(chosen[ListFigures.figures].to_pylist(), np.float64)
                listed = {item for row in chosen[ListFigures.items].to_pylist() for item in row}
                found[name, of_cold] = values, len(listed)
    return found


def _heading(best: str, validated: Mapping[str, float], weights: Mapping[str, float]) -> str:
    mixed = ", ".join(f"{name} {weight:g}" for name, weight in sorted(weights.items()) if weight)
    hybrid = f"; the hybrid is {mixed}" if mixed else ""
    return f"Best on what was held back: {best}, nDCG {validated[best]:.4f}{hybrid}."


def _table(figures: Mapping[tuple[str, bool], tuple[Doubles, int]], question: _Question, items: Items) -> Iterator[str]:
    """A line per recommender: users with a history, then those without, who all have what is popular.

    What is told of groups has a dash where nothing says of which group an item is.
    """
    if not figures:
        yield "The test has nothing that lists could hold: no figures."
        return
    yield f"{'@' + str(question.top):<22}" + "".join(f"{name:>15}" for name in (*_SHOWN, *TRAITS, "listed", "users"))
    lines = [(name, of_cold) for name, of_cold in figures if not of_cold or name == POPULAR]
    for name, of_cold in sorted(lines, key=lambda line: (line[1], -_mean(figures[line][0], "ndcg"))):
        values, listed = figures[name, of_cold]
        cells = "".join(
            f"{'–':>15}" if metric in _OF_GROUPS and not items.grouped else f"{_mean(values, metric):>15.4f}"
            for metric in (*_SHOWN, *TRAITS)
        )
        yield f"{'users without history' if of_cold else name:<22}{cells}{listed:>15,}{len(values):>15,}"
        if not of_cold:
            low, high = bootstrap_interval(values[:, LIST_METRICS.index("ndcg")], question.settings.seed)
            new = _mean(values, "recall_of_new_items")
            of_new = "" if math.isnan(new) else f"; of items that nobody had, recall {new:.4f}"
            yield f"{'':<22}nDCG {low:.4f} to {high:.4f} in 95% of bootstrap draws{of_new}"


def _mean(values: Doubles, metric: str) -> float:
    column = values[:, LIST_METRICS.index(metric)]
    known = column[~np.isnan(column)]
    return float(known.mean()) if len(known) else math.nan


def _lists(
    users: DataFrame, items: Items, fitted: _Fitted, best: str, question: _Question, parts: tuple[int, ...]
) -> DataFrame:
    """One row per user and rank, in the order of users. RatedItems, of which some parts are known → RankedItem."""
    model, popular = fitted.models[best], fitted.models[POPULAR]

    def of_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        ids, titles = pa.array(items.ids), pa.array([one.title for one in items.contents], pa.string())
        types = pa.array([one.attributes.get(RankedItem.item_type) for one in items.contents], pa.string())
        for batch in batches:
            (history,) = matrices(batch, len(items.ids), parts)
            known = fitted.known(batch.column(RatedItems.user), history)
            found = best_items(model, known, question.top, own=question.own, filler=popular)
            user, rank = np.nonzero(found.items != NO_ITEM)
            filled = found.filled[user, rank]
            because, item = found.because[user, rank], pa.array(found.items[user, rank])
            yield pa.RecordBatch.from_arrays(
                [
                    batch.column(RatedItems.user).take(pa.array(user)),
                    pa.array(rank + 1, pa.int32()),
                    ids.take(item),
                    pa.array(np.round(found.scores[user, rank].astype(np.float64), 6), mask=filled),
                    ids.take(pa.array(because, mask=because == NO_ITEM)),
                    pa.array(np.where(filled, POPULAR, best).tolist()),
                    titles.take(item),
                    types.take(item),
                ],
                names=list(RankedItem.columns()),
            )

    return users.mapInArrow(of_batches, RankedItem.schema()).orderBy(RankedItem.user, RankedItem.rank)


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise SettingsError(f"--top {text!r}: write a whole number from 1 to 1000")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(
            f"--relevant {text!r} is no number: write the least rating that counts, such as 4"
        ) from None


def _answer(name: str, text: str) -> bool:
    if text not in ("", "yes", "no"):
        raise SettingsError(f"--{name} {text!r}: write yes or no")
    return text == "yes"
