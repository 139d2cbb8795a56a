"""A shop whose products are a fifth off now and then, with planted elasticities, as the lake holds it."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping

from pyspark.sql import SparkSession

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.silver import OrderLines, PromoCalendar
from promo_spark.storage.lake import Lake

MONDAY = datetime.date(2024, 1, 1)
WEEKS = 16
DATE = MONDAY + datetime.timedelta(WEEKS * 7)
PLANTED = {"tea": 2.0, "milk": 1.0}
SHARES = {"keen": (0.5, 1.5), "calm": (0.5, 0.5)}  # of each category's units without reduction; factor on elasticity


def depth(product: int, week: int) -> float:
    """A fifth off in every fourth week, another one for each product; three tenths in two of them."""
    if (week * 3 + product * 5) % 8 not in (0, 4):
        return 0.0
    return 0.3 if week in (4, 11) else 0.2


def units(elasticity: float, product: int, week: int, user: str, *, promoted: bool = True, alike: bool = False) -> int:
    """Pieces that the user buys of the product in the week."""
    share, factor = SHARES[user]
    usual = 400.0 * (1 + product) * (1 + 0.2 * math.sin(week / 3)) * share
    left = 1 - depth(product, week) * promoted
    return round(usual * math.pow(left, -elasticity * (1.0 if alike else factor)))


def shop(
    lake: Lake,
    spark: SparkSession,
    *,
    planted: Mapping[str, float] | None = None,
    promoted: bool = True,
    calendar: bool = True,
    alike: bool = False,
) -> None:
    """Two categories of six products, bought on Tuesdays by two users of a segment each, at a list price of 10.

    `alike`: both users answer to prices alike.
    """
    lines, products, announced = [], [], []
    for category, elasticity in (planted or PLANTED).items():
        for product in range(6):
            name = f"{category}-{product}"
            products.append(
                {
                    "as_of": DATE,
                    "product_id": name,
                    "category": category,
                    "subcategory": f"{category} {product}",
                    "first_sale": MONDAY,
                    "charged_price": 10,
                    "unit_cost": 6,
                }
            )
            for week in range(WEEKS):
                day, off = MONDAY + datetime.timedelta(week * 7 + 1), depth(product, week) * promoted
                if off:
                    last = day + datetime.timedelta(5)
                    announced.append({"product_id": name, "store_id": "1", "start_date": day - datetime.timedelta(1)})
                    announced[-1] |= {"end_date": last, "discount_depth": off}
                for user in SHARES:
                    bought = units(elasticity, product, week, user, promoted=promoted, alike=alike)
                    order = f"{name}/{week}/{user}"
                    lines.append({"order_id": order, "line_no": 1, "user_id": user, "product_id": name})
                    lines[-1] |= {"quantity": bought, "list_amount": bought * 10, "order_date": day}
                    lines[-1] |= {"amount_paid": round(bought * 10 * (1 - off), 2)}
                    lines[-1] |= {"discount_retail": round(bought * 10 * off, 2)}
    lake.write(OrderLines, OrderLines.frame(spark, lines))
    lake.write(ProductProfile, products, {"as_of": DATE})
    if calendar and announced:
        lake.write(PromoCalendar, PromoCalendar.frame(spark, announced))
    grouped = [{"as_of": DATE, "user_id": user, "segment_id": n} for n, user in enumerate(SHARES, start=1)]
    lake.write(Segments, grouped, {"as_of": DATE})
