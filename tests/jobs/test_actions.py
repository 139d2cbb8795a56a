"""What people say about offers by hand: an approval, a stop; and what the next runs of promote make of it."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl
import pytest
from pyspark.sql import SparkSession

from jobs.promote import run as promote
from promo_spark.contracts.decisions import Actions, Promotions
from promo_spark.contracts.features import UserProfile
from promo_spark.errors import MissingDataError, SettingsError
from promo_spark.runtime.freshness import Freshness
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake
from promo_spark.storage.local_logs import logs_of
from tests.jobs.shop_of_rows import DAY, Rows, days_before, decide, shop

NEXT_DAY = days_before(-1)
# What is said of offers by hand asks for no scenario but the one that a stop names: three beside it are enough.
SOME = ["repurchase", "win_back", "recommended_item", "bundle"]
RICH: dict[str, Any] = {"daily_budget": 1000.0, "mechanic_budgets": {}, "explore_share": 0.0, "scenarios": SOME}
TO_APPROVE = RICH | {"approval": "required"}


def ask(lake: Lake, settings: Settings, name: str, **arguments: Any) -> None:
    all_commands()[name].start(lake, settings, {k: str(v) for k, v in arguments.items()}, Progress())


def of_date(lake: Lake, date: datetime.date) -> pd.DataFrame:
    """The offers of a date as they stand, by an independent reader."""
    rows = pl.read_delta(lake.path(Promotions)).filter((pl.col("date") == date) & (pl.col("scenario") != "none"))
    return rows.sort("user_id", "rank").to_pandas()


@pytest.fixture(scope="module")
def rows() -> Rows:
    return shop()


@dataclass(frozen=True)
class FirstDay:
    """A lake in which DAY is decided, and its promotions. Tests go on from a copy: to decide takes long."""

    root: str
    promotions: pd.DataFrame

    def copied_to(self, lake: Lake) -> tuple[pd.DataFrame, pd.DataFrame]:
        """All promotions of the day, and its offers."""
        shutil.copytree(self.root, lake.root, dirs_exist_ok=True)
        return self.promotions, self.promotions[self.promotions.scenario != "none"]


def first_day(spark: SparkSession, settings: Settings, rows: Rows, root: str, **changes: Any) -> FirstDay:
    promotions, *_ = decide(Lake(spark, root), settings, rows, **changes)
    return FirstDay(root, promotions)


@pytest.fixture(scope="module")
def made(spark: SparkSession, settings: Settings, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> FirstDay:
    return first_day(spark, settings, rows, str(tmp_path_factory.mktemp("made") / "lake"), **RICH)


@pytest.fixture(scope="module")
def proposed(spark: SparkSession, settings: Settings, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> FirstDay:
    return first_day(spark, settings, rows, str(tmp_path_factory.mktemp("proposed") / "lake"), **TO_APPROVE)


def test_offers_are_proposed_until_their_date_is_approved(
    lake: Lake, settings: Settings, rows: Rows, proposed: FirstDay
) -> None:
    """Also when promote decides the date once more; and a proposed offer holds nobody's place on the next day."""
    first, offers = proposed.copied_to(lake)
    assert set(offers.status) == {"proposed"}
    assert first[first.scenario == "none"].status.isna().all()
    before = Freshness(logs_of(lake)).inputs(promote, DAY).runs
    ask(lake, settings, "approve", date=DAY, by="Ann", reason="looked at")
    approved = of_date(lake, DAY)
    assert set(approved.status) == {"active"} and set(approved.run_id) == {"r1"}
    content = [c for c in first.columns if c not in ("status", "run_id")]
    pd.testing.assert_frame_equal(approved[content], offers[content].reset_index(drop=True), check_dtype=False)
    # what people say is no input: the date stays current
    assert Freshness(logs_of(lake)).inputs(promote, DAY).runs == before
    assert Freshness(logs_of(lake)).inputs(promote, NEXT_DAY).runs["decisions.promotions earlier"] == "r1"
    again, *_ = decide(lake, settings, rows, **TO_APPROVE)
    assert set(again[again.scenario != "none"].status) == {"active"}
    (said,) = lake.read(Actions).collect()
    assert (said.action, said.what, said.day, said.by, said.reason) == ("approve", "all", DAY, "Ann", "looked at")
    # approved a second time: nothing more is said
    ask(lake, settings, "approve", date=DAY)
    assert lake.read(Actions).count() == 1


def test_what_is_not_approved_in_time_is_never_made(
    lake: Lake, settings: Settings, rows: Rows, proposed: FirstDay
) -> None:
    _, offers = proposed.copied_to(lake)
    second, *_ = decide(lake, settings, rows, date=NEXT_DAY, **TO_APPROVE)
    # nobody holds anything on the next day, so that the same users get offers again, and no reason is offers_held
    assert set(second[second.scenario != "none"].user_id) == set(offers.user_id)
    with pytest.raises(SettingsError, match=f"{NEXT_DAY} is decided already"):
        ask(lake, settings, "approve", date=DAY)
    assert set(of_date(lake, DAY).status) == {"proposed"}


def test_offers_that_are_stopped_hold_no_more_from_that_day_on(
    lake: Lake, settings: Settings, rows: Rows, made: FirstDay
) -> None:
    """By their id or by what they have in common; a run of their date that is repeated stops them again."""
    _, offers = made.copied_to(lake)
    assert set(offers.status) == {"active"}
    one = offers[offers.scenario != "bundle"].iloc[0]
    ask(lake, settings, "stop", promotion=one.promotion_id, date=DAY, reason="misprint")
    ask(lake, settings, "stop", promotion="scenario:bundle", date=NEXT_DAY)
    stopped = of_date(lake, DAY).set_index("promotion_id")
    ended = (stopped.scenario == "bundle") | (stopped.index == one.promotion_id)
    assert 1 < ended.sum() < len(stopped)
    assert stopped.status.equals(ended.map({True: "stopped", False: "active"}).rename("status"))
    assert stopped.loc[one.promotion_id, "stopped_on"] == pd.Timestamp(DAY)
    assert set(stopped[stopped.scenario == "bundle"].stopped_on) == {pd.Timestamp(NEXT_DAY)}
    again, *_ = decide(lake, settings, rows, **RICH)
    assert again.set_index("promotion_id").loc[stopped.index].status.equals(stopped.status)
    # on the next day whoever had nothing but what was stopped may get offers, the others hold theirs
    second, *_ = decide(lake, settings, rows, date=NEXT_DAY, **RICH)
    holding = set(stopped[~ended].user_id)
    assert "bundle" not in set(second.scenario)  # the stop was said before the day was decided
    free = set(stopped.user_id) - holding
    full = {u for u in holding if (stopped[~ended].user_id == u).sum() == settings.promote.max_offers_per_user}
    assert free and free & set(second[second.scenario != "none"].user_id)
    assert full and not full & set(second[second.scenario != "none"].user_id)


def test_what_names_no_offer_stops_nothing(lake: Lake, settings: Settings, made: FirstDay) -> None:
    with pytest.raises(MissingDataError, match="nothing to stop"):
        ask(lake, settings, "stop", promotion="all", date=DAY)
    with pytest.raises(SettingsError, match="names no offers"):
        ask(lake, settings, "stop", promotion="flash sale", date=DAY)
    made.copied_to(lake)
    for what, day in [("scenario:holidays", DAY), ("all", days_before(-7)), ("f" * 32, DAY)]:  # the last day is DAY + 6
        with pytest.raises(MissingDataError, match="nothing was stopped"):
            ask(lake, settings, "stop", promotion=what, date=day)
    assert not lake.exists(Actions)
    with pytest.raises(MissingDataError, match="no offers for"):
        ask(lake, settings, "approve", date=NEXT_DAY)


def test_a_consent_that_is_withdrawn_ends_what_still_holds(
    lake: Lake, settings: Settings, rows: Rows, made: FirstDay
) -> None:
    """N04: the row of the next date names the offers, and they hold no more on later dates, consent or not."""
    _, offers = made.copied_to(lake)
    user = offers[offers["rank"] == 2].user_id.iloc[0]
    withdrawn = rows | {
        UserProfile: [u | {"consent_marketing": False} if u["user_id"] == user else u for u in rows[UserProfile]]
    }
    second, *_ = decide(lake, settings, withdrawn, date=NEXT_DAY, **RICH)
    (row,) = second[second.user_id == user].itertuples()
    assert list(row.reason_codes) == ["no_consent"]
    assert sorted(row.revokes) == sorted(offers[offers.user_id == user].promotion_id)
    assert second[second.user_id != user].revokes.isna().all()
    # consent given again on the third day: nothing is held, so that offers may be made
    third, *_ = decide(lake, settings, rows, date=days_before(-2), **RICH)
    assert "offers_held" not in third[third.user_id == user].reason_codes.iloc[0]
