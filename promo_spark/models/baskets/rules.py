"""Rules antecedent ⇒ consequent, derived from frequent itemsets by joins: nothing is mined twice."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.models import BasketRules, FrequentItemsets
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Products
from promo_spark.models.baskets.chance import with_chance
from promo_spark.settings.baskets import BasketsSettings


class ItemName(Frame):
    """One row per item: what a person calls it."""

    item = Col(T.StringType(), "the item", required=True)
    name = Col(T.StringType(), "its name")


class ShorterRule(Frame):
    """One row per rule, as the shorter one of a longer rule."""

    shorter = Col(T.ArrayType(T.StringType()), "its antecedent", required=True)
    consequent = Col(T.ArrayType(T.StringType()), "its consequent", required=True)
    shorter_confidence = Col(T.DoubleType(), "its confidence", required=True)


_SIDES = [BasketRules.antecedent, BasketRules.consequent]
_COUNTS = (BasketRules.baskets, BasketRules.antecedent_baskets, BasketRules.consequent_baskets)
_PRODUCTS, _NAMES = "products", "names"  # columns of single steps below


def basket_rules(itemsets: DataFrame, *, all_baskets: int, settings: BasketsSettings) -> DataFrame:
    """One row per rule of items ⇒ one item. FrequentItemsets → BasketRules, without the sentence.

    With n, a, c the baskets with all items, the antecedent, the consequent, and N all baskets:
    support n/N; confidence n/a, kept from the least confidence on, inclusive; lift nN/(ac); leverage n/N − ac/N²;
    conviction (1 − c/N)/(1 − n/a), null where confidence is 1.
    Lift asks whether all of a shop's customers are one: who likes both buys both, and who fills a cart has much in it.
    `lift_within_users` does not: n over the baskets that would hold both if each user's purchases were shuffled among
    the user's own baskets. A bundle is a pair that this lift and its significance (with_chance) call one, whose lift is
    above 1 as well.
    """
    return rules_of_slices(itemsets.withColumn(BasketRules.all_baskets, F.lit(all_baskets).cast("bigint")), settings)


def rules_of_slices(itemsets: DataFrame, settings: BasketsSettings, of: Sequence[str] = ()) -> DataFrame:
    """The same, of each slice of the baskets for itself. FrequentItemsets, all_baskets, `of` → BasketRules, `of`.

    `of` are the columns that name the slice, `all_baskets` are all baskets of it.
    """
    counts = itemsets.select(*of, FrequentItemsets.items, FrequentItemsets.baskets)
    item = F.col(ItemName.item)
    sides = (
        with_chance(itemsets, of)
        .filter(F.col(FrequentItemsets.size).between(2, settings.max_antecedent + 1))
        .withColumn(ItemName.item, F.explode(FrequentItemsets.items))
        .select(
            *of,
            BasketRules.level,
            BasketRules.baskets,
            BasketRules.all_baskets,
            BasketRules.expected_baskets,
            BasketRules.p_value,
            BasketRules.q_value,
            F.array_remove(FrequentItemsets.items, item).alias(BasketRules.antecedent),
            F.array(item).alias(BasketRules.consequent),
        )
    )
    antecedents = counts.toDF(*of, BasketRules.antecedent, BasketRules.antecedent_baskets)
    consequents = counts.toDF(*of, BasketRules.consequent, BasketRules.consequent_baskets)
    n, a, c = map(F.col, _COUNTS)
    everything = F.col(BasketRules.all_baskets)
    confidence, expected = n / a, c / everything
    lift = (n * everything) / (a * c)  # the same number for both directions, to the last bit
    within_users = n / F.col(BasketRules.expected_baskets)
    belong_together = (
        (lift > 1)
        & (within_users >= settings.min_lift_within_users)
        & (F.col(BasketRules.q_value) <= settings.max_q_value)
    )
    return (
        sides.join(antecedents, on=[*of, BasketRules.antecedent], how="inner")
        .join(consequents, on=[*of, BasketRules.consequent], how="inner")
        .filter(confidence >= settings.min_confidence)
        .withColumns(
            {
                BasketRules.support: n / everything,
                BasketRules.confidence: confidence,
                BasketRules.lift: lift,
                BasketRules.leverage: n / everything - a / everything * expected,
                BasketRules.conviction: F.when(n < a, (1 - expected) / (1 - confidence)),
                BasketRules.lift_within_users: within_users,
                BasketRules.is_bundle: F.coalesce(belong_together, F.lit(False)),
            }
        )
    )


def improving_rules(rules: DataFrame, min_improvement: float) -> DataFrame:
    """The rules without those whose antecedent could lose an item at no cost. BasketRules → BasketRules.

    A longer rule stays when its confidence exceeds that of each rule with one antecedent item less by more
    than `min_improvement`; else it says nothing that the shorter one does not (Bayardo et al. 1999).
    """
    shorter = rules.select(
        F.col(BasketRules.antecedent).alias(ShorterRule.shorter),
        ShorterRule.consequent,
        F.col(BasketRules.confidence).alias(ShorterRule.shorter_confidence),
    )
    improvement = F.col(BasketRules.confidence) - F.col(ShorterRule.shorter_confidence)
    no_better = (
        rules.filter(F.size(BasketRules.antecedent) > 1)
        .select(*_SIDES, BasketRules.confidence, F.explode(BasketRules.antecedent).alias(ItemName.item))
        .withColumn(ShorterRule.shorter, F.array_remove(BasketRules.antecedent, F.col(ItemName.item)))
        .join(shorter, on=[ShorterRule.shorter, ShorterRule.consequent], how="inner")
        .filter(improvement <= min_improvement)
        .select(*_SIDES)
    )
    return rules.join(no_better, on=_SIDES, how="left_anti")


def best_rules(rules: DataFrame, max_rules: int) -> DataFrame:
    """Bundles, then rules of highest lift, `max_rules` in all; ties by more baskets, then by the items' names."""
    order = F.desc(BasketRules.is_bundle), F.desc(BasketRules.lift), F.desc(BasketRules.baskets)
    return rules.orderBy(*order, *_SIDES).limit(max_rules)


def item_names(products: DataFrame, level: str) -> DataFrame:
    """One row per item of the level. Products → ItemName.

    Category names in capitals are put in lower case. A subcategory says its category too ("mainstream (pasta sauce)"),
    the one in which most of its products are. A product is its title, else its subcategory, else its id.
    """
    category, subcategory = _quiet(Products.category), _quiet(Products.subcategory)
    within = F.when(category != subcategory, F.format_string("%s (%s)", subcategory, category))
    column, name = {
        "category": (Products.category, category),
        "subcategory": (Products.subcategory, F.coalesce(within, subcategory)),
        "product": (Products.product_id, F.coalesce(Products.title, subcategory, Products.product_id)),
    }[level]
    named = products.select(F.col(column).alias(ItemName.item), name.alias(ItemName.name))
    counts = (
        named.filter(F.col(ItemName.item).isNotNull())
        .groupBy(ItemName.item, ItemName.name)
        .agg(F.count("*").alias(_PRODUCTS))
    )
    commonest = F.max_by(ItemName.name, F.struct(_PRODUCTS, ItemName.name))
    return counts.groupBy(ItemName.item).agg(commonest.alias(ItemName.name))


def _quiet(name: str) -> Column:
    return F.when(F.col(name) == F.upper(name), F.lower(name)).otherwise(F.col(name))


def with_sentences(rules: DataFrame, names: DataFrame, others: Sequence[tuple[Column, str]] = ()) -> DataFrame:
    """The rules with `sentence`, such as "Customers who buy pasta: 43% also buy pasta sauce, 3.2 times the usual."

    An item without a name keeps its id. `others` are forms of it for rules of another kind: of which, and the form.
    """
    used = rules.select(F.explode(F.concat(*_SIDES)).alias(ItemName.item)).distinct()
    name_of = F.map_from_entries(F.collect_list(F.struct(ItemName.item, ItemName.name)))
    entries = names.join(used, on=ItemName.item, how="left_semi").agg(name_of.alias(_NAMES))

    def words(side: str) -> Column:
        named = F.transform(side, lambda item: F.coalesce(F.element_at(_NAMES, item), item))
        return F.array_join(named, " and ")

    def told(form: str) -> Column:
        confidence = F.col(BasketRules.confidence) * 100
        said = words(BasketRules.antecedent), confidence, words(BasketRules.consequent), F.col(BasketRules.lift)
        return F.format_string(form, *said)

    others_told = [F.when(which, told(form)) for which, form in others]
    sentence = F.coalesce(*others_told, told("Customers who buy %s: %.0f%% also buy %s, %.1f times the usual."))
    return rules.crossJoin(F.broadcast(entries)).withColumn(BasketRules.sentence, sentence).drop(_NAMES)
