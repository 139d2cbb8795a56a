"""How well it is told who orders, who leaves and what is bought again, on a generated retailer whose future is known.

    PYTHONPATH=. .venv/bin/python benchmarks/propensity.py [--seeds 1,2,3] [--users 20000] [--json FILE]

The history is what the retailer would have; the 60 days after it are played without offers. Features, examples, models
and scores are those of the job; only Spark is left out. `ceiling` knows the world's parameters and infers from all
orders how often each user comes and who has left. `shuffled` learns from answers that were shuffled, and is judged by
such: it must find nothing. What is bought again within 28 days, of products that a user bought on two days or more, is
told by the second stage of recommend, learnt from the first block of users and asked about all.
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from promo_spark.features.labels.batches import Batch, Catalogue
from promo_spark.features.labels.histories import Histories, Ints, OrderDays, Purchases, histories
from promo_spark.features.labels.pairs import PAIR_KINDS, bought_within, kinds_of_pairs, own_pairs
from promo_spark.features.labels.users import KINDS, USER_FEATURES, kinds_of_users, ordered_within, user_features
from promo_spark.features.products.planned import Planned
from promo_spark.flows.propensity.examples import Sample, user_examples, users_as_of
from promo_spark.flows.propensity.models import effort_of
from promo_spark.flows.recommend.pairs import RANKING, Shelf
from promo_spark.flows.recommend.ranking import QUESTIONS, Learning
from promo_spark.learners.boosting import fitted_trees
from promo_spark.learners.judgement import Judgement, auc, judged
from promo_spark.learners.tables import FeatureTable, Floats
from promo_spark.models.propensity.fitting import fitted_question
from promo_spark.models.propensity.questions import (
    CHURN,
    CHURN_DAYS,
    ITEM_28D,
    ITEM_DAYS,
    ORDER,
    ORDER_DAYS,
    user_questions,
)
from promo_spark.settings import Settings, load
from promo_spark.worlds import response
from promo_spark.worlds.assignments import approached
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.expectations import buys_something
from promo_spark.worlds.offers import NO_OFFERS
from promo_spark.worlds.orders import NO_CAMPAIGN
from promo_spark.worlds.posterior import beliefs
from promo_spark.worlds.shopping import History, history
from promo_spark.worlds.simulation import simulated_day
from promo_spark.worlds.spec import WorldSpec, world_spec

DATE = datetime.date(2024, 6, 1)
_PAIRS = 300_000  # that are judged
FUTURE = 60  # days
_EPOCH = 10_000  # days since 1970 on which the world begins; which ones does not matter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="2024")
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = []
    for seed in map(int, asked.seeds.split(",")):
        settings = load("reference", [f"generate.users={asked.users}", f"generate.seed={seed}"])
        for row in figures(settings):
            print(json.dumps({"seed": seed, "users": asked.users, **row}), flush=True)
            rows.append({"seed": seed, "users": asked.users, **row})
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n")


def figures(settings: Settings) -> list[dict[str, object]]:
    """One row per target and model: what it reaches on what really happened after the date."""
    spec = world_spec(settings.generate, DATE)
    began = time.perf_counter()
    users, ceiling = world(spec)
    sample = Sample.of(users, _EPOCH + spec.days, settings.propensity.seed)
    rows: list[dict[str, object]] = [{"what": "world", "seconds": round(time.perf_counter() - began, 1)}]
    rows += of_users(sample, settings, ceiling)
    rows.append(of_pairs(spec, sample, settings))
    return rows


def of_users(sample: Sample, settings: Settings, ceiling: Floats) -> list[dict[str, object]]:
    """Orders and leaving."""
    section, rows = settings.propensity, []
    for target, days in ((ORDER, ORDER_DAYS), (CHURN, CHURN_DAYS)):
        began, question = time.perf_counter(), user_questions(KINDS)[target]
        past, latest = user_examples(sample, target, section)
        effort = effort_of(section, section.seed)
        fitted = fitted_question(question, past, latest, effort)
        about = users_as_of(sample.batch, sample.day, target, section)
        values = user_features(sample.batch.of, about)
        p = fitted.answer.predicted(FeatureTable(USER_FEATURES, values), kinds_of_users(sample.batch.of, about, values))
        happened = ordered_within(sample.batch.of, about, days)
        happened = 1 - happened if target == CHURN else happened
        seconds = round(time.perf_counter() - began, 1)
        rows.append({"what": target, **told(p, happened), "model": fitted.answer.learner.engine, "seconds": seconds})
        if target == ORDER:
            rows.append({"what": "order_14d:ceiling", **told(ceiling[about.user], happened)})
            draw = np.random.default_rng(0)
            blind = fitted_trees(past.table, draw.permutation(past.happened), "binary", effort.boosting)
            found = auc(blind.predicted(FeatureTable(USER_FEATURES, values)), draw.permutation(happened))
            rows.append({"what": "order_14d:shuffled", "auc": found and round(found, 4)})
    return rows


def of_pairs(spec: WorldSpec, everybody: Sample, settings: Settings) -> dict[str, object]:
    """Products that the user bought on two days or more, bought again within 28 days."""
    section, batch, began = settings.recommend, everybody.batch, time.perf_counter()
    catalogue = Catalogue(tuple(f"p{n:07}" for n in range(len(batch.category))), batch.category)
    shelf = Shelf(catalogue, np.ones(len(batch.category), bool), Planned.nothing(len(batch.category)))
    few = Sample.of(world(spec, blocks=1)[0], everybody.day, section.seed)
    learning = Learning(few, shelf, section)
    past, latest = learning.examples()
    effort = effort_of(section.ranking, section.seed)
    answer = fitted_question(QUESTIONS[ITEM_28D], past[ITEM_28D], latest[ITEM_28D], effort).answer
    own = own_pairs(batch.of, everybody.day, section.ranking.lookback_days)
    step = max(1, len(own.user) // _PAIRS)
    rows = replace(own, user=own.user[::step], product=own.product[::step], day=own.day[::step])
    p, repeated = np.full(len(rows.user), np.nan), np.zeros(len(rows.user), bool)
    for some, values in learning.as_of(everybody.day).told(batch, rows.user, rows.product):
        kind = kinds_of_pairs(values)
        p[some] = answer.predicted(FeatureTable(RANKING, values), kind)
        repeated[some] = kind == PAIR_KINDS.index("bought on several days")
    happened = bought_within(batch.of, rows, ITEM_DAYS)[repeated]
    seconds = round(time.perf_counter() - began, 1)
    return {"what": ITEM_28D, **told(p[repeated], happened), "model": answer.learner.engine, "seconds": seconds}


def told(p: Floats, happened: Floats) -> dict[str, object]:
    """The figures of a probability."""
    of: Judgement = judged(p[~np.isnan(p)], happened[~np.isnan(p)])
    names = ("rows", "base_rate", "auc", "log_loss", "worst_decile", "accuracy", "base_accuracy")
    return {name: round(getattr(of, name), 4) for name in names}


def world(spec: WorldSpec, blocks: int | None = None) -> tuple[Batch, Floats]:
    """Users with what they did up to the date and after it, and each one's chance to order by the ceiling.

    Those of so many blocks; None: all.
    """
    shop, first = catalogue(spec), 0
    lines, contacts, registered, chances = [], [], [], []
    for block in range(spec.user_blocks if blocks is None else blocks):
        past = history(spec, block)
        lines.append(_lines(past, first))
        told_of = approached(spec, block).assigned.contacted
        user, campaign = np.nonzero(told_of)
        contacts.append((user + first, shop.campaigns.start[campaign] + _EPOCH))
        registered.append(np.where(past.users.joined < 0, -1, past.users.joined + _EPOCH))
        chances.append(ceiling_of_orders(spec, block, past))
        state = past.state
        for day in range(spec.days, spec.days + FUTURE):
            done = simulated_day(spec, block, day, state, NO_OFFERS, np.zeros(len(past.users)))
            state = done.past.state
            lines.append(_lines(done.past, first, day))
        first += len(past.users)
    user, day, product, quantity, cents, discounted, redeemed = np.concatenate(lines).T
    bought = quantity > 0
    one = np.ones(int(bought.sum()), np.int64)
    made: Histories = histories(
        np.concatenate(registered).astype(np.int64),
        OrderDays(user[bought], day[bought], cents[bought], one, discounted[bought]),
        Purchases(user[bought], day[bought], product[bought], quantity[bought] * 1000),
        (np.concatenate([c[0] for c in contacts]), np.concatenate([c[1] for c in contacts])),
        (user[redeemed > 0], day[redeemed > 0]),
        shop.subcategory.astype(np.int64),
    )
    nobody = np.zeros(0, np.int64)
    ids = pa.array([f"u{number:07}" for number in range(first)])
    batch = Batch(ids, made, (nobody, nobody), (nobody, nobody), shop.subcategory.astype(np.int64))
    return batch, np.concatenate(chances)


def ceiling_of_orders(spec: WorldSpec, block: int, past: History) -> Floats:
    """Each user's chance to order within 14 days, by what the world's parameters and all orders tell of the user."""
    shop, chance = catalogue(spec), np.zeros(len(past.users))
    for belief in beliefs(spec, block, past):
        habit, none = belief.habit.copy(), np.ones(len(past.users))
        buys = buys_something(shop, belief.users, spec.days)
        for day in range(spec.days, spec.days + ORDER_DAYS):
            of = belief.users
            rate = (of.visit_rate * shop.visits[of.segment, day] * (of.joined <= day)).astype(np.float64)
            none *= 1 - buys * response.visit_chance(spec.response_form, rate, habit)
            habit = response.habit_after(habit, np.zeros(len(habit)))
        chance += belief.weight * belief.here * (1 - none)
    return chance


def _lines(past: History, first: int, day: int | None = None) -> Ints:
    """Columns user, day, product, quantity, cents, discounted, redeemed."""
    lines, user = past.lines, past.orders.user[past.lines.order] + first
    when = past.orders.day[lines.order] if day is None else np.full(len(user), day)
    taken = lines.reduced + lines.coupon
    redeemed = (lines.campaign != NO_CAMPAIGN) & (lines.quantity > 0)
    columns = [user, when + _EPOCH, lines.product, lines.quantity, lines.listed - taken, taken > 0, redeemed]
    return np.column_stack(columns).astype(np.int64)


if __name__ == "__main__":
    main()
