"""What scenarios draw on: the same frames and settings for all of them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pyspark.sql import DataFrame

from promo_spark.errors import SettingsError
from promo_spark.settings.promote import PromoteSettings


@dataclass(frozen=True)
class World:
    """The date, the settings and the frames that scenarios make candidates of.

    `users` are those who may get offers; `products` those that may be in one. `purchases` has one row per
    user and product ever bought, with `orders`: 1, or 2 for several. `welcomed` are users who got a welcome before.
    """

    date: datetime.date
    currency: str
    settings: PromoteSettings
    users: DataFrame
    products: DataFrame
    purchases: DataFrame
    recommendations: DataFrame
    rules: DataFrame
    forecasts: DataFrame
    welcomed: DataFrame

    def bounds(self, scenario: str) -> tuple[float, float]:
        """Least and greatest depth of a scenario. Raises SettingsError where there are none, or no order."""
        found = self.settings.depth.get(scenario)
        if found is None:
            raise SettingsError(
                f"promote.depth.{scenario} is missing: set its least and greatest share off, as [0.05, 0.20]"
            )
        least, greatest = found
        if least > greatest:
            raise SettingsError(f"promote.depth.{scenario} is {found}: the least depth comes first")
        return least, greatest

    @property
    def valid_to(self) -> datetime.date:
        """The last day of an offer, included."""
        return self.date + datetime.timedelta(days=self.settings.valid_days - 1)
