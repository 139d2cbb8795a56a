"""The section Supply of the page of a date: what runs out, what stays, what is unusual, what to order, what rises."""

from __future__ import annotations

from typing import Any

import pytest

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.supply import DemandTrends, InventoryPlan, SupplyAlerts
from promo_spark.reports.blocks import Facts, Grid, Sentence
from promo_spark.reports.sections.supply import SupplyRows, supply_section
from promo_spark.reports.sections.told import Told
from promo_spark.reports.wording import Wording
from promo_spark.storage.lake import Lake
from tests.jobs.test_report import DATE, EVIL, Page, written

TABLES = frozenset({InventoryPlan, SupplyAlerts, DemandTrends})


def planned(product: str, status: str | None, order: float | None, risk: float | None, **more: Any) -> dict[str, Any]:
    """40 are needed of a product, of all stores together unless said otherwise."""
    counted = {"on_hand": 40 - order, "on_order": 0.0} if order is not None else {}
    of = {"as_of": DATE, "product_id": product, "store_id": "all", "reorder_point": 40.0, **counted}
    return {**of, "status": status, "order_units": order, "stock_out_risk": risk, "run_id": "made", **more}


def alert(product: str, kind: str, observed: float, limit: float, **more: Any) -> dict[str, Any]:
    of = {"as_of": DATE, "product_id": product, "store_id": "all", "kind": kind, "days": 7, "run_id": "made"}
    return {**of, "observed": observed, "limit": limit, **more}


def trend(attribute: str, value: str, sold: float, forecast: float) -> dict[str, Any]:
    of = {"as_of": DATE, "category": "SHIRTS", "attribute": attribute, "value": value, "products": 3, "days": 28}
    return {**of, "sold_units": sold, "forecast_units": forecast, "rise_units": forecast - sold, "run_id": "made"}


PLAN = [
    planned("p01", "stockout_risk", 30.0, 0.5),
    planned("p02", "stockout_risk", 38.5, 0.875, on_hand=0.5, on_order=1.0),  # weighed; 40 − 0.5 − 1
    planned("p03", "stockout_risk", 0.0, 0.25),  # what it needs is on its way
    planned("p04", "overstock", 0.0, 0.0),
    *[
        planned(f"q{n:02}", "ok", 5.0 + n, 0.0) for n in range(10)
    ],  # the largest orders first; the two last have no room
    planned("p05", None, None, None),  # nobody says what is on hand
    planned("p06", "stockout_risk", 20.0, 0.9, store_id="s1"),  # a single store is no product
]
ALERTS = [
    alert("p01", "sales_low", 1.0, 7.0, expected=12.5),  # (7 + 1) / (1 + 1) = 4 times
    alert("p02", "sales_high", 19.0, 9.0, expected=4.0),  # (19 + 1) / (9 + 1) = 2 times
    alert("p03", "no_delivery", 11.0, 5.0, expected=3.5, store_id="s1", days=11),  # 12 / 6: 2 times, after p02
    alert("p04", "stock_lost", 59.0, 9.0, store_id="s2", days=1),  # 60 / 10 = 6 times
    *[alert(f"q{n:02}", "large_delivery", 10.0 + n, 9.0, days=1) for n in range(9)],  # 1.1 to 1.9 times
]
TRENDS = [
    trend("tag", "red", 10.0, 30.25),
    *[trend("brand", f"brand {n}", 10.0, 10.5 + n) for n in range(4)],  # the fourth has no room
    trend("brand", "falls", 10.0, 5.0),
    trend("category", "SHIRTS", 50.0, 60.0),
]
WORST = [
    ["stock lost", "p04", "s2", "59 are gone that were not sold; up to 9 would be usual"],
    ["sales low", "Milk", "all stores", "1 sold in 7 days; 12.5 were forecast, 7 at least"],
    ["sales high", EVIL, "all stores", "19 sold in 7 days; 4 were forecast, 9 at most"],
    ["no delivery", "p03", "s1", "none for 11 days; usually one comes every 3.5 days, and after 5 at the latest"],
    *[
        ["large delivery", f"q{n:02}", "all stores", f"{10 + n} came in a day; up to 9 would be usual"]
        for n in range(8, 0, -1)
    ],
]
ORDERS = [
    [EVIL, "0.5", "1", "40", "38.5", "87.5%"],
    ["Milk", "10", "0", "40", "30", "50.0%"],
    *[[f"q{n:02}", f"{35 - n}", "0", "40", f"{5 + n}", "0.0%"] for n in range(9, 1, -1)],
]
RISING = [
    ["category", "SHIRTS", "SHIRTS", "3", "50", "60.0", "+10.0"],
    *[["brand", f"brand {n}", "SHIRTS", "3", "10", f"{10.5 + n}", f"+{0.5 + n}"] for n in (3, 2, 1)],
    ["tag", "red", "SHIRTS", "3", "10", "30.2", "+20.2"],
]


@pytest.fixture(scope="module")
def shop(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """No other section has a table, but for the titles of two products."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("supply") / "lake"))
    titles = {"p01": "Milk", "p02": EVIL}
    named = [{"as_of": DATE, "product_id": p, "title": title, "run_id": "made"} for p, title in titles.items()]
    for table, rows in (
        (ProductProfile, named),
        (InventoryPlan, PLAN),
        (SupplyAlerts, ALERTS),
        (DemandTrends, TRENDS),
    ):
        lake.write(table, rows, {"as_of": DATE})
    return lake


def test_what_to_order_and_what_is_unusual_are_on_the_page_in_both_languages(shop: Lake) -> None:
    """F16 (part), F17 (part): each figure is that of its table; the worst is first, what has no room is left out."""
    page = Page(written(shop)[1])
    for rows in (WORST, ORDERS, RISING):
        at = page.rows.index(rows[0])
        assert page.rows[at : at + len(rows) + 1] == [*rows, []]
    # 3 of 14 products that are counted run out; p01, p02 and q00 to q09 are to be ordered; p05 is not counted
    assert "products likely to run out 3 products likely to stay too long 1 products to order 12" in page.text
    assert "Of 1 of 15 products nobody says what is on hand: models.inventory_plan" in page.text
    kinds = "Alerts: sales low 1, sales high 1, no delivery 1, stock lost 1, large delivery 9."
    assert kinds in page.text and EVIL not in page.html

    chinese = Page(written(shop, 'report.language="zh-CN"')[1])
    assert ["库存丢失", "p04", "s2", "59 并非售出而减少；通常不超过 9"] in chinese.rows and ORDERS[1] in chinese.rows
    assert "可能缺货的商品 3 可能积压的商品 1 需要订货的商品 12" in chinese.text


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_one_sentence_says_that_there_is_nothing(language: str) -> None:
    told = Told(Wording(language, "USD", 5), DATE, 28, frozenset())
    [text] = supply_section(SupplyRows([], [], [], [], []), told).blocks
    assert isinstance(text, Sentence) and "models.inventory_plan" in text.text and text.tone == "quiet"


def test_a_shop_that_does_not_count_its_stock_is_told_no_orders() -> None:
    """No alert is raised, and nothing rises: each is said. Of the stock no figure is shown, as there is none."""
    told = Told(Wording("en-US", "USD", 5), DATE, 28, TABLES)
    uncounted = {"status": None, "products": 7, "to_order": 0}
    blocks = supply_section(SupplyRows([uncounted], [], [], [], [trend("brand", "falls", 10.0, 5.0)]), told).blocks
    assert not [block for block in blocks if isinstance(block, Facts | Grid)]
    lines = [block.text for block in blocks if isinstance(block, Sentence)][1:]
    assert lines[0].startswith("Of 7 of 7 products nobody says what is on hand")
    assert lines[1].startswith("No alert is raised.")
    assert lines[2:] == ["Nothing is forecast to sell more than it sold."]


def test_where_enough_is_there_nothing_is_to_be_ordered() -> None:
    told = Told(Wording("en-US", "USD", 5), DATE, 28, TABLES - {SupplyAlerts})
    enough = {"status": "ok", "products": 7, "to_order": 0}
    blocks = supply_section(SupplyRows([enough], [], [], [], []), told).blocks
    assert Sentence("Of no product is anything to be ordered.", "good") in blocks
    # a lake without the table has not looked for alerts; one without rows of trends, as no product has a category, not
    # for what rises
    texts = [block.text for block in blocks if isinstance(block, Sentence)]
    assert "There is nothing to show yet: the lake has no table models.supply_alerts." in texts
    assert any(text.startswith("There is nothing to show: models.demand_trends has no rows") for text in texts)
