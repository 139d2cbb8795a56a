"""A random shop for promote, and the job run on rows at hand."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from pyspark.sql import DataFrame

from jobs.promote import run
from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.effects import Elasticity
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import BasketRules, Forecasts, Metrics, Recommendations, Segments
from promo_spark.contracts.predictions import ItemPropensity, Opportunities, Propensity
from promo_spark.contracts.responses import Uplift, UpliftCurves
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Holidays, OrderLines, PromotionExclusions, Users
from promo_spark.contracts.vocabulary import MECHANICS
from promo_spark.runtime.freshness import NO_ROWS
from promo_spark.runtime.job import Context
from promo_spark.runtime.progress import Progress, Step
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake

DAY = datetime.date(2017, 12, 1)
CENT = Decimal("0.01")
USERS, PRODUCTS, CATEGORIES = 240, 40, 8

# What nobody buys and nobody is recommended, and what costs little: a gift.
SAMPLE: dict[str, Any] = {
    "as_of": DAY,
    "product_id": "sample",
    "title": "Sample",
    "category": "samples",
    "promotable": True,
    "list_price": 9,
    "charged_price": 9,
    "unit_cost": 2,
    "units_28d": 0,
    "buyers": 0,
}

Rows = dict[type[Table], list[dict[str, Any]]]


def days_before(days: int) -> datetime.date:
    return DAY - datetime.timedelta(days=days)


def shop(seed: int = 7) -> Rows:
    """A shop with every kind of user and product: no price, no margin, no consent, no order, nothing due."""
    draw = np.random.default_rng(seed)
    products = [*(product(p, draw) for p in range(PRODUCTS)), SAMPLE]
    users = [user(u, draw) for u in range(USERS)]
    rows: Rows = {
        ProductProfile: products,
        UserProfile: users,
        Segments: [
            {
                "as_of": DAY,
                "user_id": u["user_id"],
                "segment_id": i % 4 if u["orders"] else 0,
                "segment_name": f"group {i % 4 if u['orders'] else 0}",
            }
            for i, u in enumerate(users)
        ],
        Users: [],
        PromotionExclusions: [{"level": "product", "value": "p15", "why": "the maker does not want it"}],
        Recommendations: [
            {"as_of": DAY, "user_id": u["user_id"], "rank": rank, "product_id": f"p{p}", "source": "als"}
            for u in users
            for rank, p in enumerate(draw.permutation(PRODUCTS)[:6], start=1)
        ],
        BasketRules: [
            {
                "as_of": DAY,
                "level": "subcategory",
                "antecedent": [f"s{a}"],
                "consequent": [f"s{b}"],
                "confidence": 0.5,
                "lift": lift,
                "is_bundle": lift > 1,
            }
            for a, b, lift in [(1, 2, 4.0), (2, 1, 4.0), (3, 4, 2.0), (5, 6, 0.8)]
        ],
        Forecasts: [
            {
                "as_of": DAY,
                "series_id": f"product:p{p}",
                "level": "product",
                "item_id": f"p{p}",
                "day": DAY,
                "model": model,
                "units": units,
                "champion": first,
            }
            for p in range(0, PRODUCTS, 3)
            for model, first, units in [("a", True, 0.1 * (p % 5)), ("b", False, 0.0)]
        ],
        Uplift: [row for u in users if u["orders"] for row in answers(u["user_id"], draw)],
        UpliftCurves: curves(),
        # every tenth may well come soon, the others hardly
        Propensity: [
            {"user_id": u["user_id"], "target": "order_14d", "p": 0.1 if i % 10 else 0.4} for i, u in enumerate(users)
        ],
        ItemPropensity: [row for u in users if u["orders"] for row in habits(u, draw)],
        Opportunities: [
            {"user_id": u["user_id"], "kind": "cart", "item": f"p{i % PRODUCTS}", "since": days_before(3)}
            for i, u in enumerate(users)
        ],
        Holidays: [{"country": "NL", "day": days_before(-4), "holiday": "Saint Nicholas", "kind": "public"}],
        # every twelfth bought online yesterday
        OrderLines: [
            {"user_id": u["user_id"], "order_id": f"o{i}", "line_no": 1, "product_id": "p1", "channel": "web"}
            | {"order_date": days_before(1), "quantity": 1, "amount_paid": 60}
            for i, u in enumerate(users)
            if i % 12 == 8
        ],
        Elasticity: [{"category": f"c{c}", "segment_id": -1, "elasticity": 2.0 + c / 10} for c in range(CATEGORIES)],
    }
    return rows


def product(p: int, draw: np.random.Generator) -> dict[str, Any]:
    price = Decimal(int(draw.integers(9, 2000))) / 100
    cost_share = Decimal("0.97") if p % 9 == 0 else Decimal("0.70")  # every ninth has no room for an offer
    return {
        "as_of": DAY,
        "product_id": f"p{p}",
        "title": f"Product {p} {{new}}" if p == 5 else f"Product {p}",
        "category": f"c{p % CATEGORIES}",
        "subcategory": f"s{p % CATEGORIES}",
        "promotable": p % 7 != 0,
        "list_price": None if p % 11 == 10 else price,
        # every second sells at a tenth off: floor 0.70 / 0.95 = 0.737 of the list price, so 18 % more may come off
        "charged_price": None if p % 11 == 10 else (price * Decimal("0.9") if p % 2 else price).quantize(CENT),
        "unit_cost": None if p % 11 == 10 else price * cost_share,
        "cost_is_assumed": p % 2 == 0,
        "units_28d": int(draw.integers(0, 50)) * 60,  # so much that who has no habit of it buys it too
        "buyers": p,
    }


def user(u: int, draw: np.random.Generator) -> dict[str, Any]:
    row: dict[str, Any] = {
        "as_of": DAY,
        "user_id": f"u{u}",
        "main_channel": "till",
        "consent_marketing": [True, True, True, True, False, None][u % 6],
    }
    if u % 12 == 1:  # registered, never bought
        return row | {"orders": 0, "lifecycle": "new"}
    again = [
        {
            "product_id": f"p{p}",
            "orders": 2 + int(draw.integers(0, 9)),
            "cadence_days": 14.0,
            "last_bought": days_before(10),
            "due_date": days_before(int(draw.integers(-5, 6))),
        }
        for p in sorted(draw.permutation(PRODUCTS)[:4].tolist())
    ]
    return row | {
        "orders": 3,
        "lifecycle": ["repeat", "loyal", "lapsing", "lost", "repeat", "high_value", "lapsing", "lost"][u % 8],
        "member_tier": "gold" if u % 5 == 0 else None,
        "recency_days": 20,
        "basket_median": float(draw.uniform(10, 80)),
        "basket_value": 50.0,
        "discounted_lines_share": round(float(draw.uniform(0, 1)), 6),
        "repurchases": again,
        "interests": [
            {"category": f"c{u % CATEGORIES}", "share": 0.5},
            *([{"category": "samples", "share": 0.1}] if u % 7 == 3 else []),
        ],
    }


def answers(user_id: str, draw: np.random.Generator) -> list[dict[str, Any]]:
    """Half of the users come for offers, a quarter does not care, a quarter is put off."""
    effect, visits = float(draw.choice([9.0, 9.0, 0.0, -3.0])), float(draw.uniform(0.5, 3.0))
    same = {"visits_per_week": visits, "readiness": 0.5, "mention": effect / 4, "basis": "randomised", "effect_se": 0.5}
    return [same | {"user_id": user_id, "mechanic": m, "effect": effect} for m in MECHANICS if m != "none"]


def curves() -> list[dict[str, Any]]:
    knots: dict[str, list[tuple[float, float]]] = {
        "saving": [(0.0, 0.0), (0.2, 0.2), (1.0, 0.5)],
        "share": [(0.0, 0.0), (0.1, 0.3), (1.0, 1.0)],
        "use": [(0.0, 0.0), (0.2, 1.0)],
    }
    return [{"curve": c, "at": at, "level": level} for c, points in knots.items() for at, level in points]


def habits(u: dict[str, Any], draw: np.random.Generator) -> list[dict[str, Any]]:
    """Of what the user buys again, and of three products more."""
    own = [(again["product_id"], "own", float(draw.uniform(0.5, 4))) for again in u["repurchases"]]
    ids = {product_id for product_id, _, _ in own}
    others = [f"p{p}" for p in draw.permutation(PRODUCTS)[:3] if f"p{p}" not in ids]
    every = own + [(product_id, "recommended", 0.2) for product_id in others]
    return [
        {"user_id": u["user_id"], "product_id": p, "source": source, "p_offer": min(units / 6, 0.9), "units_28d": units}
        for p, source, units in every
    ]


class LakeOfRows(Lake):
    """A lake whose input tables are rows at hand, of any date, so that only what the job writes has to be stored."""

    def __init__(self, lake: Lake, rows: Rows, *, date: datetime.date, parts: int) -> None:
        super().__init__(lake.spark, lake.root)
        self.rows, self.date, self.parts = rows, date, parts

    def exists(self, table: type[Table]) -> bool:
        return table in self.rows or super().exists(table)

    def read(self, table: type[Table], version: int | None = None, date: datetime.date | None = None) -> DataFrame:
        if table not in self.rows:
            return super().read(table, version, date)
        of_date = {table.dated_by: self.date} if table.dated_by else {}
        rows = [row | of_date for row in self.rows[table]]
        frame = table.frame(self.spark, rows)
        return frame if self.parts == 1 else frame.repartition(self.parts)


def decide(
    lake: Lake, settings: Settings, rows: Rows, *, date: datetime.date = DAY, parts: int = 1, **changes: Any
) -> tuple[pd.DataFrame, ...]:
    """The job run once; its tables of the date as written, through an independent reader."""
    chosen = settings.promote.model_copy(update=changes)
    inputs = LakeOfRows(lake, rows, date=date, parts=parts)
    there = {table.full_name(): "r0" if of_table else NO_ROWS for table, of_table in rows.items()}
    ctx = Context(run, date, chosen, settings.business, "r1", inputs, Step(Progress(), "promote"), runs_in=there)
    try:
        run.function(ctx)
    finally:
        ctx.release()
    tables = [
        (Promotions, "date", ["user_id", "rank"]),
        (Budget, "date", ["constraint"]),
        (Metrics, "as_of", ["metric", "slice"]),
    ]
    return tuple(
        pl.read_delta(lake.path(table)).filter(pl.col(day) == date).sort(key).to_pandas() for table, day, key in tables
    )


def arm_of(user_id: str, key: str, share: float) -> str:
    """The holdout by its definition, in plain Python."""
    salt = hmac.new(key.encode(), b"holdout", hashlib.sha256).hexdigest()
    digest = hashlib.sha256((salt + user_id).encode()).hexdigest()
    return "holdout" if int(digest[:15], 16) < int(Decimal(str(share)) * 16**15) else "treatment"
