"""Two products together at a discount, where baskets show that they belong together."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.models import BasketRules, Recommendations
from promo_spark.contracts.schema import MONEY, Col, Frame, Personal
from promo_spark.decisions.offers.pricing import PricedOffer
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.offers.targets import OfferedProduct, ProposedOffer
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser, Repurchase, repurchases
from promo_spark.measures.best_rows import best_rows

RULES_PER_ITEM = 3  # rules tried per left item: the strongest ones

_TEXT = T.StringType()
_POPULAR = "popular"


class ItemRule(Frame):
    """One row per rule of one item on each side that is fit for a bundle."""

    level = Col(_TEXT, "what an item is: product, subcategory or category", required=True)
    left = Col(_TEXT, "the item in the basket", required=True)
    right = Col(_TEXT, "the item then found too", required=True)
    confidence = Col(T.DoubleType(), "as in the rule", unit="share", required=True)
    lift = Col(T.DoubleType(), "as in the rule", required=True)


class ItemProduct(OfferableProduct):
    """One row per product and item that it stands for: itself, its subcategory or its category."""

    level = Col(_TEXT, "what the item is: product, subcategory or category", required=True)
    item = Col(_TEXT, "the item", required=True)


class UserItemProduct(ItemProduct):
    """One row per user and item: the user's own product of it."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)


class PreferredProduct(Frame):
    """One row per user and product that the user buys regularly or is recommended, in order of preference."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(_TEXT, "the product", required=True)
    source_order = Col(T.IntegerType(), "0: bought regularly, 1: recommended", required=True)
    order_in_source = Col(T.LongType(), "smallest first", required=True)


class BundlePart(OfferedProduct):
    """One of the two products of a bundle."""

    title = Col(_TEXT, "its name", required=True)
    list_price = Col(MONEY, "its catalogue price", unit="currency", required=True)
    cost_is_assumed = Col(T.BooleanType(), "true: the cost follows from an assumed margin", required=True)


class BundlePair(ItemRule):
    """One row per user and pair of products, by the strongest rule that puts them together."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    product_ids = Col(T.ArrayType(_TEXT), "both products, sorted", required=True)
    first = Col(BundlePart.schema(), "the user's product of the rule's left side", required=True)
    second = Col(BundlePart.schema(), "the product of its right side", required=True)


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user and bundle: the user's own product of a rule's left side with one of its right side.

    The user's product of an item (rules may be on products, subcategories or categories) is what the user buys
    repeatedly, else what is recommended, else, for the right side only, the most bought. Appeal: lift. → ProposedOffer.
    """
    items = products_by_item(inputs)
    pairs = bundle_pairs(item_rules(inputs.rules), own_products(inputs, items), most_bought(items))
    first, second = F.col(BundlePair.first), F.col(BundlePair.second)
    priced = inputs.with_item_rungs(
        pairs.withColumns(
            {
                ProposedOffer.list_price: first[BundlePart.list_price] + second[BundlePart.list_price],
                PricedOffer.charged_price: first[BundlePart.charged_price] + second[BundlePart.charged_price],
                PricedOffer.unit_cost: first[BundlePart.unit_cost] + second[BundlePart.unit_cost],
            }
        ),
        BUNDLE.name,
    )
    rule = F.concat(F.lit("bought_together:"), F.col(BundlePair.left), F.lit(" with "), F.col(BundlePair.right))
    is_assumed = BundlePart.cost_is_assumed
    parts = [F.struct(*[part[c].alias(c) for c in OfferedProduct.columns()]) for part in (first, second)]
    return ProposedOffer.shaped(
        priced.withColumns(
            {
                ProposedOffer.title: first[BundlePart.title],
                ProposedOffer.partner_title: second[BundlePart.title],
                ProposedOffer.occasion: F.lit(None),
                ProposedOffer.parts: F.array(*parts),
                ProposedOffer.category: F.lit(None),
                ProposedOffer.min_spend: F.lit(None),
                ProposedOffer.margin_is_assumed: first[is_assumed] | second[is_assumed],
                ProposedOffer.appeal: F.col(BundlePair.lift),
                ProposedOffer.reason_codes: F.array(rule),
            }
        )
    )


def item_rules(rules: DataFrame) -> DataFrame:
    """One row per rule of one item on each side that is fit for a bundle. BasketRules → ItemRule.

    Of each left item the strongest rules only.
    """
    antecedent, consequent = F.col(BasketRules.antecedent), F.col(BasketRules.consequent)
    single = (F.size(antecedent) == 1) & (F.size(consequent) == 1)
    fit = rules.filter(F.col(BasketRules.is_bundle) & (F.col(BasketRules.lift) > 1) & single).withColumns(
        {ItemRule.left: antecedent[0], ItemRule.right: consequent[0]}
    )
    return best_rows(
        ItemRule.shaped(fit),
        of=[ItemRule.level, ItemRule.left],
        by=[F.desc(ItemRule.lift), F.desc(ItemRule.confidence), ItemRule.right],
        keep=RULES_PER_ITEM,
    )


def products_by_item(inputs: ScenarioInputs) -> DataFrame:
    """One row per product and item of a rule that it stands for. OfferableProduct, BasketRules → ItemProduct."""
    columns = {
        "product": OfferableProduct.product_id,
        "subcategory": OfferableProduct.subcategory,
        "category": OfferableProduct.category,
    }
    items = F.array(
        *[F.struct(F.lit(k).alias(ItemProduct.level), F.col(c).alias(ItemProduct.item)) for k, c in columns.items()]
    )
    both_sides = F.explode(F.concat(BasketRules.antecedent, BasketRules.consequent)).alias(ItemProduct.item)
    in_rules = inputs.rules.select(BasketRules.level, both_sides).distinct()
    return ItemProduct.shaped(
        inputs.products.select("*", F.inline(items)).join(
            F.broadcast(in_rules), [ItemProduct.level, ItemProduct.item], "left_semi"
        )
    )


def preferred_products(inputs: ScenarioInputs) -> DataFrame:
    """One row per user and product. Repurchase, Recommendations → PreferredProduct."""
    users = inputs.users
    regular = repurchases(users).withColumns(
        {
            PreferredProduct.source_order: F.lit(0),
            PreferredProduct.order_in_source: -F.col(Repurchase.orders),
        }
    )
    recommended = inputs.recommendations.join(
        users.select(DailyUser.user_id), Recommendations.user_id, "left_semi"
    ).withColumns(
        {
            PreferredProduct.source_order: F.lit(1),
            PreferredProduct.order_in_source: F.col(Recommendations.rank),
        }
    )
    return PreferredProduct.shaped(regular).unionByName(PreferredProduct.shaped(recommended))


def own_products(inputs: ScenarioInputs, items: DataFrame) -> DataFrame:
    """One row per user and item: the user's most preferred product of it. ItemProduct → UserItemProduct."""
    return UserItemProduct.shaped(
        best_rows(
            preferred_products(inputs).join(items, OfferableProduct.product_id, "inner"),
            of=[UserItemProduct.user_id, UserItemProduct.level, UserItemProduct.item],
            by=[PreferredProduct.source_order, PreferredProduct.order_in_source, PreferredProduct.product_id],
            keep=1,
        )
    )


def most_bought(items: DataFrame) -> DataFrame:
    """One row per item: its product with most units in the last 28 days, then most buyers ever. ItemProduct → same."""
    return best_rows(
        items,
        of=[ItemProduct.level, ItemProduct.item],
        by=[F.desc(ItemProduct.units_28d), F.desc(ItemProduct.buyers), ItemProduct.product_id],
        keep=1,
    )


def bundle_pairs(rules: DataFrame, own: DataFrame, popular: DataFrame) -> DataFrame:
    """One row per user and pair of products. ItemRule, UserItemProduct, ItemProduct by item → BundlePair."""
    user_id, level, left, right = BundlePair.user_id, BundlePair.level, BundlePair.left, BundlePair.right
    item, part = F.col(ItemProduct.item), F.struct(*BundlePart.columns())
    first, second = F.col(BundlePair.first), F.col(BundlePair.second)
    product_ids = F.array(first[BundlePart.product_id], second[BundlePart.product_id])
    pairs = (
        own.select(user_id, level, item.alias(left), part.alias(BundlePair.first))
        .join(F.broadcast(rules), [level, left], "inner")
        .join(
            own.select(user_id, level, item.alias(right), part.alias(BundlePair.second)),
            [user_id, level, right],
            "left",
        )
        .join(F.broadcast(popular.select(level, item.alias(right), part.alias(_POPULAR))), [level, right], "left")
        .withColumn(BundlePair.second, F.coalesce(second, F.col(_POPULAR)))
        .filter(first[BundlePart.product_id] != second[BundlePart.product_id])
        .withColumn(BundlePair.product_ids, F.array_sort(product_ids))
    )
    return best_rows(
        BundlePair.shaped(pairs),
        of=[user_id, BundlePair.product_ids],
        by=[F.desc(BundlePair.lift), level, left, right],
        keep=1,
    )


BUNDLE = Scenario(
    "bundle",
    mechanic="bundle",
    candidates=candidates,
    texts={
        "en-US": "{title} and {partner} together: {percent}% off, {offer} instead of {charged}, until {valid_to}.",
        "zh-CN": "{title}与{partner}一起买，立减{percent}%：{offer}（现价{charged}），有效期至{valid_to}。",
    },
)
