"""What scenarios draw on: the same frames and settings for all of them."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.models import Recommendations
from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.contracts.silver import Events, OrderLines
from promo_spark.decisions.offers.pricing import (
    ShopMargin,
    margin_of_shop,
    most_basket_amount,
    with_basket_rungs,
    with_item_rungs,
)
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.users import DailyUser
from promo_spark.errors import SettingsError
from promo_spark.measures.best_rows import best_rows
from promo_spark.measures.order_lines import lines_before
from promo_spark.settings.promote import PromoteSettings


class LikelyProduct(Frame):
    """One row per user and product that a purchase is foretold of: of each user the likeliest that may be offered."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(T.StringType(), "the product", required=True)
    appeal = Col(T.DoubleType(), "how likely it is bought within the days of an offer; 0: not known", required=True)


@dataclass(frozen=True)
class ScenarioInputs:
    """The date, the settings and the frames that scenarios make candidates of.

    `computed` is what is done with a frame that several scenarios use, so that it is made once.
    """

    date: datetime.date
    currency: str
    settings: PromoteSettings
    users: DataFrame  # UserEligibility: those who may get offers and are decided for, and who is held out
    everyone: DataFrame  # UserEligibility: all who may get offers, the same but where one user's decision is explained
    products: DataFrame  # OfferableProduct
    funds: DataFrame  # ProductFunds
    item_propensity: DataFrame  # ItemPropensity
    recommendations: DataFrame  # Recommendations
    rules: DataFrame  # BasketRules
    forecasts: DataFrame  # Forecasts
    propensity: DataFrame  # Propensity
    opportunities: DataFrame  # Opportunities
    holidays: DataFrame  # Holidays
    order_lines: DataFrame  # OrderLines of the days before the date that scenarios look at, see lines_of_late
    shares: DataFrame  # Events: shares of the day before the date
    earlier_promotions: DataFrame  # Promotions of dates before this one; of who is held out, what was withheld
    computed: Callable[[DataFrame], DataFrame] = lambda frame: frame

    @property
    def digits(self) -> int:
        """The digits of amounts after the decimal point."""
        return digits_of(self.currency)

    def bounds(self, scenario: str) -> tuple[float, float]:
        """Least and greatest depth of a scenario. Raises SettingsError where there are none, or no order."""
        bounds = self.settings.depth.get(scenario)
        if bounds is None:
            raise SettingsError(
                f"promote.depth.{scenario} is missing: set its least and greatest share off, as [0.05, 0.20]"
            )
        least, greatest = bounds
        if least > greatest:
            raise SettingsError(f"promote.depth.{scenario} is {bounds}: the least depth comes first")
        return least, greatest

    def with_item_rungs(self, offers: DataFrame, scenario: str, greatest: Column | None = None) -> DataFrame:
        """Rows with charged_price and unit_cost → the same with floor and rungs within the scenario's depths."""
        return with_item_rungs(
            offers,
            bounds=self.bounds(scenario),
            step=self.settings.depth_step,
            min_margin=self.settings.min_margin,
            digits=self.digits,
            greatest=greatest,
        )

    def with_basket_rungs(self, users: DataFrame, scenario: str, mechanic: str) -> DataFrame:
        """DailyUser → the same with min_spend, rungs within the scenario's depths, and margin_is_assumed."""
        return with_basket_rungs(
            users.crossJoin(F.broadcast(self.margin)),
            F.col(ShopMargin.margin_share),
            bounds=self.bounds(scenario),
            step=self.settings.depth_step,
            min_margin=self.settings.min_margin,
            stretch=self.settings.min_spend_stretch,
            most_amount=self.most_amount(mechanic),
            digits=self.digits,
        )

    def most_amount(self, mechanic: str) -> Decimal:
        """The most that one offer of the mechanic may take off a basket."""
        return most_basket_amount(self.settings, mechanic, self.digits)

    def recommended_products(self) -> DataFrame:
        """One row per user and product that is recommended and may be offered. → OfferableProduct, Recommendations."""
        return (
            self.recommendations.select(*_OF_RECOMMENDATION)
            .join(self.users.select(DailyUser.user_id), DailyUser.user_id, "inner")
            .join(self.products, OfferableProduct.product_id, "inner")
        )

    @cached_property
    def margin(self) -> DataFrame:
        """One row. → ShopMargin."""
        return self.computed(margin_of_shop(self.products))

    @cached_property
    def likely(self) -> DataFrame:
        """Of each user as many as a scenario may propose. → LikelyProduct."""
        product, likelihood = OfferableProduct.product_id, F.col(ItemPropensity.p_offer)
        foretold = (
            self.item_propensity.select(ItemPropensity.user_id, ItemPropensity.product_id, likelihood)
            .join(self.users.select(DailyUser.user_id), DailyUser.user_id, "left_semi")
            .join(self.products.select(product), product, "left_semi")
        )
        likeliest = best_rows(
            foretold,
            of=[ItemPropensity.user_id],
            by=[F.desc(ItemPropensity.p_offer), ItemPropensity.product_id],
            keep=self.settings.candidates_per_scenario,
        )
        appeal = F.coalesce(likelihood, F.lit(0.0))
        return self.computed(LikelyProduct.shaped(likeliest.withColumn(LikelyProduct.appeal, appeal)))

    def likely_products(self, users: DataFrame) -> DataFrame:
        """One row per user of `users` and product that a purchase is foretold of.

        Columns of DailyUser → the same, OfferableProduct and LikelyProduct.
        """
        return self.likely.join(users, DailyUser.user_id, "inner").join(
            self.products, OfferableProduct.product_id, "inner"
        )


_OF_RECOMMENDATION = (
    Recommendations.user_id,
    Recommendations.product_id,
    Recommendations.rank,
    Recommendations.source,
)


def lines_of_late(lines: DataFrame, date: datetime.date, settings: PromoteSettings) -> DataFrame:
    """The order lines of the days before the date that scenarios look at. OrderLines → OrderLines."""
    since = date - datetime.timedelta(days=settings.store_coupon_days)
    return lines_before(lines, date).filter(F.col(OrderLines.order_date) >= F.lit(since))


def shares_of_yesterday(events: DataFrame, date: datetime.date) -> DataFrame:
    """What users shared on the day before the date. Events → Events."""
    yesterday = F.lit(date - datetime.timedelta(days=1))
    return events.filter((F.col(Events.event_date) == yesterday) & (F.col(Events.event_type) == "share"))


def last_valid_day(date: datetime.date, settings: PromoteSettings) -> datetime.date:
    """The last day, included, of an offer that is made for the date."""
    return date + datetime.timedelta(days=settings.valid_days - 1)
