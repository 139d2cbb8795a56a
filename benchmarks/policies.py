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
import datetime
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from promo_spark.decisions.allocation.dual_prices import NOTHING, Problem, allocated, used, worth
from promo_spark.settings import load
from promo_spark.worlds import response
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.offers import Offers, joined, with_savings
from promo_spark.worlds.playing import played
from promo_spark.worlds.population import population
from promo_spark.worlds.posterior import believed_offers
from promo_spark.worlds.raw_columns import user_ids
from promo_spark.worlds.shopping import State, history
from promo_spark.worlds.spec import WorldSpec, world_spec
from promo_spark.worlds.streams import Floats, Ints, stream
from promo_spark.worlds.true_offers import true_offers

DATE = datetime.date(2024, 6, 1)
CANDIDATES = 20  # per user, nothing among them
SAVINGS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
BASKETS = (0.7, 1.0, 1.4)  # minimum spends, over the user's usual basket
MECHANIC_SHARES = {response.DISCOUNT: 0.4, response.COUPON: 0.4, response.THRESHOLD: 0.3}  # of the day's budget
DEPARTMENT, DEPARTMENT_SHARE = 0, 0.3
POPULAR = 0.25  # of offers on products that are on a popular product, not one of the user's own


@dataclass(frozen=True)
class Block:
    """A block of users with their candidates, user by user."""

    number: int
    state: State
    offers: Offers


@dataclass(frozen=True)
class Case:
    """A world with candidates: what a policy chooses from. Money in units of currency; user × candidate."""

    spec: WorldSpec
    blocks: list[Block]
    given: Floats  # true expected amount given
    uses: Floats
    profit: Floats  # of a piece of the product, or of the basket that the offer applies to, before the offer
    mechanic: Floats  # a number; −1: nothing
    saving: Floats
    segment: Ints
    truth: Problem  # values and uses as they are
    believed: Problem  # as the best retailer could know them, see worlds/posterior.py

    @property
    def users(self) -> int:
        return len(self.given)


def candidates(spec: WorldSpec, block: int) -> Offers:
    """The candidates of a block's users but nothing: every mechanic at least twice, on own and on popular products."""
    people, shop = population(spec, block), catalogue(spec)
    draw, n = stream(spec.seed, "candidates", block), len(people)
    mechanics = [*range(len(response.MECHANICS))] * 2
    mechanics += [response.DISCOUNT, response.COUPON, response.THRESHOLD]
    popular = np.argsort(-shop.popularity)[:50]
    of_topics = np.argsort(-shop.topic_weights, axis=1)[:, :4][people.tastes.argmax(axis=1)]
    own = np.where(people.staples >= 0, people.staples, np.tile(of_topics, 2))
    baskets = np.maximum(np.rint(people.basket_value(shop) / 100) * 100, 500)
    by_price = np.argsort(shop.price, kind="stable")
    parts = []
    for number, mechanic in enumerate(mechanics):
        saving, on_products = draw.choice(SAVINGS, n), bool(response.ON_PRODUCTS[mechanic])
        product = own[np.arange(n), draw.integers(0, own.shape[1], n)]
        product = np.where(draw.random(n) < POPULAR, popular[draw.integers(0, len(popular), n)], product)
        second = np.where(own[:, 0] != product, own[:, 0], own[:, 1])
        second = np.where(second == product, (product + 1) % shop.products, second)
        basket = np.rint(baskets * draw.choice(BASKETS, n) / 100).astype(np.int64) * 100
        amount = np.rint(basket * saving).astype(np.int64)
        if mechanic == response.GIFT:
            place = np.searchsorted(shop.price[by_price], amount)
            product = by_price[np.minimum(place, shop.products - 1)]
        products = np.column_stack([product, second]) if mechanic == response.BUNDLE else product[:, None]
        made = Offers(
            user=np.arange(n),
            mechanic=np.full(n, mechanic),
            saving=saving,
            amount=np.zeros(n, np.int64) if on_products else amount,
            min_spend=np.zeros(n, np.int64) if on_products else basket,
            first_day=np.full(n, spec.days),
            spent=np.zeros(n, bool),
            ids=named(f"{number}-", people.numbers),
            carriers=named("candidates", np.zeros(n, np.int64)),
            offer=np.repeat(np.arange(n), products.shape[1]),
            product=products.ravel().astype(np.int64),
        )
        parts.append(with_savings(made, shop))
    return joined(parts)


def named(prefix: str, numbers: Ints) -> pa.Array:
    return pc.binary_join_element_wise(prefix, user_ids(numbers), "")


@dataclass(frozen=True)
class World:
    """A world with its candidates and their truth, whatever the budgets are."""

    spec: WorldSpec
    blocks: list[Block]
    table: dict[str, npt.NDArray[np.float64]]  # user × candidate


def world(spec: WorldSpec) -> World:
    """The candidates of all users with what is true of them, nothing included as the last: all its figures are 0."""
    shop, blocks, parts = catalogue(spec), [], []
    for number in range(spec.user_blocks):
        past, offers = history(spec, number), candidates(spec, number)
        state, believed = past.state, believed_offers(spec, number, spec.days, past, offers)
        blocks.append(Block(number, state, offers))
        truth, people = true_offers(spec, number, spec.days, state, offers), population(spec, number)
        first = np.full(len(offers), -1, np.int64)
        first[offers.offer[::-1]] = offers.product[::-1]
        price = shop.list_price[first, spec.days // 7] * (1 - shop.depth[first, spec.days // 7])
        basket = people.basket_value(shop)[offers.user] * (1 - (shop.cost / shop.price).mean())
        on_products = response.ON_PRODUCTS[offers.mechanic]
        columns = {
            "value": truth.margin / 100,
            "given": truth.given / 100,
            "believed_value": believed.margin / 100,
            "believed_given": believed.given / 100,
            "uses": truth.uses,
            "profit": np.where(on_products, price - shop.cost[first], basket) / 100,
            "mechanic": offers.mechanic,
            "saving": offers.saving,
            "department": np.where(first >= 0, shop.department[first], -1),
            "segment": people.segment[offers.user],
        }
        shaped = {name: np.asarray(values).reshape(-1, len(people)).T for name, values in columns.items()}
        parts.append({name: np.column_stack([v, _of_nothing(name, v)]) for name, v in shaped.items()})
    return World(spec, blocks, {name: np.concatenate([p[name] for p in parts]) for name in parts[0]})


def _of_nothing(name: str, values: Floats) -> Floats:
    if name == "segment":
        return values[:, 0]
    return np.full(len(values), -1.0 if name in ("mechanic", "department") else 0.0)


def case(of: World, budget: float) -> Case:
    """The world under limits: so much of budget per user, shares of it for some mechanics and a department."""
    table, users = of.table, len(of.table["value"])
    day = budget * users
    of_limit = [np.ones_like(table["given"], bool), *(table["mechanic"] == m for m in MECHANIC_SHARES)]
    of_limit.append(table["department"] == DEPARTMENT)
    shares = [1.0, *MECHANIC_SHARES.values(), DEPARTMENT_SHARE]
    names = ("given", "uses", "profit", "mechanic", "saving")
    most = day * np.array(shares)

    def limited(value: str, given: str) -> Problem:
        return Problem(table[value], np.array([np.where(counts, table[given], 0.0) for counts in of_limit]), most)

    return Case(
        of.spec,
        of.blocks,
        **{name: table[name] for name in names},
        segment=table["segment"][:, 0].astype(np.int64),
        truth=limited("value", "given"),
        believed=limited("believed_value", "believed_given"),
    )


# policies


def nothing(of: Case) -> Ints:
    return np.full(of.users, NOTHING)


def by_chance(of: Case) -> Ints:
    """Any candidate, each as likely."""
    return stream(of.spec.seed, "policy").integers(0, of.given.shape[1], of.users)


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
    return allocated(of.believed).choice


def oracle(of: Case) -> Ints:
    """The best choice by the true values."""
    return allocated(of.truth).choice


POLICIES: dict[str, Callable[[Case], Ints]] = {
    "none": nothing,
    "random": by_chance,
    "today": todays_rule,
    "best single offer": best_for_all,
    "best per segment": best_per_segment,
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
    order = stream(of.spec.seed, "order").permutation(of.users)
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
    margins, start = [], 0
    for block in of.blocks:
        n = len(block.state.habit)
        own = choice[start : start + n]
        rows = np.flatnonzero((own != NOTHING) & (own < CANDIDATES - 1))
        week = played(of.spec, block.number, of.spec.days, block.state, chosen(block.offers, own[rows] * n + rows))
        margins.append(week.margin / 100)
        start += n
    return np.concatenate(margins)


def chosen(offers: Offers, rows: Ints) -> Offers:
    """Some of the offers, in their order."""
    kept = np.zeros(len(offers), bool)
    kept[rows] = True
    number, products = np.cumsum(kept) - 1, kept[offers.offer]
    columns = {name: getattr(offers, name) for name in Offers.__dataclass_fields__}
    of_offer = {
        n: v.filter(pa.array(kept)) if isinstance(v, pa.Array) else v[kept]
        for n, v in columns.items()
        if n not in ("offer", "product")
    }
    return Offers(**of_offer, offer=number[offers.offer[products]], product=offers.product[products])


def rows_of(seed: int, form: str, of: World, budgets: list[float]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    without = None
    for budget in budgets:
        limited = case(of, budget)
        choices = {name: affordable(limited, policy(limited)) for name, policy in POLICIES.items()}
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
