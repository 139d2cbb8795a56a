"""How near the elasticities and the profit of promotions come to a generated retailer's truth. Runs without Spark.

    PYTHONPATH=. OMP_NUM_THREADS=1 .venv/bin/python benchmarks/elasticity.py [--seeds 2024,1,2] [--users 20000]
        [--set generate.promotion_policy=demand_led ...]

The truth of a category: by what factor its units rise in the weeks looked at if all its products are 20 % off, given
who buys them. Each product's demand answers with its own elasticity × its buyers' price sensitivities, what bundles
add does not answer; the units that each kind of user buys are taken from the same world without promotions. The truth
of the profit: units and margin at the shelf, less those of the same world (the same seed) without promotions. With
mailers that draw visits the halo is part of it; --set generate.mailer_halo=0 leaves it out.
"""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from promo_spark.contracts.measurement import PromotionPnl
from promo_spark.models.elasticity.categories import (
    Fitting,
    estimate_row,
    evidence_row,
    prior_pool,
    profit_rows,
)
from promo_spark.models.elasticity.frames import CategoryEstimate, CategoryEvidence, ProductWeek
from promo_spark.models.elasticity.pooling import Pool, pooled
from promo_spark.models.elasticity.regression import USUAL
from promo_spark.models.elasticity.rows import elasticity_rows, evidence_of
from promo_spark.models.elasticity.visits import halo_of_mailers
from promo_spark.settings import Settings, load
from promo_spark.settings.elasticity import ElasticitySettings
from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.expectations import level_of
from promo_spark.worlds.population import sensitivity_levels
from promo_spark.worlds.shopping import history, natural_picks
from promo_spark.worlds.spec import WorldSpec, world_spec

DATE = datetime.date(2024, 6, 1)
WEEK = 7
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sales:
    """Of a world's whole weeks: product × week × planted segment, in units and cents; orders by day."""

    units: Floats
    listed: Floats
    shelf: Floats
    orders: Floats
    natural: Floats  # product × level of price sensitivity: units that answer to the price; empty if not asked for


def sales(spec: WorldSpec, *, by_level: bool) -> Sales:
    shop = catalogue(spec)
    weeks, segments, levels = spec.days // WEEK, len(spec.segments), sensitivity_levels(spec).size
    shape = (shop.products, weeks, segments)
    sums = {name: np.zeros(shape) for name in ("units", "listed", "shelf")}
    orders, natural = np.zeros(weeks * WEEK), np.zeros((shop.products, levels if by_level else 0))
    for block in range(spec.user_blocks):
        of = history(spec, block)
        day, segment = of.orders.day[of.lines.order], of.users.segment[of.orders.user[of.lines.order]]
        bought = (of.lines.quantity > 0) & (day < weeks * WEEK)
        key = ((of.lines.product * weeks + day // WEEK) * segments + segment)[bought]
        for name, values in {
            "units": of.lines.quantity,
            "listed": of.lines.listed,
            "shelf": of.lines.listed - of.lines.reduced,
        }.items():
            sums[name] += np.bincount(key, values[bought], np.prod(shape)).reshape(shape)
        days = of.orders.day[(of.orders.kind != 1) & (of.orders.day < weeks * WEEK)]
        orders += np.bincount(days, minlength=weeks * WEEK)
        if by_level:
            asked = natural_picks(spec, block)
            when, what = asked.day[asked.picks.visit], asked.picks.product
            there = (when < weeks * WEEK) & ~shop.stock_out[what, when]
            who = level_of(spec, asked.users)[asked.user[asked.picks.visit]]
            place = (what * levels + who)[there]
            natural += np.bincount(place, asked.picks.units[there], natural.size).reshape(natural.shape)
    return Sales(**sums, orders=orders, natural=natural)


def product_week_rows(spec: WorldSpec, of: Sales) -> pd.DataFrame:
    """The rows that the job would make of what the world delivers: ProductWeek."""
    shop, weeks = catalogue(spec), of.units.shape[1]
    out = shop.stock_out[:, : weeks * WEEK].reshape(shop.products, weeks, WEEK).sum(axis=2)
    units, depth = of.units.sum(axis=2), shop.depth[:, :weeks]
    product, week = np.nonzero((units > 0) | (depth > 0) | (out > 0))
    at = (product, week)
    first = np.where(units.any(axis=1), np.maximum(shop.launched, 0), 0)
    columns: dict[str, Any] = {
        ProductWeek.product_id: product,
        ProductWeek.category: np.array(shop.category_names)[shop.category[product]],
        ProductWeek.competitors: np.array(shop.subcategory_names)[shop.subcategory[product]],
        ProductWeek.unit_cost: shop.cost[product] / 100,
        ProductWeek.cost_is_assumed: np.zeros(len(product), bool),
        ProductWeek.first_day: first[product],
        ProductWeek.week: week,
        ProductWeek.units: units[at],
        ProductWeek.listed: of.listed.sum(axis=2)[at] / 100,
        ProductWeek.shelf: of.shelf.sum(axis=2)[at] / 100,
        ProductWeek.by_segment: [dict(enumerate(row)) for row in of.units[at]],
        ProductWeek.display_share: shop.on_display[at].astype(np.float64),
        ProductWeek.mailer_share: shop.in_mailer[at].astype(np.float64),
        ProductWeek.announced_depth: depth[at].astype(np.float64),
        ProductWeek.days_out: out[at],
    }
    return pd.DataFrame(columns)


@dataclass(frozen=True)
class Truth:
    elasticity: Floats  # per category
    by_segment: Floats  # category × planted segment
    units: Floats  # per category: what promotions brought
    margin: Floats


def truth(spec: WorldSpec, played: Sales, without: Sales) -> Truth:
    shop, levels = catalogue(spec), sensitivity_levels(spec)
    natural = without.natural.reshape(shop.products, *levels.shape)
    added = np.maximum(without.units.sum(axis=1) - natural.sum(axis=2), 0.0)  # by bundles, at any price
    factor = np.exp(shop.elasticity[:, None, None] * levels * USUAL)
    categories = int(shop.category.max()) + 1
    before, after = np.zeros((2, categories, len(levels)))
    np.add.at(before, shop.category, natural.sum(axis=2) + added)
    np.add.at(after, shop.category, (natural * factor).sum(axis=2) + added)
    units = played.units.sum(axis=(1, 2)) - without.units.sum(axis=(1, 2))
    margin = _margin(shop, played) - _margin(shop, without)
    return Truth(
        np.log(after.sum(axis=1) / before.sum(axis=1)) / USUAL,
        np.log(after / before) / USUAL,
        np.bincount(shop.category, units, categories).astype(np.float64),
        np.bincount(shop.category, margin, categories).astype(np.float64),
    )


def _margin(shop: Catalogue, of: Sales) -> Floats:
    margin: Floats = (of.shelf.sum(axis=(1, 2)) - of.units.sum(axis=(1, 2)) * shop.cost) / 100
    return margin


@dataclass(frozen=True)
class Found:
    elasticity: pd.DataFrame
    profit: pd.DataFrame
    halo: tuple[float, float]
    margin_error: float


def first_pass(
    by_category: Sequence[pd.DataFrame], weeks: int, own: ElasticitySettings
) -> tuple[list[dict[str, Any]], Pool, dict[str, float]]:
    """Each category by itself (CategoryEvidence), what all have in common, and about how elastic each is."""
    first = [_values(evidence_row(group, weeks, own)) for group in by_category]
    evidence = {row[CategoryEvidence.category]: evidence_of(row) for row in first}
    pool = pooled([e for e in evidence.values() if e is not None], prior_pool(own))
    about = {c: float(pool.mean[0]) if e is None else float(e.effects[0]) for c, e in evidence.items()}
    return first, pool, about


def found(spec: WorldSpec, of: Sales, settings: Settings) -> Found:
    """What the job finds, by its own functions."""
    shop, weeks, own = catalogue(spec), of.units.shape[1], settings.elasticity
    rows = product_week_rows(spec, of)
    by_category = [group for _, group in rows.groupby(ProductWeek.category)]
    first, pool, about = first_pass(by_category, weeks, own)
    fitting = Fitting(weeks, own, pool, about)
    told = [estimate_row(group, fitting) for group in by_category]
    estimates = [_values(of_category) for of_category in told]
    mailed = np.sum([row[CategoryEvidence.mailed_units] for row in first], axis=0)
    share = mailed / sum(row[CategoryEvidence.usual_units] for row in first)
    changes = sorted({*shop.campaigns.start.tolist(), *shop.campaigns.end.tolist()})
    halo = halo_of_mailers(of.orders, share, changes)
    drawn: dict[str, Floats | None] = {}
    for name in (CategoryEstimate.units_without, CategoryEstimate.margin_without):
        without = np.sum([row[name] for row in estimates], axis=0)
        drawn[name] = None
        if halo is not None and halo.told:
            drawn[name] = without * -np.expm1(-halo.effect * share) / np.maximum(mailed, 1e-9)
    halo_units, halo_margin = (None if d is None else d.tolist() for d in drawn.values())
    profits = profit_rows(pd.concat(told), first=spec.start, halo_units=halo_units, halo_margin=halo_margin)
    elasticity = elasticity_rows(estimates, moved=True, prior=own.prior_elasticity, spread=pool.spread)
    error = float(np.sqrt(sum(row[CategoryEstimate.margin_error] ** 2 for row in estimates)))
    of_mailers = (halo.effect, halo.error) if halo else (float("nan"), float("nan"))
    return Found(pd.DataFrame(elasticity), profits, of_mailers, error)


def _values(row: pd.DataFrame) -> dict[str, Any]:
    return {str(name): row[name].iloc[0] for name in row}


def measured(seed: int, users: int, overrides: Sequence[str]) -> dict[str, float]:
    """One world's figures beside its truth, printed."""
    chosen = [f"generate.users={users}", f"generate.seed={seed}", *overrides]
    settings = load("reference", chosen)
    spec = world_spec(settings.generate, DATE)
    unpromoted = world_spec(load("reference", [*chosen, "generate.promotion_share=0.0"]).generate, DATE)
    played, without = sales(spec, by_level=False), sales(unpromoted, by_level=True)
    true = truth(spec, played, without)
    started = time.perf_counter()
    of = found(spec, played, settings)
    took = time.perf_counter() - started
    names = list(catalogue(spec).category_names)
    table = of.elasticity.pivot(index="category", columns="segment_id", values="elasticity").loc[names]
    errors = of.elasticity.pivot(index="category", columns="segment_id", values="elasticity_se").loc[names]
    sums = of.profit.groupby("category")[["incremental_units", "incremental_margin"]].sum().reindex(names, fill_value=0)
    all_users, segments = table[-1].to_numpy(), table.drop(columns=-1).to_numpy()
    away = (all_users - true.elasticity) / errors[-1].to_numpy()
    away_segments = (segments - true.by_segment) / errors.drop(columns=-1).to_numpy()
    margin = sums["incremental_margin"].to_numpy()
    halo = of.profit[PromotionPnl.halo].sum()
    figures = {
        "error": float(np.abs(all_users - true.elasticity).mean() / true.elasticity.mean()),
        "error_by_segment": float(np.abs(segments - true.by_segment).mean() / true.by_segment.mean()),
        "covered": float((np.abs(away) <= 1.96).mean()),
        "covered_by_segment": float((np.abs(away_segments) <= 1.96).mean()),
        "width": float((3.92 * errors[-1].to_numpy() / true.elasticity).mean()),
        "margin": float(margin.sum()),
        "true_margin": float(true.margin.sum()),
        "margin_error": float(margin.sum() / true.margin.sum() - 1),
        "margin_r": float(np.corrcoef(margin, true.margin)[0, 1]),
        "margin_se": of.margin_error,
        "units": float(sums["incremental_units"].sum()),
        "true_units": float(true.units.sum()),
        **lifts(of.profit),
        "halo_units": float(halo),
        "halo": of.halo[0],
        "halo_se": of.halo[1],
        "seconds": took,
    }
    print(f"seed={seed} users={users} " + " ".join(f"{k}={v:.4g}" for k, v in figures.items()), flush=True)
    return figures


def lifts(profit: pd.DataFrame) -> dict[str, float]:
    """Of what promotions lift their own products by: shares taken from rivals and from other weeks, and what is new.

    Without the halo; and the share of promotions that lose money. What van Heerde et al. (2004) and Ailawadi et al.
    (2007) tell of real ones.
    """
    gross = profit[PromotionPnl.gross_units].sum()
    taken = {
        "from_rivals": profit[PromotionPnl.cannibalised].sum() / gross,
        "from_other_weeks": profit[PromotionPnl.pulled_forward].sum() / gross,
    }
    losing = float((profit[PromotionPnl.incremental_margin] < 0).mean())
    return {**taken, "new": 1 - sum(taken.values()), "losing": losing}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", default="2024,1,2")
    options.add_argument("--users", type=int, default=20000)
    options.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help="a setting")
    chosen = options.parse_args()
    every = [measured(int(seed), chosen.users, chosen.overrides) for seed in chosen.seeds.split(",")]
    means = {name: float(np.mean([figures[name] for figures in every])) for name in every[0]}
    print("mean " + " ".join(f"{k}={v:.4g}" for k, v in means.items()))


if __name__ == "__main__":
    main()
