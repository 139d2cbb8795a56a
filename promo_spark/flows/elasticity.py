"""The steps of elasticity: the weeks that are looked at, what is usual, each category's effects, and the profit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.effects import Elasticity
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.silver import Campaigns, Inventory, OrderLines, PromoCalendar
from promo_spark.measures.behaviour_segments import by_behaviour
from promo_spark.measures.metric_rows import Figure
from promo_spark.models.elasticity.categories import Fitting, prior_pool
from promo_spark.models.elasticity.frames import PROMOTED, CategoryEstimate, CategoryEvidence
from promo_spark.models.elasticity.passes import category_estimates, category_evidence, promotion_profits
from promo_spark.models.elasticity.pooling import pooled
from promo_spark.models.elasticity.product_weeks import (
    ORDERS,
    WEEK,
    Weeks,
    first_weekday,
    orders_by_day,
    product_weeks,
    weeks_before,
)
from promo_spark.models.elasticity.regression import Floats
from promo_spark.models.elasticity.rows import elasticity_rows, evidence_of, prices_moved
from promo_spark.models.elasticity.visits import Halo, halo_of_mailers
from promo_spark.runtime.job import Context
from promo_spark.settings.elasticity import ElasticitySettings

Values = Mapping[str, Any]  # of a row


@dataclass(frozen=True)
class Shelves:
    """The weeks of the date, and what was sold, announced and out of stock in them (ProductWeek, kept)."""

    weeks: Weeks
    weekly: DataFrame
    orders: Floats  # per day
    campaign_changes: list[int]  # days on which one begins, or the day after its end


@dataclass(frozen=True)
class Effects:
    """What was fitted: the categories in order, what the mailers bring, and what is usual."""

    fitting: Fitting
    estimates: list[Values]
    told: DataFrame  # CategoryEstimate, kept: they with what each promotion brought
    moved: bool
    halo: Halo | None
    mailed: Floats  # per week, units of usual sales
    mailed_share: Floats  # per week


def shelves_of_date(ctx: Context[ElasticitySettings]) -> Shelves | None:
    """The whole weeks before the date, as far back as the settings say; None, which is said, if there is none."""
    calendar = ctx.read_optional(PromoCalendar)
    everybody, products = ctx.read_everyone(OrderLines), ctx.read(ProductProfile)
    first_sale = products.agg(F.min(ProductProfile.first_sale)).collect()[0][0]
    weekday = first_weekday(calendar)
    weeks = weeks_before(ctx.date, weekday=weekday, most=ctx.settings.history_weeks, first_sale=first_sale)
    if weeks.count < 1:
        ctx.note(f"no elasticities: silver.order_lines has no whole week before {ctx.date}")
        return None
    weekly = product_weeks(
        everybody,
        ctx.read(OrderLines),
        products=products,
        segments=by_behaviour(ctx.read_optional(Segments)),
        calendar=calendar,
        inventory=ctx.read_optional(Inventory),
        weeks=weeks,
    )
    orders = np.zeros(weeks.count * WEEK)
    for row in orders_by_day(everybody, weeks).collect():
        orders[(row[OrderLines.order_date] - weeks.first).days] = row[ORDERS]
    return Shelves(weeks, ctx.keep(weekly), orders, _changes(ctx.read_optional(Campaigns), weeks))


def effects_of_date(ctx: Context[ElasticitySettings], shelves: Shelves) -> Effects:
    """All categories by themselves, then drawn to what is usual."""
    settings, weeks = ctx.settings, shelves.weeks.count
    first = _in_order(category_evidence(shelves.weekly, weeks, settings))
    found = {row[CategoryEvidence.category]: evidence_of(row) for row in first}
    known = [e for e in found.values() if e is not None]
    pool = pooled(known, prior_pool(settings))
    usual = float(pool.mean[0])
    about = {c: usual if e is None else float(e.effects[0]) for c, e in found.items()}
    fitting = Fitting(weeks, settings, pool, about)
    ctx.say(f"fitting {len(first)} categories over {weeks} weeks")
    told = ctx.keep(category_estimates(shelves.weekly, fitting))
    estimates = _in_order(told.drop(*PROMOTED))
    mailed = np.sum([row[CategoryEvidence.mailed_units] for row in first], axis=0) if first else np.zeros(weeks)
    sold = sum(row[CategoryEvidence.usual_units] for row in first)
    share = mailed / max(sold, 1e-9)
    halo = halo_of_mailers(shelves.orders, share, shelves.campaign_changes)
    return Effects(fitting, estimates, told, prices_moved(known), halo, mailed, share)


def elasticities(ctx: Context[ElasticitySettings], effects: Effects) -> DataFrame:
    """→ Elasticity."""
    rows = elasticity_rows(
        effects.estimates,
        moved=effects.moved,
        prior=ctx.settings.prior_elasticity,
        spread=effects.fitting.pool.spread,
    )
    return Elasticity.frame(ctx.spark, rows)


def profits(shelves: Shelves, effects: Effects) -> DataFrame:
    """→ PromotionPnl."""
    units, margin = (_halo(effects, c) for c in (CategoryEstimate.units_without, CategoryEstimate.margin_without))
    weights = np.maximum(effects.mailed, 1e-9)
    return promotion_profits(
        effects.told,
        first=shelves.weeks.first,
        halo_units=None if units is None else (units / weights).tolist(),
        halo_margin=None if margin is None else (margin / weights).tolist(),
    )


def figures(effects: Effects) -> list[Figure]:
    """What the date's fit comes to: margin of all promotions, the mailers' halo, and how sure they are."""
    estimates, cells = effects.estimates, sum(row[CategoryEstimate.cells] for row in effects.estimates)
    halo_margin = _halo(effects, CategoryEstimate.margin_without)
    error = float(np.sqrt(sum(row[CategoryEstimate.margin_error] ** 2 for row in estimates)))
    margin = sum(row[CategoryEstimate.margin] for row in estimates)
    own = [row for row in estimates if row[CategoryEstimate.own_share] >= 0.5] if effects.moved else []
    widths = [2 * 1.96 * row[CategoryEstimate.error] / abs(row[CategoryEstimate.elasticity]) for row in own]
    values: dict[str, float | None] = {
        "categories_observed": float(len(own)),
        "interval_width": float(np.mean(widths)) if widths else None,
        "products_scatter": effects.fitting.pool.scatter,
        "promotion_margin": margin,
        "promotion_margin_se": error,
        "halo": effects.halo.effect if effects.halo else None,
        "halo_se": effects.halo.error if effects.halo else None,
        "halo_margin": None if halo_margin is None else float(halo_margin.sum()),
    }
    return [Figure(name, "all", None if v is None else round(v, 6), cells) for name, v in values.items()]


def notes(effects: Effects) -> Sequence[str]:
    """What a reader of the tables should know."""
    told = []
    if not effects.moved:
        told.append("no price has moved: elasticities are the settings' prior")
    if effects.halo is None or not effects.halo.told:
        told.append("what mailers bring besides cannot be told from nothing: halo is left out")
    return told


def _halo(effects: Effects, of: str) -> Floats | None:
    """By week: units or margin of the visits that the mailers drew; None: not told apart from nothing."""
    if effects.halo is None or not effects.halo.told:
        return None
    without = np.sum([row[of] for row in effects.estimates], axis=0)
    drawn: Floats = without * -np.expm1(-effects.halo.effect * effects.mailed_share)
    return drawn


def _changes(campaigns: DataFrame, weeks: Weeks) -> list[int]:
    """The days, counted from the first week's first, on which campaigns begin, or end the day before."""
    begin, after = F.col(Campaigns.start_date), F.date_add(Campaigns.end_date, 1)
    days = campaigns.select(F.explode(F.array(begin, after)).alias(Campaigns.start_date)).distinct()
    inside = days.filter(weeks.holds(Campaigns.start_date)).collect()
    counted: list[int] = sorted((row[0] - weeks.first).days for row in inside)
    return counted


def _in_order(rows: DataFrame) -> list[Values]:
    """A few numbers per category, in order of its name."""
    of_category = [row.asDict() for row in rows.collect()]
    return sorted(of_category, key=lambda row: str(row[CategoryEvidence.category]))
