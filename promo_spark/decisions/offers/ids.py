"""Ids of offers: the same for the same offer, whoever decides when and on which machine."""

from __future__ import annotations

import datetime

from pyspark.sql import Column
from pyspark.sql import functions as F

from promo_spark.contracts.schema import RATE
from promo_spark.decisions.offers.pricing import Rung
from promo_spark.decisions.offers.targets import Fund, OfferTarget, product_ids


def promotion_id(date: datetime.date) -> Column:
    """The same for the same date, user, scenario, products, mechanic, depth and fund; a digest: a fair tie-break.

    Of OfferTarget at a rate.
    """
    products, mechanic = product_ids(F.col(OfferTarget.parts)), F.col(OfferTarget.mechanic)
    return _digest(date, products, mechanic, F.col(Rung.rate), F.col(OfferTarget.fund)[Fund.fund_id])


def none_id(date: datetime.date) -> Column:
    """The same of a row without an offer: for the same date and user."""
    return _digest(
        date, F.array().cast("array<string>"), F.lit("none"), F.lit(0).cast(RATE), F.lit(None).cast("string")
    )


def _digest(date: datetime.date, products: Column, mechanic: Column, rate: Column, fund_id: Column) -> Column:
    key = F.to_json(
        F.struct(
            F.lit(date.isoformat()).alias("d"),
            F.col(OfferTarget.user_id).alias("u"),
            F.col(OfferTarget.scenario).alias("s"),
            products.alias("p"),
            mechanic.alias("m"),
            rate.cast("string").alias("r"),
            fund_id.alias("f"),
        ),
        {"ignoreNullFields": "true"},  # without a fund the id is what it was before there were any
    )
    return F.substring(F.sha2(key, 256), 1, 32)
