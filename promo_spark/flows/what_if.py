"""The steps of the what_if command: what was asked is products, a depth and weeks; then each product is told of."""

from __future__ import annotations

import datetime
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import functions as F

from promo_spark.contracts.effects import Elasticity
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Forecasts
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import PromoCalendar
from promo_spark.errors import MissingDataError, SettingsError
from promo_spark.models.elasticity.regression import Floats
from promo_spark.models.elasticity.rows import ALL_USERS
from promo_spark.models.elasticity.what_if import Answer, Bools, Outcome, Plan, best_depth, outcome
from promo_spark.settings import parsed_date
from promo_spark.storage.lake import Lake

WEEK = 7
MOST_PRODUCTS, MOST_WEEKS = 200, 60
GRID = tuple(round(0.05 * step, 2) for step in range(11))  # depths that are tried for the best one
_CALENDAR = "calendar"
Values = Mapping[str, Any]


@dataclass(frozen=True)
class _Told:
    """A product's plan, how it answers, what comes of it, and what it rests on."""

    product: str
    plan: Plan
    outcome: Outcome
    best: float
    remarks: list[str]


def answered(lake: Lake, products: str, depth: str, weeks: str) -> str:
    """What the promotion would bring, a line per product and one for all.

    Raises SettingsError for what cannot be asked, MissingDataError for what nobody knows: a product, its price, the
    elasticity of its category, a forecast of the weeks, or the calendar's plan for them.
    """
    chosen, starts = _listed("products", products, MOST_PRODUCTS), _weeks(weeks)
    share = None if depth == _CALENDAR else _share(depth)
    as_of = _newest(lake, ProductProfile, "profile")
    known = _profiles(lake, as_of, chosen)
    depths = _planned(lake, chosen, starts) if share is None else {p: np.full(len(starts), share) for p in chosen}
    answers, measured_on = _answers(lake, {str(row[ProductProfile.category]) for row in known.values()})
    usual = _usual(lake, chosen, starts, known)
    follows = np.array([False, *((b - a).days == WEEK for a, b in itertools.pairwise(starts))])
    told = [_told(p, known[p], depths[p], usual[p], answers, follows) for p in chosen]
    heading = f"As of {as_of}, elasticities of {measured_on}; weeks of {', '.join(str(s) for s in starts)}:"
    return "\n".join([heading, *(_line(one) for one in told), _sum(told)])


def _told(
    product: str,
    row: Values,
    depth: Floats,
    usual: tuple[Floats, bool],
    answers: Mapping[str, Values],
    follows: Bools,
) -> _Told:
    category = str(row[ProductProfile.category])
    if category not in answers:
        raise MissingDataError(f"models.elasticity has no row of category {category}: run elasticity again")
    effects = answers[category]
    price, cost, on_hand = (
        row[c] for c in (ProductProfile.charged_price, ProductProfile.unit_cost, ProductProfile.on_hand)
    )
    if price is None or cost is None:
        raise MissingDataError(f"features.product_profile has no price of product {product}: it was never sold")
    answer = Answer(
        effects[Elasticity.elasticity],
        effects[Elasticity.elasticity_se] or 0.0,
        effects[Elasticity.spread],
        effects[Elasticity.saturation] or 0.0,
        effects[Elasticity.pull_forward] or 0.0,
    )
    stock = None if on_hand is None else float(on_hand)
    plan = Plan(usual[0], depth, float(price), float(cost), stock, follows)
    remarks = [] if usual[1] else ["usual units by the last 28 days, as it has no forecast"]
    if effects[Elasticity.basis] != "observed":
        remarks.append(f"elasticity is {effects[Elasticity.basis]}: {effects[Elasticity.note]}")
    if row[ProductProfile.cost_is_assumed]:
        remarks.append("its cost is assumed")
    return _Told(product, plan, outcome(plan, answer), best_depth(plan, answer, GRID), remarks)


def _line(of: _Told) -> str:
    units, usual = of.outcome.units.sum(), of.plan.usual_units.sum()
    low, high = of.outcome.lower.sum(), of.outcome.upper.sum()
    stock = "stock not known"
    if of.outcome.stock_left is not None:
        left = of.outcome.stock_left[-1]
        stock = f"{left:,.0f} left of {of.plan.on_hand:,.0f}" if left >= 0 else f"{-left:,.0f} missing in stock"
    remarks = f" ({'; '.join(of.remarks)})" if of.remarks else ""
    return (
        f"  {of.product}: {units:,.1f} units ({low:,.1f} to {high:,.1f}) in place of {usual:,.1f}, "
        f"margin changes by {of.outcome.margin.sum():+,.2f}, {stock}; most margin at {of.best:.0%} off{remarks}"
    )


def _sum(told: Sequence[_Told]) -> str:
    units, usual = (sum(float(v.sum()) for v in values) for values in _units_of(told))
    margin = sum(float(of.outcome.margin.sum()) for of in told)
    left_out = "what rivals and later weeks lose is not in it"
    return f"Together {units:,.1f} units in place of {usual:,.1f}, margin changes by {margin:+,.2f}; {left_out}."


def _units_of(told: Sequence[_Told]) -> tuple[list[Floats], list[Floats]]:
    return [of.outcome.units for of in told], [of.plan.usual_units for of in told]


def _listed(name: str, text: str, most: int) -> list[str]:
    values = list(dict.fromkeys(value.strip() for value in text.split(",") if value.strip()))
    if not 1 <= len(values) <= most:
        raise SettingsError(f"--{name} {text!r}: name 1 to {most}, with commas between them")
    return values


def _weeks(text: str) -> list[datetime.date]:
    starts = sorted(parsed_date(day) for day in _listed("weeks", text, MOST_WEEKS))
    for one, next_one in itertools.pairwise(starts):
        if (next_one - one).days < WEEK:
            raise SettingsError(f"--weeks {text!r}: {one} and {next_one} are less than seven days apart")
    return starts


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise SettingsError(f"--depth {text!r} is no share of the price; write one such as 0.2, or {_CALENDAR}")
    return share


def _newest(lake: Lake, table: type[Table], job: str) -> datetime.date:
    assert table.dated_by is not None
    newest: datetime.date | None = lake.read(table).agg(F.max(table.dated_by)).collect()[0][0]
    if newest is None:
        raise MissingDataError(f"{table.full_name()} has no rows: run {job} first")
    return newest


def _profiles(lake: Lake, as_of: datetime.date, products: Sequence[str]) -> dict[str, Values]:
    category = F.coalesce(ProductProfile.category, ProductProfile.department, F.lit("unknown"))
    rows = (
        lake.read(ProductProfile, date=as_of)
        .filter(F.col(ProductProfile.product_id).isin(list(products)))
        .withColumn(ProductProfile.category, category)
        .collect()
    )
    known: dict[str, Values] = {str(row[ProductProfile.product_id]): row.asDict() for row in rows}
    if missing := [p for p in products if p not in known]:
        raise MissingDataError(f"features.product_profile of {as_of} has no product {', '.join(missing)}")
    return known


def _answers(lake: Lake, categories: set[str]) -> tuple[dict[str, Values], datetime.date]:
    """The newest elasticities of all users by category, and their date."""
    as_of = _newest(lake, Elasticity, "elasticity")
    of_all = F.col(Elasticity.segment_id) == ALL_USERS
    rows = lake.read(Elasticity, date=as_of).filter(of_all & F.col(Elasticity.category).isin(sorted(categories)))
    return {str(row[Elasticity.category]): row.asDict() for row in rows.collect()}, as_of


def _usual(
    lake: Lake, products: Sequence[str], starts: Sequence[datetime.date], known: Mapping[str, Values]
) -> dict[str, tuple[Floats, bool]]:
    """Each product's units per week, and whether they were forecast; else those of its last 28 days, by the week."""
    as_of = _newest(lake, Forecasts, "forecast")
    of_products = (F.col(Forecasts.level) == "product") & F.col(Forecasts.item_id).isin(list(products))
    rows = (
        lake.read(Forecasts, date=as_of)
        .filter(F.col(Forecasts.champion) & of_products)
        .select(Forecasts.item_id, Forecasts.day, Forecasts.units)
        .collect()
    )
    forecast: defaultdict[str, dict[datetime.date, float]] = defaultdict(dict)
    for row in rows:
        forecast[row[Forecasts.item_id]][row[Forecasts.day]] = row[Forecasts.units]
    usual: dict[str, tuple[Floats, bool]] = {}
    for product in products:
        if product not in forecast:
            by_week = float(known[product][ProductProfile.units_28d]) / 4
            usual[product] = (np.full(len(starts), max(by_week, 0.0)), False)
            continue
        days = forecast[product]
        wanted = [[start + datetime.timedelta(n) for n in range(WEEK)] for start in starts]
        if missing := [day for week in wanted for day in week if day not in days]:
            raise MissingDataError(
                f"models.forecasts of {as_of} has no {missing[0]} of product {product}: it reaches from {min(days)} to "
                f"{max(days)}; choose weeks within, or raise forecast.horizon_days"
            )
        usual[product] = (np.array([sum(days[day] for day in week) for week in wanted]), True)
    return usual


def _planned(lake: Lake, products: Sequence[str], starts: Sequence[datetime.date]) -> dict[str, Floats]:
    """The greatest announced depth of each product and week. Raises MissingDataError where the calendar has none."""
    last = starts[-1] + datetime.timedelta(WEEK - 1)
    rows = (
        lake.read(PromoCalendar)
        .filter(F.col(PromoCalendar.product_id).isin(list(products)) & F.col(PromoCalendar.discount_depth).isNotNull())
        .filter((F.col(PromoCalendar.start_date) <= F.lit(last)) & (F.col(PromoCalendar.end_date) >= F.lit(starts[0])))
        .groupBy(PromoCalendar.product_id, PromoCalendar.start_date, PromoCalendar.end_date)
        .agg(F.max(PromoCalendar.discount_depth).alias(PromoCalendar.discount_depth))
        .collect()
    )
    planned = {p: np.zeros(len(starts)) for p in products}
    for row in rows:
        for place, start in enumerate(starts):
            ends = start + datetime.timedelta(WEEK - 1)
            if row[PromoCalendar.start_date] <= ends and row[PromoCalendar.end_date] >= start:
                of_product = planned[row[PromoCalendar.product_id]]
                of_product[place] = max(of_product[place], float(row[PromoCalendar.discount_depth]))
    if missing := [p for p, depth in planned.items() if not depth.any()]:
        raise MissingDataError(
            f"silver.promo_calendar plans no reduction of {', '.join(missing)} in these weeks: say --depth, or deliver "
            "the calendar first"
        )
    return planned
