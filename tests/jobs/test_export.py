"""What leaves, and what does not: offers, revocations, sums of groups; ids; a run that failed; a run that has been."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jobs.export import run as export
from jobs.pipeline import run as daily_run
from promo_spark.contracts.decisions import Actions
from promo_spark.contracts.exports import Exported, Exports
from promo_spark.contracts.restricted import Identities
from promo_spark.errors import MissingDataError, TargetError
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import single_jobs
from promo_spark.runtime.unchanged import nothing_to_do
from promo_spark.settings import Settings, load
from promo_spark.storage.lake import Lake
from tests.jobs.export_rows import DAY, NEXT_DAY, decide, manifest, no_offer, offer, read_back, user

CROWD = [offer(n, n) for n in range(1, 6)]  # five users with an offer each


def settings_of(lake: Lake, targets: dict[str, dict[str, Any]], **overrides: Any) -> Settings:
    return load(None, {"lake.root": lake.root, "export.targets": targets, **overrides})


def send(lake: Lake, settings: Settings, date: datetime.date = DAY, force: bool = False) -> str:
    """How export ended."""
    return run_in_order([export], lake, settings, date, Progress(), force)["export"].outcome


def exports(lake: Lake, date: datetime.date = DAY) -> dict[str, dict[str, Any]]:
    rows = pl.read_delta(lake.path(Exports)).filter(pl.col("date") == date)
    return {row["target"]: row for row in rows.to_dicts()}


def test_offers_leave_and_what_is_not_to_be_sent_stays(lake: Lake, tmp_path: Path) -> None:
    """M07: rows of the export = rows of decisions.promotions less those held back; I28: run again, the same bytes."""
    decide(
        lake,
        [
            *CROWD,
            offer(6, 6, status="proposed"),
            offer(7, 7, status="stopped", stopped_on=DAY),
            offer(8, 8, status="stopped", stopped_on=DAY + datetime.timedelta(2)),
            no_offer(9, 9),
            no_offer(10, 10, arm="holdout"),
        ],
    )
    both = {"crm": {"kind": "jsonl", "path": f"{tmp_path}/crm"}, "all": {"kind": "csv", "path": f"{tmp_path}/all"}}
    both["all"]["rows"] = "all"
    settings = settings_of(lake, both)
    assert send(lake, settings) == "written"

    sent = {row["user_id"]: row for row in read_back(tmp_path / "crm")}
    assert sorted(sent) == [user(n) for n in (1, 2, 3, 4, 5, 8)]  # 6 is proposed, 7 stopped, 9 none, 10 held out
    assert sent[user(8)]["valid_to"] == "2017-12-02"  # the last day before it is stopped
    assert sent[user(1)] | {"text": ""} == {
        **dict.fromkeys(sent[user(1)]),
        "date": "2017-12-01",
        "promotion_id": f"{1:032x}",
        "user_id": user(1),
        "action": "send",
        "scenario": "repurchase",
        "mechanic": "discount",
        "product_ids": ["4711", "4712"],
        "discount_rate": 0.1,
        "offer_price": 8.09,
        "currency": "USD",
        "valid_from": "2017-12-01",
        "valid_to": "2017-12-07",
        "rank": 1,
        "text": "",
    }
    everybody = read_back(tmp_path / "all")
    assert sorted(r["user_id"] for r in everybody) == [user(n) for n in (1, 2, 3, 4, 5, 8, 9)]
    assert {r["action"] for r in everybody if r["user_id"] == user(9)} == {"none"}
    assert {n: (r["rows"], r["offers"], r["held_back"]) for n, r in exports(lake).items()} == {
        "crm": (6, 6, 4),  # 10 rows = 6 sent + 4
        "all": (7, 6, 3),
    }

    assert send(lake, settings) == "current" and nothing_to_do(export, settings, [DAY])
    before = {p: p.read_bytes() for p in tmp_path.rglob("*/2017-12-01/*")}
    assert len(before) == 4  # a file and a manifest each, and nothing beside them
    assert send(lake, settings, force=True) == "written"
    assert {p: p.read_bytes() for p in tmp_path.rglob("*/2017-12-01/*")} == before


def test_what_has_ended_is_revoked_where_it_was_sent(lake: Lake, tmp_path: Path) -> None:
    """An offer that was stopped, one that another row revokes, one that is not decided any more; nobody else's."""
    settings = settings_of(lake, {"crm": {"kind": "jsonl", "path": f"{tmp_path}/crm"}})
    stopped = offer(8, 8, status="stopped", stopped_on=DAY)  # it is never sent
    decide(lake, [*CROWD, offer(6, 6, status="proposed"), stopped])
    send(lake, settings)
    lake.write(Actions, [Actions.complete({"action": "approve", "what": "all", "day": DAY, "by": "ann"})])
    assert send(lake, settings) == "written"  # what people say is sent, though nothing was decided anew
    assert sorted(r["promotion_id"] for r in read_back(tmp_path / "crm")) == [f"{n:032x}" for n in range(1, 7)]

    decide(lake, [*CROWD[:4], offer(6, 6), offer(7, 5), stopped], run="promote-2")  # 5 has become 7
    assert send(lake, settings) == "written"
    actions = {r["promotion_id"]: r["action"] for r in read_back(tmp_path / "crm")}
    assert actions == {f"{n:032x}": "send" for n in (1, 2, 3, 4, 6, 7)} | {f"{5:032x}": "revoke"}
    assert exports(lake)["crm"]["revoked"] == 1

    # On the next day user 1 has withdrawn, and a person stops offer 2.
    decide(lake, [no_offer(11, 1) | {"revokes": [f"{1:032x}"]}, offer(12, 2)], NEXT_DAY)
    lake.write(Actions, [Actions.complete({"action": "stop", "what": f"{2:032x}", "day": NEXT_DAY, "by": "ann"})])
    assert send(lake, settings, NEXT_DAY) == "written"
    rows = read_back(tmp_path / "crm", NEXT_DAY)
    assert {(r["promotion_id"], r["user_id"], r["action"]) for r in rows} == {
        (f"{12:032x}", user(2), "send"),
        (f"{1:032x}", user(1), "revoke"),
        (f"{2:032x}", user(2), "revoke"),
    }
    assert all(r["text"] is None and r["mechanic"] is None for r in rows if r["action"] == "revoke")


def test_one_target_that_fails_stops_no_other_and_is_all_that_is_sent_again(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    targets = {"bad": {"kind": "csv", "path": f"{tmp_path}/taken"}, "good": {"kind": "csv", "path": f"{tmp_path}/good"}}
    decide(lake, CROWD)
    with pytest.raises(TargetError) as failed:
        send(lake, settings_of(lake, targets))
    assert "target bad: " in str(failed.value) and "cannot be written" in str(failed.value)
    assert "the other 1 have theirs" in str(failed.value)
    assert {n: r["outcome"] for n, r in exports(lake).items()} == {"bad": "failed", "good": "sent"}
    there = next((tmp_path / "good").rglob("*.csv")).stat().st_mtime_ns

    (tmp_path / "taken").unlink()
    assert send(lake, settings_of(lake, targets)) == "written"
    assert "good: has this already" in capsys.readouterr().err
    assert next((tmp_path / "good").rglob("*.csv")).stat().st_mtime_ns == there
    assert {n: (r["outcome"], r["message"]) for n, r in exports(lake).items()} == {
        "bad": ("sent", None),
        "good": ("sent", None),
    }
    assert read_back(tmp_path / "taken") == read_back(tmp_path / "good")
    assert pl.read_delta(lake.path(Exported)).height == 10  # five offers at two places


def test_ids_of_the_shop_leave_only_where_a_target_asks_for_them(lake: Lake, tmp_path: Path) -> None:
    """N02, N03: pseudonyms unless declared; export declares restricted.identities, and no job that decides may."""
    decide(lake, CROWD)
    targets = {
        "shop": {"kind": "csv", "path": f"{tmp_path}/shop", "ids": "channel"},
        "agency": {"kind": "csv", "path": f"{tmp_path}/agency"},
    }
    settings = settings_of(lake, targets)
    with pytest.raises(
        MissingDataError, match=r"targets\.shop\.ids .* 5 rows are of users whom restricted\.identities"
    ):
        send(lake, settings)
    assert not (tmp_path / "shop").exists() and not (tmp_path / "agency").exists()

    known = [{"user_id": user(n), "raw_id": f"customer-{n}", "key_id": "k", "run_id": "ingest-1"} for n in range(1, 7)]
    lake.write(Identities, known)
    assert send(lake, settings) == "written"
    assert sorted(r["user_id"] for r in read_back(tmp_path / "shop")) == [f"customer-{n}" for n in range(1, 6)]
    assert sorted(r["user_id"] for r in read_back(tmp_path / "agency")) == [user(n) for n in range(1, 6)]
    assert "customer" not in "".join(str(row) for row in pl.read_delta(lake.path(Exported)).to_dicts())
    assert {n: r["ids"] for n, r in exports(lake).items()} == {"shop": "channel", "agency": "pseudonyms"}
    knowing = {name for name, job in single_jobs().items() if Identities in (*job.reads, *job.optional, *job.writes)}
    assert knowing == {"ingest", "export"}  # maintain, which erases, has all tables in hand


def test_sums_leave_of_groups_that_are_large_enough_and_nothing_tells_of_the_others(lake: Lake, tmp_path: Path) -> None:
    """N02: k >= 5. Five users by mail; 2 users in stores and 4 of bundles are other, 6 together; alone 4 would stay."""
    mail = [offer(n, n, channel="mail") for n in range(1, 6)]
    stores = [offer(n, n, channel="store") for n in (6, 7)]
    bundles = [offer(n, n, mechanic="bundle", scenario="bundle", channel="mail") for n in (8, 9, 10, 11)]
    target = {"agency": {"kind": "jsonl", "path": f"{tmp_path}/out", "what": "summary"}}
    decide(lake, [*mail, offer(12, 1, channel="mail"), *stores, *bundles])
    send(lake, settings_of(lake, target))
    rows = {
        (r["scenario"], r["channel"]): (r["offers"], r["users"], r["expected_cost"])
        for r in read_back(tmp_path / "out")
    }
    assert rows == {("repurchase", "mail"): (6, 5, 6.0), ("other", "other"): (6, 6, 6.0)}  # 2 + 4 users

    decide(lake, [*mail, *bundles], run="promote-2")
    send(lake, settings_of(lake, target))
    assert [r["scenario"] for r in read_back(tmp_path / "out")] == ["repurchase"]
    assert "u0" not in json.dumps(manifest(tmp_path / "out"))


def test_without_targets_and_without_decisions_it_says_so(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(lake, CROWD)
    assert send(lake, settings_of(lake, {})) == "written"
    assert "nothing to do: no place is named in [export.targets]" in capsys.readouterr().err
    assert not lake.exists(Exports)
    settings = settings_of(lake, {"crm": {"kind": "csv", "path": f"{tmp_path}/crm"}})
    assert "export" in daily_run.named(settings) and "export" not in daily_run.named(load())
    with pytest.raises(MissingDataError, match=r"decisions\.promotions has no rows for 2017-12-02: run the job that"):
        send(lake, settings, NEXT_DAY)
    assert not (tmp_path / "crm").exists()
