"""Segments are kept on dates without a fit, on a real lake."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import pytest
from pyspark.sql import Row
from pyspark.sql import functions as F

from jobs.segment import run as segment
from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Metrics, Registry, Segments
from promo_spark.contracts.schema import Table
from promo_spark.contracts.segments import SegmentCentres, SegmentPortraits
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from tests.jobs.test_segment import FEW, profiles

MONDAY, TUESDAY, WEDNESDAY = (datetime.date(2017, 11, day) for day in (6, 7, 8))
KEYS: dict[type[Table], str] = {
    Segments: "user_id",
    SegmentPortraits: "segment_id",
    SegmentCentres: "segment_id",
    Registry: "version",
    Metrics: "concat(slice, metric)",
}
WEEKLY = (*FEW, 'segment.refit="weekly"')
OTHER_SEED = (*WEEKLY, "segment.seed=5")


@pytest.fixture
def shop(lake: Lake) -> Lake:
    """Profiles of three days: on Tuesday u00, who was rare, buys as the frequent do, and a user is new."""
    days = {day: profiles(day) for day in (MONDAY, TUESDAY, WEDNESDAY)}
    days[TUESDAY][0] = days[TUESDAY][1] | {"user_id": "u00"}
    days[TUESDAY].append(days[TUESDAY][2] | {"user_id": "joined"})
    for day, rows in days.items():
        lake.write(UserProfile, rows, {"as_of": day})
    return lake


def outcome(lake: Lake, day: datetime.date, settings: Sequence[str], *, force: bool = False) -> str:
    return run_in_order([segment], lake, load(None, settings), day, Progress(), force)["segment"].outcome


def rows(lake: Lake, table: type[Table], day: datetime.date, *left_out: str) -> list[Row]:
    of_day = lake.read(table).filter(F.col("as_of") == F.lit(day))
    return of_day.orderBy(F.expr(KEYS[table])).drop(*left_out).collect()


def written(lake: Lake) -> list[list[Row]]:
    return [rows(lake, table, day) for table in KEYS for day in (MONDAY, TUESDAY, WEDNESDAY)]


def test_segments_are_kept_until_a_setting_changes_and_every_date_stays_as_it_is(shop: Lake) -> None:
    """Monday is fitted, Tuesday assigned to Monday's centres, Wednesday fitted again, since the seed is another."""
    assert outcome(shop, MONDAY, WEEKLY) == "written"
    assert outcome(shop, TUESDAY, WEEKLY) == "written"
    segment_of = {r.user_id: (r.segment_id, r.segment_name, r.distance) for r in rows(shop, Segments, MONDAY)}
    moved = {r.user_id: (r.segment_id, r.segment_name, r.distance) for r in rows(shop, Segments, TUESDAY)}
    # equal profiles: equal segments, and to the bit as far from the same centres
    assert moved == segment_of | {"u00": segment_of["u01"], "joined": segment_of["u02"]}
    centres = [rows(shop, SegmentCentres, day, "as_of", "run_id") for day in (MONDAY, TUESDAY)]
    assert centres[0] == centres[1]
    assert [(r.fitted_users, r.trained_on) for r in centres[0]] == [(33, MONDAY)] * 3
    names = {r.segment_id: r.segment_name for r in rows(shop, SegmentPortraits, MONDAY)}
    assert {r.segment_id: r.segment_name for r in rows(shop, SegmentPortraits, TUESDAY)} == names
    assert {r.matched_from for r in rows(shop, SegmentPortraits, TUESDAY) if r.segment_id} == {MONDAY}
    figures = {(r.slice, r.metric): r.value for r in rows(shop, Metrics, TUESDAY)}
    assert figures["all", "k"] == 3
    assert 0 < figures["stored", "share_shift"] < 0.1
    assert {slice_ for slice_, _ in figures} == {"all", "rfm", "stored"}  # no k was tried

    assert outcome(shop, WEDNESDAY, OTHER_SEED) == "written"
    registered = [r for day in (MONDAY, TUESDAY, WEDNESDAY) for r in rows(shop, Registry, day)]
    assert [(r.model, r.version, r.reason) for r in registered] == [
        ("segments", "2017-11-06", "there were none of an earlier date with these features"),
        ("segments", "2017-11-08", "the code or the settings have changed"),
    ]
    first, second = registered
    assert (first.job, first.engine, first.refit, first.champion) == ("segment", "kmeans", "weekly", True)
    assert (first.trained_from, first.trained_to, first.trained_rows) == (MONDAY, MONDAY, 99)
    assert (first.format, first.state, first.sha256) == ("table", "models.segment_centres", None)
    assert first.features == ["orders", "spend", "discounted_lines_share"]
    assert first.metrics["k"] == 3
    assert first.made_by != second.made_by
    assert {r.trained_on for r in rows(shop, SegmentCentres, WEDNESDAY)} == {WEDNESDAY}
    assert {r.segment_id for r in rows(shop, SegmentPortraits, WEDNESDAY)} == set(names)

    # neither its own rows nor a later date make a date stale; run again with --force it fits where it fitted
    asked = [(MONDAY, WEEKLY), (TUESDAY, WEEKLY), (WEDNESDAY, OTHER_SEED)]
    assert [outcome(shop, day, settings) for day, settings in asked] == ["current"] * 3
    before = written(shop)
    assert [outcome(shop, day, settings, force=True) for day, settings in asked] == ["written"] * 3
    assert written(shop) == before


def test_a_date_that_fits_no_more_has_no_row_in_the_registry(shop: Lake) -> None:
    """Tuesday was fitted daily; weekly, it keeps Monday's segments, and what it had registered is gone."""
    daily = (*FEW, 'segment.refit="daily"')
    outcome(shop, MONDAY, daily)
    outcome(shop, TUESDAY, daily)
    assert [r.reason for r in rows(shop, Registry, TUESDAY)] == ["it is fitted every day"]
    outcome(shop, MONDAY, WEEKLY)
    outcome(shop, TUESDAY, WEEKLY)
    assert rows(shop, Registry, TUESDAY) == []
    assert len(rows(shop, Registry, MONDAY)) == 1


def test_users_who_moved_have_segments_fitted_again_when_it_drifts(shop: Lake) -> None:
    """On Tuesday one user of 99 moved; on Wednesday all who were rare have become frequent."""
    drifting = (*FEW, 'segment.refit="when it drifts"')
    changed = profiles(WEDNESDAY)
    for i in range(0, 99, 3):
        changed[i] = changed[i + 1] | {"user_id": f"u{i:02}"}
    shop.write(UserProfile, changed, {"as_of": WEDNESDAY})
    for day in (MONDAY, TUESDAY, WEDNESDAY):
        outcome(shop, day, drifting)
    assert rows(shop, Registry, TUESDAY) == []
    [registered] = rows(shop, Registry, WEDNESDAY)
    # shares of the 99: 33.5, 33.5, 33.5 of 100.5 before; 0.5, 66.5, 33.5 now
    # psi = (66.5 − 33.5) / 100.5 · ln(66.5 / 33.5) + (0.5 − 33.5) / 100.5 · ln(0.5 / 33.5) = 1.606
    assert registered.reason == "the segments' shares have shifted by 1.606, more than 0.1"
