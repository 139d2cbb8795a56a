"""Rules antecedent ⇒ consequent, derived from frequent itemsets by joins: nothing is mined twice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import pandas_udf
from scipy.stats import norm

from promo_spark.contracts.models import BasketRules, FrequentItemsets
from promo_spark.contracts.silver import Products

Floats = npt.NDArray[np.float64]


def basket_rules(
    itemsets: DataFrame,
    *,
    all_baskets: int,
    min_confidence: float,
    max_antecedent: int,
    max_p_value: float,
) -> DataFrame:
    """One row per rule of up to `max_antecedent` items ⇒ one item. FrequentItemsets → BasketRules.

    With n, a, c the baskets with all items, the antecedent, the consequent, and N all baskets:
    support n/N; confidence n/a, kept from `min_confidence` on, inclusive; lift nN/(ac); leverage n/N − ac/N²;
    conviction (1 − c/N)/(1 − n/a), null where confidence is 1. `p_value` is the chance of n or more baskets
    if the two had nothing to do with each other: the hypergeometric law (margins fixed) by the normal
    approximation with continuity correction. It is per rule, not corrected for the number of rules.
    `is_bundle` needs a lift above 1 and a p of at most `max_p_value`.
    """
    counts = itemsets.select("items", "baskets")
    sides = (
        itemsets.filter(F.col(FrequentItemsets.size).between(2, max_antecedent + 1))
        .select("level", "items", "baskets", F.explode("items").alias("item"))
        .select(
            "level",
            "baskets",
            F.array_remove("items", F.col("item")).alias("antecedent"),
            F.array("item").alias("consequent"),
        )
    )
    antecedents = counts.toDF("antecedent", "antecedent_baskets")
    consequents = counts.toDF("consequent", "consequent_baskets")
    n, a, c = F.col("baskets"), F.col("antecedent_baskets"), F.col("consequent_baskets")
    everything = F.lit(all_baskets).cast("bigint")
    confidence, expected = n / a, c / everything
    lift = (n * everything) / (a * c)  # the same number for both directions, to the last bit
    confident = (
        sides.join(antecedents, on="antecedent", how="inner")
        .join(consequents, on="consequent", how="inner")
        .filter(confidence >= min_confidence)
    )
    return (
        _with_chance(confident, all_baskets)
        .withColumn(BasketRules.all_baskets, everything)
        .withColumn(BasketRules.support, n / everything)
        .withColumn(BasketRules.confidence, confidence)
        .withColumn(BasketRules.lift, lift)
        .withColumn(BasketRules.leverage, n / everything - a / everything * expected)
        .withColumn(BasketRules.conviction, F.when(n < a, (1 - expected) / (1 - confidence)))
        .withColumn(BasketRules.is_bundle, (lift > 1) & (F.col(BasketRules.p_value) <= max_p_value))
    )


def improving_rules(rules: DataFrame, min_improvement: float) -> DataFrame:
    """The rules but those whose antecedent could lose an item at no cost.

    A longer rule stays when its confidence exceeds that of each rule with one antecedent item less by more
    than `min_improvement`; else it says nothing that the shorter one does not (Bayardo et al. 1999).
    """
    shorter = rules.select(
        F.col("antecedent").alias("shorter"), "consequent", F.col("confidence").alias("shorter_confidence")
    )
    long_rules = rules.filter(F.size("antecedent") > 1)
    idle = (
        long_rules.select("antecedent", "consequent", "confidence", F.explode("antecedent").alias("item"))
        .withColumn("shorter", F.array_remove("antecedent", F.col("item")))
        .join(shorter, on=["shorter", "consequent"], how="inner")
        .filter(F.col("confidence") - F.col("shorter_confidence") <= min_improvement)
        .select("antecedent", "consequent")
    )
    return rules.join(idle, on=["antecedent", "consequent"], how="left_anti")


def best_rules(rules: DataFrame, max_rules: int) -> DataFrame:
    """The `max_rules` rules of highest lift; ties by more baskets, then by the items' names."""
    best_first = (F.desc(BasketRules.lift), F.desc(BasketRules.baskets), F.asc("antecedent"), F.asc("consequent"))
    return rules.orderBy(*best_first).limit(max_rules)


def item_names(products: DataFrame, level: str) -> DataFrame:
    """One row per item: item, name. Products → what a person calls an item of the level.

    Category names are put in lower case. A subcategory says its category too ("mainstream (pasta sauce)"),
    the one in which most of its products are. A product is its title, else its subcategory, else its id.
    """
    category, subcategory = F.lower(Products.category), F.lower(Products.subcategory)
    within = F.when(category != subcategory, F.format_string("%s (%s)", subcategory, category))
    column, name = {
        "category": (Products.category, category),
        "subcategory": (Products.subcategory, F.coalesce(within, subcategory)),
        "product": (Products.product_id, F.coalesce(Products.title, subcategory, Products.product_id)),
    }[level]
    named = products.select(F.col(column).alias("item"), name.alias("name"))
    commonest = F.max_by("name", F.struct("count", "name"))
    return (
        named.filter(F.col("item").isNotNull())
        .groupBy("item", "name")
        .count()
        .groupBy("item")
        .agg(commonest.alias("name"))
    )


def with_sentence(rules: DataFrame, names: DataFrame) -> DataFrame:
    """The rules with `sentence`, such as "Customers who buy pasta: 43% also buy pasta sauce, 3.2 times the usual."

    An item without a name keeps its id.
    """
    used = rules.select(F.explode(F.concat("antecedent", "consequent")).alias("item")).distinct()
    entries = names.join(used, on="item", how="left_semi").agg(
        F.map_from_entries(F.collect_list(F.struct("item", "name"))).alias("names")
    )

    def words(side: str) -> Column:
        named = F.transform(side, lambda item: F.coalesce(F.element_at("names", item), item))
        return F.array_join(named, " and ")

    sentence = F.format_string(
        "Customers who buy %s: %.0f%% also buy %s, %.1f times the usual.",
        words("antecedent"),
        F.col("confidence") * 100,
        words("consequent"),
        F.col("lift"),
    )
    return rules.crossJoin(F.broadcast(entries)).withColumn(BasketRules.sentence, sentence).drop("names")


def _with_chance(rules: DataFrame, all_baskets: int) -> DataFrame:
    """The rules with `p_value`: P(N ≥ n) under independence; 1 where a side is in every basket."""

    @pandas_udf(T.DoubleType())  # type: ignore[call-overload, untyped-decorator]  # its stubs take no type object
    def chance(n: pd.Series, a: pd.Series, c: pd.Series) -> pd.Series:
        return pd.Series(chances(n.to_numpy(float), a.to_numpy(float), c.to_numpy(float), all_baskets))

    return rules.withColumn(BasketRules.p_value, chance("baskets", "antecedent_baskets", "consequent_baskets"))


def chances(n: Floats, a: Floats, c: Floats, all_baskets: int) -> Floats:
    """P(N ≥ n) for N hypergeometric with a of `all_baskets` drawn and c marked, by the normal approximation
    with continuity correction; 1 where nothing can be learnt, as either side is in every basket."""
    total = float(all_baskets)
    mean = a * c / total
    spread = np.sqrt(mean * ((total - a) / total) * ((total - c) / max(total - 1, 1)))
    z = (n - 0.5 - mean) / np.where(spread > 0, spread, 1.0)
    return np.where(spread > 0, norm.sf(z), 1.0)
