"""Which files ingest takes in, and what ops.files says of them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from random import Random

import pytest

from promo_spark.contracts.ops import DataQuality, SourceFiles
from promo_spark.contracts.silver import QUARANTINE, OrderLines
from promo_spark.errors import SettingsError, SourceError
from promo_spark.flows.ingest import ledger
from promo_spark.runtime.job import Context
from promo_spark.storage.lake import Lake
from promo_spark.storage.small_tables import ROWS_OF_DRIVER
from tests.jobs.shop_of_files import DATE, HEADER, Shop


@pytest.fixture
def shop(lake: Lake, tmp_path: Path) -> Shop:
    return Shop(lake, tmp_path)


def test_every_file_is_listed_with_what_became_of_its_rows(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """A12: rows in = accepted + quarantined + blank, per file as per source; a file that brings nothing is named."""
    (shop.folder / "june").mkdir()
    shop.deliver("june/a b.csv", "o1 1 tea 1 06-01", "o2 1 tea 0 06-01")  # no pieces: rejected
    shop.deliver("june/c.csv", "o3 1 milk 1 06-02")
    shop.deliver("june/d.csv", "o4 1 tea 0 06-01")
    (shop.folder / "empty.csv").write_text("", encoding="utf-8")
    shop.take_in()
    told = "source order_lines: all rows are rejected of june/d.csv; no row is in empty.csv"
    assert told in " ".join(capsys.readouterr().err.split())
    # The header of each file is a blank row.
    brought = {"june/a b.csv": (3, 1, 1, 1), "june/c.csv": (2, 1, 0, 1)}
    assert shop.files() == {**brought, "june/d.csv": (2, 0, 1, 1), "empty.csv": (0, 0, 0, 0)}
    listed = shop.lake.read(SourceFiles).filter("file = 'june/c.csv'").collect()[0]
    content = (shop.folder / "june" / "c.csv").read_bytes()
    assert (listed.size, listed.checksum) == (len(content), hashlib.sha256(content).hexdigest())
    assert listed.source_file == shop.lake.read(OrderLines).filter("order_id = 'o3'").collect()[0].source_file
    of_products = shop.lake.read(SourceFiles).filter("source = 'products'").collect()
    assert [(r.file, r.table, r.rows_in, r.accepted) for r in of_products] == [
        ("products.csv", "silver.products", 3, 2)
    ]


def test_a_second_day_reads_what_is_new_and_leaves_other_days_as_they_are(shop: Shop) -> None:
    """A12: a late line comes to the rows of its day; the file of another day is neither read nor written."""
    shop.deliver("1.csv", "o1 1 tea 1 06-01")
    shop.deliver("2.csv", "o2 1 tea 1 06-02", "o3 1 tea 0 06-02")
    shop.take_in(14)
    before = {r.order_id: r.run_id for r in shop.lake.read(OrderLines).collect()}
    shop.deliver("3.csv", "o4 1 milk 1 06-03", "o5 1 milk 1 06-01", "o6 1 milk 0 06-03")
    shop.take_in(15)
    after = {r.order_id: r.run_id for r in shop.lake.read(OrderLines).collect()}
    assert shop.orders() == "o1 o2 o4 o5"
    assert after["o2"] == before["o2"] and after["o1"] == after["o4"] != before["o1"]
    assert shop.counts() == (4, 2, 1, 1)  # 3.csv with its header
    assert shop.rejected() == [("2.csv", "quantity_zero"), ("3.csv", "quantity_zero")]
    assert shop.files() == {"1.csv": (2, 1, 0, 1), "2.csv": (3, 1, 1, 1), "3.csv": (4, 2, 1, 1)}
    assert shop.report(15)["unread_files"] == (3, 2)
    shop.take_in(16)  # a source that [ingest.gate.sources] names, and that has nothing new
    assert shop.counts() == (0, 0, 0, 0)
    assert shop.report(16)["unread_files"] == (3, 3)
    assert shop.orders() == "o1 o2 o4 o5"
    with pytest.raises(SourceError, match="2024-06-16, the day before the date, has no rows"):
        shop.take_in(17, day_before=True)  # that nothing new came is not waved through


def test_a_changed_file_replaces_what_it_brought(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Cut off first and whole then; then rewritten with as many bytes and the time it had; days it left are empty."""
    shop.deliver("1.csv", "o1 1 tea 1 06-01", "o2 1 tea 1 06-02")
    whole = (shop.folder / "1.csv").read_bytes()
    (shop.folder / "1.csv").write_bytes(whole[:-22])  # in the middle of the last line
    shop.deliver("2.csv", "o3 1 tea 1 06-01")
    shop.take_in(14)
    assert (shop.orders(), shop.rejected()) == ("o1 o3", [("1.csv", "broken_row")])
    (shop.folder / "1.csv").write_bytes(whole)
    shop.take_in(15)
    assert (shop.orders(), shop.rejected()) == ("o1 o2 o3", [])
    assert "source order_lines: 0 new files, 1 read before; changed: 1.csv" in capsys.readouterr().err
    written = (shop.folder / "1.csv").stat()
    shop.deliver("1.csv", "o9 1 tea 1 06-01", "o1 1 tea 1 06-01")
    assert (shop.folder / "1.csv").stat().st_size == written.st_size
    os.utime(shop.folder / "1.csv", (written.st_atime, written.st_mtime))
    shop.take_in(16)
    assert shop.facts() == [(o, 1, "tea", 1, "06-01") for o in ("o1", "o3", "o9")]
    assert shop.report(16)["removed_rows"] == (2, 1)  # of o1 and o2, o2


def test_a_changed_file_replaces_its_rejected_rows_beside_those_of_others(shop: Shop) -> None:
    """As larger inputs are written: the rejected rows of both files lie in one file of quarantine, one is replaced."""
    conf = {ROWS_OF_DRIVER: "false", "spark.sql.adaptive.enabled": "true"}
    was = {key: str(shop.lake.spark.conf.get(key)) for key in conf}
    try:
        for key, value in conf.items():
            shop.lake.spark.conf.set(key, value)
        shop.deliver("1.csv", "o1 1 tea 1 06-01", "o2 1 tea 0 06-01")
        shop.deliver("2.csv", "o3 1 tea 1 06-02", "o4 1 tea 0 06-02")
        shop.take_in(14)
        assert len(shop.lake.files(QUARANTINE[OrderLines])) == 1
        shop.deliver("2.csv", "o3 1 tea 1 06-02", "o4 1 tea 0 06-02", "o5 1 tea 0 06-02")
        shop.take_in(15)
    finally:
        for key, value in was.items():
            shop.lake.spark.conf.set(key, value)
    assert shop.rejected() == [("1.csv", "quantity_zero"), ("2.csv", "quantity_zero"), ("2.csv", "quantity_zero")]
    assert (shop.orders(), shop.files()["2.csv"]) == ("o1 o3", (4, 1, 2, 1))


def test_the_same_file_under_another_name_brings_nothing_new(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.deliver("1.csv", *[f"o{n} 1 tea 1 06-01" for n in range(10)])
    shop.take_in(14)
    before = shop.facts()
    (shop.folder / "copy.csv").write_bytes((shop.folder / "1.csv").read_bytes())
    shop.take_in(15, gate=10)  # ten rows are enough to be judged: half of them are rejected, and harm nothing
    assert shop.facts() == before
    assert shop.files() == {"1.csv": (11, 10, 0, 1), "copy.csv": (11, 0, 10, 1)}
    assert "copy.csv holds what 1.csv holds, its rows are duplicates" in capsys.readouterr().err
    (shop.folder / "1.csv").unlink()
    (shop.folder / "copy.csv").rename(shop.folder / "renamed.csv")
    shop.take_in(16)
    assert shop.facts() == before
    assert {Path(r.source_file).name for r in shop.lake.read(OrderLines).collect()} == {"renamed.csv"}


def test_rows_of_a_vanished_file_stay_unless_a_setting_says_otherwise(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.deliver("1.csv", "o1 1 tea 1 06-01", "twice 1 tea 1 06-01")
    shop.deliver("2.csv", "o2 1 tea 1 06-01", "twice 1 tea 1 06-01")
    shop.take_in(14)
    (shop.folder / "1.csv").unlink()
    shop.deliver("3.csv", "o3 1 tea 1 06-01")
    shop.take_in(15)
    assert shop.orders() == "o1 o2 o3 twice"
    assert 'gone, their rows stay (vanished = "remove" takes them out): 1.csv' in capsys.readouterr().err
    shop.take_in(16, vanished="remove")
    assert shop.orders() == "o2 o3 twice"  # of the doubled line, the one that was rejected is the only one now
    assert (shop.rejected(), sorted(shop.files())) == ([], ["2.csv", "3.csv"])


def test_after_a_kill_a_file_is_loaded_and_listed_or_neither(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed when silver is written and the list is not: the files are read again, to the same rows."""
    shop.deliver("1.csv", "o1 1 tea 1 06-01")
    shop.take_in(14)
    shop.deliver("1.csv", "o2 1 tea 1 06-02")  # changed: another order on another day
    shop.deliver("2.csv", "o3 1 tea 1 06-02", "o4 1 tea 0 06-02")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ledger, "write_files", killed)
        shop.take_in(15)
    assert (shop.orders(), sorted(shop.files())) == ("o1", ["1.csv"])  # taken back
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ledger, "write_files", killed)
        patch.setattr(Context, "take_back", lambda _: None)  # as kill -9 does
        shop.take_in(15)
    assert (shop.orders(), sorted(shop.files())) == ("o2 o3", ["1.csv"])
    (shop.folder / "2.csv").unlink()  # and corrected before the next run
    shop.deliver("2.csv", "o5 1 tea 1 06-02")
    shop.take_in(15)
    assert (shop.orders(), shop.rejected()) == ("o2 o5", [])
    assert shop.files() == {"1.csv": (2, 1, 0, 1), "2.csv": (2, 1, 0, 1)}


def test_another_mapping_reads_all_files_again(shop: Shop) -> None:
    shop.deliver("1.csv", "o1 1 tea 2 06-01")
    shop.deliver("2.csv", "o2 1 tea 2 06-02")
    shop.take_in(14)
    columns = {column: column for column in HEADER.split(",")} | {"quantity": {"column": "quantity", "scale": 10.0}}
    shop.take_in(15, columns=columns)
    assert [fact[3] for fact in shop.facts()] == [20, 20]


def test_two_sources_of_a_table_are_judged_together(shop: Shop, tmp_path: Path) -> None:
    """A line that another source's unread file has is found twice, as in one delivery of both."""
    till = Shop.__new__(Shop)
    till.folder = tmp_path / "till"
    till.folder.mkdir()
    shop.deliver("1.csv", "o1 1 tea 1 06-01", "o2 1 tea 1 06-01")
    till.deliver("1.csv", "o3 1 tea 1 06-01")
    shop.take_in(14, till=till.folder)
    till.deliver("2.csv", "o2 1 tea 1 06-01", "o1 1 milk 1 06-01")  # once more; and with another product
    shop.take_in(15, till=till.folder)
    assert shop.facts() == [("o1", 1, "milk", 1, "06-01"), ("o2", 1, "tea", 1, "06-01"), ("o3", 1, "tea", 1, "06-01")]
    assert [reasons for _, reasons in shop.rejected()] == ["duplicate_key", "duplicate_row"]


def test_a_single_file_beside_a_folder_keeps_the_days_it_had_before(shop: Shop, tmp_path: Path) -> None:
    """The single file is written over with the new day, and is a delivery of that day; the folder grows."""
    till = tmp_path / "till.csv"
    for day in (1, 2):
        shop.deliver("../till.csv", f"till{day} 1 tea 1 06-0{day}")
        shop.deliver(f"{day}.csv", f"web{day} 1 tea 1 06-0{day + 2}")
        shop.take_in(13 + day, till=till)
    assert shop.orders() == "till1 till2 web1 web2"


def test_master_data_single_files_and_what_needs_all_rows_are_read_whole(shop: Shop) -> None:
    with pytest.raises(SettingsError, match=r'order_lines\.read = "new" is for tables by days .*without\s+distinct'):
        shop.take_in(read="new", distinct=True)
    with pytest.raises(SettingsError, match=r'read = "new" is for files that are delivered by whole days'):
        shop.settings(read="new", delivery="rows")
    with pytest.raises(SettingsError, match="read is for sources of files"):
        shop.settings(format="jdbc", path="", connection="c", db_table="t", read="all")
    shop.deliver("1.csv", "o1 1 tea 1 06-01")
    for day in (14, 15):
        shop.deliver("1.csv", f"o{day} 1 tea 1 06-{day - 2}")
        shop.take_in(day, path=str(shop.folder / "1.csv"))
    assert shop.orders() == "o14 o15"  # a single file is a delivery of days: the day before stays


def test_an_order_that_is_split_over_files_keeps_all_its_lines(shop: Shop) -> None:
    """Lines that ingest numbers: the order's other file is read again, and the lines of both are numbered together."""
    columns = {column: column for column in HEADER.split(",") if column != "line_no"}
    shop.deliver("1.csv", "o1 - milk 1 06-01", "o2 - tea 1 06-01")
    shop.deliver("2.csv", "o3 - tea 1 06-01")
    shop.take_in(14, columns=columns)
    shop.deliver("3.csv", "o1 - tea 1 06-01")
    shop.take_in(15, columns=columns)
    assert [(order, line, product) for order, line, product, *_ in shop.facts()] == [
        ("o1", 1, "milk"),
        ("o1", 2, "tea"),
        ("o2", 1, "tea"),
        ("o3", 1, "tea"),
    ]
    assert shop.report(15)["unread_files"] == (3, 1)


def test_a_delivery_of_new_files_is_judged_by_such_deliveries(shop: Shop) -> None:
    """A small second day is not refused because the first load was all history; one that is far too small is."""
    shop.deliver("1.csv", *[f"o{n} 1 tea 1 06-0{n % 9 + 1}" for n in range(200)])
    shop.take_in(14, gate=5)
    shop.deliver("2.csv", "n1 1 tea 1 06-10")
    shop.take_in(15, gate=5)
    usual = {"source": "order_lines", "table": "silver.order_lines", "criticality": "gate", "passed": True}
    for day in (11, 12, 13):  # 20 rows of one new file beside four unread ones
        date = DATE.replace(day=day)
        told = [{"rule": "blank_rows", "rows": 21, "failed": 1}, {"rule": "unread_files", "rows": 5, "failed": 4}]
        frame = DataQuality.frame(shop.lake.spark, [usual | row | {"date": date, "run_id": "r"} for row in told])
        shop.lake.write(DataQuality, frame, {"date": date})
    shop.deliver("3.csv", "n2 1 tea 1 06-11")
    with pytest.raises(SourceError, match=r"1 rows where 20 are usual \(the median of 4 loads\)"):
        shop.take_in(16, gate=5)
    assert sorted(shop.files()) == ["1.csv", "2.csv"]
    shop.deliver("3.csv", *[f"n{n} 1 tea 1 06-11" for n in range(2, 12)])
    shop.take_in(16, gate=5)
    assert shop.counts() == (11, 10, 0, 1)


def test_a_path_may_hold_the_date_of_the_run(shop: Shop) -> None:
    """Files of the same name on two days are two files; those of other days stay taken in."""
    dated = str(shop.folder / "{date:%m}" / "{date:%d}.csv")
    (shop.folder / "06").mkdir()
    shop.deliver("06/14.csv", "o1 1 tea 1 06-13")
    shop.deliver("06/15.csv", "o2 1 tea 1 06-14", "o3 1 tea 1 06-13")
    for day in (14, 15):
        shop.take_in(day, path=dated)
    assert (shop.orders(), sorted(shop.files())) == ("o1 o2 o3", ["06/14.csv", "06/15.csv"])
    with pytest.raises(SourceError, match=r"06/16\.csv"):
        shop.take_in(16, path=dated)
    with pytest.raises(SettingsError, match=r"order_lines\.path.* it holds \{ds\}"):
        shop.settings(path="/in/{ds}/*.csv")


def test_a_folder_of_many_files_takes_few_tasks(shop: Shop) -> None:
    for number in range(300):
        shop.deliver(f"{number:03}.csv", f"o{number} 1 tea 1 06-{number % 10 + 1:02}")
    shop.take_in(14)
    shop.deliver("new.csv", "n1 1 tea 1 06-01")
    shop.take_in(15)
    assert (len(shop.facts()), shop.counts(), len(shop.files())) == (301, (2, 1, 0, 1), 301)


def test_any_split_of_the_lines_gives_the_same_facts_as_one_delivery(lake: Lake, tmp_path: Path) -> None:
    """Lines of a month in any files, delivered in any order, some twice: the facts of one delivery of them all."""
    random = Random(13)
    days = [f"06-{day:02}" for day in range(1, 11)]
    lines = [
        f"o{random.randrange(30)} {random.randrange(1, 4)} {random.choice(['tea', 'milk'])} "
        f"{random.randrange(3)} {random.choice(days)}"
        for _ in range(80)
    ]
    facts = []
    for case in range(3):  # the first delivers all in one file
        folder = tmp_path / str(case)
        folder.mkdir()
        shop = Shop(Lake(lake.spark, str(folder / "lake")), folder)
        if case == 0:
            shop.deliver("all.csv", *lines)
            shop.take_in(14)
        else:
            shuffled = random.sample(lines, len(lines))
            files = [shuffled[at : at + 13] for at in range(0, len(lines), 13)]
            files.append(random.choice(files))  # once more, under another name
            for number, of_file in enumerate(files):
                shop.deliver(f"{random.randrange(1000)}-{number}.csv", *of_file)
                if number == 4:
                    shop.take_in(14)
            shop.take_in(28)
        facts.append(shop.facts())
    assert len(facts[0]) > 30 and facts[1] == facts[0] and facts[2] == facts[0]
