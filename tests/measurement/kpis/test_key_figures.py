"""All key figures of a date together: none is forgotten, none is told of nothing, and each is written down."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Recommendations
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.silver import Events, Exposures, Feedback, Inventory, Market, OrderLines
from promo_spark.measurement.kpis.feedback_topics import TOPICS
from promo_spark.measurement.kpis.key_figures import UNKNOWN, KpiInputs, kpi_names, kpi_rows
from promo_spark.settings import Settings
from tests.measurement.kpis.shop import DATE, days_ago, line, offer, told

COUNTS = {"daily_users", "monthly_users"}  # of nobody 0, which is known


@pytest.fixture
def nothing(spark: SparkSession, settings: Settings) -> KpiInputs:
    frames = {
        "lines": OrderLines,
        "promotions": Promotions,
        "profiles": UserProfile,
        "products": ProductProfile,
        "inventory": Inventory,
        "events": Events,
        "exposures": Exposures,
        "feedback": Feedback,
        "market": Market,
        "risk": Risk,
        "recommendations": Recommendations,
    }
    made = {name: table.frame(spark) for name, table in frames.items()}
    return KpiInputs(**made, settings=settings.evaluate, date=DATE, timezone="UTC")


def test_of_nothing_every_figure_is_null_and_none_is_0(nothing: KpiInputs) -> None:
    """A10: without a market table the share is null, and the reason that is told is `no market data`."""
    rows = kpi_rows(nothing).collect()
    found = {(row.kpi, row.slice): (row.value, row.n) for row in rows}
    names = kpi_names(nothing.settings.retention_days)
    slices = {(name, "all") for name in names if name != "feedback_share"}
    assert set(found) == slices | {("feedback_share", f"topic:{topic}") for topic in TOPICS}
    assert len(rows) == len(found)
    assert {kpi for (kpi, _), (value, _) in found.items() if value is not None} <= COUNTS
    assert {n for _, n in found.values()} == {0}
    assert UNKNOWN["market_share"] == "no market data"


def test_figures_are_put_together_by_date(spark: SparkSession, nothing: KpiInputs) -> None:
    """Orders of two users of two arms; only what was decided on the day before says who was in which."""
    lines = [line("ann", "a1", 1, 30.0), line("ann", "a2", 1, 10.0), line("bob", "b1", 1, 20.0)]
    promotions = [
        offer("ann", "1", 1),
        offer("bob", "2", 1, arm="holdout", segment_id=2),
        offer("bob", "3", 0, arm="explore"),
        offer("ann", "4", 2, arm="explore"),
    ]
    figures = kpi_rows(
        replace(
            nothing,
            lines=OrderLines.frame(spark, lines),
            promotions=Promotions.frame(spark, promotions),
            products=ProductProfile.frame(spark, [{"product_id": "p", "category": "fruit"}]),
            market=Market.frame(spark, [{"day": days_ago(1), "category": "fruit", "market_sales": 600}]),
        )
    ).cache()
    assert told(figures, "order_value") == {
        "all": (20.0, 3),
        "arm:treatment": (20.0, 2),
        "arm:holdout": (20.0, 1),
        "segment:1": (20.0, 2),
        "segment:2": (20.0, 1),
    }
    assert told(figures, "market_share") == {"all": (0.1, 3), "category:fruit": (0.1, 3)}
    assert told(figures, "churn_rate")["all"] == (None, 0)


def test_every_figure_is_in_the_document() -> None:
    """The table of key figures names all of them, in the order of the code, and each says what null means."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "measurement.md").read_text(encoding="utf-8")
    figures = page.partition("## Key figures")[2]
    rows = re.findall(r"^\| `(\w+)(?:_<n>d)?` \|(.*)\|$", figures, flags=re.MULTILINE)
    assert [name for name, _ in rows] == list(UNKNOWN)
    for name, cells in rows:
        assert cells.split("|")[-1].strip() == UNKNOWN[name], name
