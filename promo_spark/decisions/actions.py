"""What was decided about offers by hand and by stream, and the status that offers have by it."""

from __future__ import annotations

import datetime
import re

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Actions, Promotions
from promo_spark.contracts.policy import CLOSED
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.decisions.offers.targets import product_ids
from promo_spark.decisions.valuation import ValuedOffer
from promo_spark.errors import SettingsError

ALL = "all"
_GROUPS = ("scenario", "mechanic", "campaign", "product")
_WHAT = re.compile(rf"{ALL}|[0-9a-f]{{32}}|({'|'.join(_GROUPS)}):.+")


class StoppedOffer(Frame):
    """One row per offer that was stopped by hand, or paused by stream."""

    date = Col(T.DateType(), "as in Promotions", required=True)
    user_id = Col(T.StringType(), "as in Promotions", required=True, personal=Personal.IDENTIFIER)
    promotion_id = Col(T.StringType(), "as in Promotions", required=True)
    from_day = Col(T.DateType(), "first day on which it does not hold any more", required=True)
    ended_as = Col(T.StringType(), "stopped or, where nobody stopped it, paused", required=True)


def named_offers(text: str) -> str:
    """What names offers in decisions.actions, as it stands there. Raises SettingsError for anything else.

    >>> named_offers("scenario:flash_sale")
    'scenario:flash_sale'
    """
    if not _WHAT.fullmatch(text):
        raise SettingsError(
            f"--promotion {text!r} names no offers: give a promotion_id of decisions.promotions, "
            "scenario:NAME, mechanic:NAME, campaign:ID, product:ID or all"
        )
    return text


def stopped_offers(promotions: DataFrame, actions: DataFrame) -> DataFrame:
    """One row per offer that a stop or a pause names on a day on which it holds. Promotions, Actions → StoppedOffer.

    Of several the earliest day counts. An offer that is made later than the stop is another one.
    """
    stops = actions.filter(F.col(Actions.action).isin("stop", "pause")).select(
        F.col(Actions.what).alias(_NAME), F.col(Actions.day).alias(_DAY), Actions.action
    )
    names = _names_of_offer(F.col(Promotions.product_ids))
    key = [Promotions.date, Promotions.user_id, Promotions.promotion_id]
    named = promotions.filter(F.col(Promotions.mechanic) != "none").select(
        *key, Promotions.valid_to, F.explode(names).alias(_NAME)
    )
    return StoppedOffer.shaped(
        named.join(F.broadcast(stops), _NAME, "inner")
        .filter(F.col(_DAY).between(F.col(Promotions.date), F.col(Promotions.valid_to)))
        .groupBy(*key)
        .agg(
            F.min(_DAY).alias(StoppedOffer.from_day),
            F.when(F.bool_or(F.col(Actions.action) == "stop"), "stopped")
            .otherwise("paused")
            .alias(StoppedOffer.ended_as),
        )
    )


_NAME, _DAY = "name_of_offers", "day_of_stop"


def closed_by_actions(offers: DataFrame, actions: DataFrame, date: datetime.date) -> DataFrame:
    """The offers, where nobody gets what a stop or a pause of the date names. ValuedOffer, Actions → ValuedOffer."""
    ends = actions.filter(F.col(Actions.action).isin("stop", "pause") & (F.col(Actions.day) == F.lit(date)))
    key = [ValuedOffer.user_id, ValuedOffer.promotion_id]
    names = _names_of_offer(product_ids(F.col(ValuedOffer.parts)))
    named = offers.select(*key, F.explode(names).alias(_NAME)).join(
        F.broadcast(ends.select(F.col(Actions.what).alias(_NAME))), _NAME, "left_semi"
    )
    marked = offers.join(named.select(*key, F.lit(True).alias(_NAMED)).distinct(), key, "left")
    closed = F.when(F.col(_NAMED), F.lit(CLOSED)).otherwise(F.col(ValuedOffer.paused))
    return marked.withColumn(ValuedOffer.paused, closed).select(offers.columns)


_NAMED = "named_by_action"


def said_before(actions: DataFrame, date: datetime.date) -> DataFrame:
    """The stops of a date that were said before it was decided. Actions → Actions."""
    return actions.filter((F.col(Actions.day) == F.lit(date)) & F.col(Actions.before_decided))


def _names_of_offer(product_ids: Column) -> Column:
    """All that names an offer. Of Promotions, and of ValuedOffer, which has the same columns."""
    return F.concat(
        F.array(
            F.lit(ALL),
            F.col(Promotions.promotion_id),
            F.concat(F.lit("scenario:"), Promotions.scenario),
            F.concat(F.lit("mechanic:"), Promotions.mechanic),
            F.concat(F.lit("campaign:"), Promotions.campaign_id),
        ),
        F.transform(product_ids, lambda product: F.concat(F.lit("product:"), product)),
    )


def with_status(promotions: DataFrame, actions: DataFrame) -> DataFrame:
    """The rows with the status that actions give them. Promotions, Actions → Promotions.

    What is proposed stays so until its date is approved; what is stopped or paused stays so.
    """
    key = [Promotions.date, Promotions.user_id, Promotions.promotion_id]
    approved = actions.filter(F.col(Actions.action) == "approve").select(
        F.col(Actions.day).alias(Promotions.date), F.lit(True).alias(_APPROVED)
    )
    status = (
        F.when(F.col(Promotions.mechanic) == "none", F.lit(None))
        .when(F.col(StoppedOffer.from_day).isNotNull(), F.col(StoppedOffer.ended_as))
        .when((F.col(Promotions.status) == "proposed") & F.col(_APPROVED).isNull(), "proposed")
        .otherwise("active")
    )
    return (
        promotions.join(stopped_offers(promotions, actions), key, "left")
        .join(F.broadcast(approved), Promotions.date, "left")
        .withColumns({Promotions.status: status, Promotions.stopped_on: F.col(StoppedOffer.from_day)})
        .select(promotions.columns)
    )


_APPROVED = "approved_by_hand"
