"""What came of recommendations that were shown."""

from __future__ import annotations

import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.models import Recommendations
from promo_spark.contracts.silver import Exposures, OrderLines
from promo_spark.measurement.kpis.recommendations import recommendation_figures, shown_items
from tests.measurement.kpis.shop import Rows, days_ago, line, offer, told

ZONE = "Europe/Berlin"


def made(user: str, promotion: str, *products: str, ago: int = 7, **more: Any) -> dict[str, Any]:
    """An offer of a week whose last day was the day before, if not said otherwise."""
    return offer(user, promotion, ago, **{"product_ids": list(products), "valid_to": days_ago(1), **more})


def sent(user: str, promotion: str, ago: int = 7, **more: Any) -> dict[str, Any]:
    noon = datetime.datetime.combine(days_ago(ago), datetime.time(12), datetime.timezone.utc)
    return {"promotion_id": promotion, "user_id": user, "channel": "app", "sent_at": noon, **more}


def listed(user: str, product: str, rank: int, source: str = "als", ago: int = 7) -> dict[str, Any]:
    return {"as_of": days_ago(ago), "user_id": user, "product_id": product, "rank": rank, "source": source}


def figures(spark: SparkSession, offers: Rows, exposures: Rows, lists: Rows, lines: Rows) -> DataFrame:
    last_day = days_ago(1)
    shown = shown_items(
        Promotions.frame(spark, offers),
        Exposures.frame(spark, exposures),
        Recommendations.frame(spark, lists),
        last_day=last_day,
    )
    return recommendation_figures(shown, OrderLines.frame(spark, lines), last_day=last_day, timezone=ZONE)


OPENED = datetime.datetime.combine(days_ago(6), datetime.time(9), datetime.timezone.utc)


def test_only_what_was_shown_counts_by_recommender_and_place(spark: SparkSession) -> None:
    """K15: four items were shown: of als rank 1 two and rank 2 one, of buy_again rank 1 one.

    Opened: ann's two, sent together. Bought in time: ann's x and cid's z.
    """
    offers = [
        made("ann", "A", "x", "y", mechanic="bundle"),
        made("bob", "B", "x"),
        made("cid", "C", "z"),
        made("dot", "D", "x"),  # never sent
        made("eve", "E", "x"),  # held back
        made("fay", "F", "q"),  # was sent, but nobody recommended it
        made("gus", "G", "x", ago=8, valid_to=days_ago(2)),  # counted the day before
        made("hal", "H", "x", status="proposed"),  # nobody approved it
        made("ivy", "I", "x"),  # sent when it was over
    ]
    exposures = [
        sent("ann", "A", opened_at=OPENED),
        sent("ann", "A", channel="mail"),  # by two channels: still one
        sent(
            "bob", "B", opened_at=datetime.datetime.combine(days_ago(0), datetime.time(9), datetime.timezone.utc)
        ),  # too late
        sent("cid", "C", ago=4),
        sent("dot", "D", sent_at=None),
        sent("ivy", "I", ago=0),
        sent("eve", "E", suppressed="quiet hours"),
        *(sent(user, user[0].upper()) for user in ("fay", "gus", "hal")),
    ]
    lists = [
        *(listed("ann", "x", 1), listed("ann", "y", 2), listed("ann", "w", 3), listed("bob", "x", 1)),
        listed("ann", "y", 1, "popular", ago=6),  # of a later date
        listed("cid", "z", 1, "buy_again"),
        *(listed(user, "x", 1) for user in ("dot", "eve", "gus", "hal", "ivy")),
    ]
    lines = [
        line("ann", "a1", 7, product_id="x"),  # on the day on which it was sent
        line("ann", "a1", 7, product_id="w"),  # recommended, but not shown
        line("bob", "b1", 8, product_id="x"),  # before
        line("bob", "b2", 0, product_id="x"),  # after
        line("bob", "b3", 3, product_id="x", quantity=-1),  # came back
        line("cid", "c1", 5, product_id="z"),  # before it was sent
        line("cid", "c2", 1, product_id="z"),  # on the last day
        line("dot", "d1", 3, product_id="x"),
    ]
    found = figures(spark, offers, exposures, lists, lines)
    assert told(found, "recommendation_ctr") == {
        "all": (0.5, 4),
        "source:als": (round(2 / 3, 6), 3),
        "source:buy_again": (0.0, 1),
        "rank:1": (round(1 / 3, 6), 3),
        "rank:2": (1.0, 1),
    }
    assert told(found, "recommendation_cvr") == {
        "all": (0.5, 4),
        "source:als": (round(1 / 3, 6), 3),
        "source:buy_again": (1.0, 1),
        "rank:1": (round(2 / 3, 6), 3),
        "rank:2": (0.0, 1),
    }


def test_a_shop_that_does_not_say_what_was_opened_has_no_rate_of_it(spark: SparkSession) -> None:
    """K15: nothing was opened as far as one knows, which is not that nothing was opened."""
    found = figures(spark, [made("ann", "A", "x")], [sent("ann", "A")], [listed("ann", "x", 1)], [])
    assert set(told(found, "recommendation_ctr").values()) == {(None, 1)}
    assert set(told(found, "recommendation_cvr").values()) == {(0.0, 1)}
