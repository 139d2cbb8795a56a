"""A gift with an order that is larger than usual: a product that costs little, of a kind that the user likes."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.features import Interest
from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.contracts.schema import MONEY, RATE, Col, Frame, Personal
from promo_spark.decisions.offers.gifts import cost_left, most_gift_cost, products_in_stock
from promo_spark.decisions.offers.pricing import Rung, stretched_basket
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.offers.targets import OfferedProduct, ProposedOffer
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser
from promo_spark.measures.best_rows import best_rows
from promo_spark.measures.money import half_up

TOP_INTERESTS = 3  # a gift is of one of so many categories that the user likes most


class GiftTaker(Frame):
    """One row per user with a usual basket: from which order on there may be a gift, and what it may cost."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    basket = Col(MONEY, "the usual one", unit="currency", required=True)
    min_spend = Col(MONEY, "amount to spend before there is a gift", unit="currency", required=True)
    most_cost = Col(MONEY, "what the shop's margin leaves for it", unit="currency", required=True)
    margin_is_assumed = Col(T.BooleanType(), "as in ShopMargin", required=True)


class LikedGift(Frame):
    """One row per user and gift of a category that the user likes."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(T.StringType(), "the gift", required=True)
    likelihood = Col(T.DoubleType(), "as ItemPropensity.p_offer; null: not known", unit="share")
    share = Col(T.DoubleType(), "of the user's spend that goes to its category", unit="share", required=True)


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user: of the gifts that may be given to the user, the likeliest. → ProposedOffer.

    That is what a purchase is likeliest of, else what is of the larger interest.
    """
    cost = F.col(OfferableProduct.unit_cost)
    gifts = affordable_gifts(inputs)
    given = best_rows(
        liked_gifts(inputs, gifts)
        .join(F.broadcast(gifts), OfferableProduct.product_id, "inner")
        .join(gift_takers(inputs), GiftTaker.user_id, "inner")
        .filter(cost <= F.col(GiftTaker.most_cost)),
        of=[GiftTaker.user_id],
        by=[F.desc_nulls_last(LikedGift.likelihood), F.desc(LikedGift.share), LikedGift.product_id],
        keep=1,
    )
    price, min_spend = F.col(OfferableProduct.charged_price), F.col(GiftTaker.min_spend)
    rung = F.struct((price / F.greatest(min_spend, price * 2)).cast(RATE).alias(Rung.rate), cost.alias(Rung.off))
    basket = F.col(GiftTaker.basket).cast(f"decimal(18,{inputs.digits})")
    nothing = (
        ProposedOffer.category,  # it is good for whatever the shop sells
        ProposedOffer.list_price,
        ProposedOffer.charged_price,
        ProposedOffer.margin_floor,
        ProposedOffer.partner_title,
        ProposedOffer.occasion,
    )
    # Each column is replaced only after all that follows from it is there.
    told = given.withColumns(
        {
            ProposedOffer.parts: F.array(F.struct(*OfferedProduct.columns())),
            ProposedOffer.rungs: F.array(rung),
            ProposedOffer.margin_is_assumed: F.col(GiftTaker.margin_is_assumed)
            | F.col(OfferableProduct.cost_is_assumed),
            ProposedOffer.appeal: F.coalesce(LikedGift.likelihood, F.lit(0.0)),
            ProposedOffer.reason_codes: F.array(
                F.concat(F.lit("interest:"), F.col(OfferableProduct.category)),
                F.concat(F.lit("usual_basket:"), basket.cast("string")),
            ),
        }
    )
    return ProposedOffer.shaped(told.withColumns({column: F.lit(None) for column in nothing}))


def affordable_gifts(inputs: ScenarioInputs) -> DataFrame:
    """One row per product that may be a gift to somebody: in stock, and not too dear. → OfferableProduct."""
    most = most_gift_cost(inputs.settings, GIFT_WITH_PURCHASE.mechanic, inputs.digits)
    return products_in_stock(inputs.products).filter(F.col(OfferableProduct.unit_cost) <= F.lit(most))


def gift_takers(inputs: ScenarioInputs) -> DataFrame:
    """One row per user with a usual basket. → GiftTaker."""
    settings = inputs.settings
    basket = half_up(F.col(DailyUser.basket_median).cast("decimal(18,6)"), inputs.digits)
    return GiftTaker.shaped(
        inputs.users.filter(F.col(DailyUser.basket_median) > 0)
        .crossJoin(F.broadcast(inputs.margin))
        .withColumn(GiftTaker.basket, basket)
        .withColumn(GiftTaker.min_spend, stretched_basket(settings.min_spend_stretch, inputs.digits))
        .withColumn(GiftTaker.most_cost, cost_left(F.col(GiftTaker.min_spend), settings.min_margin))
    )


def liked_gifts(inputs: ScenarioInputs, gifts: DataFrame) -> DataFrame:
    """One row per user and gift of one of the user's first interests. OfferableProduct → LikedGift.

    Of a category those that a purchase by the user is foretold of, and the few that cost least: as many as a scenario
    may propose to a user. That bounds the join, and leaves something for whoever's baskets are small.
    """
    user_id, product_id, category = DailyUser.user_id, OfferableProduct.product_id, OfferableProduct.category
    liked = inputs.users.select(user_id, F.inline(F.slice(DailyUser.interests, 1, TOP_INTERESTS)))
    cheapest = best_rows(
        gifts,
        of=[category],
        by=[OfferableProduct.unit_cost, product_id],
        keep=inputs.settings.candidates_per_scenario,
    )
    columns = [user_id, product_id, category]
    foretold = inputs.item_propensity.select(
        ItemPropensity.user_id, ItemPropensity.product_id, F.col(ItemPropensity.p_offer).alias(LikedGift.likelihood)
    ).join(F.broadcast(gifts.select(product_id, category)), product_id, "inner")
    either = foretold.select(*columns, LikedGift.likelihood).unionByName(
        liked.join(F.broadcast(cheapest), Interest.category, "inner").select(
            *columns, F.lit(None).cast("double").alias(LikedGift.likelihood)
        )
    )
    return LikedGift.shaped(
        either.join(liked, [user_id, Interest.category], "inner")
        .groupBy(user_id, product_id)
        .agg(
            F.max(LikedGift.likelihood).alias(LikedGift.likelihood),
            F.max(Interest.share).alias(LikedGift.share),
        )
    )


GIFT_WITH_PURCHASE = Scenario(
    "gift_with_purchase",
    mechanic="gift",
    candidates=candidates,
    texts={
        "en-US": "A gift with your next order of {min_spend} or more, until {valid_to}: {title}.",
        "zh-CN": "下一单满{min_spend}即赠：{title}，有效期至{valid_to}。",
    },
)
