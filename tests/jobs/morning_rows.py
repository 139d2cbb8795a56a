"""A morning on which promote has decided: two customers, a coupon that is worth giving, and budgets of the date."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.intraday import IntradayPropensity
from promo_spark.contracts.models import Forecasts, Recommendations, Segments
from promo_spark.contracts.responses import Uplift, UpliftCurves
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Users
from promo_spark.storage.lake import Lake
from tests.jobs.export_rows import decide, user
from tests.jobs.shop_of_rows import arm_of, curves
from tests.jobs.stream_rows import DAY

KEY, SHARE = "promo_spark-2017", 0.1  # of the holdout, as in conf/base.toml
CUSTOMERS = ("c1", "c2")
# Users of whom the shop knows nothing may be sent offers; of two scenarios, as each takes its time.
SETTINGS = {"promote.unknown_consent": "eligible", "promote.scenarios": ["new_user_welcome", "likely_buyer"]}


def newcomers(arm: str, count: int) -> list[str]:
    """Ids of nobody whom the shop knows, by the arm into which their hash falls."""
    names = [user(number) for number in range(9000, 9000 + 60 * count)]
    return [name for name in names if arm_of(name, KEY, SHARE) == arm][:count]


def put(lake: Lake, table: type[Table], *rows: dict[str, Any]) -> None:
    of_date = {table.dated_by: DAY} if table.dated_by else {}
    complete = [table.complete({**row, **of_date}) for row in rows]
    lake.write(table, complete, of_date)


def decided_morning(
    lake: Lake, likely: Iterable[str], customers: Sequence[str] = CUSTOMERS, /, **planned: float
) -> None:
    """What the jobs of the date left; `planned`: budgets by constraint, with _ for its colon.

    The customers got none. `likely` are users who have ordered on the date, as far as what they will do next goes.
    """
    product = {"product_id": "p1", "title": "Tea", "category": "tea", "promotable": True, "units_28d": 600}
    prices = {"list_price": Decimal(10), "charged_price": Decimal(10), "unit_cost": Decimal(5)}
    put(lake, ProductProfile, product | prices)
    bought: dict[str, Any] = {
        "orders": 3,
        "lifecycle": "repeat",
        "basket_value": 30.0,
        "basket_median": 25.0,
        "discounted_lines_share": 0.5,
        "recency_days": 20,
    }
    put(lake, UserProfile, *({"user_id": name, "consent_marketing": True, **bought} for name in customers))
    put(lake, Segments, *({"user_id": name, "segment_id": 1, "segment_name": "all"} for name in customers))
    put(lake, Recommendations, {"user_id": "c1", "rank": 1, "product_id": "p1", "source": "als"})
    forecast = {
        "series_id": "product:p1",
        "level": "product",
        "item_id": "p1",
        "day": DAY,
        "model": "a",
        "units": 1.0,
        "profile": "regular",
    }
    put(lake, Forecasts, forecast | {"champion": True})
    comes = {"visits_per_week": 1.0, "readiness": 0.5, "mention": 1.0, "basis": "randomised", "effect_se": 0.5}
    put(lake, Uplift, *({"user_id": n, "mechanic": "coupon", "effect": 9.0, **comes} for n in customers))
    put(lake, UpliftCurves, *curves())
    put(
        lake,
        Users,
        *(
            {"user_id": name, "registered_at": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)}
            for name in customers
        ),
    )
    soon = {"target": "order_14d", "p": 0.4, "model": "boosted_trees"}
    put(lake, IntradayPropensity, *({"user_id": name, **soon} for name in likely))
    none = {"scenario": "none", "mechanic": "none", "arm": "treatment", "rank": 1, "reason_codes": ["no_gain"]}
    rows = [{"user_id": n, "promotion_id": f"{i:032x}", "currency": "USD", **none} for i, n in enumerate(customers)]
    decide(lake, [Promotions.complete(row) for row in rows], DAY)
    budgets = ({"constraint": n.replace("_", ":"), "planned": most, "unit": "currency"} for n, most in planned.items())
    put(lake, Budget, *(row | {"run_id": "promote-1"} for row in budgets))
