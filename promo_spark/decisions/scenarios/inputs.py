"""What scenarios draw on: the same frames and settings for all of them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import Column, DataFrame

from promo_spark.contracts.currencies import digits_of
from promo_spark.decisions.offers.pricing import most_coupon_amount, with_item_rungs
from promo_spark.errors import SettingsError
from promo_spark.settings.promote import PromoteSettings


@dataclass(frozen=True)
class ScenarioInputs:
    """The date, the settings and the frames that scenarios make candidates of."""

    date: datetime.date
    currency: str
    settings: PromoteSettings
    users: DataFrame  # UserEligibility: those who may get offers
    products: DataFrame  # OfferableProduct
    item_propensity: DataFrame  # ItemPropensity
    recommendations: DataFrame  # Recommendations
    rules: DataFrame  # BasketRules
    forecasts: DataFrame  # Forecasts
    earlier_promotions: DataFrame  # Promotions of dates before this one

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

    @property
    def most_coupon_amount(self) -> Decimal:
        """The most that one coupon may take off: a share of the smallest budget that coupons fall under."""
        return most_coupon_amount(self.settings, self.digits)

    @property
    def valid_to(self) -> datetime.date:
        """The last day of an offer, included."""
        return last_valid_day(self.date, self.settings)


def last_valid_day(date: datetime.date, settings: PromoteSettings) -> datetime.date:
    """The last day, included, of an offer that is made for the date."""
    return date + datetime.timedelta(days=settings.valid_days - 1)
