"""What is left of the stock for the offers of a date, and of which products it could be a limit."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.schema import QUANTITY, Col, Frame
from promo_spark.decisions.allocation.limits import of_stock
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.offers.targets import OfferedProduct
from promo_spark.decisions.valuation import MILLI, ValuedOffer

_STATED = 100  # parts of a piece that decisions.budget states


class StockLeft(Frame):
    """One row per product that may be offered and whose stock is known."""

    product_id = Col(T.StringType(), "the product", required=True)
    left_milli = Col(
        T.LongType(), "pieces that the date's offers may be expected to sell", "thousandths of a piece", required=True
    )


class ExpectedUnits(Frame):
    """One row per offer and product."""

    product_id = Col(T.StringType(), "the product", required=True)
    units = Col(QUANTITY, "pieces that the offer is expected to sell", unit="pieces")


def expected_units(promotions: DataFrame) -> DataFrame:
    """One row per offer and product. Promotions → ExpectedUnits. Offers on a basket have none."""
    each = F.transform(
        Promotions.product_ids,
        lambda product_id, place: F.struct(
            product_id.alias(ExpectedUnits.product_id),
            F.get(Promotions.expected_units, place).alias(ExpectedUnits.units),
        ),
    )
    return ExpectedUnits.shaped(promotions.select(F.inline(each)))


def stock_left(products: DataFrame, in_force: DataFrame, share: float) -> DataFrame:
    """One row per product with a known stock: the share of it, less what offers that still hold are expected to sell.

    OfferableProduct, Promotions in force → StockLeft. What these sold already counts until their last day, as their
    money does. Rounded down to hundredths of a piece, which decisions.budget states.
    """
    reserved = (
        expected_units(in_force).groupBy(ExpectedUnits.product_id).agg(F.sum(ExpectedUnits.units).alias(_RESERVED))
    )
    known = products.filter(F.col(OfferableProduct.on_hand).isNotNull())
    may_sell = F.col(OfferableProduct.on_hand) * F.lit(Decimal(str(share)))
    left = F.greatest(may_sell - F.coalesce(_RESERVED, F.lit(0)), F.lit(0))
    return StockLeft.shaped(
        known.join(reserved, StockLeft.product_id, "left").withColumn(
            StockLeft.left_milli, F.floor(left * _STATED).cast("long") * (MILLI // _STATED)
        )
    )


_RESERVED = "reserved_units"


def stock_limits(offers: DataFrame, stock: DataFrame) -> dict[str, int]:
    """The products whose stock could be a limit, by constraint, in thousandths of a piece. ValuedOffer, StockLeft.

    `offers`: those that could be made. A user gets one offer of a product at most: where the largest of each user
    together sell no more than what is left, nothing has to be bounded.
    """
    each = F.transform(
        ValuedOffer.parts,
        lambda part, place: F.struct(
            part[OfferedProduct.product_id].alias(StockLeft.product_id),
            F.get(ValuedOffer.units_milli, place).alias(_UNITS),
        ),
    )
    by_product = [StockLeft.product_id, StockLeft.left_milli]
    could_bind = (
        offers.select(ValuedOffer.user_id, F.inline(each))
        .join(F.broadcast(stock), StockLeft.product_id, "inner")
        .groupBy(*by_product, ValuedOffer.user_id)
        .agg(F.max(_UNITS).alias(_UNITS))
        .groupBy(*by_product)
        .agg(F.sum(_UNITS).alias(_UNITS))
        .filter(F.col(_UNITS) > F.col(StockLeft.left_milli))
    )
    rows = could_bind.select(of_stock(F.col(StockLeft.product_id)), StockLeft.left_milli).collect()  # a row per product
    return dict(sorted((name, int(left)) for name, left in rows))


_UNITS = "units_of_product"
