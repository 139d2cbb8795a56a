"""A date is put back as a run wrote it, from the table's own earlier versions; the other dates stay as they are."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from promo_spark.contracts.decisions import Actions, Promotions
from promo_spark.errors import MissingDataError, PromoSparkError, SettingsError
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from tests.jobs.export_rows import DAY, NEXT_DAY, decide, offer


def revert(lake: Lake, run: str, table: str = "decisions.promotions", date: str = str(DAY)) -> str:
    return ask(lake, "revert", table=table, date=date, run=run)


def ask(lake: Lake, command: str, **asked: object) -> str:
    settings = load(None, {"lake.root": lake.root, "lake.wait_seconds": 0})
    return all_commands()[command].start(lake, settings, {k: str(v) for k, v in asked.items()}, Progress())


def statuses(lake: Lake) -> dict[int, tuple[str, datetime.date | None]]:
    """By the number of the offer."""
    return {int(r.promotion_id, 16): (r.status, r.stopped_on) for r in lake.read(Promotions).collect()}


def ranks(lake: Lake) -> list[tuple[str, int, str]]:
    return sorted((str(r.date), r["rank"], r.run_id) for r in lake.read(Promotions).collect())


def files(lake: Lake, date: str) -> set[Path]:
    return {Path(file) for file in lake.files(Promotions) if date in file}


@pytest.fixture
def decided(lake: Lake) -> Lake:
    """A date that was decided twice, and the date after it: versions 0, 1 and 2."""
    decide(lake, [offer(1, of=1, rank=1), offer(2, of=2, rank=2)], run="first")
    decide(lake, [offer(1, of=1, rank=3)], run="second")
    decide(lake, [offer(1, of=1, rank=4)], NEXT_DAY, run="next")
    return lake


def test_a_date_is_put_back_as_a_run_wrote_it_and_no_other_date_is_touched(decided: Lake) -> None:
    """A15: only the partition of the date is rewritten, and time travel returns the earlier version."""
    untouched = files(decided, str(NEXT_DAY))
    said = revert(decided, "first")
    assert said.startswith("decisions.promotions has for date 2017-12-01 what run first wrote (version 0).")
    first = [(str(DAY), 1, "first"), (str(DAY), 2, "first")]
    assert ranks(decided) == [*first, (str(NEXT_DAY), 4, "next")]
    assert files(decided, str(NEXT_DAY)) == untouched
    revert(decided, "first")  # again: the same
    assert ranks(decided) == [*first, (str(NEXT_DAY), 4, "next")]
    revert(decided, "second")  # and forth
    assert ranks(decided) == [(str(DAY), 3, "second"), (str(NEXT_DAY), 4, "next")]
    assert [r["rank"] for r in decided.read(Promotions, version=1).collect()] == [3]


def test_what_people_said_of_offers_outlives_a_revert_and_a_restore(lake: Lake) -> None:
    """A date was approved, and an offer of it stopped, after the run that wrote it."""
    of_date = [offer(1, of=1, status="proposed"), offer(2, of=2, status="proposed")]
    decide(lake, of_date, run="first")  # version 0
    ask(lake, "approve", date=DAY)
    assert ask(lake, "stop", promotion=f"{2:032x}", date=DAY).startswith(
        f"1 offers do not hold any more from {DAY} on."
    )
    assert statuses(lake) == {1: ("active", None), 2: ("stopped", DAY)}
    decide(lake, [offer(3, of=3)], NEXT_DAY, run="next")
    revert(lake, "first")
    assert statuses(lake) == {1: ("active", None), 2: ("stopped", DAY), 3: ("active", None)}
    ask(lake, "restore", table="decisions.promotions", version="0")
    assert statuses(lake) == {1: ("active", None), 2: ("stopped", DAY)}
    decide(lake, [offer(3, of=3)], NEXT_DAY, run="next")
    assert ask(lake, "approve", date=DAY) == f"The offers of {DAY} are active already."


def test_an_offer_that_is_proposed_is_stopped_and_counted(lake: Lake) -> None:
    decide(lake, [offer(1, of=1, status="proposed"), offer(2, of=2, status="proposed")])
    said = ask(lake, "stop", promotion=f"{1:032x}", date=DAY)
    assert said.startswith(f"1 offers do not hold any more from {DAY} on. What")
    assert ask(lake, "stop", promotion="all", date=NEXT_DAY).startswith(
        f"1 offers do not hold any more from {NEXT_DAY} on; on {NEXT_DAY} nobody is offered all. What"
    )
    assert ask(lake, "stop", promotion="all", date=NEXT_DAY).startswith("They are stopped already (all)")
    assert statuses(lake) == {1: ("stopped", DAY), 2: ("stopped", NEXT_DAY)}
    said_of = {row.what: row.before_decided for row in lake.read(Actions).collect()}
    assert said_of == {f"{1:032x}": False, "all": True}


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (
            ("third",),
            MissingDataError,
            r"no run third wrote date 2017-12-01; its log tells of: second, first, the newes",
        ),
        (("next",), MissingDataError, r"no run next wrote date 2017-12-01"),  # it wrote another date
        (
            ("first", "decisions.promotion"),
            SettingsError,
            r"no such table as decisions\.promotion; did you mean",
        ),
        (("first", "silver.users"), SettingsError, r"silver\.users has no rows by date: restore"),
        (("first", "decisions.budget"), MissingDataError, r"no run first wrote date 2017-12-01; its log tells of none"),
        (("first", "decisions.promotions", "today"), SettingsError, r"'today' is not a date"),
    ],
)
def test_what_cannot_be_reverted_is_said(
    decided: Lake, asked: tuple[str, ...], error: type[PromoSparkError], message: str
) -> None:
    with pytest.raises(error, match=message):
        revert(decided, *asked)


def test_a_run_whose_files_are_deleted_is_named(decided: Lake) -> None:
    current = {Path(file.removeprefix("file:")).name for file in decided.files(Promotions)}
    for file in Path(decided.path(Promotions)).rglob("*.parquet"):
        if file.name not in current:
            file.unlink()
    with pytest.raises(
        MissingDataError, match=r"in version 0, whose files are deleted \(maintain\.vacuum_hours\): run "
    ):
        revert(decided, "first")
    assert len(ranks(decided)) == 2
