"""How many planted bundles the job's rules find, and how much of what they call a bundle was not planted.

    PYTHONPATH=. .venv/bin/python benchmarks/bundles.py [--seeds 2024,1,2,3,4] [--users 2000]

A world plants pairs of subcategories that draw each other into the basket. Its users have tastes of their own, which
make other pairs meet as well: these are no bundles. Each seed is another retailer; the settings are those of
conf/base.toml. Beside it, what a lift of as much over independence would call a bundle, of the same rules.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterator

import pandas as pd
from local_session import local_session
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.models import BasketRules
from promo_spark.models.baskets.baskets import BasketCounts, BasketItem, basket_sizes
from promo_spark.models.baskets.itemsets import frequent_itemsets
from promo_spark.models.baskets.rules import basket_rules
from promo_spark.settings import load
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.shopping import history
from promo_spark.worlds.spec import WorldSpec, world_spec

DATE = datetime.date(2024, 6, 1)
BY_LIFT, BY_HABIT = "by lift alone", "bundles"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--seeds", default="2024,1,2,3,4")
    asked.add_argument("--users", type=int, default=2000)
    options = asked.parse_args()
    spark = local_session("bundles")
    sums: dict[str, list[tuple[int, int, int]]] = {BY_LIFT: [], BY_HABIT: []}
    for seed in options.seeds.split(","):
        settings = load("world", [f"generate.seed={seed}", f"generate.users={options.users}"])
        spec = world_spec(settings.generate, DATE)
        shop = catalogue(spec)
        names = shop.subcategory_names
        planted = {frozenset((names[a], names[c])) for a, c in zip(*shop.rules[:2], strict=True)}
        rules = rules_of(spark, spec)
        called = {
            BY_LIFT: rules.filter(F.col(BasketRules.lift) >= settings.baskets.min_lift_within_users),
            BY_HABIT: rules.filter(BasketRules.is_bundle),
        }
        for name, some in called.items():
            pairs = {frozenset((r.antecedent[0], r.consequent[0])) for r in some.collect() if len(r.antecedent) == 1}
            sums[name].append((len(pairs & planted), len(planted), len(pairs - planted)))
            print(f"seed {seed}, {name}: {told([sums[name][-1]])}", flush=True)
    for name, found in sums.items():
        print(f"all seeds, {name}: {told(found)}")
    spark.stop()


def rules_of(spark: SparkSession, spec: WorldSpec) -> DataFrame:
    """The rules of a world's history, by the settings of conf/base.toml."""
    settings = load("world").baskets
    first, last = spec.date(spec.days - settings.history_days), spec.date(spec.days)
    rows = pd.concat(list(basket_rows(spec)), ignore_index=True)
    items = spark.createDataFrame(rows[rows.order_date.between(first, last)], BasketItem.schema()).persist()
    baskets = BasketCounts.of(basket_sizes(items), settings)
    mined = frequent_itemsets(items, baskets=baskets, settings=settings, keep=DataFrame.persist)
    return basket_rules(mined.rows.persist(), all_baskets=baskets.kept, settings=settings)


def basket_rows(spec: WorldSpec) -> Iterator[pd.DataFrame]:
    """Per block of users, a row per basket and subcategory in it: the columns of BasketItem."""
    shop, days = catalogue(spec), [spec.date(day) for day in range(spec.days)]
    for block in range(spec.user_blocks):
        past = history(spec, block)
        bought = past.lines.quantity > 0
        order = past.lines.order[bought]
        rows = pd.DataFrame(
            {
                BasketItem.order_id: [f"{block}-{n}" for n in order],
                BasketItem.order_date: [days[day] for day in past.orders.day[order]],
                BasketItem.item: [shop.subcategory_names[n] for n in shop.subcategory[past.lines.product[bought]]],
                BasketItem.user_id: [f"{block}-{n}" for n in past.orders.user[order]],
            }
        ).drop_duplicates([BasketItem.order_id, BasketItem.item])
        rows[BasketItem.basket_items] = rows.groupby(BasketItem.order_id)[BasketItem.item].transform("size")
        yield rows


def told(of_seeds: list[tuple[int, int, int]]) -> str:
    found, planted, others = (sum(column) for column in zip(*of_seeds, strict=True))
    share = others / max(found + others, 1)
    return f"{found} of {planted} planted, and {others} others ({share:.0%} of what is called a bundle)"


if __name__ == "__main__":
    main()
