"""The what_if command on a real lake: units, margin and stock of a plan, and what it cannot be asked."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from pyspark.sql import SparkSession
from rich.console import Console

from jobs.elasticity import run as elasticity
from promo_spark.contracts.effects import Elasticity
from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.models import Forecasts
from promo_spark.contracts.silver import PromoCalendar
from promo_spark.errors import MissingDataError, PromoSparkError, SettingsError
from promo_spark.runtime.job import Context
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from promo_spark.submission.arguments import parser
from tests.jobs import reduced_shop

DATE = datetime.date(2024, 6, 3)
WEEKS = "2024-06-03,2024-06-10"


@pytest.fixture
def shop(lake: Lake) -> Lake:
    """Tea: 10 a day forecast, 10 a piece at a cost of 6, 200 on hand, elasticity 2. Milk has no forecast."""
    of_tea = {"as_of": DATE, "product_id": "tea", "category": "hot", "charged_price": 10, "unit_cost": 6}
    of_tea |= {"on_hand": 200, "units_28d": 999}
    of_milk = {"as_of": DATE, "product_id": "milk", "category": "cold", "charged_price": 2, "unit_cost": 1}
    of_milk |= {"units_28d": 40, "cost_is_assumed": True}
    lake.write(ProductProfile, [of_tea, of_milk], {"as_of": DATE})
    effects = {"as_of": DATE, "segment_id": -1, "spread": 0.0}
    observed = effects | {"category": "hot", "elasticity": 2.0, "elasticity_se": 0.1, "basis": "observed"}
    of_segment = observed | {"segment_id": 1, "elasticity": 9.0}  # not asked for
    prior = effects | {"category": "cold", "elasticity": 1.0, "basis": "prior", "note": "no price has moved"}
    lake.write(Elasticity, [observed, of_segment, prior], {"as_of": DATE})
    series = {"as_of": DATE, "series_id": "product:tea", "level": "product", "item_id": "tea", "champion": True}
    series |= {"profile": "regular", "units": 10.0}
    days = [series | {"day": DATE + datetime.timedelta(n)} for n in range(14)]
    lake.write(Forecasts, days, {"as_of": DATE})
    return lake


def asked(lake: Lake, products: str, depth: str, weeks: str = WEEKS) -> str:
    progress = Progress(Console(file=StringIO()))
    arguments = {"products": products, "depth": depth, "weeks": weeks}
    return all_commands()["what_if"].start(lake, load(), arguments, progress)


def test_units_margin_and_stock_of_a_plan(shop: Lake) -> None:
    """Tea: 2 · 70 · 1.25² = 218.8 units, of which 18.8 are missing; 218.8 · (8 − 6) − 140 · 4 = −122.50.

    With ± 1.96 · 0.1 of the elasticity: 140 · 1.25^1.804 = 209.4, 140 · 1.25^2.196 = 228.5. Margin per week at d off is
    70 · (4 − 10 d) / (1 − d)²: 280 at 0, less at every depth. Milk: 40 / 4 a week, 20 · 1.25 = 25 units.
    """
    told = asked(shop, "tea,milk", "0.2").splitlines()
    assert told[0] == "As of 2024-06-03, elasticities of 2024-06-03; weeks of 2024-06-03, 2024-06-10:"
    assert told[1] == (
        "  tea: 218.8 units (209.4 to 228.5) in place of 140.0, margin changes by -122.50, 19 missing in "
        "stock; most margin at 0% off"
    )
    assert told[2] == (
        "  milk: 25.0 units (25.0 to 25.0) in place of 20.0, margin changes by -5.00, stock not known; most margin at "
        "0% off (usual units by the last 28 days, as it has no forecast; elasticity is prior: no price has moved; its "
        "cost is assumed)"
    )
    assert told[3] == (
        "Together 243.8 units in place of 160.0, margin changes by -127.50; what rivals and later weeks lose is not in "
        "it."
    )


def test_the_future_plan_must_be_said_or_be_in_the_calendar(spark: SparkSession, shop: Lake) -> None:
    """Without a depth and without a calendar of the weeks there is no answer, but an error."""
    with pytest.raises(PromoSparkError, match=r"promo_calendar"):
        asked(shop, "tea", "calendar")
    planned = {"product_id": "tea", "store_id": "1", "start_date": "2024-06-10", "end_date": "2024-06-16"}
    shop.write(PromoCalendar, PromoCalendar.frame(spark, [planned | {"discount_depth": 0.2}]))
    assert "tea: 179.4 units" in asked(shop, "tea", "calendar")  # 70 + 70 · 1.25²
    with pytest.raises(MissingDataError, match="plans no reduction of milk in these weeks: say --depth, or deliver"):
        asked(shop, "tea,milk", "calendar")


def test_a_planted_promotion_effect_is_answered_and_only_for_a_plan_that_is_said(
    spark: SparkSession, lake: Lake, run_job: Callable[..., Context[Any]]
) -> None:
    """F08: a planted + 30 % by 20 % off is recovered within 5 points; without a plan of the future, an error.

    Both users buy 1.25^1.1758 = 1.30 of their usual milk at 20 % off; 70 units a week are 91 in the plan.
    """
    reduced_shop.shop(lake, spark, planted={"milk": math.log(1.3) / math.log(1.25), "tea": 2.0}, alike=True)
    run_job(elasticity, reduced_shop.DATE)
    series = {"as_of": reduced_shop.DATE, "series_id": "product:milk-0", "level": "product", "item_id": "milk-0"}
    series |= {"champion": True, "profile": "regular", "units": 10.0}
    days = [series | {"day": reduced_shop.DATE + datetime.timedelta(n)} for n in range(7)]
    lake.write(Forecasts, days, {"as_of": reduced_shop.DATE})
    told = asked(lake, "milk-0", "0.2", reduced_shop.DATE.isoformat()).splitlines()[1]
    units = float(told.split("milk-0: ")[1].split(" units")[0])
    assert units / 70 - 1 == pytest.approx(0.30, abs=0.05)
    with pytest.raises(MissingDataError, match="plans no reduction of milk-0 in these weeks: say --depth"):
        asked(lake, "milk-0", "calendar", reduced_shop.DATE.isoformat())
    with pytest.raises(SystemExit):
        parser("what_if", "", all_commands()["what_if"].arguments).parse_args(["--products", "tea", "--weeks", WEEKS])


@pytest.mark.parametrize(
    ("products", "depth", "weeks", "error"),
    [
        ("tea", "1.5", WEEKS, "--depth '1.5' is no share of the price"),
        ("", "0.1", WEEKS, "--products '': name 1 to 200"),
        ("tea", "0.1", "2024-06-03,2024-06-05", "are less than seven days apart"),
        ("tea", "0.1", "june", "'june' is not a date"),
    ],
)
def test_what_cannot_be_asked_is_refused(shop: Lake, products: str, depth: str, weeks: str, error: str) -> None:
    with pytest.raises(SettingsError, match=error):
        asked(shop, products, depth, weeks)


def test_what_nobody_knows_is_said(shop: Lake) -> None:
    with pytest.raises(MissingDataError, match="has no product coffee"):
        asked(shop, "tea,coffee", "0.1")
    with pytest.raises(MissingDataError, match="has no 2024-06-17 of product tea: it reaches from 2024-06"):
        asked(shop, "tea", "0.1", "2024-06-17")
    unpriced = {"as_of": DATE, "product_id": "new", "category": "hot"}
    shop.write(ProductProfile, [unpriced], {"as_of": DATE})
    with pytest.raises(MissingDataError, match="no price of product new: it was never sold"):
        asked(shop, "new", "0.1")
