"""How well it is told what an offer does to visits, on a generated retailer whose truth is known.

    PYTHONPATH=. .venv/bin/python benchmarks/effects.py [--seeds 1,2,3] [--users 20000] [--form log_linear]
        [--rows 3500] [--explored 0,0.05,1] [--intervals SEEDS] [--json FILE] [--set KEY=VALUE ...]

Judged are the extra visits of a week, by user: of coupons of the campaigns' depths for a department ("coupons"), and of
one candidate after the other of the policies' worlds, all mechanics and savings ("any offer"). Beside the truth stands
the ceiling, what the best retailer could believe (worlds/posterior.py).

qini            area between true effects in the order predicted and by chance, over that in the order of the truth;
                arm by arm (each depth; each mechanic), the areas added up
of_ceiling      the same over the ceiling's
slope           by how much the true effect rises where the predicted one rises by 1
positive        true effect of offers where the predicted one is above 0, over the ceiling's; positive_oracle: over the
                oracle's

--explored: what is learnt of the campaigns' experiments alone (0), and with what chance drew for such shares of the
users in one random week, as decisions.explored has it: none, or any offer.

--intervals: worlds of so many seeds; the share of the arms (mechanic × saving) whose 95 % interval of the mean effect
over users holds the true mean.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast, get_args

import numpy as np
from effect_worlds import COUPONS, EffectWorld, effect_world
from learned import Learned
from policy_worlds import DATE

from promo_spark.learners.meta_learners import MetaEngine
from promo_spark.models.uplift.effects import Effects, Evidence, fitted_effects
from promo_spark.models.uplift.mean_effects import mean_extra_visits
from promo_spark.models.uplift.response_model import FEATURES, others
from promo_spark.models.uplift.uplift_metrics import area_above_chance
from promo_spark.settings import load
from promo_spark.settings.generate import ResponseForm
from promo_spark.worlds import response
from promo_spark.worlds.spec import WorldSpec, world_spec
from promo_spark.worlds.streams import Bools, Floats

_PULL = FEATURES.index("pull")
_WITHIN = 1.959964  # standard errors on both sides, of 95 %


class Judged:
    """What has been learnt of a world, and what each learner says of the arms: user × arm."""

    def __init__(self, of: EffectWorld, share: float, explored: float = 1.0) -> None:
        self.of = of
        self.learned = Learned(of.world, share, explored)
        departments = self.learned.seen.department_shares(of.world.day)
        shares = self.learned.shaped(self.learned.candidates.share).copy()
        shares[:, :COUPONS] = departments[np.arange(len(of.department)), of.department][:, None]
        self.learned.candidates.share[:] = shares.ravel()
        self.baseline = self.learned.weekly_visits(self.learned.now)

    @property
    def rows(self) -> int:
        return len(self.learned.trials.weeks)

    def effects(self, mean_only: bool = False) -> Effects:
        """The job's; mean_only: as if there were too few rows for more than the mean."""
        if not mean_only:
            return self.learned.effects
        of = self.learned.trials
        offer, pull = of.offer, of.features[:, _PULL]
        fair = np.ones(self.rows)
        rows = Evidence(of.visits, self.learned.expected, offer.mechanic, offer.saving, offer.share, pull, fair)
        return fitted_effects(rows, response.NAMES, enough_rows=self.rows + 1)

    def by_effects(self, effects: Effects) -> Floats:
        offer = self.learned.candidates
        log = effects.log_effect(offer.mechanic, offer.saving, offer.share, self.learned.now[offer.user, _PULL])
        return self.learned.shaped(self.baseline[offer.user] * np.expm1(log))

    def by_meta_learner(self, engine: MetaEngine) -> Floats:
        return self.learned.by_meta_learner(engine, self.learned.trials.visits)


def learners() -> dict[str, Callable[[Judged], Floats]]:
    """What each says of all arms."""

    def meta(engine: str) -> Callable[[Judged], Floats]:
        return lambda of: of.by_meta_learner(cast(MetaEngine, engine))

    return {
        "ours": lambda of: of.by_effects(of.effects()),
        "only the mean": lambda of: of.by_effects(of.effects(mean_only=True)),
        "S-learner": lambda of: of.learned.s_learner(of.learned.trials.visits),
        "T-learner": meta("t"),
        "X-learner": meta("x"),
        "DR-learner": meta("dr"),
        "ceiling": lambda of: of.of.believed,
        "oracle": lambda of: of.of.truth,
    }


def rows_of(seed: int, form: str, of: EffectWorld, wanted: int | None) -> list[dict[str, object]]:
    """One row per amount of evidence, kind of offer and learner."""
    rows: list[dict[str, object]] = []
    judged = Judged(of, 1.0)
    evidence = [judged, Judged(of, wanted / judged.rows)] if wanted else [judged]
    for on in evidence:
        for name, learner in learners().items():
            if on is not judged and name in ("ceiling", "oracle"):
                continue
            told = learner(on)
            for kind, arms in kinds(of).items():
                found = figures(told, of, arms)
                rows.append({"seed": seed, "form": form, "rows": on.rows, "offers": kind, "learner": name, **found})
                print(" ".join(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
    return rows


def explored_rows(seed: int, form: str, of: EffectWorld, shares: list[float]) -> list[dict[str, object]]:
    """One row per share of the users who are explored in the random week, and kind of offer: the job's own curve."""
    rows: list[dict[str, object]] = []
    for share in shares:
        judged = Judged(of, 1.0, share)
        told = judged.by_effects(judged.effects())
        apart = {"seed": seed, "form": form, "explored": share, "rows": judged.rows}
        for kind, arms in kinds(of).items():
            every = np.any(arms, axis=0)
            error = float(np.sqrt(np.mean((told[every] - of.truth[every]) ** 2)))
            rows.append({**apart, "offers": kind, "rmse": round(error, 4), **figures(told, of, arms)})
            print(" ".join(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
    return rows


def kinds(of: EffectWorld) -> dict[str, list[Bools]]:
    """By kind of offer its arms, each as user × column of the world."""
    table = of.world.table
    column, mechanic = np.arange(of.truth.shape[1]), table["mechanic"]
    coupons = [np.broadcast_to(column == depth, mechanic.shape) for depth in range(COUPONS)]
    others = [(column >= COUPONS) & (mechanic == number) for number in range(len(response.NAMES))]
    return {"coupons": coupons, "any offer": others}


def figures(told: Floats, of: EffectWorld, arms: list[Bools]) -> dict[str, float]:
    def area(score: Floats) -> float:
        return sum(area_above_chance(score[arm], of.truth[arm]) for arm in arms)

    def gain(score: Floats) -> float:
        return float(sum(of.truth[arm & (score > 0)].sum() for arm in arms))

    every = np.any(arms, axis=0)
    predicted, true = told[every], of.truth[every]
    apart = predicted - predicted.mean()
    return {
        "qini": round(area(told) / area(of.truth), 4),
        "of_ceiling": round(area(told) / area(of.believed), 4),
        "slope": round(float(apart @ true / max(apart @ apart, 1e-12)), 3),
        "positive": round(gain(told) / gain(of.believed), 4),
        "positive_oracle": round(gain(told) / gain(of.truth), 4),
        "mean": round(float(predicted.mean()), 5),
        "true_mean": round(float(true.mean()), 5),
    }


def intervals_of(seed: int, form: str, of: EffectWorld) -> list[dict[str, object]]:
    """One row per mechanic and saving: the mean effect over its users, its error, and the truth."""
    judged = Judged(of, 1.0)
    offer, now, effects = judged.learned.candidates, judged.learned.now[:, _PULL], judged.effects()
    truth, rows = of.truth.ravel(), []
    column = np.tile(np.arange(of.truth.shape[1]), len(of.truth))
    for kind, chosen in (("coupons", column < COUPONS), ("any offer", column >= COUPONS)):
        arm = offer.mechanic * 100 + np.rint(offer.saving * 100).astype(np.int64)
        for number in np.unique(arm[chosen]):
            mine = chosen & (arm == number)
            part = offer.rows(mine)
            known = others(judged.learned.now[part.user])
            usual, pull = judged.baseline[part.user], now[part.user]
            mean = mean_extra_visits(effects, usual, part.mechanic, part.saving, part.share, pull, known)
            true = float(truth[mine].mean())
            name = f"{response.NAMES[number // 100]} {number % 100} %"
            held = abs(mean.value - true) <= _WITHIN * mean.error
            of_arm = {"mean": round(mean.value, 5), "se": round(mean.error, 5), "true": round(true, 5)}
            rows.append({"seed": seed, "form": form, "offers": kind, "arm": name, **of_arm, "held": bool(held)})
    return rows


def told_of_intervals(rows: list[dict[str, object]]) -> None:
    for kind in ("coupons", "any offer"):
        of_kind = [row for row in rows if row["offers"] == kind]
        held = np.mean([bool(row["held"]) for row in of_kind])
        apart = [(cast(float, row["mean"]) - cast(float, row["true"])) / cast(float, row["se"]) for row in of_kind]
        width = np.mean([2 * _WITHIN * cast(float, row["se"]) for row in of_kind])
        print(
            f"intervals, {kind}: {len(of_kind)} arms, {held:.3f} hold the truth; mean width {width:.4f}, "
            f"apart by {np.mean(apart):+.2f} ± {np.std(apart):.2f} errors"
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", default="1,2,3")
    options.add_argument("--users", type=int, default=20000)
    options.add_argument("--form", default="log_linear", choices=get_args(ResponseForm))
    options.add_argument("--rows", type=int, help="judge also what is learnt of about so many rows of experiments")
    options.add_argument("--explored", metavar="SHARES", help="of users in the random week: the job's curve by these")
    options.add_argument("--intervals", type=int, default=0, metavar="SEEDS", help="of the arms' means, instead")
    options.add_argument("--json", type=Path)
    options.add_argument("--set", action="append", default=[], dest="set_to", metavar="KEY=VALUE", help="a setting")
    chosen = options.parse_args()
    rows = []
    seeds = range(1, chosen.intervals + 1) if chosen.intervals else map(int, chosen.seeds.split(","))
    for seed in seeds:
        started = time.perf_counter()
        of = effect_world(spec_of(seed, chosen.users, chosen.form, chosen.set_to))
        made = time.perf_counter() - started
        if chosen.intervals:
            found = intervals_of(seed, chosen.form, of)
        elif chosen.explored:
            found = explored_rows(seed, chosen.form, of, [float(share) for share in chosen.explored.split(",")])
        else:
            found = rows_of(seed, chosen.form, of, chosen.rows)
        rows += found
        print(f"seed {seed}: world {made:.0f} s, all {time.perf_counter() - started:.0f} s", flush=True)
    if chosen.intervals:
        told_of_intervals(rows)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def spec_of(seed: int, users: int, form: str, set_to: list[str]) -> WorldSpec:
    sizes = [f"users={users}", f"seed={seed}", f"response_form={form}"]
    settings = load("reference", [*(f"generate.{size}" for size in sizes), *set_to])
    return world_spec(settings.generate, DATE)


if __name__ == "__main__":
    main()
