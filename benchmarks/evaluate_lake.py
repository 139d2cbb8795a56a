"""A lake of a shop that has decided on offers for four weeks, made of hashes by Spark alone: what job evaluate reads.

Users have twelve products each that they buy; offers are about these, so that some are used. A tenth of the users is
held out. Nothing is told of what offers do: the lake is for measuring how long evaluate takes.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import NONE_SHARE, Budget, Explored, Promotions
from promo_spark.contracts.features import DailySales, ProductProfile, UserProfile
from promo_spark.contracts.models import Recommendations
from promo_spark.contracts.predictions import Propensity
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.schema import Col, Table
from promo_spark.contracts.schema.columns import neutral
from promo_spark.contracts.silver import Events, Exposures, Feedback, Inventory, OrderLines, Redemptions
from promo_spark.storage.lake import Lake

START = datetime.date(2024, 6, 1)
DAYS, HOLDS, BEFORE, EVENT_DAYS = 28, 7, 84, 30
DATE = START + datetime.timedelta(DAYS)
HELD_OUT, EXPLORED, OFFERED, ORDERED, REFUSED = 0.10, 0.007, 0.03, 0.25, 0.05
CANDIDATES, LISTED, OWN_PRODUCTS, LINES = 10, 10, 12, 4
PRODUCTS, CATEGORIES, SEGMENTS = 20_000, 25, 8
MECHANICS = ("discount", "coupon", "points", "threshold", "rebate", "bundle")
_MULTIPLIER = 2_654_435_761  # a prime: users of a day stand in no order


@dataclass(frozen=True)
class Size:
    """How large the lake is. `before`: order days a day in the 84 days before offers began."""

    users: int
    before: float

    def lines(self) -> int:
        """How many order lines there are, about."""
        return int(self.users * LINES * (DAYS * ORDERED + BEFORE * self.before))


def written_lake(lake: Lake, size: Size) -> None:
    """Writes all tables that evaluate reads; silver.campaigns, silver.market and models.registry are not there."""
    spark, users = lake.spark, size.users
    decided = _decided(_user_days(spark, users, START, DAYS))
    lines = _lines(_user_days(spark, users, START, DAYS), ORDERED)
    earlier = _lines(_user_days(spark, users, START - datetime.timedelta(BEFORE), BEFORE), size.before)
    began, now = F.lit(START), F.lit(DATE)
    tables: list[tuple[type[Table], DataFrame]] = [
        (Promotions, decided),
        (Explored, _explored(_user_days(spark, users, START, DAYS))),
        (Budget, _budget(spark)),
        (OrderLines, lines.unionByName(earlier)),
        (Exposures, _exposures(decided)),
        (Redemptions, _redemptions(decided)),
        (Feedback, _feedback(decided)),
        (Events, _events(_user_days(spark, users, DATE - datetime.timedelta(EVENT_DAYS), EVENT_DAYS))),
        (ProductProfile, _products(spark)),
        (Inventory, _inventory(spark)),
        (UserProfile, _profiles(spark, users, began).unionByName(_profiles(spark, users, now))),
        (DailySales, _sales(spark, START).unionByName(_sales(spark, DATE))),
        (Risk, _risk(spark, users)),
        (Propensity, _propensity(spark, users)),
        (Recommendations, _recommendations(spark, users)),
    ]
    for table, rows in tables:
        writer = filled(table, rows).write.format("delta").partitionBy(*table.partition)
        writer.option("delta.enableDeletionVectors", "false").save(lake.path(table))


def filled(table: type[Table], rows: DataFrame) -> DataFrame:
    """The rows with what the contract asks for beside: null, or a neutral value where it may not be."""
    told = [
        (F.col(name) if name in rows.columns else _neutral(col)).cast(col.type).alias(name)
        for name, col in table.columns().items()
    ]
    return table.conform(rows.select(*told))


def _neutral(col: Col) -> Column:
    return F.create_map() if col.required and isinstance(col.type, T.MapType) else F.lit(neutral(col))


def draw(what: str, *of: str) -> Column:
    """A number from 0 to 1 that looks drawn, the same for the same values."""
    return F.pmod(F.xxhash64(F.lit(what), *of), F.lit(1_000_003)) / 1_000_003


def _user_days(spark: SparkSession, users: int, first: datetime.date, days: int) -> DataFrame:
    """One row per user and day: n (of the user), day. Days stand one after another, users of a day in no order."""
    parts = days * max(1, min(4, users // 100_000))
    number = F.pmod(F.col("id") % users * F.lit(_MULTIPLIER), F.lit(users))
    day = F.date_add(F.lit(first), (F.col("id") / users).cast("int"))
    return spark.range(0, users * days, 1, parts).select(number.alias("n"), day.alias("day"))


def _user(n: str = "n") -> Column:
    return F.concat(F.lit("u"), F.lpad(F.col(n).cast("string"), 8, "0"))


def _product(of: Column) -> Column:
    return F.concat(F.lit("p"), F.lpad(F.pmod(of, F.lit(PRODUCTS)).cast("string"), 6, "0"))


def _own_product(place: Column) -> Column:
    """One of the products that a user buys."""
    return _product(F.xxhash64(F.lit("own"), "n", place.cast("long")))


def _one_of(names: tuple[str, ...], share: Column) -> Column:
    return F.get(F.array(*[F.lit(name) for name in names]), F.floor(share * len(names)).cast("int"))


def _id(*of: str) -> Column:
    """As ids of promotions are: 32 digits."""
    return F.substring(F.sha2(F.concat_ws("-", *of), 256), 1, 32)


def _arm() -> Column:
    explored = draw("explored", "n", "day") < EXPLORED
    return F.when(draw("held out", "n") < HELD_OUT, "holdout").when(explored, "explore").otherwise("treatment")


def _decided(user_days: DataFrame) -> DataFrame:
    """One row per user and day. → Promotions, and n."""
    refused = draw("refused", "n") < REFUSED
    explored, treated = F.col("arm") == "explore", F.col("arm") == "treatment"
    offered = (explored & (_drawn() > 0)) | (treated & (draw("offer", "n", "day") < OFFERED))
    reasons = (
        F.when(F.col("offered"), F.array(F.lit("bought_before")))
        .when(refused, F.array(F.lit("no_consent")))
        .when(F.col("arm") == "holdout", F.array(F.lit("holdout")))
        .when(explored, F.array(F.lit("explored")))
        .otherwise(F.array(F.lit("no_gain")))
    )
    mechanic = _one_of(MECHANICS, draw("mechanic", "n", "day"))
    is_offer, on_products = F.col("offered"), F.col("offered") & ~F.col("mechanic").isin("coupon", "threshold")
    worth = draw("worth", "n", "day")
    propensity = F.when(F.col("arm") == "holdout", HELD_OUT).when(F.col("arm") == "explore", (1 - HELD_OUT) * EXPLORED)
    return (
        user_days.withColumn("arm", _arm())
        .withColumn("offered", offered & ~refused)
        .withColumn("mechanic", F.when(F.col("offered"), mechanic).otherwise("none"))
        .withColumns(
            {
                Promotions.date: F.col("day"),
                Promotions.user_id: _user(),
                Promotions.promotion_id: _id("day", "n"),
                Promotions.scenario: F.when(is_offer, "replenishment").otherwise("none"),
                Promotions.product_ids: F.when(
                    on_products, F.array(_own_product(F.floor(draw("place", "n", "day") * OWN_PRODUCTS)))
                ).otherwise(F.array().cast("array<string>")),
                Promotions.discount_rate: F.when(on_products, 0.2),
                Promotions.coupon_amount: F.when(is_offer & ~on_products, 2),
                Promotions.list_price: F.when(on_products, 5),
                Promotions.charged_price: F.when(on_products, 5),
                Promotions.offer_price: F.when(on_products, 4),
                Promotions.margin_floor: F.when(on_products, 3),
                Promotions.valid_from: F.when(is_offer, F.col("day")),
                Promotions.valid_to: F.when(is_offer, F.date_add("day", HOLDS - 1)),
                Promotions.segment_id: F.floor(draw("segment", "n") * SEGMENTS),
                Promotions.rank: F.lit(1),
                Promotions.expected_conversion: F.when(is_offer, 0.1 + worth / 5),
                Promotions.expected_uplift: F.when(is_offer, worth / 10),
                Promotions.incremental_margin: F.when(is_offer, worth),
                Promotions.expected_cost: F.when(is_offer, 0.3 + worth / 2),
                Promotions.currency: F.lit("EUR"),
                Promotions.arm_propensity: F.coalesce(propensity, F.lit((1 - HELD_OUT) * (1 - EXPLORED))),
                Promotions.action_propensity: F.when(explored, _probability(_drawn())).otherwise(1),
                Promotions.reason_codes: reasons,
                Promotions.text: F.when(is_offer, F.concat(F.lit("20 % off what you like, until "), "day")),
                Promotions.status: F.when(is_offer, "active"),
                Promotions.policy_version: F.lit("1"),
            }
        )
        .withColumn(Promotions.text, F.coalesce(Promotions.text, F.lit("")))
    )


def _drawn() -> Column:
    """The candidate that chance draws for a user and day; 0: none."""
    rest = (draw("chosen", "n", "day") - float(NONE_SHARE)) / float(1 - NONE_SHARE)
    return F.when(rest < 0, 0).otherwise(1 + F.floor(rest * (CANDIDATES - 1)))


def _probability(candidate: Column) -> Column:
    """That chance draws it."""
    return F.when(candidate == 0, float(NONE_SHARE)).otherwise(float(1 - NONE_SHARE) / (CANDIDATES - 1))


def _explored(user_days: DataFrame) -> DataFrame:
    """One row per explored user, day and candidate, the first of which is none. → Explored."""
    candidate = F.explode(F.sequence(F.lit(0), F.lit(CANDIDATES - 1))).alias("candidate")
    who = user_days.filter((_arm() == "explore") & (draw("refused", "n") >= REFUSED))
    is_none, worth = F.col("candidate") == 0, draw("worth", "n", "day", "candidate")
    return who.select("n", "day", candidate).select(
        F.col("day").alias(Explored.date),
        _user().alias(Explored.user_id),
        _id("day", "n", "candidate").alias(Explored.promotion_id),
        F.when(is_none, "none").otherwise("replenishment").alias(Explored.scenario),
        F.when(is_none, "none")
        .otherwise(_one_of(MECHANICS, draw("mechanic", "n", "day", "candidate")))
        .alias(Explored.mechanic),
        F.when(is_none, 0).otherwise(F.ceil(worth * 3) / 10).alias(Explored.saving),
        F.when(is_none, 0).otherwise(1).alias(Explored.off),
        F.when(is_none, 0).otherwise(worth / 5).alias(Explored.expected_conversion),
        F.when(is_none, 0).otherwise(worth / 10).alias(Explored.expected_uplift),
        F.when(is_none, 0).otherwise(worth - 0.2).alias(Explored.incremental_margin),
        F.when(is_none, 0).otherwise(worth / 2).alias(Explored.expected_cost),
        _probability(F.col("candidate")).alias(Explored.action_propensity),
        (F.col("candidate") == _drawn()).alias(Explored.chosen),
    )


def _budget(spark: SparkSession) -> DataFrame:
    """One row per day and constraint. → Budget."""
    names = ("daily", *(f"mechanic:{name}" for name in MECHANICS))
    return spark.range(DAYS).select(
        F.date_add(F.lit(START), F.col("id").cast("int")).alias(Budget.date),
        F.explode(F.array(*[F.lit(name) for name in names])).alias(Budget.constraint),
        F.lit(0.4).alias(Budget.dual_price),
    )


def _lines(user_days: DataFrame, ordered: float) -> DataFrame:
    """One row per order line: users order on a share of the days, four lines each. → OrderLines.

    Every eighth order after an offer names it as its coupon; one line in seventy comes back.
    """
    orders = user_days.filter(draw("order", "n", "day") < ordered)
    lines = orders.select("n", "day", F.explode(F.sequence(F.lit(1), F.lit(LINES))).alias("line"))
    back = F.when(draw("back", "n", "day", "line") < 1 / 70, -1).otherwise(1)
    listed = F.round(1 + draw("price", "n", "day", "line") * 8, 2)
    off = F.when(draw("off", "n", "day", "line") < 0.25, F.round(listed / 5, 2)).otherwise(0)
    offered_on = F.date_sub("day", F.floor(draw("offered on", "n", "day") * HOLDS).cast("int")).cast("string")
    return lines.withColumn("offered_on", offered_on).select(
        _id("day", "n").alias(OrderLines.order_id),
        F.col("line").alias(OrderLines.line_no),
        _user().alias(OrderLines.user_id),
        _own_product(F.floor(draw("bought", "n", "day", "line") * OWN_PRODUCTS)).alias(OrderLines.product_id),
        F.concat(F.lit("s"), F.pmod("n", F.lit(40)).cast("string")).alias(OrderLines.store_id),
        F.lit("store").alias(OrderLines.channel),
        back.alias(OrderLines.quantity),
        (back * (listed - off)).alias(OrderLines.amount_paid),
        (back * listed).alias(OrderLines.list_amount),
        (back * off).alias(OrderLines.discount_retail),
        F.when((draw("coupon", "n", "day") < 1 / 8) & (F.col("line") == 1), _id("offered_on", "n")).alias(
            OrderLines.coupon_id
        ),
        F.timestamp_seconds(F.unix_seconds(F.col("day").cast("timestamp")) + 50_000).alias(OrderLines.ts),
        F.col("day").alias(OrderLines.order_date),
    )


def _sent(decided: DataFrame) -> DataFrame:
    """The offers, with the moment at which each was sent."""
    return decided.filter("offered").withColumn("sent", F.timestamp_seconds(F.unix_seconds(F.expr("timestamp(day)"))))


def _exposures(decided: DataFrame) -> DataFrame:
    """One row per offer. → Exposures. A third is opened."""
    opened = F.when(draw("opened", "n", "day") < 1 / 3, F.col("sent"))
    return _sent(decided).select(
        Promotions.promotion_id,
        Promotions.user_id,
        F.lit("push").alias(Exposures.channel),
        F.col("sent").alias(Exposures.sent_at),
        opened.alias(Exposures.opened_at),
    )


def _redemptions(decided: DataFrame) -> DataFrame:
    """One row per redeemed coupon: every twentieth. → Redemptions."""
    coupons = decided.filter("mechanic = 'coupon'").filter(draw("redeemed", "n", "day") < 0.05)
    return coupons.select(
        Promotions.user_id,
        F.col(Promotions.promotion_id).alias(Redemptions.coupon_id),
        F.lit("c").alias(Redemptions.campaign_id),
        F.date_add("day", 2).alias(Redemptions.redeemed_on),
    )


def _feedback(decided: DataFrame) -> DataFrame:
    """One row per answer: every tenth offer has one. → Feedback."""
    answered = _sent(decided).filter(draw("answer", "n", "day") < 0.1)
    return answered.select(
        Promotions.user_id,
        Promotions.promotion_id,
        F.concat(F.lit("f"), Promotions.promotion_id).alias(Feedback.feedback_id),
        F.ceil(1 + draw("score", "n", "day") * 4).alias(Feedback.score),
        F.when(draw("text", "n", "day") < 0.3, "cheap, but late").alias(Feedback.text),
        F.col("sent").alias(Feedback.ts),
    )


def _events(user_days: DataFrame) -> DataFrame:
    """One row per view of a product, by a tenth of the users each day. → Events."""
    return user_days.filter(draw("view", "n", "day") < 0.1).select(
        _id("day", "n").alias(Events.event_id),
        _user().alias(Events.user_id),
        F.lit("view").alias(Events.event_type),
        _own_product(F.lit(0)).alias(Events.product_id),
        F.col("day").cast("timestamp").alias(Events.ts),
        F.col("day").alias(Events.event_date),
    )


def _category(n: str) -> Column:
    return F.concat(F.lit("category "), F.pmod(n, F.lit(CATEGORIES)).cast("string"))


def _products(spark: SparkSession) -> DataFrame:
    """One row per product. → ProductProfile of the date."""
    return spark.range(PRODUCTS).select(
        F.lit(DATE).alias(ProductProfile.as_of),
        _product(F.col("id")).alias(ProductProfile.product_id),
        _category("id").alias(ProductProfile.category),
        F.round(0.5 + draw("cost", "id") * 3, 2).alias(ProductProfile.unit_cost),
    )


def _inventory(spark: SparkSession) -> DataFrame:
    """One row per product and day. → Inventory."""
    return spark.range(PRODUCTS).select(
        _product(F.col("id")).alias(Inventory.product_id),
        F.lit("all").alias(Inventory.store_id),
        F.floor(draw("stock", "id") * 200).alias(Inventory.on_hand),
        F.explode(F.sequence(F.date_sub(F.lit(DATE), EVENT_DAYS), F.date_sub(F.lit(DATE), 1))).alias(Inventory.day),
    )


def _profiles(spark: SparkSession, users: int, as_of: Column) -> DataFrame:
    """One row per user. → UserProfile of the date."""
    recency = F.ceil(draw("recency", "id") * 40).cast("int")
    return spark.range(users).select(
        as_of.alias(UserProfile.as_of),
        _user("id").alias(UserProfile.user_id),
        F.floor(draw("spend", "id") * 40_000).alias(UserProfile.spend_90d),
        F.floor(draw("orders", "id") * 30).alias(UserProfile.orders_90d),
        F.floor(draw("active", "id") * 10).alias(UserProfile.active_days_30d),
        F.date_sub(as_of, F.floor(30 + draw("tenure", "id") * 700).cast("int")).alias(UserProfile.first_order_date),
        recency.alias(UserProfile.recency_days),
        F.floor(30 + draw("tenure", "id") * 700).alias(UserProfile.tenure_days),
        (draw("rate", "id") * 8).alias(UserProfile.orders_per_30d),
        (draw("basket", "id") * 60).alias(UserProfile.basket_value),
        draw("discount", "id").alias(UserProfile.discount_share),
        (draw("cadence", "id") * 20).alias(UserProfile.cadence_days),
        _one_of(("new", "repeat", "loyal"), draw("lifecycle", "id")).alias(UserProfile.lifecycle),
        _one_of(("store", "web"), draw("channel", "id")).alias(UserProfile.main_channel),
        F.concat(F.lit("region "), F.pmod("id", F.lit(16)).cast("string")).alias(UserProfile.region),
    )


def _sales(spark: SparkSession, as_of: datetime.date) -> DataFrame:
    """One row per category and day. → DailySales of the date."""
    return spark.range(CATEGORIES).select(
        F.lit(as_of).alias(DailySales.as_of),
        F.concat(F.lit("category:"), _category("id")).alias(DailySales.series_id),
        F.lit("category").alias(DailySales.level),
        _category("id").alias(DailySales.item_id),
        F.explode(F.sequence(F.date_sub(F.lit(as_of), 60), F.date_sub(F.lit(as_of), 1))).alias(DailySales.day),
        F.floor(900 + draw("sold", "id") * 200).alias(DailySales.units),
    )


def _risk(spark: SparkSession, users: int) -> DataFrame:
    """One row per user. → Risk of the date."""
    return spark.range(users).select(
        F.lit(DATE).alias(Risk.as_of),
        _user("id").alias(Risk.user_id),
        F.when(draw("risk", "id") < 0.01, "high").otherwise("low").alias(Risk.tier),
    )


def _propensity(spark: SparkSession, users: int) -> DataFrame:
    """One row per user and target, of the day offers began and of 14 days before the date. → Propensity."""
    days = F.explode(F.array(F.lit(START), F.lit(DATE - datetime.timedelta(14)))).alias(Propensity.as_of)
    target = F.explode(F.array(*[F.lit(t) for t in ("order_14d", "churn_60d", "spend_30d", "redemption")]))
    p = draw("propensity", "id", Propensity.target)
    is_amount = F.col(Propensity.target) == "spend_30d"
    every = spark.range(users).select("id", days).select("id", Propensity.as_of, target.alias(Propensity.target))
    return every.select(
        Propensity.as_of,
        _user("id").alias(Propensity.user_id),
        Propensity.target,
        F.when(~is_amount, p).alias(Propensity.p),
        F.when(is_amount, p * 100).alias(Propensity.amount),
        F.ceil(F.greatest(p, F.lit(0.001)) * 10).alias(Propensity.decile),
        F.lit("boosting").alias(Propensity.model),
    )


def _recommendations(spark: SparkSession, users: int) -> DataFrame:
    """One row per user and rank, of the two dates whose offers end last before the date. → Recommendations."""
    days = F.explode(F.array(*[F.lit(DATE - datetime.timedelta(HOLDS + back)) for back in (0, 1)]))
    rank = F.explode(F.sequence(F.lit(1), F.lit(LISTED))).alias("place")
    lists = spark.range(users).select(F.col("id").alias("n"), days.alias("day")).select("n", "day", rank)
    return lists.select(
        F.col("day").alias(Recommendations.as_of),
        _user().alias(Recommendations.user_id),
        F.col("place").alias(Recommendations.rank),
        _own_product(F.col("place")).alias(Recommendations.product_id),
        F.when(F.col("place") < 6, "als").otherwise("buy_again").alias(Recommendations.source),
        F.lit("because you like it").alias(Recommendations.reason),
    )
