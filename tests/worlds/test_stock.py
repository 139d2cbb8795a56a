"""What lies on the shelf follows what is sold: some weeks of it, far more of a tenth of the products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from promo_spark.worlds import records, stock
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.shopping import history
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Floats, Ints


@pytest.fixture(scope="module")
def spec(world: Callable[..., WorldSpec]) -> WorldSpec:
    return world("users=1000", "products=200", "days=120")


def on_last_day(spec: WorldSpec) -> tuple[Ints, Floats]:
    """The products that were on sale for four weeks, and the days for which their stock would last."""
    shop, last = catalogue(spec), spec.days - 1
    past = history(spec, 0)
    late = past.orders.day[past.lines.order] > last - 28
    sold = np.bincount(past.lines.product[late], past.lines.quantity[late], spec.products)
    products = np.flatnonzero((shop.launched <= last - 28) & (shop.dies > last) & (sold >= 4))
    return products, stock.on_hand(spec, products, np.full(len(products), last)) / (sold[products] / 28)


def test_most_products_last_for_some_weeks_and_a_tenth_for_months(spec: WorldSpec) -> None:
    products, days = on_last_day(spec)
    assert len(products) > 100 and 10 < np.median(days) < 30
    too_much = days > 60
    assert 0.04 < too_much.mean() < 0.2
    # what keeps for some days is stocked for no longer; sales are not always the usual ones
    keeps = catalogue(spec).shelf_life[products]
    fresh = (keeps > 0) & ~too_much
    assert fresh.sum() > 20 and np.median(days[fresh] / keeps[fresh]) < 2


def test_sales_empty_the_shelf_and_orders_fill_it(spec: WorldSpec) -> None:
    """Of what sells a lot each day has less than the one before, until there is more again; the seed decides when."""
    product = np.argmax(np.where(catalogue(spec).shelf_life > 0, 0, stock.usual_sales(spec)))
    days = np.arange(60)
    shelf = stock.on_hand(spec, np.full(60, product), days)
    orders = np.flatnonzero(np.diff(shelf) > 0)
    assert (np.diff(shelf) != 0).all() and set(np.diff(orders)) == {np.diff(orders)[0]} and 4 <= len(orders) <= 12
    again = stock.on_hand(spec, np.array([product]), np.array([30]))
    assert again[0] == shelf[30] > 0  # whichever days and products are asked for together


def test_a_day_after_the_history_goes_on_from_it(spec: WorldSpec) -> None:
    shelf, next_day = records.inventory(spec, 0).to_pandas(), records.inventory(spec, 0, spec.days).to_pandas()
    last = shelf[shelf.day == spec.date(spec.days - 1).isoformat()]
    both = last.merge(next_day, on="product_id")
    both = both[(both.on_hand_x > 20) & (both.on_hand_y > 0)]
    assert len(both) > 50 and (both.on_hand_y < both.on_hand_x).mean() > 0.6
