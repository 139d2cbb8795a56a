"""The retailers of benchmarks/loop.py: what offers are, what promote tells of them, and what users do without any.

Made once per seed and kept as a file: the candidates of benchmarks/policies.py with their true values, the same after
the answers have drifted, what the job's own valuation tells of them, and seven weeks played without offers, from which
each user's days are drawn again and again.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from assembled import Assembled
from evaluation import before
from learned import Learned
from policy_worlds import DATE, Block, World, world
from promoted import promoted

from promo_spark.measurement.figures import PLACEBOS
from promo_spark.settings import load
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.playing import receipts_margin
from promo_spark.worlds.shopping import history
from promo_spark.worlds.simulation import simulated_day
from promo_spark.worlds.spec import WorldSpec, world_spec
from promo_spark.worlds.streams import Floats, Ints
from promo_spark.worlds.true_offers import TrueOffer, true_offers

DAYS_WITHOUT = 49
DRIFT_RESPONSE = 0.3  # what is left of the pull of every offer
KNOWN_BEFORE = tuple(PLACEBOS.values())


@dataclass(frozen=True)
class Truth:
    """User × candidate, expected of the week that an offer holds. Money in units of currency."""

    gain: Floats  # margin before what is given, beyond none
    given: Floats
    uses: Floats

    @property
    def value(self) -> Floats:
        return self.gain - self.given


@dataclass(frozen=True, eq=False)
class Retailer:
    """What is known of a seed's users, and what is true of them. Money in units of currency."""

    mechanic: Ints  # of each candidate, the same for all users
    told_gain: Floats  # user × candidate, as promote tells it without any factor
    told_given: Floats
    truth: Truth
    drifted: Truth
    days: npt.NDArray[np.float32]  # day × user: margin without offers
    visit: Floats  # by user: margin of an order
    before: Floats  # figure of KNOWN_BEFORE × user

    @property
    def users(self) -> int:
        return len(self.told_gain)


def retailer(seed: int, users: int, folder: Path, form: str = "log_linear", copies: int = 1) -> Retailer:
    """The seed's retailer, from the folder if it is there. With each user so many times it is a larger one of its kind.

    Copies are alike in what is true of them; what they do is chance of their own.
    """
    path = folder / f"loop_{form}_{users}_{seed}.npz"
    if not path.exists():
        made = _made(seed, users, form)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **_arrays(made))  # type: ignore[arg-type]  # its stubs take no names
    kept = np.load(path)
    of_users = {name: np.concatenate([kept[name]] * copies, axis=_AXIS.get(name, 0)) for name in kept.files}
    of_users["mechanic"] = kept["mechanic"]
    own = {field.name: of_users[field.name] for field in fields(Retailer) if field.name in of_users}
    return Retailer(**own, truth=_truth(of_users, "truth"), drifted=_truth(of_users, "drifted"))


_AXIS = {"days": 1, "before": 1}  # of users, where it is not the first


def _truth(kept: dict[str, Any], name: str) -> Truth:
    return Truth(*(kept[f"{name}_{field.name}"] for field in fields(Truth)))


def _arrays(of: Retailer) -> dict[str, npt.NDArray[np.generic]]:
    plain = {f.name: getattr(of, f.name) for f in fields(Retailer) if f.name not in ("truth", "drifted")}
    truths = {f"{n}_{f.name}": getattr(getattr(of, n), f.name) for n in ("truth", "drifted") for f in fields(Truth)}
    return plain | truths


def _made(seed: int, users: int, form: str) -> Retailer:
    sets = [f"generate.users={users}", f"generate.seed={seed}", f"generate.response_form={form}"]
    spec = world_spec(load("reference", sets).generate, DATE)
    of = world(spec, beliefs=False)
    value, given = promoted(Assembled(Learned(of, 1.0)))
    later = replace(spec, drift_day=of.day, drift_response=DRIFT_RESPONSE)
    drifted = [true_offers(later, b.number, of.day, b.state, b.offers, recent=b.recent) for b in of.blocks]
    true = {name: of.table[name][:, :-1] for name in ("value", "given", "uses")}
    days, visits = _without_offers(spec, of)
    known = [before(spec, history(spec, block.number)) for block in of.blocks]
    margin, orders = days.sum(axis=0), visits
    usual = margin.sum() / orders.sum()
    return Retailer(
        mechanic=of.table["mechanic"][0, :-1].astype(np.int64),
        told_gain=(value + given)[:, :-1],
        told_given=given[:, :-1],
        truth=Truth(true["value"] + true["given"], true["given"], true["uses"]),
        drifted=_of_blocks(of.blocks, drifted),
        days=days.astype(np.float32),
        visit=np.maximum((margin + usual) / (orders + 1), 0.1 * usual),
        before=np.array([np.concatenate([one[name] for one in known]) for name in KNOWN_BEFORE]),
    )


def _of_blocks(blocks: list[Block], told: list[TrueOffer]) -> Truth:
    def shaped(figure: str) -> Floats:
        parts = [getattr(t, figure).reshape(-1, len(b.state.habit)).T for b, t in zip(blocks, told, strict=True)]
        return np.concatenate(parts)

    margin, given = shaped("margin") / 100, shaped("given") / 100
    return Truth(margin + given, given, shaped("uses"))


def _without_offers(spec: WorldSpec, of: World) -> tuple[Floats, Floats]:
    """Day × user: the margin of days without offers; by user: the orders of all of them."""
    shop, margins, orders = catalogue(spec), [], []
    for block in of.blocks:
        state, n = block.state, len(block.state.habit)
        own, came = np.zeros((DAYS_WITHOUT, n)), np.zeros(n)
        for day in range(DAYS_WITHOUT):
            done = simulated_day(spec, block.number, of.day + day, state)
            state = done.past.state
            own[day] = receipts_margin(shop, done, n) / 100
            came += done.came
        margins.append(own)
        orders.append(came)
    return np.concatenate(margins, axis=1), np.concatenate(orders)
