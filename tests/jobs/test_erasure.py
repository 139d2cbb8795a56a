"""Erasing a person: afterwards no byte of the lake has an id of theirs, and no delivery brings them back."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.housekeeping import Maintenance
from promo_spark.contracts.ops import Runs
from promo_spark.contracts.restricted import Identities, Persons, Suppressed
from promo_spark.contracts.silver import QUARANTINE, Events, OrderLines
from promo_spark.errors import MissingDataError, SettingsError
from promo_spark.reports.sections.decided import shortened_id
from promo_spark.runtime.freshness import Freshness
from promo_spark.runtime.invocation import Ran, invoked
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands, single_jobs
from promo_spark.settings import load
from promo_spark.sources.persons.pseudonyms import pseudonym
from promo_spark.storage import erasure
from promo_spark.storage.lake import Lake
from promo_spark.storage.local_logs import logs_of
from promo_spark.storage.pages import write_page
from tests.jobs.export_rows import decide, offer

DAY = datetime.date(2024, 6, 14)
KEY, OTHER, THIRD = (f"the-{nth}-key-of-thirty-two-bytes-or-more" for nth in ("first", "second", "third"))
UNENCRYPTED = 'business.privacy.encryption_key_secret=""'
TIMES = ', timestamp_format="yyyy-MM-dd HH:mm:ss"'
FILES = {
    "products": "product_id,list_price\np1,2.00\n",
    # ann-77 is the person to erase; the third line's time cannot be read
    "order_lines": "order_id,line_no,user_id,product_id,quantity,amount_paid,ts\n"
    "o1,1,ann-77,p1,1,2.00,2024-06-12 10:00:00\n"
    "o2,1,ben-88,p1,1,2.00,2024-06-12 11:00:00\n"
    "o3,1,ann-77,p1,1,2.00,yesterday\n"
    "o4,1,ben-88,p1,1,2.00,yesterday\n",
    # the app knows ann by another id
    "events": "user_id,channel,event_type,ts\n"
    "app-ann-5,app,view,2024-06-12 09:00:00\n"
    "ben-88,,view,2024-06-12 09:00:00\n",
    "identity_map": "channel,channel_user_id,user_id\napp,app-ann-5,ann-77\n",
    "persons": "user_id,person_name,email\nann-77,Ann Other,ann@other.example\nben-88,Ben,ben@other.example\n",
}
ANN, APP, BEN = (pseudonym(i, KEY.encode()) for i in ("ann-77", "app-ann-5", "ben-88"))
IDS = ["ann-77", "app-ann-5", ANN, APP, "ann@other.example", "Ann Other"]

KEYS = {"key": "PSEUDONYMS", "encryption_key": "ENCRYPTION"}
Run = Callable[..., Ran]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(spark: SparkSession, lake: Lake, shop: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PSEUDONYMS", KEY)
    monkeypatch.setenv("SUPPRESSION", OTHER)
    monkeypatch.setenv("ENCRYPTION", THIRD)
    sources = [_source(shop, name, text) for name, text in FILES.items()]
    shared = [
        f'lake.root="{lake.root}"',
        'business.privacy.key_secret="env:PSEUDONYMS"',
        'business.privacy.suppression_key_secret="env:SUPPRESSION"',
        'business.privacy.encryption_key_secret="env:ENCRYPTION"',
        f'export.targets.crm={{kind="csv", path="{lake.root}/crm"}}',
        f'export.targets.mailer={{kind="csv", path="{shop}/elsewhere"}}',
    ]

    def job(name: str, *overrides: str) -> Ran:
        settings = load(None, [*shared, *sources, *overrides])
        return invoked(single_jobs()[name], settings, spark, dates=[DAY], progress=Progress())

    return job


def _source(shop: Path, name: str, text: str) -> str:
    columns = {column: column for column in text.split("\n")[0].split(",")}
    mapped = ", ".join(f'{ours}="{theirs}"' for ours, theirs in columns.items())
    times = TIMES if "ts" in columns else ""
    path = f'path="{shop}/{name}.csv", format="csv"'
    return f"ingest.sources.{name}={{{path}, columns={{{mapped}}}{times}}}"


def persons(shop: Path, *lines: str) -> str:
    (shop / "persons.txt").write_text("\n".join(lines), encoding="utf-8")
    return f'maintain.persons="{shop}/persons.txt"'


def texts_below(root: str) -> Iterator[tuple[Path, str]]:
    """Every file of the lake, live or not: its bytes as text, and of Parquet its values, too."""
    for file in sorted(p for p in Path(root).rglob("*") if p.is_file()):
        yield file, file.read_bytes().decode("latin-1")
        if file.suffix == ".parquet":
            yield file, json.dumps(pq.ParquetFile(file).read().to_pylist(), default=str, ensure_ascii=False)


def naming(root: str, ids: list[str]) -> set[str]:
    """The tables and folders with a file in which one of the ids stands."""
    found = [file for file, text in texts_below(root) if any(i in text for i in ids)]
    return {"/".join(file.relative_to(root).parts[:2]) for file in found}


def outcome(ran: Ran) -> str:
    [jobs] = ran.dates.values()
    [executed] = jobs.values()
    return executed.outcome


def test_an_erased_person_is_in_no_byte_of_the_lake_and_does_not_come_back(run: Run, lake: Lake, shop: Path) -> None:
    """N04: after erasing, the id is in no data file, nor in pages, exports and checkpoints; the dates stay current."""
    run("ingest")
    run("profile")
    decide(lake, [offer(3, of=1, user_id=ANN)], DAY - datetime.timedelta(1), run="hers-alone")
    decide(lake, [offer(1, of=1, user_id=ANN), offer(2, of=2, user_id=BEN)], DAY)
    run("export")
    write_page(lake, str(DAY), f"<html><head></head>{shortened_id(ANN)} gets tea</html>", "r1")
    write_page(lake, "other", f"<html><head></head>{shortened_id(BEN)} gets tea</html>", "r1")
    former = Path(lake.root, "newsletter", str(DAY), "news-0123456789abcdef-00000.csv")  # no target is named so now
    former.parent.mkdir(parents=True)
    former.write_text(f"user_id\n{ANN}\n")
    left = Path(lake.root, ".checkpoints", "of-a-killed-run")
    left.mkdir(parents=True)
    (left / "part").write_text(ANN)
    promote = single_jobs()["promote"]
    read = Freshness(logs_of(lake)).inputs(promote, DAY).runs
    held = naming(lake.root, IDS)
    assert {"silver/order_lines", "silver/events", "restricted/persons"} <= held
    assert {
        "silver/identity_map",
        "features/user_profile",
        "decisions/promotions",
        ".checkpoints/of-a-killed-run",
    } <= held
    assert naming(lake.root, ["ann-77", "app-ann-5", "ann@other.example", "Ann Other"]) == set()  # N01: encrypted
    assert len(lake.read(QUARANTINE[OrderLines]).collect()) == 2

    run("maintain", persons(shop, "ann-77"))
    assert naming(lake.root, IDS) == set()
    assert naming(lake.root, [shortened_id(ANN)]) == set()
    # Ben is there as before.
    assert {"silver/order_lines", "silver/events", "restricted/persons"} <= naming(lake.root, [BEN])
    assert [r.user_id for r in lake.read(Promotions).collect()] == [BEN]
    assert len(lake.read(QUARANTINE[OrderLines]).collect()) == 1
    assert Path(lake.root, "reports", "other.html").exists()
    removed = {r.table: r.rows_removed for r in lake.read(Maintenance).collect()}
    assert (removed["silver.order_lines"], removed["silver.events"], removed["decisions.promotions"]) == (1, 1, 2)

    assert Freshness(logs_of(lake)).inputs(promote, DAY).runs == read  # of the date of hers alone, too
    assert outcome(run("ingest")) == "current"
    assert outcome(run("profile")) == "current"
    # The source still has her: what it delivers is left out, and counted.
    (shop / "events.csv").write_text(FILES["events"] + "ann-77,,view,2024-06-13 09:00:00\n", encoding="utf-8")
    assert outcome(run("ingest", 'ingest.sources.events.read="all"')) == "written"
    assert naming(lake.root, IDS) == set()
    newest = max(lake.read(Runs).filter("job = 'ingest'").collect(), key=lambda r: r.started_at)
    counts = newest.sources["events"]
    assert (counts.rows_in, counts.accepted, counts.quarantined, counts.blank) == (
        4,
        1,
        0,
        3,
    )  # the header is blank, too
    assert counts.reasons == {"erased_person": 2}

    # A person who is back.
    (shop / "back.txt").write_text("ann-77\n")
    run("maintain", f'maintain.readmit="{shop}/back.txt"')
    assert lake.read(Suppressed).isEmpty()
    (shop / "events.csv").write_text(FILES["events"] + "ann-77,,view,2024-06-13 10:00:00\n", encoding="utf-8")
    run("ingest", 'ingest.sources.events.read="all"')
    assert {r.user_id for r in lake.read(Events).collect()} == {ANN, BEN}


def test_who_is_unknown_or_not_erased_is_named_by_line_and_nothing_is_done(run: Run, lake: Lake, shop: Path) -> None:
    run("ingest")
    with pytest.raises(
        MissingDataError, match=r"maintain\.persons: line 3 of \S+ names nobody whom the lake knows"
    ) as no:
        run("maintain", persons(shop, "ann-77", "", "carl-99"))
    assert "carl-99" not in str(no.value)
    assert not lake.exists(Suppressed)
    with pytest.raises(MissingDataError, match=r"maintain\.readmit: line 1 of \S+ names nobody who was erased"):
        run("maintain", persons(shop, "ann-77").replace("maintain.persons", "maintain.readmit"), "maintain.persons=")
    with pytest.raises(SettingsError, match=r"maintain\.persons: there is no file /nowhere; nothing was done"):
        run("maintain", 'maintain.persons="/nowhere"')
    with pytest.raises(SettingsError, match=r"maintain\.persons: \S+ is empty: write an id in each line"):
        run("maintain", persons(shop, "", " "))
    assert {r.user_id for r in lake.read(Identities).collect()} == {ANN, APP, BEN}


def test_an_erasure_that_was_stopped_is_finished_by_the_next(
    run: Run, lake: Lake, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full in the middle: what is erased stays so, no row is lost, run again all is done."""
    run("ingest", UNENCRYPTED)
    assert "restricted/identities" in naming(lake.root, ["ann-77"])
    whole = erasure.delete_rows

    def full(lake: Lake, table: Any, *rest: Any) -> int:
        if table is Persons:
            raise OSError(28, "No space left on device")
        return whole(lake, table, *rest)

    monkeypatch.setattr(erasure, "delete_rows", full)
    with pytest.raises(OSError, match="No space left"):
        run("maintain", persons(shop, ANN), UNENCRYPTED)  # by pseudonym
    assert {r.user_id for r in lake.read(OrderLines).collect()} == {BEN}
    assert {r.user_id for r in lake.read(Persons).collect()} == {ANN, BEN}
    monkeypatch.undo()
    monkeypatch.setenv("PSEUDONYMS", KEY)
    monkeypatch.setenv("SUPPRESSION", OTHER)
    run("maintain", persons(shop, ANN), UNENCRYPTED)
    run("maintain", persons(shop, ANN), UNENCRYPTED)  # again: she is known to be erased
    assert naming(lake.root, IDS) == set()
    assert {r.user_id for r in lake.read(Persons).collect()} == {BEN}


def test_all_that_is_held_about_a_person_is_written_for_who_asked_alone(run: Run, lake: Lake, shop: Path) -> None:
    """N04 (part): access to one's data, by the id of the shop; nobody else's are in it, nor is asked for whom."""
    run("ingest")
    keys = {f"business.privacy.{of}_secret": f"env:{name}" for of, name in KEYS.items()}
    settings = load(None, {"lake.root": lake.root, **keys})
    access, file = all_commands()["access"], shop / "ann.json"
    access.start(lake, settings, {"person": "ann-77", "to": str(file)}, Progress())
    told = json.loads(file.read_text(encoding="utf-8"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert told["ids"] == sorted(["ann-77", "app-ann-5", ANN, APP])
    rows = {name: table["rows"] for name, table in told["tables"].items()}
    assert [r["order_id"] for r in rows["silver.order_lines"]] == ["o1"]
    assert [r["user_id"] for r in rows["silver.events"]] == [ANN]  # the app's id is hers
    assert [r["email"] for r in rows["restricted.persons"]] == ["ann@other.example"]
    assert ["o3" in r["raw"] for r in rows["restricted.raw_rows"]] == [True]
    assert told["tables"]["silver.order_lines"]["columns"]["user_id"] == OrderLines.columns()["user_id"].meaning
    assert "ben" not in file.read_text(encoding="utf-8") and BEN not in file.read_text(encoding="utf-8")
    with pytest.raises(MissingDataError, match="holds nothing about this person: check the id"):
        access.start(lake, settings, {"person": "carl-99", "to": str(file)}, Progress())
    recorded = [row.settings + (row.message or "") for row in lake.read(Runs).filter("job = 'access'").collect()]
    assert len(recorded) == 2 and not any(name in text for text in recorded for name in ("ann-77", "carl-99", ANN))
