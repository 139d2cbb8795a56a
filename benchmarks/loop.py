"""The closed loop many times over: promote decides, users answer, evaluate measures, adjust writes tomorrow's policy.

    PYTHONPATH=. .venv/bin/python benchmarks/loop.py [--seeds 1,2,3] [--users 20000] [--copies 1] [--days 30]
        [--replications 100] [--scenarios stationary,drift,...] [--power] [--set KEY=VALUE] [--json FILE]
        [--folder FOLDER]

On arrays, without Spark: the world's own truth of every offer, the job's own valuation (benchmarks/promoted.py), its
measurement (promo_spark/measurement) and its adjusting (promo_spark/decisions/adjustment). benchmarks/daily_loop.py
plays the same through Spark. Every replication is played twice with the same chance, with a policy that is never
adjusted and with one that is; and beside them by an oracle that knows the truth, with the same budget and arms.

`known` is a policy whose value and cost factors of each mechanic are what is true of the offers that it makes:
about what adjusting by such factors could bring at best. A policy that is never adjusted gives more than it reserves:
`same_money` compares with one that reserves so much less that it gives what the adjusted does.

Scenarios: stationary; drift, where from day 10 on every offer has 0.3 of its pull; two_lose, where only the two
mechanics have that bring most; planted, where the mechanic that is used most costs a quarter of the margin of whom it
reaches; aa, where offers do nothing and give nothing. The first run of a seed makes its world, in two minutes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from loop_days import HELD_OUT, HOLDS, SCOPES, Run, Told, daily_budget, joined, told_by_promote
from loop_rows import date_of, effects_of, explored, margin_of, policy_values, withheld
from loop_summary import DRIFT_DAY, FOUND_WITHIN, GOALS, last_factors, printed, summary, table
from loop_worlds import Retailer, Truth, retailer

from promo_spark.contracts.measurement import Effects
from promo_spark.contracts.policy import ALL, BY_NAME
from promo_spark.decisions.adjustment.version import adjusted
from promo_spark.decisions.policy import AS_SET, InForce, values_of, version_rows
from promo_spark.measurement.differences import Difference
from promo_spark.settings import Settings, load
from promo_spark.worlds import response
from promo_spark.worlds.streams import Floats

FROM_DAY, LATE, PLANTED_LOSS = 8, 14, 0.25
PACED_FROM = 12  # day from which most of what adjusting does to budgets is done


@dataclass(frozen=True)
class Scenario:
    """What is true of offers before a day, and from it on. `planted`: the number of the mechanic that loses."""

    name: str
    before: Truth
    after: Truth
    planted: int | None = None
    known: tuple[InForce, InForce] = (AS_SET, AS_SET)  # with factors that are true before the day, and from it on

    def truth(self, day: int) -> Truth:
        return self.before if day < DRIFT_DAY else self.after


@dataclass(frozen=True)
class Seed:
    """What replications share. Kept where the processes that play them see it."""

    number: int
    of: Retailer
    days: int
    scenarios: dict[str, Scenario]
    settings: Settings
    power: bool  # is told, of a mechanic that loses


SHARED: list[Seed] = []  # the one seed that is played


def scenarios(of: Retailer, seed: int, days: int) -> dict[str, Scenario]:
    """All of them. What a policy uses most, and what brings most, is looked up in a month that is not adjusted."""
    stays = Scenario("stationary", of.truth, of.truth)
    run = decided(of, seed, 0, stays, days, with_noise=False)
    offers, brought = run.offers.sum(axis=0), np.zeros(len(SCOPES))
    for made in run.made:
        chosen = ~made.explored
        what, user = made.candidate[chosen], made.user[chosen]
        brought += np.bincount(of.mechanic[what], of.truth.value[user, what], len(SCOPES))
    best, used = np.argsort(-brought)[:2], int(offers.argmax())
    print(
        f"most used: {response.NAMES[used]}, {offers[used] / offers.sum():.0%} of the offers; bring most: "
        f"{' and '.join(response.NAMES[n] for n in best)}, {brought[best].sum() / brought.sum():.0%} of the value",
        flush=True,
    )
    nothing = Truth(*[np.zeros_like(of.truth.gain)] * 3)
    worse = Truth(_planted(of, used), of.truth.given, of.truth.uses)
    of_two = np.isin(of.mechanic, best)
    two = Truth(*[np.where(of_two, getattr(of.drifted, n), getattr(of.truth, n)) for n in ("gain", "given", "uses")])
    every = [
        stays,
        Scenario("drift", of.truth, of.drifted),
        Scenario("two_lose", of.truth, two),
        Scenario("planted", worse, worse, planted=used),
        Scenario("aa", nothing, nothing),
    ]
    return {one.name: replace(one, known=(_known(of, one.before), _known(of, one.after))) for one in every}


def challenged(name: str, of: Retailer, one: Retailer, seed: int, days: int) -> Scenario:
    """What the gate is judged in. `one`: of the same users once, of whom what is known is looked up."""
    if name == "stationary":
        return Scenario(name, of.truth, of.truth, known=(_known(one, one.truth),) * 2)
    month = decided(one, seed, 0, Scenario(name, one.truth, one.truth), days, with_noise=False)
    used = int(month.offers.sum(axis=0).argmax())
    worse, same = (Truth(_planted(all_, used), all_.truth.given, all_.truth.uses) for all_ in (of, one))
    return Scenario(name, worse, worse, planted=used, known=(_known(one, same),) * 2)


GATED = ("stationary", "planted")


def _known(of: Retailer, truth: Truth) -> InForce:
    """A version with value and cost of each mechanic as they are on average of the offers that it makes so.

    What it makes depends on the factors and they on what it makes: they are looked for by halves of steps.
    """
    names, low, high = ("value_factor", "cost_factor"), 0.25, 4.0
    factors = {name: np.ones(len(SCOPES)) for name in names}
    told = told_by_promote(of, AS_SET)
    for _ in range(_ROUNDS):
        run = Run(of, 0, 0, lambda _: truth, HOLDS, with_noise=False)
        for day in range(HOLDS):
            run.decide(day, told)
        made = joined(run.made)
        user, what = made.user[~made.explored], made.candidate[~made.explored]
        for name, true, tells in zip(names, (truth.gain, truth.given), (of.told_gain, of.told_given), strict=True):
            sums = [np.bincount(of.mechanic[what], values[user, what], len(SCOPES)) for values in (true, tells)]
            seen = np.clip(sums[0] / np.maximum(sums[1], 1e-9), low, high)
            factors[name] = np.where(sums[1] > 0, np.sqrt(factors[name] * seen), factors[name])
        values = {(name, scope): float(f) for name in names for scope, f in zip(SCOPES, factors[name], strict=True)}
        known = InForce("known", values)
        told = told_by_promote(of, known)
    return known


_ROUNDS = 8


def _planted(of: Retailer, mechanic: int) -> Floats:
    """The gains, where a mechanic costs a share of what its users leave in a week by themselves."""
    week = of.days.mean(axis=0, dtype=np.float64) * 7
    return np.where(of.mechanic == mechanic, -PLANTED_LOSS * week[:, None], of.truth.gain)


# one month


def decided(of: Retailer, seed: int, number: int, scenario: Scenario, days: int, *, with_noise: bool) -> Run:
    """A month that is never adjusted."""
    run = Run(of, seed, number, scenario.truth, days, with_noise=with_noise)
    told = told_by_promote(of, AS_SET)
    for day in range(days):
        run.decide(day, told)
        run.play(day)
    return run


def by_truth(
    of: Retailer, seed: int, number: int, scenario: Scenario, days: int, told: tuple[Told, Told] | None
) -> Run:
    """A month decided by the truth of the day, or what is known of it."""
    run = Run(of, seed, number, scenario.truth, days, with_noise=False)
    before, after = told or [Told(truth.value, truth.given) for truth in (scenario.before, scenario.after)]
    told = (before, after)
    for day in range(days):
        run.decide(day, told[day >= DRIFT_DAY])
        run.play(day)
    return run


def adjusted_daily(
    of: Retailer,
    seed: int,
    number: int,
    scenario: Scenario,
    days: int,
    settings: Settings,
    tell: Callable[[Retailer, InForce], Told] = told_by_promote,
) -> tuple[Run, dict[int, InForce], list[dict[str, Any]], list[dict[str, Any]]]:
    """A month in which every date's effects decide by what the next is decided; its versions, all their rows, effects.

    The effects are those that still count on the last day.
    """
    run = Run(of, seed, number, scenario.truth, days)
    versions: dict[int, InForce] = {}
    effects: list[dict[str, Any]] = []
    written: list[dict[str, Any]] = []

    def in_force(date: datetime.date) -> InForce:
        day = (date - date_of(0)).days
        return versions.get(day, AS_SET)

    current, told = AS_SET, tell(of, AS_SET)
    memory = datetime.timedelta(settings.adjust.memory_days)
    for day in range(days):
        versions[day] = current
        run.decide(day, told, current)
        if day >= FROM_DAY:
            date = date_of(day)
            effects = [row for row in effects if row[Effects.date] > date - memory] + effects_of(run, day)
            entries = adjusted(effects, [], in_force, date, settings.adjust, settings.promote)
            rows = version_rows(entries, parent=current, valid_from=date_of(day + 1), job="adjust")
            written += rows
            before, current = current, InForce(rows[0]["version_id"], values_of(rows))
            told = told if before.values == current.values else tell(of, current)
        run.play(day)
    return run, versions, written, effects


# what a month says


def told_of(run: Run, scenario: Scenario) -> dict[str, Any]:
    """Per treated user: by day what offers bring and give; of the offers after day 14 what was told over given."""
    users = float((~run.held_out).sum())
    late_told = late_given = 0.0
    for day, made in enumerate(run.made):
        if day > LATE:
            rows = ~made.explored
            late_told += made.told_given[rows].sum()
            late_given += scenario.truth(day).given[made.user[rows], made.candidate[rows]].sum()
    return {
        "value": run.true_value / users,
        "given": run.true_given / users,
        "told_given": run.told_given / users,
        "offers": run.offers.sum(axis=1) / users,
        "late_told": late_told / users,
        "late_given": late_given / users,
    }


def month(task: tuple[str, int]) -> dict[str, Any]:
    """One replication of a scenario, in every way."""
    name, number = task
    of = SHARED[0]
    scenario = of.scenarios[name]
    told: dict[str, Any] = {"scenario": name, "number": number}
    common = (of.of, of.number, number, scenario, of.days)
    watched = of.power and scenario.planted is not None
    frozen = decided(*common, with_noise=watched)
    told["frozen"] = told_of(frozen, scenario)
    told["oracle"] = told_of(by_truth(*common, None), scenario)
    before, after = scenario.known
    told["known"] = told_of(
        by_truth(*common, (told_by_promote(of.of, before), told_by_promote(of.of, after))), scenario
    )
    run, versions, _, _ = adjusted_daily(*common, of.settings)
    told["adjusting"] = told_of(run, scenario) | {
        "value_factor": _of_offers(run, versions, "value_factor"),
        "cost_factor": _of_offers(run, versions, "cost_factor"),
        "paused_on": _first_days(versions, "paused"),
        "depth_raised": [day for day in versions if any(p == "depth_most" for p, _ in versions[day].values)],
        "last": {f"{p} of {s}": v for (p, s), v in versions[of.days - 1].values.items()},
    }
    told["paced"] = _paced_value(told, common)
    if watched:
        told["power"] = _power(frozen, scenario)
    return told


def _paced_value(told: dict[str, Any], common: tuple[Retailer, int, int, Scenario, int]) -> float:
    """What a policy brings that is never adjusted, but reserves less once receipts are in: it gives as the adjusted."""
    of, seed, number, scenario, days = common
    over = [told[way]["late_told"] / max(told[way]["late_given"], 1e-9) for way in ("frozen", "adjusting")]
    least = BY_NAME["budget_factor"].least
    factor = min(max(over[0] / max(over[1], 1e-9), least), 1.0)
    paced = InForce("paced", {("budget_factor", ALL): factor})
    run = Run(of, seed, number, scenario.truth, days, with_noise=False)
    as_told = told_by_promote(of, AS_SET)
    for day in range(days):
        run.decide(day, as_told, paced if day >= PACED_FROM else AS_SET)
        run.play(day)
    return float(told_of(run, scenario)["value"].sum())


def _of_offers(run: Run, versions: dict[int, InForce], parameter: str) -> Floats:
    """By day: the mean factor of the offers made."""
    factors = np.array([[versions[d].factor(parameter, scope) for scope in SCOPES] for d in range(run.last)])
    made = run.offers.sum(axis=1)
    mean: Floats = np.where(made > 0, (factors * run.offers).sum(axis=1) / np.maximum(made, 1), factors.mean(axis=1))
    return mean


def _first_days(versions: dict[int, InForce], parameter: str) -> dict[str, int]:
    """The first day of each scope that was ever paused."""
    first: dict[str, int] = {}
    for day, version in sorted(versions.items()):
        for name, scope in version.values:
            if name == parameter:
                first.setdefault(scope, day)
    return first


def _power(run: Run, scenario: Scenario) -> dict[str, Any]:
    """By day: how many standard errors the planted mechanic is below 0, by those held out and by those explored."""
    assert scenario.planted is not None
    scope = SCOPES[scenario.planted]
    by_day: dict[str, Any] = {"withheld": [], "explore": []}
    for day in range(FROM_DAY, FOUND_WITHIN + 1):
        for kind, compared in (("withheld", withheld(run, day)), ("explore", explored(run, day))):
            by_day[kind].append(_errors(next((margin_of(one) for one in compared if one.slice == scope), None)))
    return by_day


def _errors(found: Difference | None) -> float:
    return found.estimate / found.error if found and found.error > 0 else 0.0


# the gate of a challenger


def gate(of: Retailer, seed: int, scenario: Scenario, days: int) -> None:
    """What a policy and a challenger bring by the draws of a month, beside the truth.

    The challenger is what is known of the scenario, the best that factors could do; and the other way round, the
    policy of the settings against it, a challenger that is worse.
    """
    settings, known = (told_by_promote(of, policy) for policy in (AS_SET, scenario.known[0]))
    for name, (own, rival) in {"better": (settings, known), "worse": (known, settings)}.items():
        run = Run(of, seed, 0, scenario.truth, days, rival=rival)
        for day in range(days):
            run.decide(day, own)
            run.play(day)
        made = joined(run.made[: days - HOLDS])
        drawn = made.explored
        truth = scenario.truth(0).value
        true = {
            what: float(np.where(choice < 0, 0.0, truth[made.user, choice])[drawn].mean())
            for what, choice in (("policy", made.would), ("rival", made.rival))
        }
        true["difference"] = true["rival"] - true["policy"]
        draws = f"{drawn.sum():,} draws in {days - HOLDS} days"
        print(f"{scenario.name}, a challenger that is {name}, of {of.users:,} users, {draws}:")
        for what, value in policy_values(run, days).items():
            z = value.estimate / value.error if value.error > 0 else float("nan")
            print(
                f"  {what:10} {value.estimate:8.4f} ± {value.error:.4f} a week, {z:5.1f} errors, as good as "
                f"{value.effective:,.0f} users; true {true[what]:.4f}",
                flush=True,
            )


# all months


def played(seed: Seed, names: Sequence[str], replications: int, processes: int) -> list[dict[str, Any]]:
    """Every replication of the scenarios, a progress line for each tenth."""
    SHARED[:] = [seed]
    tasks = [(name, number) for name in names for number in range(replications)]
    started, done = time.perf_counter(), []
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for one in pool.imap_unordered(month, tasks):
            done.append(one)
            if len(done) % max(len(tasks) // 10, 1) == 0:
                spent = time.perf_counter() - started
                print(f"seed {seed.number}: {len(done)} of {len(tasks)} months, {spent:.0f} s", flush=True)
    return sorted(done, key=lambda one: (one["scenario"], one["number"]))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", default="1,2,3")
    options.add_argument("--users", type=int, default=20_000)
    options.add_argument("--copies", type=int, default=1, help="each user so many times: a larger shop of its kind")
    options.add_argument("--days", type=int, default=30)
    options.add_argument("--replications", type=int, default=100)
    options.add_argument("--scenarios", default=",".join(GOALS))
    options.add_argument("--power", action="store_true", help="how soon a mechanic that loses could be found, too")
    options.add_argument("--json", type=Path)
    options.add_argument("--folder", type=Path, default=Path(".cache/loop"), help="where worlds are kept")
    options.add_argument("--processes", type=int, default=min(os.cpu_count() or 1, 8))
    options.add_argument("--set", action="append", default=[], dest="set_to", metavar="KEY=VALUE", help="a setting")
    options.add_argument("--gate", action="store_true", help="a challenger's value by what chance drew, instead")
    asked = options.parse_args()
    names = asked.scenarios.split(",")
    told: dict[str, Any] = {"users": asked.users * asked.copies, "days": asked.days, "replications": asked.replications}
    for number in map(int, asked.seeds.split(",")):
        started = time.perf_counter()
        of = retailer(number, asked.users, asked.folder, copies=asked.copies)
        print(f"seed {number}: {of.users:,} users, {HELD_OUT:.0%} held out, {time.perf_counter() - started:.0f} s")
        settings = load("reference", [f"promote.daily_budget={daily_budget(of.users):.2f}", *asked.set_to])
        if asked.gate:
            one = retailer(number, asked.users, asked.folder)  # what is true of a copy is true of all
            for name in [name for name in names if name in GATED]:
                gate(of, number, challenged(name, of, one, number, asked.days), asked.days)
            continue
        seed = Seed(number, of, asked.days, scenarios(of, number, asked.days), settings, asked.power)
        months = played(seed, names, asked.replications, asked.processes)
        for name in names:
            own = [one for one in months if one["scenario"] == name]
            place = seed.scenarios[name].planted
            rows, found = table(own), summary(name, own, None if place is None else SCOPES[place])
            found["last_factors"] = last_factors(own, seed.scenarios[name].known[1])
            printed(name, rows, found)
            told[f"{number} {name}"] = {"by_day": rows, "summary": found}
        if asked.json:  # after each seed, as they take their time
            asked.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
