"""Ids of a shop may have any signs in them: no job takes them apart."""

from __future__ import annotations

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Forecasts, Recommendations, Segments
from promo_spark.contracts.predictions import ItemPropensity
from promo_spark.contracts.responses import Uplift, UpliftCurves
from promo_spark.contracts.silver import Users
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from tests.jobs.shop_of_rows import DAY, Rows, curves, decide

FALLING, STEADY = ("A:1", "B:1", "C-1"), "1"


def test_products_whose_ids_have_colons_are_cleared_and_one_named_like_their_ends_is_not(lake: Lake) -> None:
    """A:1, B:1 and C-1 stop selling and 1 sells as ever: the three are on offer alike, 1 is not."""
    bought = [*FALLING, STEADY]
    rows: Rows = {
        ProductProfile: [
            {
                "product_id": product,
                "title": product,
                "category": f"c{product}",
                "promotable": True,
                "list_price": 4,
                "charged_price": 4,
                "paid_price": 4,
                "unit_cost": 2,
                "units_28d": 28,  # one a day
            }
            for product in bought
        ],
        UserProfile: [
            {"user_id": f"u{product}", "orders": 2, "lifecycle": "repeat", "basket_value": 20.0, "basket_median": 20.0}
            for product in bought
        ],
        Segments: [{"user_id": f"u{product}", "segment_id": 1, "segment_name": "all"} for product in bought],
        Users: [],
        ItemPropensity: [  # each product has a buyer of its own
            {"user_id": f"u{product}", "product_id": product, "source": "own", "p_offer": 0.1, "units_28d": 0.5}
            for product in bought
        ],
        Uplift: [
            {"user_id": f"u{product}", "mechanic": "discount", "effect": 5.0, "visits_per_week": 1.0}
            for product in bought
        ],
        UpliftCurves: curves(),
        Recommendations: [{"user_id": "nobody", "rank": 1, "product_id": STEADY, "source": "als"}],
        Forecasts: [
            {
                "series_id": f"product:{product}",
                "level": "product",
                "item_id": product,
                "day": DAY,
                "model": "m",
                "units": 1.0 if product == STEADY else 0.0,
                "champion": True,
            }
            for product in bought
        ],
    }
    changes = ['scenarios=["clearance"]', "unknown_consent=eligible", "holdout_share=0", "explore_share=0"]
    offers, *_ = decide(lake, load(None, [f"promote.{change}" for change in changes]), rows)
    cleared = offers[offers.scenario == "clearance"]
    assert sorted((user, *ids) for user, ids in zip(cleared.user_id, cleared.product_ids, strict=True)) == [
        (f"u{product}", product) for product in FALLING
    ]
    assert list(offers[offers.user_id == f"u{STEADY}"].scenario) == ["none"]
