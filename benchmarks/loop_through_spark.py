"""Months of benchmarks/loop.py once more through Spark: the same month as tables, and what the jobs make of it.

    OMP_NUM_THREADS=1 PYTHONPATH=. .venv/bin/python benchmarks/loop_through_spark.py [--seed 1] [--months 3] [--day 16]
        [--scenarios stationary,drift,planted] [--folder FOLDER]

A month is played on arrays up to a day, with all amounts in whole cents. Then it is written as the tables that it would
have left: promotions, what was withheld, explored candidates, prices of the budget, and receipts by which the offers
were used; of the days before, measurements and versions of the policy. The jobs evaluate and adjust run on these, and
every effect and every value of the next version has to be what the arrays say. Exit code 1 where one is not.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from evaluate_lake import filled
from loop import adjusted_daily, scenarios
from loop_days import HELD_OUT, HOLDS, Run, Told, daily_budget, joined, told_by_promote
from loop_rows import date_of
from loop_worlds import KNOWN_BEFORE, Retailer, retailer
from pyspark.sql import SparkSession

from promo_spark import api
from promo_spark.contracts.decisions import NONE_SHARE, Budget, Explored, Promotions
from promo_spark.contracts.features import DailySales, ProductProfile, UserProfile
from promo_spark.contracts.measurement import Effects
from promo_spark.contracts.policy import Policy
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import OrderLines
from promo_spark.contracts.withheld import Withheld
from promo_spark.decisions.policy import InForce
from promo_spark.runtime.session import session_of
from promo_spark.settings import Settings, load
from promo_spark.storage.lake import Lake
from promo_spark.worlds import response
from promo_spark.worlds.streams import Floats, Ints

LATER, ON_BASKETS = ("rebate", "points"), ("coupon", "threshold")
COMPARED = ("margin", "given")
FAR = {Effects.estimate: 1e-3, Effects.se: 1e-3, Effects.expected: 1e-3, Effects.n_treated: 0}  # of 1, or of more of it
Columns = dict[str, Any]


def in_cents(of: Retailer, policy: InForce) -> Told:
    """What promote tells, as decisions.promotions has it."""
    told = told_by_promote(of, policy)
    return Told(np.round(told.value, 2), np.round(told.given, 2))


def tables(run: Run, versions: dict[int, InForce], last: int) -> Iterator[tuple[type[Table], Columns]]:
    """All that a month up to a day leaves, column by column."""
    yield Promotions, _promotions(run, last)
    yield Withheld, _withheld(run, versions, last)
    yield Explored, _explored(run, versions, last)
    yield Budget, {"date": _dates(np.arange(last)), "constraint": ["daily"] * last, "dual_price": run.prices[:last]}
    yield OrderLines, _receipts(run, last)
    yield ProductProfile, {"as_of": [date_of(last)] * 2, "product_id": ["free", "cents"], "unit_cost": [0.0, 0.01]}
    yield UserProfile, {"as_of": [date_of(last)], "user_id": ["u0"], "lifecycle": ["repeat"]}
    yield DailySales, {"as_of": [date_of(last)], "series_id": ["category:a"], "level": ["category"], "item_id": ["a"]}


def _dates(days: Ints) -> list[datetime.date]:
    return [date_of(int(day)) for day in days]


def _users(users: Ints) -> list[str]:
    return [f"u{user}" for user in users]


def _promotions(run: Run, last: int) -> Columns:
    """A row per user and day: the offer that was made, or none."""
    n = run.of.users
    user, day = np.tile(np.arange(n), last), np.repeat(np.arange(last), n)
    what, value, given = np.full(n * last, -1), np.zeros(n * last), np.zeros(n * last)
    arm = np.where(run.held_out[user], "holdout", "treatment").astype(object)
    made = joined(run.made[:last])
    place = made.day * n + made.user
    what[place], value[place], given[place] = made.candidate, made.told_value, made.told_given
    arm[place[made.explored]] = "explore"
    return _offers(run, user, day, what, value, given) | {
        "arm": arm.tolist(),
        "arm_propensity": np.where(run.held_out[user], HELD_OUT, 1 - HELD_OUT),
        "reason_codes": [["holdout"] if out else ["told"] for out in run.held_out[user]],
        "status": ["active" if some else None for some in what >= 0],
        "segment_id": np.zeros(n * last, np.int32),
    }


def _offers(run: Run, user: Ints, day: Ints, what: Ints, value: Floats, given: Floats) -> Columns:
    """The terms of offers; −1: none. Of what is paid back later, and of a gift, a cent for each piece."""
    offer = what >= 0
    mechanic = np.where(offer, np.array(response.NAMES)[run.of.mechanic[what]], "none")
    until = [date_of(int(d) + HOLDS - 1) if some else None for d, some in zip(day, offer, strict=True)]
    return {
        "date": _dates(day),
        "user_id": _users(user),
        "promotion_id": [f"{d}-{u}-{w}" for d, u, w in zip(day, user, what, strict=True)],
        "scenario": np.where(offer, "recommended_item", "none").tolist(),
        "mechanic": mechanic.tolist(),
        "product_ids": [[] if name in (*ON_BASKETS, "none") else ["cents"] for name in mechanic],
        "charged_price": [1.0 if name in LATER else None for name in mechanic],
        "offer_price": [0.99 if name in LATER else None for name in mechanic],
        "valid_from": [date_of(int(d)) if some else None for d, some in zip(day, offer, strict=True)],
        "valid_to": until,
        "incremental_margin": value,
        "expected_cost": given,
    }


def _withheld(run: Run, versions: dict[int, InForce], last: int) -> Columns:
    parts = [(np.full(len(users), day), users, what) for day, users, what in run.withheld[:last]]
    day, user, what = (np.concatenate(part) for part in zip(*parts, strict=True))
    told = [in_cents(run.of, versions[d]) for d in range(last)]
    value, given = (
        np.array([getattr(told[d], name)[u, w] for d, u, w in zip(day, user, what, strict=True)])
        for name in ("value", "given")
    )
    return _offers(run, user, day, what, value, given)


def _explored(run: Run, versions: dict[int, InForce], last: int) -> Columns:
    """A row per draw and candidate, none among them."""
    made = joined(run.made[:last])
    rows = np.flatnonzero(made.explored)
    candidates = len(run.of.mechanic) + 1
    place, what = np.repeat(rows, candidates), np.tile(np.arange(candidates) - 1, len(rows))
    user, day = made.user[place], made.day[place]
    told = [in_cents(run.of, versions[d]) for d in range(last)]
    value, given = (
        np.array([0.0 if w < 0 else getattr(told[d], name)[u, w] for d, u, w in zip(day, user, what, strict=True)])
        for name in ("value", "given")
    )
    none = float(NONE_SHARE)
    return _offers(run, user, day, what, value, given) | {
        "action_propensity": np.where(what < 0, none, (1 - none) / (candidates - 1)),
        "chosen": made.candidate[place] == what,
    }


def _receipts(run: Run, last: int) -> Columns:
    """What was bought before, by which what is known of users is as it is; and a month's days, with what was used."""
    known = dict(zip(KNOWN_BEFORE, run.of.before, strict=True))
    orders, paid = np.round(known["before_orders"]).astype(np.int64), known["before_paid"]
    user = np.repeat(np.arange(run.of.users), orders)
    first = np.append(True, user[1:] != user[:-1])
    cost = np.round((paid - known["before_margin"])[user] * 100)
    before = _lines(
        user, np.full(len(user), -1), np.where(first, paid[user], 0.0), np.where(first & (cost > 0), cost, 0.0)
    )
    before["order_id"] = [f"before-{n}" for n in range(len(user))]
    day, user = np.nonzero((run.margin[:last] != 0) | (run.counted[:last] != 0))
    margin, given = (values[day, user].astype(np.float64) for values in (run.margin, run.counted))
    used = given > 0
    what = _held(run, last)[day, user]
    mechanic = np.where(what >= 0, np.array(response.NAMES)[run.of.mechanic[what]], "none")
    # What is given later, and what a gift costs, is taken off the margin by the job.
    later = used & np.isin(mechanic, (*LATER, "gift"))
    rest = _lines(user, day, margin + np.where(later, given, 0.0), np.zeros(len(user)))
    made_on = _since(run, last)[day, user]
    ids = [f"{d}-{u}-{w}" for d, u, w in zip(made_on, user, what, strict=True)]
    pieces = np.where(np.isin(mechanic, (*LATER, "gift")), np.round(given * 100), 1.0)
    on_basket = np.isin(mechanic, ON_BASKETS)
    use = _lines(user[used], day[used], np.zeros(int(used.sum())), pieces[used]) | {
        "line_no": [2] * int(used.sum()),
        "list_amount": np.ones(int(used.sum())),
        "discount_retail": np.where(on_basket | later, 0.0, given)[used],
        "discount_coupon": np.where(on_basket, given, 0.0)[used],
        "coupon_id": [
            name if basket else None for name, basket in zip(np.array(ids)[used], on_basket[used], strict=True)
        ],
    }
    # What its pieces cost is paid, so that they add no margin; those of a gift are not.
    use["amount_paid"] = np.where(mechanic[used] == "gift", 0.0, pieces[used] / 100)
    parts = [before, rest, use]
    return {name: np.concatenate([np.asarray(p[name], object) for p in parts]).tolist() for name in parts[1]}


def _lines(user: Ints, day: Ints, paid: Floats, cents: Floats) -> Columns:
    """Lines of goods that cost the shop nothing, or so many cents."""
    free = cents <= 0
    return {
        "order_id": [f"{d}-{u}" for d, u in zip(day, user, strict=True)],
        "line_no": [1] * len(user),
        "user_id": _users(user),
        "product_id": np.where(free, "free", "cents").tolist(),
        "quantity": np.where(free, 1.0, cents),
        "amount_paid": np.round(paid, 2),
        "list_amount": np.round(paid, 2),
        "order_date": _dates(day),
        "discount_retail": np.zeros(len(user)),
        "discount_coupon": np.zeros(len(user)),
        "discount_coupon_match": np.zeros(len(user)),
        "coupon_id": [None] * len(user),
    }


def _held(run: Run, last: int) -> Ints:
    """Day × user: the candidate that the user holds; −1: none."""
    held, made = np.full((last, run.of.users), -1), joined(run.made[:last])
    for ahead in range(HOLDS):
        there = made.day + ahead < last
        held[made.day[there] + ahead, made.user[there]] = made.candidate[there]
    return held


def _since(run: Run, last: int) -> Ints:
    """Day × user: the day on which it was made."""
    since, made = np.full((last, run.of.users), -1), joined(run.made[:last])
    for ahead in range(HOLDS):
        there = made.day + ahead < last
        since[made.day[there] + ahead, made.user[there]] = made.day[there]
    return since


def written(lake: Lake, table: type[Table], columns: Columns) -> None:
    """The rows as the job of each date would have written them; whatever else the contract asks for is empty."""
    made = pa.table({name: pa.array(values) for name, values in columns.items()})
    rows = filled(table, lake.spark.createDataFrame(made))
    writer = rows.write.format("delta").partitionBy(*table.partition)
    writer.option("delta.enableDeletionVectors", "false").save(lake.path(table))


def differences(
    run: Run,
    versions: dict[int, InForce],
    rows: list[Columns],
    effects: list[Columns],
    last: int,
    lake: Lake,
    settings: Settings,
    spark: SparkSession,
) -> tuple[int, int, list[str]]:
    """How many effects and how many values of the version were compared, and those that differ."""
    date = date_of(last)
    for table, columns in tables(run, versions, last):
        written(lake, table, columns)
    earlier = [row | {"run_id": "arrays"} for row in effects if row[Effects.date] < date]
    for day in sorted({row[Effects.date] for row in earlier}):
        lake.write(Effects, [row for row in earlier if row[Effects.date] == day], {"date": day})
    for row_day in sorted({row[Policy.valid_from] for row in rows if row[Policy.valid_from] <= date}):
        of_day = [row | {"run_id": "arrays"} for row in rows if row[Policy.valid_from] == row_day]
        lake.write(Policy, of_day, {"valid_from": row_day, "job": "adjust"})
    for job in ("evaluate", "adjust"):
        api.run(job, date, settings=settings, spark=spark, force=True)
    told = pl.read_delta(lake.path(Effects)).filter(pl.col("date") == date).to_dicts()
    found = {_key(row): row for row in told}
    wrong, compared = [], 0
    for row in effects:
        if row[Effects.date] != date or row[Effects.metric] not in COMPARED:
            continue
        compared += 1
        other = found.get(_key(row))
        for name, far in FAR.items():
            one, own = row[name], None if other is None else other[name]
            if (one is None) != (own is None) or (one is not None and abs(one - own) > far * max(1.0, abs(one))):
                wrong.append(f"{_key(row)} {name}: {one} on arrays, {own} through Spark")
    policy = pl.read_delta(lake.path(Policy)).filter(pl.col("valid_from") == date_of(last + 1)).to_dicts()
    by_spark, of_arrays = _values(policy), _values([row for row in rows if row[Policy.valid_from] == date_of(last + 1)])
    for entry in sorted(by_spark.keys() | of_arrays.keys()):
        one, own = of_arrays.get(entry), by_spark.get(entry)
        if one is None or own is None or abs(one - own) > 1e-3:
            wrong.append(f"{entry}: {one} on arrays, {own} through Spark")
    return compared, len(of_arrays), wrong


def _key(row: Columns) -> tuple[Any, ...]:
    return tuple(row[name] for name in Effects.key[1:])


def _values(rows: list[Columns]) -> dict[tuple[str, str], float]:
    """The values of a version by parameter and scope; the arrays know no scenarios."""
    told = {(row[Policy.parameter], row[Policy.scope]): row[Policy.value] for row in rows}
    return {entry: value for entry, value in told.items() if value is not None and not entry[1].startswith("scenario:")}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--users", type=int, default=20_000)
    options.add_argument("--months", type=int, default=3)
    options.add_argument("--day", type=int, default=16, help="day of the month up to which is played, 9 or more")
    options.add_argument("--scenarios", default="stationary,drift,planted")
    options.add_argument("--folder", type=Path, default=Path(".cache/loop"), help="where worlds are kept")
    asked = options.parse_args()
    of = retailer(asked.seed, asked.users, asked.folder)
    of = replace(of, days=np.round(of.days, 2), before=np.round(of.before, 2))
    ways = scenarios(of, asked.seed, asked.day + 1)
    names = asked.scenarios.split(",")
    wrong = 0
    for month in range(asked.months):
        name = names[month % len(names)]
        with tempfile.TemporaryDirectory() as folder:
            set_to = [f"promote.daily_budget={daily_budget(of.users):.2f}", f"lake.root={folder}/lake"]
            settings = load("reference", set_to)
            played = adjusted_daily(of, asked.seed, month, ways[name], asked.day + 1, settings, tell=in_cents)
            with session_of("evaluate", settings, None) as spark:
                lake = Lake(spark, f"{folder}/lake")
                effects, values, differ = differences(*played, asked.day, lake, settings, spark)
        what = f"{effects} effects and {values} values of the next version compared, {len(differ)} differ"
        print(f"{name}, month {month}, day {asked.day}: {what}", flush=True)
        print(*(f"  {one}" for one in differ), sep="\n", end="\n" if differ else "")
        wrong += len(differ)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
