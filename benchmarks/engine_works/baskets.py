"""Sets of items that are often in one basket, and rules of them, from a real grocer's baskets."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from engine_works.complete_journey_lines import folder as complete_journey
from engine_works.complete_journey_lines import purchases
from engine_works.work import Engine, Verdict, reading_rate, result, write
from promo_spark.contracts.models import BasketRules, FrequentItemsets
from promo_spark.models.baskets.baskets import BasketItem, fewest_baskets, largest_kept
from promo_spark.settings import load

LONGEST = 3  # items of a set: two on the left of a rule, one on the right
CONFIDENCE = 0.1
_ITEMS, _SHOPPERS, _SETS, _RULES = "items", "shoppers", "itemsets.parquet", "rules.parquet"
_CLOSE = 1e-9
Counts = dict[frozenset[Any], int]


def basket_rows(size: str) -> pl.DataFrame:
    """BasketItem of Complete Journey: a row per basket and subcategory, without giants."""
    types = pl.read_parquet(complete_journey() / "products.parquet").select(
        pl.col("product_id").cast(pl.Utf8), pl.col("product_type").alias(BasketItem.item)
    )
    rows = (
        purchases(size)
        .join(types.drop_nulls(), on="product_id")
        .select(
            pl.col("basket_id").alias(BasketItem.order_id),
            pl.col("transaction_timestamp").dt.date().min().over("basket_id").alias(BasketItem.order_date),
            BasketItem.item,
            pl.col("household_id").alias(BasketItem.user_id),
        )
        .unique()
        .sort(BasketItem.order_id, BasketItem.item)
        .with_columns(pl.len().over(BasketItem.order_id).cast(pl.Int64).alias(BasketItem.basket_items))
    )
    sizes = collections.Counter(rows.unique(BasketItem.order_id)[BasketItem.basket_items].to_list())
    return rows.filter(pl.col(BasketItem.basket_items) <= largest_kept(sizes, load().baskets.max_items_quantile))


def meetings(sizes: np.ndarray[Any, Any]) -> float:
    """Pairs of items that meet in baskets of these sizes."""
    return float((sizes * (sizes - 1) // 2).sum())


class Rules:
    reference = "MLlib"
    sizes: tuple[str, ...] = ("medium", "large")
    limited_by = "reading two bytes for each pair of items that meets in a basket, Σ n (n − 1) / 2"
    tolerance = (
        f"the sets of up to {LONGEST} items, with the number of their baskets, and the rules with one item on the "
        "right and their confidence are MLlib's"
    )

    def __init__(self, support: float, sizes: tuple[str, ...]) -> None:
        self.support, self.sizes, self.name = support, sizes, f"rules_{support:g}"

    @property
    def about(self) -> str:
        return (
            f"Sets of subcategories in at least {self.support:.1%} of the baskets of Complete Journey, and rules of a "
            f"confidence of {CONFIDENCE:.0%}. Ours also tells how many baskets habit fills, for each pair. MLlib has "
            "no longest set, so it looks for longer ones too. DuckDB's script stops at pairs, so that it is no equal."
        )

    @property
    def engines(self) -> tuple[Engine, ...]:
        return (
            Engine("MLlib", self.by_mllib, spark=True, note="FPGrowth"),
            Engine("ours", self.by_ours, ("promo_spark.models.baskets.itemsets",), spark=True),
            Engine("rusket", self.by_rusket, ("rusket",), ("rusket",)),
            Engine("DuckDB, pairs alone", self.by_duckdb, ("duckdb",), ("duckdb",)),
        )

    def prepare(self, folder: Path, size: str) -> int:
        rows = basket_rows(size)
        write(folder, _ITEMS, {name: rows[name].to_arrow() for name in rows.columns})
        return len(rows)

    def judged(self, _folder: Path, results: Mapping[str, Path]) -> dict[str, Verdict]:
        sets = {name: _sets(result(path / _SETS)) for name, path in results.items()}
        rules = {name: _rules(result(path / _RULES)) for name, path in results.items()}
        return {
            name: Verdict(
                bool(sets[name]) and sets[name] == sets["MLlib"] and _alike(rules[name], rules["MLlib"]),
                note=f"{len(sets[name]):,} sets, {len(rules[name]):,} rules",
            )
            for name in results
        }

    def limit(self, folder: Path) -> float:
        rows = pl.read_parquet(folder / f"{_ITEMS}.parquet", columns=[BasketItem.order_id])
        sizes = rows.group_by(BasketItem.order_id).len()["len"].to_numpy().astype(np.int64)
        return meetings(sizes) * 2 / reading_rate()

    def by_ours(self, data: Path, left: Path, spark: Any) -> None:
        from pyspark.sql import DataFrame
        from pyspark.sql import functions as F

        from promo_spark.models.baskets.baskets import BasketCounts, basket_sizes
        from promo_spark.models.baskets.itemsets import frequent_itemsets
        from promo_spark.models.baskets.rules import basket_rules

        asked = {
            "min_support": self.support,
            "min_baskets": 1,
            "max_items_quantile": 1.0,
            "max_antecedent": LONGEST - 1,
        }
        settings = load().baskets.model_copy(update={**asked, "min_confidence": CONFIDENCE})
        items = spark.read.parquet(str(data / f"{_ITEMS}.parquet"))
        baskets = BasketCounts.of(basket_sizes(items), settings)
        mined = frequent_itemsets(items, baskets=baskets, settings=settings, keep=DataFrame.persist).rows.persist()
        mined.select(FrequentItemsets.items, FrequentItemsets.baskets).write.parquet(str(left / _SETS))
        rules = basket_rules(mined, all_baskets=baskets.kept, settings=settings)
        one = F.col(BasketRules.consequent)[0].alias("consequent")
        rules.select(BasketRules.antecedent, one, BasketRules.confidence).write.parquet(str(left / _RULES))

    def by_mllib(self, data: Path, left: Path, spark: Any) -> None:
        from pyspark.ml.fpm import FPGrowth
        from pyspark.sql import functions as F

        items = spark.read.parquet(str(data / f"{_ITEMS}.parquet"))
        baskets = items.groupBy(BasketItem.order_id).agg(F.collect_list(BasketItem.item).alias("items")).persist()
        fewest, whole = _fewest(baskets.count(), self.support)
        model = FPGrowth(itemsCol="items", minSupport=(fewest - 0.5) / whole, minConfidence=CONFIDENCE).fit(baskets)
        model.freqItemsets.select("items", F.col("freq").alias("baskets")).write.parquet(str(left / _SETS))
        one = F.col("consequent")[0].alias("consequent")
        model.associationRules.select("antecedent", one, "confidence").write.parquet(str(left / _RULES))

    def by_rusket(self, data: Path, left: Path, _spark: Any) -> None:
        import rusket

        rows = pl.read_parquet(data / f"{_ITEMS}.parquet", columns=[BasketItem.order_id, BasketItem.item])
        held, names = rusket.from_transactions_csr(rows, BasketItem.order_id, BasketItem.item)
        fewest, whole = _fewest(held.shape[0], self.support)
        least = (fewest - 0.5) / whole
        sets = rusket.fpgrowth(held, min_support=least, max_len=LONGEST, column_names=names, use_colnames=True)
        rules = rusket.association_rules(
            sets, num_itemsets=whole, metric="confidence", min_threshold=CONFIDENCE, return_metrics=["confidence"]
        )
        rules = rules[[len(of) == 1 for of in rules["consequents"]]]
        counts = np.rint(sets["support"].to_numpy() * whole).astype(np.int64)
        one = [next(iter(of)) for of in rules["consequents"]]
        _write(left, map(list, sets["itemsets"]), counts, map(list, rules["antecedents"]), one, rules["confidence"])

    def by_duckdb(self, data: Path, left: Path, _spark: Any) -> None:
        import duckdb

        left.mkdir()
        with duckdb.connect(config={"threads": 2}) as connection:
            connection.sql(f"CREATE TABLE lines AS SELECT order_id, item FROM '{data / _ITEMS}.parquet'")
            whole = connection.sql("SELECT count(DISTINCT order_id) FROM lines").fetchall()[0][0]
            fewest, _ = _fewest(whole, self.support)
            connection.sql(
                f"CREATE TABLE singles AS SELECT item, count(*) AS n FROM lines GROUP BY item HAVING n >= {fewest}"
            )
            connection.sql(f"""
                CREATE TABLE pairs AS SELECT a.item AS a, b.item AS b, count(*) AS n
                FROM (FROM lines SEMI JOIN singles USING (item)) a JOIN (FROM lines SEMI JOIN singles USING (item)) b
                ON a.order_id = b.order_id AND a.item < b.item GROUP BY ALL HAVING n >= {fewest}
            """)
            connection.sql("""
                SELECT [item] AS items, n AS baskets FROM singles UNION ALL SELECT [a, b], n FROM pairs
            """).write_parquet(str(left / _SETS))
            connection.sql(f"""
                SELECT [x] AS antecedent, y AS consequent, pair.n / singles.n AS confidence
                FROM (SELECT a AS x, b AS y, n FROM pairs UNION ALL SELECT b, a, n FROM pairs) pair
                JOIN singles ON x = item WHERE confidence >= {CONFIDENCE}
            """).write_parquet(str(left / _RULES))


class Itemsets:
    """The core of the miner, without Spark: the same arrays for both."""

    name = "itemsets"
    reference = "rusket"
    support = 0.002
    about = (
        f"Sets at {support:.1%}, on arrays: per shopper the baskets as numbers of their frequent items. No rules, "
        "no names. Ours is the functions that a task runs, in one thread; it also counts what habit would fill."
    )
    tolerance = "the sets and their numbers of baskets are rusket's"
    limited_by = Rules.limited_by
    sizes = ("tiny", "small", "medium", "large")

    @property
    def engines(self) -> tuple[Engine, ...]:
        return (
            Engine("rusket", self.by_rusket, ("rusket",), ("rusket",), note="fpgrowth"),
            Engine("ours", self.by_ours, ("promo_spark.models.baskets.itemsets",), ("numpy", "scipy")),
        )

    def prepare(self, folder: Path, size: str) -> int:
        rows = basket_rows(size)
        fewest, _ = _fewest(rows[BasketItem.order_id].n_unique(), self.support)
        counts = rows.group_by(BasketItem.item).len().filter(pl.col("len") >= fewest).sort("len", BasketItem.item)
        codes = counts.with_row_index("code").select(BasketItem.item, pl.col("code").cast(pl.Int32))
        coded = rows.join(codes, on=BasketItem.item, how="left")
        of_order = (BasketItem.user_id, BasketItem.order_id, BasketItem.basket_items)
        baskets = coded.group_by(*of_order).agg(pl.col("code").drop_nulls().sort().alias("codes")).sort(*of_order)
        basket = pl.struct(BasketItem.basket_items, "codes").alias("baskets")
        shoppers = baskets.group_by(BasketItem.user_id, maintain_order=True).agg(basket)
        column = shoppers["baskets"].to_arrow()
        form = pa.list_(pa.struct([("basket_items", pa.int64()), ("codes", pa.list_(pa.int32()))]))
        write(folder, _SHOPPERS, {"baskets": column.cast(form)})
        return len(baskets)

    def judged(self, _folder: Path, results: Mapping[str, Path]) -> dict[str, Verdict]:
        sets = {name: _sets(result(path)) for name, path in results.items()}
        return {
            name: Verdict(bool(own) and own == sets["rusket"], note=f"{len(own):,} sets") for name, own in sets.items()
        }

    def limit(self, folder: Path) -> float:
        codes, _ = _coded(folder)
        return meetings(codes.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)) * 2 / reading_rate()

    def by_ours(self, data: Path, left: Path, _spark: Any) -> None:
        from promo_spark.models.baskets.bitmaps import joined_sets
        from promo_spark.models.baskets.itemsets import candidate_counts, pair_counts

        shoppers = pq.read_table(data / f"{_SHOPPERS}.parquet").combine_chunks()
        codes, items = _coded(data)
        fewest, _ = _fewest(len(codes), self.support)
        singles = np.bincount(codes.flatten().to_numpy(), minlength=items)
        found = [([code], int(n)) for code, n in enumerate(singles)]
        together: dict[tuple[int, int], int] = collections.defaultdict(int)
        for batch in pair_counts(iter(shoppers.to_batches()), items=items):
            for a, b, n in zip(*(batch.column(place).to_numpy() for place in range(3)), strict=True):
                together[int(a), int(b)] += int(n)
        frequent = sorted((pair, n) for pair, n in together.items() if n >= fewest)
        found += [(list(pair), n) for pair, n in frequent]
        sets = joined_sets(np.array([pair for pair, _ in frequent], np.int64).reshape(-1, 2), items)
        counts = np.zeros(len(sets), np.int64)
        for batch in candidate_counts(iter(shoppers.to_batches()), sets=sets, items=items):
            counts[batch.column(0).to_numpy()] += batch.column(1).to_numpy()
        enough = counts >= fewest
        found += list(zip(sets[enough].tolist(), counts[enough].tolist(), strict=True))
        pq.write_table(pa.table({"items": [one for one, _ in found], "baskets": [n for _, n in found]}), left)

    def by_rusket(self, data: Path, left: Path, _spark: Any) -> None:
        import rusket

        from promo_spark.models.baskets.bitmaps import holding

        codes, items = _coded(data)
        held = holding(codes, items)
        fewest, whole = _fewest(len(codes), self.support)
        sets = rusket.fpgrowth(
            held.astype(np.uint8), min_support=(fewest - 0.5) / whole, max_len=LONGEST, use_colnames=False
        )
        counts = np.rint(sets["support"].to_numpy() * whole).astype(np.int64)
        columns = {"items": [[int(code) for code in of] for of in sets["itemsets"]], "baskets": counts}
        pq.write_table(pa.table(columns), left)


def _coded(data: Path) -> tuple[pa.ListArray, int]:
    """The codes of each basket, and how many codes there are."""
    shoppers = pq.read_table(data / f"{_SHOPPERS}.parquet").combine_chunks()["baskets"].combine_chunks()
    codes = shoppers.flatten().field("codes")
    return codes, int(np.max(codes.flatten().to_numpy())) + 1


def _fewest(baskets: int, support: float) -> tuple[int, int]:
    """The baskets that a set needs, and all baskets."""
    return fewest_baskets(baskets, min_support=support, min_baskets=1), baskets


def _write(
    left: Path,
    items: Iterable[list[str]],
    counts: np.ndarray[Any, Any],
    antecedents: Iterable[list[str]],
    consequents: list[str],
    confidence: Any,
) -> None:
    left.mkdir()
    pq.write_table(pa.table({"items": list(items), "baskets": counts}), left / _SETS)
    rules = {"antecedent": list(antecedents), "consequent": consequents, "confidence": confidence.to_numpy()}
    pq.write_table(pa.table(rules), left / _RULES)


def _sets(table: pa.Table) -> Counts:
    rows = zip(table["items"].to_pylist(), table["baskets"].to_pylist(), strict=True)
    return {frozenset(items): int(n) for items, n in rows if len(items) <= LONGEST}


def _rules(table: pa.Table) -> dict[tuple[frozenset[str], str], float]:
    rows = zip(*(table[name].to_pylist() for name in ("antecedent", "consequent", "confidence")), strict=True)
    return {(frozenset(a), c): float(confidence) for a, c, confidence in rows if len(a) < LONGEST}


def _alike(found: Mapping[Any, float], right: Mapping[Any, float]) -> bool:
    return found.keys() == right.keys() and all(abs(found[key] - right[key]) <= _CLOSE for key in right)


BASKETS = (
    Itemsets(),
    Rules(0.005, ("tiny", "small", "medium", "large")),
    Rules(0.002, ("medium", "large")),
    Rules(0.001, ("medium", "large")),
)
