"""Offers and explicit no-offers as decisions.promotions, and what was explored."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import NONE_SHARE, WITHDRAWN, Explored, Promotions
from promo_spark.contracts.schema import MONEY, QUANTITY, RATE, Col, Frame, Personal, Table
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.exploration import Draw, drawable_offers
from promo_spark.decisions.held import HeldOffers
from promo_spark.decisions.mechanics import OFF_BASKETS, ON_BASKETS
from promo_spark.decisions.offers.codes import coupon_code
from promo_spark.decisions.offers.ids import none_id
from promo_spark.decisions.offers.targets import Fund, OfferedProduct, OfferTarget, product_ids
from promo_spark.decisions.offers.texts import sentence, slot_columns
from promo_spark.decisions.policy import AS_SET, InForce
from promo_spark.decisions.rooms import Room
from promo_spark.decisions.scenarios import registry
from promo_spark.decisions.valuation import MICRO, MILLI, ValuedOffer, could_be_chosen
from promo_spark.measures.money import half_up, of_minor_units

_OF_USER = (
    UserEligibility.user_id,
    UserEligibility.segment_id,
    UserEligibility.arm,
    UserEligibility.arm_propensity,
    UserEligibility.risk_tier,
)
_HAD_TARGETS, _HAD_OFFERS, _OF_OFFER, _EXPLORED = "had_targets", "had_offers", "propensity_of_offer", "was_explored"
_CHANNEL, _HAD_PAUSED = "channel_of_user", "had_paused_offers"


class ChosenOffer(Frame):
    """One row per user and offer that is made."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    promotion_id = Col(T.StringType(), "the offer", required=True)
    rank = Col(T.IntegerType(), "order among the user's offers, 1 = best", required=True)


@dataclass(frozen=True)
class Decision:
    """What every row of a day's decisions carries."""

    date: datetime.date
    currency: str
    policy_version: str
    language: str
    code_key: str
    explore_budget_share: float
    objective: str
    send_from: datetime.datetime | None = None  # None: at any time
    send_until: datetime.datetime | None = None
    status: str = "active"  # of its offers, until somebody says otherwise by hand

    @property
    def digits(self) -> int:
        """The digits of amounts after the decimal point."""
        return digits_of(self.currency)


@dataclass(frozen=True)
class HeldOutOffers:
    """What users who are held out could be offered, ValuedOffer, and how many offers each would still get, Room."""

    offers: DataFrame
    rooms: DataFrame


@dataclass(frozen=True)
class Considered:
    """What was considered: OfferTarget, ValuedOffer, UserEligibility, HeldOffers, Room, Draw, ExcludedProduct.

    `products`: OfferableProduct. `stock`: StockLeft. `limits`: what the day's offers may reserve at most, by
    constraint: money in minor units, stock in thousandths of a piece. `policy`: what was adjusted. `held_out`: None
    where it is not asked for.
    """

    targets: DataFrame
    offers: DataFrame
    users: DataFrame
    held: DataFrame
    rooms: DataFrame
    draws: DataFrame
    excluded: DataFrame
    products: DataFrame
    stock: DataFrame
    limits: Mapping[str, int]
    policy: InForce = AS_SET
    held_out: HeldOutOffers | None = None


def chosen_offers(allocated: DataFrame, draws: DataFrame) -> DataFrame:
    """One row per offer that is made. Rows with the columns of ChosenOffer, Draw → ChosenOffer."""
    drawn = draws.filter(F.col(Draw.promotion_id).isNotNull()).withColumn(ChosenOffer.rank, F.lit(1))
    return ChosenOffer.shaped(allocated).unionByName(ChosenOffer.shaped(drawn))


def promotions(of: Considered, chosen: DataFrame, decision: Decision) -> DataFrame:
    """One row per offer, and one `none` row for each user without any. ChosenOffer → Promotions."""
    rows = offer_rows(of, chosen, decision).unionByName(none_rows(of, chosen, decision), allowMissingColumns=True)
    drawn = of.draws.select(Draw.user_id, F.col(Draw.offer_propensity).alias(_OF_OFFER))
    return Promotions.conform(
        rows.join(drawn, Promotions.user_id, "left").withColumns(
            {
                Promotions.action_propensity: F.coalesce(_propensity_of_draw(), F.lit(1).cast(RATE)),
                Promotions.date: F.lit(decision.date),
                Promotions.status: F.when(F.col(Promotions.mechanic) != "none", decision.status),
                Promotions.stopped_on: F.lit(None),
                Promotions.currency: F.lit(decision.currency),
                Promotions.policy_version: F.lit(decision.policy_version),
                Promotions.run_id: F.lit(None),  # the write says which run it is of
            }
        )
    )


def offer_rows(of: Considered, chosen: DataFrame, decision: Decision) -> DataFrame:
    """One row per offer: its terms, with its user's arm, its channel and its validity. ChosenOffer → Promotions.

    An offer that holds in one channel has that one, any other the one by which the user is sent offers.
    """
    key = [ChosenOffer.user_id, ChosenOffer.promotion_id]
    channel = F.coalesce(F.col(ValuedOffer.channel), F.col(_CHANNEL))
    users = of.users.select(*_OF_USER, F.col(UserEligibility.channel).alias(_CHANNEL))
    code = coupon_code(F.col(ValuedOffer.user_id), F.col(ValuedOffer.promotion_id), key=decision.code_key)
    offered = (
        of.offers.join(chosen, key, "inner")
        .join(users, UserEligibility.user_id, "inner")
        .withColumns(
            terms(decision)
            | {
                Promotions.channel: channel,
                Promotions.send_from: F.lit(decision.send_from).cast("timestamp"),
                Promotions.send_until: F.lit(decision.send_until).cast("timestamp"),
                Promotions.valid_from: F.lit(decision.date),
                Promotions.valid_to: F.date_add(F.lit(decision.date), F.col(ValuedOffer.days) - 1),
                Promotions.coupon_code: F.when(F.col(ValuedOffer.mechanic) == "coupon", code),
            }
        )
        .withColumn(Promotions.text, _text(decision))
    )
    return offered.select([c for c in Promotions.columns() if c in offered.columns])


def terms(decision: Decision) -> dict[str, Column]:
    """What an offer is and what is expected of it, as columns of Promotions. Of ValuedOffer."""
    digits, off, charged = decision.digits, F.col(ValuedOffer.off), F.col(OfferTarget.charged_price)
    mechanic, fund_id = F.col(OfferTarget.mechanic), F.col(OfferTarget.fund)[Fund.fund_id]
    on_products = ~mechanic.isin(list(ON_BASKETS))
    return {
        Promotions.product_ids: product_ids(F.col(OfferTarget.parts)),
        Promotions.discount_rate: F.when(on_products, F.col(ValuedOffer.rate)),
        Promotions.coupon_amount: F.when(mechanic.isin(list(OFF_BASKETS)), off),
        Promotions.offer_price: F.when(on_products, (charged - off).cast(MONEY)),
        Promotions.expected_conversion: F.col(ValuedOffer.expected_conversion).cast(RATE),
        Promotions.expected_units: _units(),
        Promotions.expected_uplift: F.col(ValuedOffer.expected_uplift).cast(RATE),
        Promotions.expected_margin: _amount(ValuedOffer.sold_micro, digits),
        Promotions.objective: F.coalesce(OfferTarget.objective, F.lit(decision.objective)),
        Promotions.objective_value: _amount(ValuedOffer.aim_micro, digits),
        Promotions.incremental_margin: _amount(ValuedOffer.value_micro, digits),
        Promotions.incremental_margin_se: _amount(ValuedOffer.error_micro, digits),
        Promotions.expected_cost: of_minor_units(F.col(ValuedOffer.cost_minor), digits),
        Promotions.fund_id: fund_id,
        Promotions.fund_cost: F.when(fund_id.isNotNull(), of_minor_units(F.col(ValuedOffer.fund_minor), digits)),
    }


def none_rows(of: Considered, chosen: DataFrame, decision: Decision) -> DataFrame:
    """One row per user without an offer, with the first reason that is true of the user.

    ChosenOffer → columns of Promotions.
    """
    user_id = UserEligibility.user_id
    worthwhile = (
        of.offers.filter(ValuedOffer.worthwhile)
        .groupBy(user_id)
        .agg(
            F.bool_or(could_be_chosen()).alias(_HAD_OFFERS),
            F.bool_or(F.col(ValuedOffer.in_strategy)).alias(_HAD_PAUSED),
        )
    )
    with_targets = of.targets.select(user_id).distinct()
    exclusions = F.col(UserEligibility.exclusions)
    reasons = (
        F.when(F.size(exclusions) > 0, exclusions)
        .when(F.col(_EXPLORED), F.array(F.lit("explored")))
        .when(F.col(_HAD_OFFERS) & F.col(Room.ring_is_full), F.array(F.lit("ring_cap")))
        .when(F.col(_HAD_OFFERS), F.array(F.lit("budget_exhausted")))
        .when(F.col(_HAD_PAUSED), F.array(F.lit("paused")))  # nothing but a pause stands against one of them
        .when(~F.col(_HAD_OFFERS), F.array(F.lit("strategy")))
        .when(F.col(_HAD_TARGETS), F.array(F.lit("no_gain")))
        .when(F.col(HeldOffers.held_offers) > 0, F.array(F.lit("offers_held")))
        .otherwise(F.array(F.lit("no_candidate")))
    )
    zeros = _zeros(Promotions, *_EXPECTED, Promotions.expected_margin)
    withdrawn = F.arrays_overlap(exclusions, F.array(*[F.lit(code) for code in WITHDRAWN]))
    return (
        of.users.join(chosen.select(user_id).distinct(), user_id, "left_anti")
        .join(worthwhile, user_id, "left")
        .join(with_targets.withColumn(_HAD_TARGETS, F.lit(True)), user_id, "left")
        .join(of.draws.select(user_id, F.lit(True).alias(_EXPLORED)), user_id, "left")
        .join(of.held.select(HeldOffers.user_id, HeldOffers.held_offers, HeldOffers.held_ids), user_id, "left")
        .join(of.rooms.select(Room.user_id, Room.ring_is_full), user_id, "left")
        .select(
            *_OF_USER,
            F.lit("none").alias(Promotions.scenario),
            F.lit("none").alias(Promotions.mechanic),
            F.array().cast(Promotions.type_of(Promotions.product_ids)).alias(Promotions.product_ids),
            F.lit(1).alias(Promotions.rank),
            *[zero.alias(name) for name, zero in zeros.items()],
            F.lit(False).alias(Promotions.margin_is_assumed),
            reasons.alias(Promotions.reason_codes),
            F.when(withdrawn, F.col(HeldOffers.held_ids)).alias(Promotions.revokes),
            F.lit("").alias(Promotions.text),
        )
        .withColumn(Promotions.promotion_id, none_id(decision.date))
    )


_EXPECTED = (
    Promotions.expected_conversion,
    Promotions.expected_uplift,
    Promotions.incremental_margin,
    Promotions.expected_cost,
)


def _zeros(of: type[Table], *names: str) -> dict[str, Column]:
    """What no offer brings and costs: 0, in the columns' types."""
    return {name: F.lit(0).cast(of.type_of(name)) for name in names}


def explored(of: Considered, decision: Decision) -> DataFrame:
    """One row per explored user and what could have been drawn, none among it. → Explored."""
    drawn = of.draws.select(
        Draw.user_id, F.col(Draw.promotion_id).alias(_DRAWN), F.col(Draw.offer_propensity).alias(_OF_OFFER)
    )
    candidates = (
        drawable_offers(of.offers, of.limits, decision.explore_budget_share)
        .join(drawn, Draw.user_id, "inner")
        .withColumns(terms(decision))
        .withColumns({Explored.saving: F.col(ValuedOffer.rate), Explored.off: F.col(ValuedOffer.off)})
    )
    nothing = drawn.withColumns(
        {
            Explored.scenario: F.lit("none"),
            Explored.mechanic: F.lit("none"),
            Explored.product_ids: F.array().cast(Explored.type_of(Explored.product_ids)),
            **{
                c: F.lit(None).cast(Explored.type_of(c))
                for c in (Explored.min_spend, Explored.fund_id, Explored.fund_cost)
            },
            **_zeros(Explored, *_EXPECTED, Explored.saving, Explored.off),
        }
    ).withColumn(Explored.promotion_id, none_id(decision.date))
    columns = [c for c in nothing.columns if c in candidates.columns]
    was_drawn = F.coalesce(F.col(_DRAWN) == F.col(Explored.promotion_id), F.col(Explored.scenario) == "none")
    return Explored.conform(
        candidates.select(columns)
        .unionByName(nothing.select(columns))
        .withColumns(
            {
                Explored.date: F.lit(decision.date),
                Explored.action_propensity: _propensity_of_draw(),
                Explored.chosen: was_drawn,
                Explored.run_id: F.lit(None),
            }
        )
    )


_DRAWN = "drawn"


def _units() -> Column:
    """The pieces of each product, in the order of product_ids; null: on a basket. Of ValuedOffer."""
    each = F.transform(
        ValuedOffer.parts,
        lambda part, place: F.struct(
            part[OfferedProduct.product_id].alias(OfferedProduct.product_id),
            F.get(ValuedOffer.units_milli, place).alias(ValuedOffer.units_milli),
        ),
    )
    units = F.transform(
        F.array_sort(each), lambda one: (one[ValuedOffer.units_milli].cast("decimal(18,0)") / MILLI).cast(QUANTITY)
    )
    return F.when(F.size(ValuedOffer.parts) > 0, units)


def _text(decision: Decision) -> Column:
    """The offer as a sentence, by its scenario's text. Of ValuedOffer with the columns of `terms`."""
    text, slots = F.lit(None).cast("string"), slot_columns(currency=decision.currency)
    for name, scenario in sorted(registry().items()):
        written = sentence(scenario.text(decision.language), slots)
        text = F.when(F.col(OfferTarget.scenario) == name, written).otherwise(text)
    return text


def _amount(micro: str, digits: int) -> Column:
    """Millionths of currency as an amount in the currency's digits."""
    return half_up(F.col(micro).cast("decimal(18,0)") / MICRO, digits)


def _propensity_of_draw() -> Column:
    """The probability with which chance draws the row's offer, or none; null: chance did not draw. With _OF_OFFER."""
    of_offer = F.col(_OF_OFFER)
    of_none = F.when(of_offer.isNotNull(), F.lit(NONE_SHARE).cast(RATE))
    return F.when(F.col(Promotions.scenario) == "none", of_none).otherwise(of_offer)
