"""What to order, what is likely to run out or to stay, what is unusual, and what is about to sell more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import types as T

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.supply import (
    ALERT_KINDS,
    ALL_STORES,
    TREND_ATTRIBUTES,
    DemandTrends,
    InventoryPlan,
    SupplyAlerts,
)
from promo_spark.reports.blocks import Block, Cell, Facts, Grid, Heading, Section, Sentence, Toned
from promo_spark.reports.sections.told import Row, Told
from promo_spark.reports.wording import Amount

ORDERS = 10
ALERTS = 12
TRENDS = 3  # of each kind of attribute


class PlanGroup(Frame):
    """One row per status of models.inventory_plan: how many products have it, of all stores together."""

    status = Col(T.StringType(), "as in models.inventory_plan; null: nobody says what is on hand")
    products = Col(T.LongType(), "products with the status")
    to_order = Col(T.LongType(), "those of them of which something is to be ordered")


class AlertGroup(Frame):
    """One row per kind of alert of models.supply_alerts."""

    kind = Col(T.StringType(), "as in models.supply_alerts")
    alerts = Col(T.LongType(), "alerts of the kind")


@dataclass(frozen=True)
class SupplyRows:
    """What the section is made of; orders and alerts have the title of their product beside them, null: not known."""

    plan: Sequence[Row]  # PlanGroup
    orders: Sequence[Row]  # InventoryPlan, the most urgent first
    kinds: Sequence[Row]  # AlertGroup
    alerts: Sequence[Row]  # SupplyAlerts, the worst first
    trends: Sequence[Row]  # DemandTrends that rise most, or fall least


def supply_section(of: SupplyRows, told: Told) -> Section:
    """SupplyRows → the section."""
    w = told.words
    title = w.say("supply.title")
    if not (of.plan or of.alerts or of.trends):
        return Section("supply", title, [told.why_empty(InventoryPlan)])
    blocks: list[Block] = [Sentence(w.say("supply.lead"), "quiet"), *_stock(of, told)]
    blocks += [Heading(w.say("supply.alerts")), *_alerts(of, told)]
    if any(group[PlanGroup.status] for group in of.plan):
        blocks += [Heading(w.say("supply.orders")), *_orders(of.orders, told)]
    blocks += [Heading(w.say("supply.trends")), *_trends(of.trends, told)]
    return Section("supply", title, blocks)


def _stock(of: SupplyRows, told: Told) -> list[Block]:
    """How many products are likely to run out, or to stay; of how many nobody can tell."""
    w = told.words
    if not of.plan:
        return [told.why_empty(InventoryPlan)]
    products = {group[PlanGroup.status]: group[PlanGroup.products] for group in of.plan}
    everything, untold = sum(products.values()), products.pop(None, 0)
    blocks: list[Block] = []
    if products:
        to_order = sum(group[PlanGroup.to_order] for group in of.plan)
        figures = {
            "run_out": products.get("stockout_risk", 0),
            "stay": products.get("overstock", 0),
            "to_order": to_order,
        }
        blocks.append(Facts([(w.say(f"supply.{name}"), w.count(n)) for name, n in figures.items()]))
    if untold:
        table = InventoryPlan.full_name()
        text = w.say("supply.untold", n=w.count(untold), all=w.count(everything), table=table)
        blocks.append(Sentence(text, "quiet"))
    return blocks


def _alerts(of: SupplyRows, told: Told) -> list[Block]:
    w = told.words
    if not of.alerts:
        known = SupplyAlerts in told.tables
        return [Sentence(w.say("supply.no_alert"), "quiet") if known else told.why_empty(SupplyAlerts)]
    counts = {group[AlertGroup.kind]: group[AlertGroup.alerts] for group in of.kinds}
    kinds = [f"{w.word('alert', kind)} {w.count(counts[kind])}" for kind in ALERT_KINDS if kind in counts]
    rows = [
        [w.word("alert", row[SupplyAlerts.kind]), _product(row), _place(row, told), _finding(row, told)]
        for row in of.alerts
    ]
    lead = w.say("supply.alerts_lead", kinds=w.listed(kinds), most=ALERTS)
    return [Sentence(lead), Grid(told.columns("alert", "product", "store", "~message"), rows)]


def _finding(alert: Row, told: Told) -> str:
    figures = {
        name: _units(alert[name], told) for name in (SupplyAlerts.observed, SupplyAlerts.expected, SupplyAlerts.limit)
    }
    days = told.words.count(alert[SupplyAlerts.days])
    return told.words.say(f"alert_found.{alert[SupplyAlerts.kind]}", days=days, **figures)


def _orders(orders: Sequence[Row], told: Told) -> list[Block]:
    w = told.words
    if not orders:
        return [Sentence(w.say("supply.no_order"), "good")]
    columns = told.columns("product", "#on_hand", "#on_order", "#reorder_point", "#order_units", "#stock_out_risk")
    return [
        Sentence(w.say("supply.orders_lead", most=ORDERS), "quiet"),
        Grid(columns, [_order_cells(r, told) for r in orders]),
    ]


def _order_cells(order: Row, told: Told) -> list[Cell]:
    risk = told.words.share(order[InventoryPlan.stock_out_risk])
    is_short = order[InventoryPlan.status] == "stockout_risk"
    return [
        _product(order),
        _units(order[InventoryPlan.on_hand], told),
        _units(order[InventoryPlan.on_order], told),
        _units(order[InventoryPlan.reorder_point], told),
        _units(order[InventoryPlan.order_units], told),
        Toned(risk, "bad") if is_short else risk,
    ]


def _trends(trends: Sequence[Row], told: Told) -> list[Block]:
    w = told.words
    if not trends:
        return [told.why_empty(DemandTrends)]
    rising = sorted(
        (r for r in trends if r[DemandTrends.rise_units] > 0),
        key=lambda r: (
            TREND_ATTRIBUTES.index(r[DemandTrends.attribute]),
            -r[DemandTrends.rise_units],
            r[DemandTrends.category],
            r[DemandTrends.value],
        ),
    )
    if not rising:
        return [Sentence(w.say("supply.no_trend"), "quiet")]
    rows = [
        [
            w.word("trend", row[DemandTrends.attribute]),
            row[DemandTrends.value],
            row[DemandTrends.category],
            w.count(row[DemandTrends.products]),
            _units(row[DemandTrends.sold_units], told),
            w.number(row[DemandTrends.forecast_units], 1),
            w.number(row[DemandTrends.rise_units], 1, signed=True),
        ]
        for row in rising
    ]
    lead = w.say("supply.trends_lead", days=w.count(rising[0][DemandTrends.days]), most=TRENDS)
    columns = told.columns("trend", "named", "category", "#products", "#sold", "#forecast", "#rise")
    return [Sentence(lead, "quiet"), Grid(columns, rows)]


def _product(row: Row) -> str:
    return str(row[ProductProfile.title] or row[ProductProfile.product_id])


def _place(alert: Row, told: Told) -> str:
    store = str(alert[SupplyAlerts.store_id])
    return told.words.say("supply.all_stores") if store == ALL_STORES else store


def _units(units: Amount | None, told: Told) -> str:
    """Pieces as whole numbers, what is weighed with a digit."""
    is_whole = units is not None and float(units).is_integer()
    return told.words.number(units, 0 if is_whole else 1)
