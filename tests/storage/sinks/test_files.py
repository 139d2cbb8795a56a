"""Files for other systems: whole or not seen, safe to open in a spreadsheet, on this machine and in an object store."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.exports import OUTGOING, OutgoingOffer
from promo_spark.errors import TargetError
from promo_spark.settings.export import TargetSettings
from promo_spark.storage import sinks
from promo_spark.storage.files import Files
from promo_spark.storage.sinks import Batch
from tests.jobs.export_rows import DAY, manifest, read_back, user

UTC = datetime.timezone.utc
RISKY = ["=1+1", "+49 (30) 1", "-x", "@sum", "\t=1", "\r=1", "'quoted", "\n=1"]
SAFE = ["-5", "+1.5", "plain", ' say "no", please', "two\r\nlines", "茶 = tea", "a;b,c", "", "\\", "trailing "]


def batch(spark: SparkSession, rows: list[dict[str, Any]], digest: str = "d1") -> Batch:
    named = [
        {"date": DAY, "promotion_id": f"{n:032x}", "user_id": user(n), "action": "send", **row}
        for n, row in enumerate(rows, start=1)
    ]
    frame = OutgoingOffer.frame(spark, named)
    return Batch("crm", DAY, "run-1", "promotions", "pseudonyms", OUTGOING["promotions"], frame, len(rows), digest)


def target(folder: Path | str, kind: str = "csv", **more: Any) -> TargetSettings:
    return TargetSettings(kind=kind, path=str(folder), **more)  # type: ignore[arg-type]


def test_what_a_spreadsheet_would_take_for_a_formula_is_text_and_reads_back_equal(
    spark: SparkSession, tmp_path: Path
) -> None:
    """A ' stands before it, and before a ' that is there already; numbers, also in texts, stay as they are."""
    rows = [{"text": text, "rank": -n, "coupon_amount": Decimal("-1.50")} for n, text in enumerate(RISKY + SAFE)]
    rows.append({"text": None, "product_ids": ["=1", "2"], "send_from": datetime.datetime(2017, 12, 1, 9, tzinfo=UTC)})
    sinks.send(spark, batch(spark, rows), target(tmp_path))
    *found, last = sorted(read_back(tmp_path), key=lambda r: r["user_id"])
    assert [r["text"] for r in found] == ["'" + text for text in RISKY] + SAFE
    assert [r["text"][1:] if r["text"][:1] == "'" else r["text"] for r in found] == RISKY + SAFE
    assert {(r["rank"], r["coupon_amount"]) for r in found} == {(str(-n), "-1.50") for n in range(len(found))}
    assert (last["text"], last["product_ids"], last["send_from"]) == ("", "'=1; 2", "2017-12-01T09:00:00Z")

    back = spark.read.csv(  # with the options that the page names, null and "" are told apart
        f"{tmp_path}/{DAY}/crm-*.csv", header=True, multiLine=True, escape='"', emptyValue='""', lineSep="\n"
    )
    assert back.filter("text IS NULL").count() == 1
    assert back.filter("product_ids IS NULL").count() == len(RISKY + SAFE)  # a list that is not there is no empty text


def test_files_hold_all_rows_each_once_those_of_a_user_together(spark: SparkSession, tmp_path: Path) -> None:
    rows = [{"user_id": user(n % 7), "promotion_id": f"{n:032x}"} for n in range(40)]
    sent = sinks.send(spark, batch(spark, rows), target(tmp_path, "jsonl", parts=3))
    found = read_back(tmp_path)
    assert sorted(r["promotion_id"] for r in found) == [f"{n:032x}" for n in range(40)]
    told = manifest(tmp_path)
    assert sent.files == len(told["files"]) == 3 and sent.bytes == sum(e["bytes"] for e in told["files"])
    texts = [(tmp_path / str(DAY) / e["name"]).read_text() for e in told["files"]]
    assert [sum(user(n) in text for text in texts) for n in range(7)] == [1] * 7
    again = tmp_path / "again"
    sinks.send(spark, batch(spark, list(reversed(rows))), target(again, "jsonl", parts=3))
    assert [(again / str(DAY) / e["name"]).read_text() for e in manifest(again)["files"]] == texts


def test_a_consumer_sees_the_old_export_or_the_new_one_whatever_fails(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failures at the first rename, the manifest and the clean-up; then run again = done, with nothing left over."""
    first, second, to = batch(spark, [{}, {}], "d1"), batch(spark, [{}, {}, {}], "d2"), target(tmp_path)
    sinks.send(spark, first, to)
    for method, rows in (("rename", 2), ("put", 2), ("delete_folder", 2)):
        with monkeypatch.context() as patched:
            calls: list[str] = []

            def fails(_: Files, path: str, *__: str, method: str = method, calls: list[str] = calls) -> None:
                calls.append(path)
                if method != "delete_folder" or len(calls) == 1:
                    raise OSError("No space left on device")

            patched.setattr(Files, method, fails)
            with pytest.raises(TargetError, match=r"target crm: .* cannot be written: No space left on device"):
                sinks.send(spark, second, to)
        assert len(read_back(tmp_path)) == rows and sinks.holds(spark, first, to)
    sinks.send(spark, second, to)
    assert len(read_back(tmp_path)) == 3 and not sinks.holds(spark, first, to)
    names = sorted(p.name for p in (tmp_path / str(DAY)).iterdir())
    assert names == ["crm-d1-00000.csv", "crm-d2-00000.csv", "manifest.json"]  # d1 for who is reading it
    sinks.send(spark, replace(second, digest="d3"), to)
    assert not (tmp_path / str(DAY) / "crm-d1-00000.csv").exists()
    (tmp_path / str(DAY) / "crm-d3-00000.csv").write_text("cut off")
    assert not sinks.holds(spark, replace(second, digest="d3"), to)


def test_a_day_without_rows_has_a_manifest_that_says_so(spark: SparkSession, tmp_path: Path) -> None:
    sinks.send(spark, batch(spark, []), target(tmp_path))
    assert read_back(tmp_path) == [] and manifest(tmp_path)["files"] == []


def test_a_rename_in_one_step_replaces_a_file_on_file_systems_like_hdfs(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    Files(spark)._replace(f"file:{tmp_path}/new", f"file:{tmp_path}/old")
    assert (tmp_path / "old").read_text() == "new" and not (tmp_path / "new").exists()
