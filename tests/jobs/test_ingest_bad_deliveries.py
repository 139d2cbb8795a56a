"""Files that come late, twice, or by a wrong clock: nothing doubled, nothing lost, and one line says what."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from promo_spark.contracts.ops import SourceFiles
from promo_spark.contracts.silver import OrderLines
from promo_spark.storage.lake import Lake
from promo_spark.storage.source_files import listing
from tests.jobs.shop_of_files import HEADER, Shop

NOON = 1_718_366_400  # 2024-06-14 12:00 UTC


@pytest.fixture
def shop(lake: Lake, tmp_path: Path) -> Shop:
    return Shop(lake, tmp_path)


def test_a_file_server_whose_clock_runs_behind_hides_no_file(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files of another file system have no checksum here: a new name or another time tells, be the time earlier."""
    server = f"viewfs://{tmp_path.name.replace('_', '-')}"
    shop.lake.spark.conf.set(f"fs.viewfs.mounttable.{server.split('//')[1]}.link./in", f"file:{shop.folder}")
    shop.deliver("1.csv", "o1 1 tea 1 06-01")
    shop.deliver("2.csv", "o2 1 tea 1 06-01")
    for name in ("1.csv", "2.csv"):
        os.utime(shop.folder / name, (NOON, NOON))
    shop.take_in(14, path=f"{server}/in")
    shop.deliver("1.csv", "o9 1 tea 1 06-01")  # as many bytes, and by that clock written a day before the first
    shop.deliver("3.csv", "o3 1 tea 1 06-01")  # new, and by that clock older than all that was taken in
    os.utime(shop.folder / "1.csv", (NOON - 86_400, NOON - 86_400))
    os.utime(shop.folder / "3.csv", (0, 0))
    shop.take_in(15, path=f"{server}/in")
    assert shop.orders() == "o2 o3 o9"
    assert "source order_lines: 1 new files, 1 read before; changed: 1.csv" in capsys.readouterr().err
    listed = shop.lake.read(SourceFiles).filter("source = 'order_lines'").collect()
    assert {(r.file, r.source_file, r.checksum) for r in listed} == {
        (f"{n}.csv", f"{server}/in/{n}.csv", None) for n in (1, 2, 3)
    }
    shop.take_in(16, path=f"{server}/in")
    assert shop.counts() == (0, 0, 0, 0)


def test_a_day_that_is_cut_at_two_midnights_is_whole_and_has_no_line_twice(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Case 8: a shop in Berlin whose files are cut at midnight UTC, and one of them at its own midnight too."""
    zones: dict[str, Any] = {"shop_zone": "Europe/Berlin", "timezone": "UTC"}  # two hours ahead in June
    first = ["o1 1 tea 1 06-01T09:00", "o2 1 tea 1 06-01T21:30", "o3 1 tea 1 06-01T22:30", "o4 1 tea 1 06-01T23:10"]
    second = ["o5 1 tea 1 06-02T08:00", "o6 1 tea 1 06-02T12:00", "o7 1 tea 1 06-02T22:30"]
    shop.deliver("1.csv", *first)
    shop.take_in(14, **zones)
    shop.deliver("2.csv", *second)
    shop.take_in(15, **zones)
    days = {"06-01": ["o1", "o2"], "06-02": ["o3", "o4", "o5", "o6"], "06-03": ["o7"]}
    both = [(order, day) for day, orders in days.items() for order in orders]
    assert [(order, day) for order, *_, day in shop.facts()] == both
    capsys.readouterr()
    shop.deliver("berlin.csv", *first[2:], *second[:2])  # the 2nd of June in Berlin
    shop.take_in(16, **zones)
    assert [(order, day) for order, *_, day in shop.facts()] == both
    assert shop.rejected() == [("berlin.csv", "duplicate_row")] * 4
    assert "read again with them: 1.csv, 2.csv" in capsys.readouterr().err


def test_two_sources_of_the_same_folder_double_nothing(shop: Shop) -> None:
    """A mapping that was copied and not pointed elsewhere: each line is found twice, in new and in changed files."""
    shop.deliver("1.csv", "o1 1 tea 1 06-01", "o2 1 tea 1 06-01")
    shop.take_in(14, till=shop.folder)
    shop.deliver("1.csv", "o1 1 tea 2 06-01")
    shop.deliver("2.csv", "o3 1 tea 1 06-01")
    shop.take_in(15, till=shop.folder)
    assert shop.facts() == [("o1", 1, "tea", 2, "06-01"), ("o3", 1, "tea", 1, "06-01")]
    assert shop.rejected() == [("1.csv", "duplicate_row"), ("2.csv", "duplicate_row")]
    shop.take_in(16, till=shop.folder)
    assert shop.lake.read(OrderLines).count() == 2


def test_a_folder_of_ten_thousand_files_is_listed_at_once(lake: Lake, tmp_path: Path) -> None:
    """Their names, sizes and checksums; then which of them are not as they were, of the folder and of a pattern."""
    folder = tmp_path / "orders"
    for day in range(100):
        (folder / f"{day:02}").mkdir(parents=True)
        for number in range(100):
            (folder / f"{day:02}" / f"{number:02}.csv").write_bytes(b"%d,%d" % (day, number))
    before = listing(lake.spark, str(folder), {}).files
    assert len(before) == 10_000 and before["99/07.csv"].size == len("99,7")
    (folder / "99" / "07.csv").write_bytes(b"99,8")
    (folder / "99" / "100.csv").write_bytes(b"99,100")
    (folder / "00" / "00.csv").unlink()
    now = listing(lake.spark, str(folder), before).files
    changed = ["99/07.csv", "99/100.csv"]
    assert [n for n, file in now.items() if n not in before or not file.is_same_as(before[n])] == changed
    assert set(before) - set(now) == {"00/00.csv"}
    by_pattern = listing(lake.spark, f"{folder}/[0-9]*/*.csv", before).files
    assert len(by_pattern) == 10_000
    assert [n for n, file in by_pattern.items() if n not in before or not file.is_same_as(before[n])] == changed


def test_a_folder_that_is_written_anew_under_other_names_has_each_row_once(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Spark writes one. What only files have that are gone stays, and is told; a file whose rows all are in others
    is listed no more, nor are the rows that were rejected of it."""
    shop.deliver("a.csv", "o1 1 tea 1 06-01", "o2 1 tea 1 06-01", "bad 1 tea 0 06-01")
    shop.deliver("b.csv", "o3 1 tea 1 06-02", "o4 1 tea 1 06-02")
    shop.take_in(14)
    for name in ("a.csv", "b.csv"):
        (shop.folder / name).unlink()
    shop.deliver("c.csv", "o1 1 tea 1 06-01", "o3 1 tea 5 06-02", "bad 1 tea 0 06-01")
    shop.deliver("d.csv", "o2 1 tea 1 06-01", "o5 1 tea 1 06-03")
    shop.take_in(15)
    assert [(order, pieces) for order, _, _, pieces, _ in shop.facts()] == [
        ("o1", 1),
        ("o2", 1),
        ("o3", 5),  # corrected
        ("o4", 1),  # in no file now
        ("o5", 1),
    ]
    assert (sorted(shop.files()), shop.rejected()) == (["b.csv", "c.csv", "d.csv"], [("c.csv", "quantity_zero")])
    said = capsys.readouterr().err
    assert "gone, and all their rows are in other files: a.csv" in said
    assert 'gone, their rows stay (vanished = "remove" takes them out): b.csv' in said
    shop.take_in(16, force=True)
    assert shop.counts() == (7, 4, 1, 2)  # of c.csv and d.csv, though neither changed
    assert shop.orders() == "o1 o2 o3 o4 o5"
    shop.take_in(17, force=True, vanished="remove")
    assert shop.orders() == "o1 o2 o3 o5"


def test_a_later_line_of_an_order_takes_no_line_of_a_file_that_is_gone(shop: Shop) -> None:
    """Lines that ingest numbers, of a folder that is emptied each day: the return of the second day is line 3."""
    columns = {column: column for column in HEADER.split(",") if column != "line_no"}
    shop.deliver("1.csv", "o1 - milk 2 06-01", "o1 - tea 1 06-01")
    shop.take_in(14, columns=columns)
    (shop.folder / "1.csv").unlink()
    lines = [("o1", 1, "tea", 1, "06-01"), ("o1", 2, "milk", 2, "06-01"), ("o1", 3, "milk", -1, "06-02")]
    shop.deliver("2.csv", "o1 - milk -1 06-02")
    for day in (15, 16):
        shop.take_in(day, columns=columns, force=day == 16)
        assert shop.facts() == lines
    (shop.folder / "2.csv").unlink()
    shop.deliver("3.csv", "o1 - milk -1 06-02", "o1 - milk 2 06-01")  # two of the three, under another name
    shop.take_in(17, columns=columns)
    assert sorted((product, pieces) for _, _, product, pieces, _ in shop.facts()) == [
        ("milk", -1),
        ("milk", 2),
        ("tea", 1),
    ]
    assert sorted(shop.files()) == ["1.csv", "3.csv"]
