"""A coupon for the store for users who spent enough online."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.contracts.silver import OrderLines
from promo_spark.decisions.offers.targets import ProposedOffer, whole_shop
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.decisions.users import DailyUser
from promo_spark.measures.kept_purchases import ProductOrder, product_orders, taken_back
from promo_spark.measures.money import exact_amount, half_up
from promo_spark.measures.order_lines import of_purchases


class OnlineSpend(Frame):
    """One row per user who bought online and kept some of it."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    spend = Col(T.DecimalType(28, 2), "paid for what was bought online and kept", unit="currency", required=True)


def candidates(inputs: ScenarioInputs) -> DataFrame:
    """One row per user who spent at least `store_coupon_spend` online in the last `store_coupon_days`. → ProposedOffer.

    The amounts and the minimum spend are those of with_basket_rungs. Appeal: what was spent.
    """
    settings = inputs.settings
    spend = online_spend(inputs.order_lines, settings.online_channels, inputs.digits).filter(
        F.col(OnlineSpend.spend) >= exact_amount(settings.store_coupon_spend, inputs.digits)
    )
    spenders = inputs.users.join(spend, DailyUser.user_id, "inner")
    told = F.concat(F.lit("online_spend:"), F.col(OnlineSpend.spend).cast(f"decimal(28,{inputs.digits})"))
    region = F.concat(F.lit("region:"), F.col(DailyUser.region))  # null where there is none
    return whole_shop(
        inputs.with_basket_rungs(spenders, STORE_COUPON.name, STORE_COUPON.mechanic)
        .withColumn(ProposedOffer.appeal, F.col(OnlineSpend.spend).cast("double"))
        .withColumn(ProposedOffer.reason_codes, F.array_compact(F.array(told, region)))
    )


def online_spend(lines: DataFrame, channels: list[str], digits: int) -> DataFrame:
    """One row per user. OrderLines of some days → OnlineSpend.

    A return takes away what was paid for the pieces that it takes back, wherever they are given back: of an order of
    two pieces that cost 10 together, one given back leaves 5. One of what was bought before these days takes nothing.
    """
    online = F.col(OrderLines.channel).isin(channels)
    paid = F.coalesce(F.sum(F.when(online, of_purchases(OrderLines.amount_paid))), F.lit(0)).alias(_PAID)
    orders = product_orders(lines, taken_back(lines), paid).filter((F.col(ProductOrder.kept) > 0) & (F.col(_PAID) > 0))
    kept = half_up(F.col(_PAID) * F.col(ProductOrder.kept) / F.col(ProductOrder.bought), digits)
    return OnlineSpend.shaped(orders.groupBy(ProductOrder.user_id).agg(F.sum(kept).alias(OnlineSpend.spend)))


_PAID = "paid_online"


STORE_COUPON = Scenario(
    "store_coupon",
    mechanic="coupon",
    candidates=candidates,
    texts={
        "en-US": "Thank you for shopping online: {amount} off in our stores when you spend {min_spend} or more, "
        "until {valid_to}.",
        "zh-CN": "感谢您的线上购物：到店消费满{min_spend}减{amount}，有效期至{valid_to}。",
    },
    channel=lambda settings: settings.store_channel,
)
