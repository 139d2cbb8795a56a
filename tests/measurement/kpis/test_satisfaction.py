"""How content users are, on answers whose figures are reckoned by hand."""

from __future__ import annotations

import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.silver import Exposures, Feedback
from promo_spark.measurement.kpis.groups import user_groups
from promo_spark.measurement.kpis.rows import days_before
from promo_spark.measurement.kpis.satisfaction import (
    negative_share,
    on_days,
    opinions,
    response_rate,
    satisfaction,
    satisfaction_with_offers,
)
from tests.measurement.kpis.shop import DATE, Rows, days_ago, offer, told

ZONE = "Asia/Shanghai"  # eight hours before UTC


def moment(ago: int, hour: int = 4) -> datetime.datetime:
    """UTC of that day; 4 is noon in the shop."""
    return datetime.datetime.combine(days_ago(ago), datetime.time(hour), datetime.timezone.utc)


def answer(user: str | None, number: int, score: float | None, ago: int = 5, **more: Any) -> dict[str, Any]:
    return {"feedback_id": f"f{number}", "user_id": user, "score": score, "ts": moment(ago), **more}


def groups(spark: SparkSession, **arms: str) -> DataFrame:
    rows = [offer(user, user, 1, arm=arm) for user, arm in arms.items()]
    return user_groups(Promotions.frame(spark, rows), days_ago(1))


def test_satisfaction_per_arm_with_its_interval(spark: SparkSession) -> None:
    """A11, K03: of the holdout 2 and 4; of the treated 5, 5 and 2. A user counts once, by the newest score.

    Holdout: mean 3, variance 2, error √(2 / 2) = 1, so 3 ± 1.96. Of all six, one of them nobody known: (2 + 4 + 5 + 5 +
    2 + 3) / 6 = 3.5; 4 or more are three.
    """
    rows = [
        answer("ann", 1, 2),
        answer("bob", 2, 1, ago=9),
        answer("bob", 3, 4, ago=8),  # thinks otherwise by now
        answer("cid", 4, 5),
        answer("dot", 5, 5),
        answer("eve", 6, 2, kind="complaint"),
        answer(None, 7, 3),
        answer("ann", 8, None, ago=1, text="hm"),  # says no score
    ]
    arms = groups(spark, ann="holdout", bob="holdout", cid="treatment", dot="treatment", eve="treatment")
    found = satisfaction(opinions(Feedback.frame(spark, rows)), arms, alpha=0.05)
    assert told(found, "satisfaction") == {
        "all": (3.5, 6),
        "arm:holdout": (3.0, 2),
        "arm:treatment": (4.0, 3),
        "segment:1": (3.6, 5),
    }
    assert told(found, "satisfaction_low")["arm:holdout"] == (1.040036, 2)
    assert told(found, "satisfaction_high")["arm:holdout"] == (4.959964, 2)
    assert told(found, "satisfaction_high")["arm:treatment"] == (5.0, 3), "no more than can be given"
    shares = told(found, "satisfied_share")
    assert (shares["all"], shares["arm:holdout"]) == ((0.5, 6), (0.5, 2))
    assert shares["arm:treatment"] == (round(2 / 3, 6), 3)


def test_one_score_has_no_interval(spark: SparkSession) -> None:
    found = satisfaction(opinions(Feedback.frame(spark, [answer("ann", 1, 4)])), groups(spark), alpha=0.05)
    assert told(found, "satisfaction") == {"all": (4.0, 1)}
    assert told(found, "satisfaction_low") == told(found, "satisfaction_high") == {"all": (None, 1)}


OFFERS = [
    offer("ann", "A", 9, scenario="bundle", mechanic="bundle"),
    offer("bob", "B", 9, scenario="win_back", mechanic="coupon"),
    offer("cid", "C", 9, scenario="holiday", mechanic="coupon"),
]
ANSWERS = [
    answer("ann", 1, 5, promotion_id="A"),
    answer("bob", 2, 5, ago=9, promotion_id="B"),
    answer("bob", 3, 2, ago=8, promotion_id="B"),  # thinks worse of it by now
    answer("cid", 4, 3, promotion_id="C"),
    answer(None, 5, 1, promotion_id="C"),
    answer("ann", 6, 1),  # about promotions in general: beside what ann says of A
    answer("dot", 7, 4, promotion_id="Z"),  # one that nobody knows
    answer("dot", 8, None, promotion_id="A", text="bad"),
]


def test_negative_share_of_each_scenario_and_mechanic(spark: SparkSession) -> None:
    """K14 (negative share): scores of 2 or less. Coupons: 2, 3 and 1, of which two; of all 5, 2, 3, 1, 1, 4 three."""
    found = negative_share(opinions(Feedback.frame(spark, ANSWERS)), Promotions.frame(spark, OFFERS))
    assert told(found, "negative_share") == {
        "all": (0.5, 6),
        "scenario:bundle": (0.0, 1),
        "scenario:win_back": (1.0, 1),
        "scenario:holiday": (0.5, 2),
        "mechanic:bundle": (0.0, 1),
        "mechanic:coupon": (round(2 / 3, 6), 3),
    }


def test_of_too_few_scores_no_satisfaction_is_told(spark: SparkSession) -> None:
    """A11: with three scores at least, coupons have 2, 3 and 1: 2. Of the others only how many there are is told."""
    promotions = Promotions.frame(spark, OFFERS)
    found = satisfaction_with_offers(opinions(Feedback.frame(spark, ANSWERS)), promotions, least=3)
    assert told(found, "satisfaction") == {
        "scenario:bundle": (None, 1),
        "scenario:win_back": (None, 1),
        "scenario:holiday": (None, 2),
        "mechanic:bundle": (None, 1),
        "mechanic:coupon": (2.0, 3),
    }


def test_who_answered_of_those_who_were_sent_something(spark: SparkSession) -> None:
    """K03: of five users who were sent something two answered; the holdout was sent nothing."""

    def sent(user: str, number: int, ago: int = 5, **more: Any) -> dict[str, Any]:
        told = {"promotion_id": f"P{number}", "user_id": user, "channel": "app"}
        return {**told, "sent_at": moment(ago), **more}

    exposures = [
        sent("ann", 1, ago=9),
        sent("ann", 2, ago=2),
        sent("bob", 3),
        sent("cid", 4),
        sent("dot", 5),
        sent("eve", 6),
        sent("fay", 7, suppressed="bounced"),
        sent("gus", 8, sent_at=None),
        sent("hal", 9, ago=31),
    ]
    feedback = [
        answer("ann", 1, 4, ago=5),
        answer("bob", 2, None, ago=1, text="fine"),
        answer("cid", 3, 4, ago=6),  # before
        answer("dot", 4, None, ago=1, text=" "),  # says nothing
        answer("fay", 5, 4, ago=1),
        answer("ivy", 6, 4, ago=1),
    ]
    found = response_rate(
        Feedback.frame(spark, feedback),
        Exposures.frame(spark, exposures),
        groups(spark, ann="treatment", bob="treatment", cid="explore", ivy="holdout"),
        days=days_before(DATE, 30),
        timezone=ZONE,
    )
    assert told(found, "response_rate") == {
        "all": (0.4, 5),
        "arm:treatment": (1.0, 2),
        "arm:explore": (0.0, 1),
        "segment:1": (round(2 / 3, 6), 3),
    }


def test_days_are_those_of_the_shop(spark: SparkSession) -> None:
    """16:00 UTC is midnight in Shanghai: the day begins there."""
    rows: Rows = [
        answer("ann", 1, 5) | {"ts": moment(31, hour=15)},
        answer("bob", 2, 5) | {"ts": moment(31, hour=16)},  # 30 days ago there
        answer("cid", 3, 5) | {"ts": moment(1, hour=15)},
        answer("dot", 4, 5) | {"ts": moment(1, hour=16)},  # the date itself
    ]
    within = on_days(Feedback.frame(spark, rows), days_before(DATE, 30), ZONE)
    assert sorted(row.user_id for row in within.collect()) == ["bob", "cid"]
