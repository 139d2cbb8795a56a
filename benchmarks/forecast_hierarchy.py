"""What it does to forecasts that products add up to their category, and categories to all (docs/forecasts.md).

    PYTHONPATH=. .venv/bin/python benchmarks/forecast_hierarchy.py [--origins 3] [--set KEY=VALUE]

Days, origins and functions are those of benchmarks/forecast_quality.py; here all series that profile makes are
forecast, and what their parts leave. Each origin's forecasts are judged as every series tells them by itself, then as
they add up. More than three origins are earlier ones, each 28 days before the one after it. `world` is a generated shop
(3,000 users, 300 products, 238 days) with its plan, where every product has a series.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import pandas as pd
from forecast_quality import (
    DAYS,
    HORIZON,
    SMALL_WORLD,
    WORLD_DAYS,
    WORLD_END,
    Drawn,
    Ints,
    Shop,
    figures,
    generated,
    judged,
    pooled_of,
    series_made,
    shop_of,
    shop_of_days,
    sold_lines,
)

from promo_spark.settings import Settings, load
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.spec import world_spec

COLUMNS = ("series", "mase", "bias", "total_error", "wape", "covered_80", "total_covered_80", "total_covered_95")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--origins", type=int, default=3, help="days as of which is forecast, the last ones")
    parser.add_argument("--set", action="append", default=[], dest="set_to", metavar="KEY=VALUE", help="a setting")
    asked = parser.parse_args()
    settings = load("demo", asked.set_to)
    lines, calendar = sold_lines(settings)
    shops = [shop_of(lines, *of, calendar) for of in (("product", "product_id"), ("category", "product_category"))]
    every = lines.assign(all="all")
    shops.append(shop_of(every, "all", "all", calendar.assign(all="all")))
    ids = [np.sort(lines[column].dropna().unique()) for column in ("product_id", "product_category")]
    category = lines.drop_duplicates("product_id").set_index("product_id").product_category.reindex(ids[0])
    of_product = pd.Index(ids[1]).get_indexer(category)  # −1: in none
    origins = [DAYS - HORIZON * k for k in range(1, asked.origins + 1)]
    found = [compared(shops, of_product, origin, settings) for origin in origins]
    told("Complete Journey", {way: pd.concat([of[way] for of in found]) for way in found[0]})
    settings_of_world = load("reference", [f"generate.days={WORLD_DAYS}", *SMALL_WORLD, *asked.set_to])
    world = generated(settings_of_world, planned=True)
    world.append(shop_of_days("all", *(of.sum(axis=0, keepdims=True) for of in (world[0].units, world[0].revenue))))
    of_product = catalogue(world_spec(settings_of_world.generate, WORLD_END)).category.astype(np.int64)
    told("world", compared(world, of_product, WORLD_DAYS - HORIZON, settings_of_world))


def compared(shops: Sequence[Shop], of_product: Ints, origin: int, settings: Settings) -> dict[str, pd.DataFrame]:
    """One row per series, as each tells by itself, and as they add up. Of shops of products, categories and all."""
    products, categories, whole = shops
    made = [series_made(shop, origin, settings) for shop in shops]
    pooled = pooled_of([Drawn(s, p, s.first[p]) for s, p in zip(shops, made, strict=True)], origin, settings)
    in_one = made[0][of_product[made[0]] >= 0]
    others = [
        left_of(categories, "other_products", products, in_one, of_product[in_one]),
        left_of(whole, "other_categories", categories, made[1], np.zeros_like(made[1])),
    ]
    rest = [np.flatnonzero(other.first < origin) for other in others]
    rest[0] = rest[0][np.isin(rest[0], of_product[in_one])]
    drawn = [Drawn(s, p, s.first[p]) for s, p in zip([*shops, *others], [*made, *rest], strict=True)]
    parts = pd.DataFrame(
        [
            *[(f"product:{p}", f"category:{of_product[p]}", "product") for p in in_one],
            *[(f"other_products:{p}", f"category:{p}", "product") for p in rest[0]],
            *[(f"category:{p}", "all:0", "category") for p in made[1]],
            *[(f"other_categories:{p}", "all:0", "category") for p in rest[1]],
        ],
        columns=["series_id", "whole_id", "parts"],
    )
    ways = {"each by itself": None, "adding up": parts}
    return {way: judged(drawn, origin, settings, pooled, of) for way, of in ways.items()}


def left_of(wholes: Shop, level: str, parts: Shop, places: Ints, of_whole: Ints) -> Shop:
    """What the wholes sold beside these parts."""
    units, revenue = wholes.units.copy(), wholes.revenue.copy()
    np.subtract.at(units, of_whole, parts.units[places])
    np.subtract.at(revenue, of_whole, parts.revenue[places])
    return shop_of_days(level, np.round(units, 6), revenue)


def told(name: str, ways: dict[str, pd.DataFrame]) -> None:
    print(name)
    kinds = ways["adding up"][["level", "kind"]].drop_duplicates().sort_values(["level", "kind"])
    kinds = kinds[kinds.kind.isin(["regular", "intermittent"])]
    rows = {
        (kind, level, way): figures(of[(of.kind == kind) & (of.level == level)])
        for level, kind in kinds.itertuples(index=False)
        for way, of in ways.items()
    }
    print(pd.DataFrame(rows).T[list(COLUMNS)].round(4).to_string(), flush=True)


if __name__ == "__main__":
    main()
