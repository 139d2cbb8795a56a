"""The segment job over two days on a real lake."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
from chispa import assert_df_equality
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from jobs.promote import run as promote
from jobs.segment import run
from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import Forecasts, Metrics, Recommendations, Segments
from promo_spark.contracts.responses import Uplift, UpliftCurves
from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.contracts.silver import OrderLines
from promo_spark.contracts.vocabulary import BEHAVIOUR, VALUE
from promo_spark.runtime.job import Context
from promo_spark.storage.lake import Lake
from tests.jobs.shop_of_rows import curves

MONDAY, TUESDAY = datetime.date(2017, 11, 6), datetime.date(2017, 11, 7)
FEW = (
    'segment.features=["orders", "spend", "discounted_lines_share"]',
    "segment.k=[2, 3, 4]",
    "segment.starts=2",
    "segment.behaviour.features=[]",
)
RunJob = Callable[..., Context[Any]]


def profiles(day: datetime.date, factor: float = 1.0) -> list[dict[str, object]]:
    """Three groups of 33: rare and small, frequent and large, deal-seeking; one user of one order, one of none."""
    rng = np.random.default_rng(11)
    rows: list[dict[str, object]] = []
    for i in range(99):
        often, spend, deals = [(2, 20, 0.1), (30, 900, 0.1), (8, 150, 0.8)][i % 3]
        rows.append(
            {
                "as_of": day,
                "user_id": f"u{i:02}",
                "orders": often,
                "lifecycle": "repeat",
                "power_band": 3,
                "recency_days": 60 // often + i % 4 + 1,
                "orders_90d": often,
                "spend": round(spend * rng.uniform(0.8, 1.2) * factor, 2),
                "spend_90d": spend,
                "discounted_lines_share": deals + float(rng.uniform(-0.05, 0.05)),
                "lines": 10,
            }
        )
    rows.append(
        {
            "as_of": day,
            "user_id": "once",
            "orders": 1,
            "spend": 30,
            "lifecycle": "first_time",
            "lines": 1,
            "discounted_lines_share": 0.1,
            "recency_days": 3,
        }
    )
    rows.append({"as_of": day, "user_id": "nobody", "orders": 0, "lifecycle": "new"})
    return rows


def of_day(lake: Lake, day: datetime.date) -> list[list[Row]]:
    """What the job wrote for a day, ordered by key."""
    keys = {Segments: "user_id", SegmentPortraits: "segment_id", Metrics: "concat(slice, metric)"}
    return [lake.read(t).filter(F.col("as_of") == F.lit(day)).orderBy(F.expr(k)).collect() for t, k in keys.items()]


def test_segments_are_found_and_kept_over_a_refit(spark: SparkSession, lake: Lake, run_job: RunJob) -> None:
    """D16, B08 (part): the next day, with another seed and changed users, all keep their ids; who ordered once or
    never has a segment too."""
    lake.write(UserProfile, profiles(MONDAY), {"as_of": MONDAY})
    run_job(run, MONDAY, *FEW, "segment.seed=1")
    users, portraits, metrics = of_day(lake, MONDAY)
    ids = {r.user_id: r.segment_id for r in users}
    assert len(ids) == 101
    assert [{ids[f"u{i:02}"] for i in range(group, 99, 3)} for group in range(3)] == [
        {ids["u00"]},
        {ids["u01"]},
        {ids["u02"]},
    ]
    assert (ids["once"], ids["nobody"]) == (ids["u00"], 0)
    assert sorted(set(ids.values())) == [0, 1, 2, 3] == [r.segment_id for r in portraits]
    names = {r.segment_id: r.segment_name for r in portraits}
    assert names[0] == "no orders yet"
    assert "deal-seeking" in names[ids["u02"]]
    assert {r.user_id: r.segment_name for r in users} == {user: names[i] for user, i in ids.items()}
    assert {r.value for r in metrics if (r.metric, r["slice"]) == ("k", "all")} == {3.0}

    changed = profiles(TUESDAY, factor=1.03)
    changed[0]["spend"] = 5000  # one user in a hundred buys quite differently
    lake.write(UserProfile, UserProfile.frame(spark, changed[::-1]).repartition(3), {"as_of": TUESDAY})
    run_job(run, TUESDAY, *FEW, "segment.seed=2")
    next_day = {r.user_id: r.segment_id for r in of_day(lake, TUESDAY)[0]}
    assert {user for user in ids if ids[user] != next_day[user]} <= {"u00"}
    assert {r.matched_from for r in of_day(lake, TUESDAY)[1] if r.segment_id} == {MONDAY}


def test_users_are_grouped_by_value_and_by_behaviour(lake: Lake, run_job: RunJob) -> None:
    """D12, D13 (part): two groupings with ids of their own, portraits with advice; on Tuesday a deal-seeker who is half
    way to full price stays, by Monday's rows; one user who has changed moves."""
    by_both = (
        'segment.features=["orders", "spend"]',
        "segment.k=[3]",
        'segment.behaviour.features=["discounted_lines_share"]',
        "segment.behaviour.k=[2]",
        "segment.starts=2",
    )
    lake.write(UserProfile, profiles(MONDAY), {"as_of": MONDAY})
    run_job(run, MONDAY, *by_both)
    users, portraits, metrics = of_day(lake, MONDAY)
    of = {r.user_id: r for r in users}
    # rare and frequent buy alike, at full price; deal-seekers are in a segment of their own in both
    assert of["u00"].segment_id != of["u01"].segment_id
    full, deals = of["u00"].behaviour_id, of["u02"].behaviour_id
    assert of["u01"].behaviour_id == full != deals
    assert (of["nobody"].segment_id, of["nobody"].behaviour_id) == (0, 0)
    told = {r.segment_id: (r.grouping, r.advice, r.users) for r in portraits}
    assert told[full] == (BEHAVIOUR, "full_price", 67)  # 66, and who ordered once
    assert told[deals] == (BEHAVIOUR, "reductions", 33)
    assert sorted(told) == [0, 1, 2, 3, 4, 5]
    assert {told[i][0] for i in (0, 1, 2, 3)} == {VALUE}
    assert {r.value for r in metrics if (r.metric, r["slice"]) == ("k", BEHAVIOUR)} == {2.0}

    changed = profiles(TUESDAY)
    shares = [float(str(row["discounted_lines_share"])) for row in changed[:99]]
    low, high = (float(np.mean([s for s in shares if (s > 0.5) == deal])) for deal in (False, True))
    changed[2]["discounted_lines_share"] = low + 0.49 * (high - low)  # a little nearer to full price
    changed[5]["discounted_lines_share"] = low
    lake.write(UserProfile, changed, {"as_of": TUESDAY})
    run_job(run, TUESDAY, *by_both)
    tuesday = {r.user_id: r for r in of_day(lake, TUESDAY)[0]}
    assert (tuesday["u02"].behaviour_id, tuesday["u05"].behaviour_id) == (deals, full)
    assert tuesday["u02"].behaviour_membership < 0.5
    assert {u for u in of if tuesday[u].behaviour_id != of[u].behaviour_id} == {"u05"}


def test_permuting_the_segment_ids_changes_neither_names_nor_promotions(
    spark: SparkSession, lake: Lake, run_job: RunJob
) -> None:
    """D12: names follow the centres and promotions the users: with other ids of the segments both stay the same."""
    sold = [
        {"as_of": MONDAY, "product_id": p, "title": p, "list_price": 9, "charged_price": 9, "unit_cost": 3}
        for p in ("tea", "jam")
    ]
    rows = [row | {"consent_marketing": True, "basket_value": 20.0} for row in profiles(MONDAY)]
    lake.write(UserProfile, rows, {"as_of": MONDAY})
    lake.write(ProductProfile, [p | {"promotable": True} for p in sold], {"as_of": MONDAY})
    line = {
        "order_id": "o1",
        "line_no": 1,
        "product_id": "tea",
        "quantity": 1,
        "order_date": datetime.date(2017, 11, 1),
    }
    lake.write(OrderLines, OrderLines.frame(spark, [line]))
    shown = [{"as_of": MONDAY, "user_id": r["user_id"], "rank": 1, "product_id": "tea", "source": "als"} for r in rows]
    lake.write(Recommendations, shown, {"as_of": MONDAY})
    lake.write(
        Forecasts,
        [{"as_of": MONDAY, "series_id": "product:tea", "day": MONDAY, "profile": "regular"}],
        {"as_of": MONDAY},
    )
    answer = {"as_of": MONDAY, "mechanic": "discount", "effect": 9.0, "visits_per_week": 1.0, "readiness": 0.5}
    answer |= {"mention": 2.0, "basis": "randomised"}
    lake.write(Uplift, [answer | {"user_id": r["user_id"]} for r in rows], {"as_of": MONDAY})
    lake.write(UpliftCurves, [{"as_of": MONDAY} | knot for knot in curves()], {"as_of": MONDAY})
    run_job(run, MONDAY, *FEW)
    before = lake.read(Segments).localCheckpoint()
    run_job(promote, MONDAY, 'promote.scenarios=["recommended_item"]', "promote.daily_budget=20.0")
    columns = [c for c in Promotions.columns() if c != Promotions.segment_id]
    promised = lake.read(Promotions).select(columns).localCheckpoint()
    assert {r.scenario for r in promised.select("scenario").distinct().collect()} == {"recommended_item", "none"}

    # other ids for the same segments
    other: dict[bool | float | int | str, bool | float | int | str | None] = {1: 3, 2: 1, 3: 2}
    changed = before.replace(other, subset=["segment_id"])
    assert changed.join(before, ["user_id", "segment_id"], "left_semi").filter("segment_id > 0").isEmpty()
    lake.write(Segments, changed, {"as_of": MONDAY})
    run_job(promote, MONDAY, 'promote.scenarios=["recommended_item"]', "promote.daily_budget=20.0")
    assert_df_equality(
        lake.read(Promotions).select(columns),
        promised,
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )

    # the job itself, where earlier portraits give the same segments other ids: every user keeps the segment's name
    earlier = lake.read(SegmentPortraits).localCheckpoint().replace(other, subset=["segment_id"])
    lake.write(SegmentPortraits, earlier, {"as_of": MONDAY})
    lake.write(UserProfile, [r | {"as_of": TUESDAY} for r in rows], {"as_of": TUESDAY})
    run_job(run, TUESDAY, *FEW, 'segment.refit="daily"')
    tuesday = lake.read(Segments).filter(F.col("as_of") == F.lit(TUESDAY))
    assert_df_equality(
        tuesday.select("user_id", "segment_id", "segment_name"),
        changed.select("user_id", "segment_id", "segment_name"),
        ignore_row_order=True,
        ignore_nullable=True,
        ignore_metadata=True,
    )
