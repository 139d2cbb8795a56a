"""How well what offers did is measured, on generated retailers where both worlds of every user are known.

    PYTHONPATH=. .venv/bin/python benchmarks/evaluation.py [--seeds 1,2,3] [--users 20000] [--replications 200]
        [--form log_linear] [--json FILE]

Four weeks are played twice with the same random numbers: everybody gets an offer a week, nobody gets any. So what
offers do to each user is known. Then chance holds out a tenth of the users, again and again, and the job's own
functions tell the effect from what could be seen. Printed: how often intervals cover the truth, what earlier behaviour
explains, how often something seems to happen where nothing does when people look every day, and how often lost users
are found.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from policy_worlds import CANDIDATES, DATE, candidates, chosen

from promo_spark.measurement.differences import difference
from promo_spark.measurement.effects import sequence
from promo_spark.measurement.figures import COVARIATES, METRICS, PLACEBOS, USERS
from promo_spark.measurement.moments import Moments, moments_of_arrays
from promo_spark.measurement.sample_ratio import ALARM, sample_ratio_p
from promo_spark.measures.intervals import fixed_interval
from promo_spark.settings import load
from promo_spark.worlds import response
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.offers import NO_OFFERS, Offers
from promo_spark.worlds.playing import receipts_margin
from promo_spark.worlds.shopping import History, history
from promo_spark.worlds.simulation import simulated_day
from promo_spark.worlds.spec import WorldSpec, world_spec
from promo_spark.worlds.streams import Floats, stream

WEEKS, WEEK = 4, 7
DAYS = WEEKS * WEEK
HELD_OUT = 0.1
BEFORE = 84  # days
FIGURES = ("orders", "margin", "given")
Played = dict[str, Floats]  # figure → day × user, in units of currency


def played(spec: WorldSpec, block: int, past: History, with_offers: bool) -> Played:
    """Four weeks of a block's users; with offers each has any one of the candidates a week, each as likely."""
    shop, n = catalogue(spec), len(past.users)
    told = {name: np.zeros((DAYS, n)) for name in FIGURES}
    state, offers, recent = past.state, NO_OFFERS, np.zeros(n)
    for day in range(DAYS):
        if with_offers and day % WEEK == 0:
            offers = weekly_offers(spec, block, spec.days + day, past)
            spent = np.zeros(len(offers), bool)
        held = replace(offers, spent=spent) if with_offers else NO_OFFERS
        done = simulated_day(spec, block, spec.days + day, state, held, recent)
        state = done.past.state
        told["orders"][day] = done.came
        margin = receipts_margin(shop, done, n)
        own = done.uses.offer < len(held)
        used, given = done.uses.offer[own], done.uses.given[own]
        if len(used):
            user, mechanic = held.user[used], held.mechanic[used]
            told["given"][day] = np.bincount(user, given, n) / 100
            margin -= np.bincount(user, np.where(response.AT_THE_TILL[mechanic], 0.0, given), n)
            spent = spent.copy()
            spent[used[response.ONCE[mechanic]]] = True
        told["margin"][day] = margin / 100
        if with_offers and day % WEEK == 0:
            recent = recent + np.bincount(held.user, minlength=n)
    return told


def weekly_offers(spec: WorldSpec, block: int, day: int, past: History) -> Offers:
    """One of each user's candidates, by chance."""
    offers, draw = candidates(spec, block, day, "evaluated", [past]), stream(spec.seed, "evaluate", block, day)
    n = len(past.users)
    return chosen(offers, np.sort(draw.integers(0, CANDIDATES - 1, n) * n + np.arange(n)))


def before(spec: WorldSpec, past: History) -> dict[str, Floats]:
    """What each user did in the days before: what the job knows of users by itself."""
    shop, n = catalogue(spec), len(past.users)
    lines, orders = past.lines, past.orders
    late = (orders.day >= spec.days - BEFORE) & (orders.kind == 0)
    of_line = late[lines.order]
    user = orders.user[lines.order][of_line]
    paid = (lines.listed - lines.reduced - lines.coupon)[of_line]
    cost = (shop.cost[lines.product] * lines.quantity)[of_line]
    return {
        PLACEBOS["orders"]: np.bincount(orders.user[late], minlength=n).astype(np.float64),
        PLACEBOS["paid"]: np.bincount(user, paid, n) / 100,
        PLACEBOS["margin"]: np.bincount(user, paid - cost, n) / 100,
    }


class Experiments:
    """A retailer's users in both worlds, and what was known of them."""

    def __init__(self, seed: int, users: int, form: str) -> None:
        sets = [f"generate.users={users}", "generate.days=180", f"generate.seed={seed}"]
        sets.append(f"generate.response_form={form}")
        self.spec = world_spec(load("world", sets).generate, DATE)
        blocks = [history(self.spec, block) for block in range(self.spec.user_blocks)]
        known = [before(self.spec, past) for past in blocks]
        self.known = {name: np.concatenate([one[name] for one in known]) for name in known[0]}
        self.worlds = []
        for with_offers in (False, True):
            parts = [played(self.spec, block, past, with_offers) for block, past in enumerate(blocks)]
            self.worlds.append({name: np.concatenate([one[name] for one in parts], axis=1) for name in FIGURES})
        self.users = len(self.known[PLACEBOS["orders"]])

    def figures(self, world: int, days: int) -> dict[str, Floats]:
        """By user, of the first days, in the world without offers (0) or with them (1)."""
        sums = {name: self.worlds[world][name][:days].sum(axis=0) for name in FIGURES}
        nothing = np.zeros(self.users)
        forecasts = {name: nothing for name in COVARIATES if name not in self.known}
        conversion = (sums["orders"] > 0).astype(np.float64)
        return {
            USERS: np.ones(self.users),
            "conversion": conversion,
            "cost": nothing,
            **sums,
            **self.known,
            **forecasts,
        }


def arms(treated: Mapping[str, Floats], control: Mapping[str, Floats], held_out: np.ndarray) -> tuple[Moments, Moments]:
    return (
        moments_of_arrays({name: values[~held_out] for name, values in treated.items()}),
        moments_of_arrays({name: values[held_out] for name, values in control.items()}),
    )


def covered(of: Experiments, days: int, replications: int, draw: np.random.Generator) -> dict[str, float]:
    """How often 95 % intervals hold the truth, and the mean share of the variance that is explained, by metric."""
    both = of.figures(1, days), of.figures(0, days)
    truth = {name: float((both[0][name] - both[1][name]).mean()) for name in ("conversion", "orders", "margin")}
    gained, given = truth["margin"], float(both[0]["given"].mean())
    truth["roi"] = gained / given
    told = {f"{name}_{what}": 0.0 for name in truth for what in ("covered", "explained")}
    for _ in range(replications):
        treated, control = arms(*both, draw.random(of.users) < HELD_OUT)
        for name, value in truth.items():
            found = METRICS[name].told(treated, control, COVARIATES)
            assert found is not None
            told[f"{name}_covered"] += fixed_interval(found.estimate, found.error).holds(value) / replications
            told[f"{name}_explained"] += found.explained / replications
    return {**told, **{f"{name}_truth": value for name, value in truth.items()}}


def looked_at_daily(of: Experiments, replications: int, draw: np.random.Generator) -> dict[str, float]:
    """How often something seems to have happened on any of 28 days where nobody had an offer."""
    fixed = always = once = 0
    by_day = [of.figures(0, days) for days in range(1, DAYS + 1)]
    for _ in range(replications):
        held_out = draw.random(of.users) < HELD_OUT
        seen = {"fixed": False, "always": False}
        for days, figures in enumerate(by_day, start=1):
            found = METRICS["margin"].told(*arms(figures, figures, held_out), COVARIATES)
            assert found is not None
            outside = not fixed_interval(found.estimate, found.error).holds(0.0)
            seen["fixed"] |= outside
            seen["always"] |= not sequence(found, days=days, planned_days=DAYS, alpha=0.05).holds(0.0)
        once += outside
        fixed += seen["fixed"]
        always += seen["always"]
    return {
        "once_false": once / replications,
        "daily_fixed_false": fixed / replications,
        "daily_sequence_false": always / replications,
    }


def selected(of: Experiments, draw: np.random.Generator) -> dict[str, float]:
    """Offers that do nothing go to those who buy most: the naive figure, and the interval from those held out."""
    figures = of.figures(0, WEEK)
    takers = figures[PLACEBOS["orders"]] > np.median(figures[PLACEBOS["orders"]])
    one, other = (moments_of_arrays({k: v[some] for k, v in figures.items()}) for some in (takers, ~takers))
    naive = difference(one, other, {"margin": 1.0}, per=USERS)
    found = METRICS["margin"].told(*arms(figures, figures, draw.random(of.users) < HELD_OUT), COVARIATES)
    assert naive is not None and found is not None
    told = fixed_interval(found.estimate, found.error)
    return {"naive": naive.estimate, "naive_error": naive.error, "low": told.low, "high": told.high}


def lost_users(replications: int, draw: np.random.Generator) -> dict[str, float]:
    """How often chance alone is taken for a loss, and how often a loss of 1 or 2 % of an arm of a million is found."""
    told = {}
    for share, loss in ((0.5, 0.0), (0.1, 0.0), (0.5, 0.01), (0.1, 0.01), (0.1, 0.02)):
        held = draw.binomial(1_000_000, share, replications)
        kept = draw.binomial(held, 1 - loss)
        drawn = {"holdout": share, "others": 1 - share}
        alarms = [
            (sample_ratio_p({"holdout": int(k), "others": int(1_000_000 - h)}, drawn) or 0.0) < ALARM
            for h, k in zip(held, kept, strict=True)
        ]
        told[f"{share:g} held out, {loss:.0%} of them lost"] = float(np.mean(alarms))
    return told


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", default="1,2,3")
    options.add_argument("--users", type=int, default=20_000)
    options.add_argument("--replications", type=int, default=200)
    options.add_argument("--form", default="log_linear", help="of the world's answers, see generate.response_form")
    options.add_argument("--json", type=Path)
    asked = options.parse_args()
    told: dict[str, object] = {}
    for seed in map(int, asked.seeds.split(",")):
        of, draw = Experiments(seed, asked.users, asked.form), np.random.default_rng(seed)
        print(
            f"seed {seed}: {of.users:,} users, {HELD_OUT:.0%} held out, {asked.replications} replications", flush=True
        )
        for days in (7, 28):
            found = covered(of, days, asked.replications, draw)
            told[f"{seed} {days} days"] = found
            for name in ("conversion", "orders", "margin", "roi"):
                print(
                    f"  {days:2} days  {name:10}  truth {found[f'{name}_truth']:8.4f}  covered "
                    f"{found[f'{name}_covered']:.3f}  explained {found[f'{name}_explained']:.2f}",
                    flush=True,
                )
        looks = looked_at_daily(of, asked.replications, draw)
        print(
            f"  nothing happens, looked at once on day 28: {looks['once_false']:.3f} false; every day: fixed intervals "
            f"{looks['daily_fixed_false']:.3f}, sequences {looks['daily_sequence_false']:.3f}",
            flush=True,
        )
        takers = selected(of, draw)
        print(
            f"  offers that do nothing, to those who buy most: naive {takers['naive']:+.2f} ± "
            f"{takers['naive_error']:.2f}, held out {takers['low']:+.2f} to {takers['high']:+.2f}",
            flush=True,
        )
        told |= {f"{seed} looks": looks, f"{seed} selected": takers}
    ratios = lost_users(10_000, np.random.default_rng(0))
    told["sample ratio"] = ratios
    for name, share in ratios.items():
        print(f"of a million users {name}: alarm in {share:.4f}")
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
