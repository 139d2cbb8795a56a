"""What policies bring on a generated retailer whose truth is known: who should get which offer, under budgets.

    PYTHONPATH=. .venv/bin/python benchmarks/policies.py [--seeds 1,2,3] [--users 20000] [--form log_linear]
        [--budgets 0.05,0.2,1.0] [--json FILE] [--set KEY=VALUE ...]

Draws 20 candidates per user (every mechanic, many savings, one of them nothing) and limits (a budget of the day; one
for each of three mechanics; one for a department), and lets each policy choose at most one candidate per user. All
values are the world's own: expected margin over a week, beyond what the same week brings without the offer. Where what
a policy gives away reaches a limit, the users after that, in an order of chance, get nothing: money that is spent is
spent. Then the week is played with the same random numbers under every policy.

A policy of one's own: a function of `Case` that gives each user's candidate or NOTHING, named in POLICIES.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
from assembled import Assembled
from best_choices import NOTHING, best_choices, used, worth
from learned import Learned
from policy_worlds import CANDIDATES, DATE, Case, World, case, chosen, world
from promoted import promoted

from promo_spark.learners.meta_learners import MetaEngine
from promo_spark.settings import load
from promo_spark.worlds.playing import played
from promo_spark.worlds.spec import world_spec
from promo_spark.worlds.streams import Floats, Ints, stream

# policies


def nothing(of: Case) -> Ints:
    return np.full(of.users, NOTHING)


def by_chance(of: Case) -> Ints:
    """Any candidate, each as likely."""
    return stream(of.world.spec.seed, "policy").integers(0, of.given.shape[1], of.users)


def todays_rule(of: Case) -> Ints:
    """Conversion × margin after the discount, greedily by value over cost; the true conversions are handed to it."""
    return greedy(of, of.uses * of.profit - of.given)


def best_for_all(of: Case) -> Ints:
    """The one kind of offer that brings most when everybody who has it among the candidates gets it; in hindsight."""
    return best_kind(of, np.zeros(of.users, np.int64))


def best_per_segment(of: Case) -> Ints:
    """The same for each planted segment by itself; in hindsight."""
    return best_kind(of, of.segment)


def ceiling(of: Case) -> Ints:
    """The best choice by what the best retailer could know: the users' responses by Bayes from all that was delivered.

    See promo_spark/worlds/posterior.py.
    """
    return best_choices(of.believed)


@functools.lru_cache(maxsize=2)
def learned(of: World, share: float = 1.0) -> Learned:
    """What is learnt of the world's users, once for all budgets."""
    made = Learned(of, share)
    print(f"evidence: {len(made.trials.weeks):,} rows of randomised users ({share:g} of the users)", flush=True)
    return made


@functools.lru_cache(maxsize=2)
def assembled(of: World, share: float = 1.0) -> Assembled:
    """What two policies put values together from, once for both and for all budgets."""
    return Assembled(learned(of, share))


@functools.lru_cache(maxsize=8)
def estimated(of: World, engine: str, share: float = 1.0) -> tuple[Floats, Floats]:
    """User × candidate: the value and the amount given that an engine expects."""
    if engine == "ours":
        return assembled(of, share).estimates()
    if engine == "promote":
        return promoted(assembled(of, share))
    made = learned(of, share)
    margin = made.trials.margin
    value = made.s_learner(margin) if engine == "s" else made.by_meta_learner(cast(MetaEngine, engine), margin)
    return value, made.expected_given()


def by_engine(engine: str, share: float = 1.0) -> Callable[[Case], Ints]:
    """The best choice by what an engine has learnt of what the shop has seen."""
    return lambda of: best_choices(of.problem(*estimated(of.world, engine, share)))


def oracle(of: Case) -> Ints:
    """The best choice by the true values."""
    return best_choices(of.truth)


ENGINES = {  # policies that expect something of each candidate: by which engine, and of how much of the evidence
    "S-learner": ("s", 1.0),
    "T-learner": ("t", 1.0),
    "X-learner": ("x", 1.0),
    "promote": ("promote", 1.0),
    "ours": ("ours", 1.0),
    "ours, a tenth of the evidence": ("ours", 0.1),
}
POLICIES: dict[str, Callable[[Case], Ints]] = {
    "none": nothing,
    "random": by_chance,
    "today": todays_rule,
    "best single offer": best_for_all,
    "best per segment": best_per_segment,
    **{name: by_engine(*engine) for name, engine in ENGINES.items()},
    "ceiling": ceiling,
    "oracle": oracle,
}


def greedy(of: Case, value: Floats) -> Ints:
    """The dearest value per cost first, as long as all limits hold."""
    choice, left = np.full(of.users, NOTHING), of.truth.most.copy()
    user, candidate = np.nonzero(value > 0)
    cost = np.maximum(of.truth.use[0, user, candidate], 1e-9)
    for place in np.argsort(-value[user, candidate] / cost, kind="stable"):
        who, what = user[place], candidate[place]
        use = of.truth.use[:, who, what]
        if choice[who] == NOTHING and np.all(use <= left):
            choice[who] = what
            left = left - use
    return choice


def best_kind(of: Case, group: Ints) -> Ints:
    """For each group of users the mechanic and saving that bring most under the limits, tried one after the other."""
    choice = np.full(of.users, NOTHING)
    kind = of.mechanic * 100 + np.rint(of.saving * 100)
    for number in np.unique(group):
        members = group == number
        brought = {NOTHING * 1.0: 0.0}
        for one in np.unique(kind[kind >= 0]):
            tried = choice.copy()
            has = members & (kind == one).any(axis=1)
            tried[has] = (kind == one).argmax(axis=1)[has]
            kept = affordable(of, tried)
            brought[one] = worth(of.truth, kept)
        best = max(brought, key=lambda one: brought[one])
        if best >= 0:
            has = members & (kind == best).any(axis=1)
            choice[has] = (kind == best).argmax(axis=1)[has]
    return choice


# what they bring


def affordable(of: Case, choice: Ints) -> Ints:
    """The choice of those whom the money reaches, in an order of chance: no limit is passed."""
    order = stream(of.world.spec.seed, "order").permutation(of.users)
    order = order[choice[order] != NOTHING]
    use, kept = of.truth.use[:, order, choice[order]], np.ones(len(order), bool)
    for _ in range(len(of.truth.most)):  # a limit that is passed ends for those whom it concerns
        total = np.cumsum(use * kept, axis=1)
        over = (total > of.truth.most[:, None]) & (use > 0) & kept
        if not over.any():
            break
        kept &= ~over.any(axis=0)
    reached = np.full(of.users, NOTHING)
    reached[order[kept]] = choice[order[kept]]
    return reached


def played_margin(of: Case, choice: Ints) -> Floats:
    """Each user's margin in the played week under the choice, in currency."""
    margins, start, world_of = [], 0, of.world
    for block in world_of.blocks:
        n = len(block.state.habit)
        own = choice[start : start + n]
        rows = np.flatnonzero((own != NOTHING) & (own < CANDIDATES - 1))
        held = chosen(block.offers, np.sort(own[rows] * n + rows))
        week = played(world_of.spec, block.number, world_of.day, block.state, held, recent=block.recent)
        margins.append(week.margin / 100)
        start += n
    return np.concatenate(margins)


def over_told(of: Case, name: str, wanted: Ints) -> dict[str, float]:
    """What all that an engine chose would give and bring, over what the engine expected of it; 1: just that."""
    if name not in ENGINES:
        return {}
    engine, share = ENGINES[name]
    told = of.problem(*estimated(of.world, engine, share))
    given = used(of.truth, wanted)[0] / used(told, wanted)[0]
    return {
        "given_over_told": round(float(given), 3),
        "value_over_told": round(worth(of.truth, wanted) / worth(told, wanted), 3),
    }


def rows_of(seed: int, form: str, of: World, budgets: list[float]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    without = None
    for budget in budgets:
        limited = case(of, budget)
        wanted = {name: policy(limited) for name, policy in POLICIES.items()}
        choices = {name: affordable(limited, choice) for name, choice in wanted.items()}
        best, reachable = (worth(limited.truth, choices[name]) for name in ("oracle", "ceiling"))
        if without is None:
            without = played_margin(limited, choices["none"])
        for name, choice in choices.items():
            gained = played_margin(limited, choice) - without
            rows.append(
                {
                    "seed": seed,
                    "form": form,
                    "budget": budget,
                    "policy": name,
                    "margin": round(worth(limited.truth, choice), 2),
                    "share_of_oracle": round(worth(limited.truth, choice) / best, 4),
                    "share_of_ceiling": round(worth(limited.truth, choice) / reachable, 4),
                    "violations": int((used(limited.truth, choice) > limited.truth.most * (1 + 1e-9)).sum()),
                    "played_margin": round(float(gained.sum()), 2),
                    "played_se": round(float(gained.std() * np.sqrt(len(gained))), 2),
                    **over_told(limited, name, wanted[name]),
                    "offers": int((choice != NOTHING).sum()),
                    "given": round(float(used(limited.truth, choice)[0]), 2),
                }
            )
            print(" ".join(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
    return rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", default="1,2,3")
    options.add_argument("--users", type=int, default=20000)
    options.add_argument("--form", default="log_linear", choices=["log_linear", "logistic", "tree", "heavy_tailed"])
    options.add_argument("--budgets", default="0.05,0.2,1.0", help="per user")
    options.add_argument("--json", type=Path)
    options.add_argument("--set", action="append", default=[], dest="set_to", metavar="KEY=VALUE", help="a setting")
    options_chosen = options.parse_args()
    rows = []
    for seed in (int(seed) for seed in options_chosen.seeds.split(",")):
        sizes = [f"users={options_chosen.users}", f"seed={seed}", f"response_form={options_chosen.form}"]
        settings = load("reference", [*(f"generate.{size}" for size in sizes), *options_chosen.set_to])
        started = time.perf_counter()
        of = world(world_spec(settings.generate, DATE))
        print(f"seed {seed}: {len(of.table['value'])} users, {time.perf_counter() - started:.0f} s", flush=True)
        rows += rows_of(seed, options_chosen.form, of, [float(b) for b in options_chosen.budgets.split(",")])
    if options_chosen.json:
        options_chosen.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
