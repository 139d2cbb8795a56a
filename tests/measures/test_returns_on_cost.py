"""The return on a campaign's cost, the channel's share taken off."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.silver import Campaigns, Users
from promo_spark.measures.returns_on_cost import return_on_investment


def test_a_channel_that_is_paid_by_the_sale_lowers_the_return_by_its_share(spark: SparkSession) -> None:
    """O12: ROI with a cps_rate of 5 % is lower than with 0 by exactly 5 % of attributed sales / cost.

    Sales of 1,000 at a cost of 200: (1000 − 200) / 200 = 4; with 5 % (1000 − 50 − 200) / 200 = 3.75; 0.05 × 5 = 0.25.
    """
    assert Users.acquisition_channel in Users.columns()
    campaigns = Campaigns.frame(
        spark,
        [
            {"campaign_id": "mail"},  # no channel is paid
            {"campaign_id": "sem", "cps_rate": Decimal("0.05")},
        ],
    )
    returns = campaigns.select(
        Campaigns.campaign_id, return_on_investment(F.lit(1000), F.lit(200), F.col(Campaigns.cps_rate)).alias("roi")
    )
    roi = {r.campaign_id: r.roi for r in returns.collect()}
    assert roi == {"mail": 4.0, "sem": 3.75}
    assert roi["mail"] - roi["sem"] == pytest.approx(0.05 * 1000 / 200)
    assert spark.range(1).select(return_on_investment(F.lit(1), F.lit(0), F.lit(0))).collect()[0][0] is None
